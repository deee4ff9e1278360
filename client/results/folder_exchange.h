// The folder of an experiment's results on the disk: written under a hidden name beside its place, and
// exchanged for what stands there in one step.
//
//   results/quick/                       a complete folder, old or new, at every moment
//   results/.quick@quick-k3f9a2.partial  the new folder while it is written; from the exchange the old one,
//                                        until the user's files have moved out
//
// Only files that quantctl wrote are removed or overwritten: those that a folder's experiment.json lists, or
// the journal (.written) of a folder that is not complete. Everything else is the user's: files, links,
// folders, and results that were edited after they were written. It moves to the same place in the new
// folder, or to a name with ".kept" where that place is taken. Calls that were killed are completed by the
// next one.
//
// Threads: one at a time; a lock keeps other processes away from the same results.
// Errors:  those of base/files.h, with the path.
#ifndef QUANTLAB_CLIENT_RESULTS_FOLDER_EXCHANGE_H_
#define QUANTLAB_CLIENT_RESULTS_FOLDER_EXCHANGE_H_

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/file_lock.h"

namespace quantlab::client {

// What quantctl wrote in a folder.
struct OwnFiles {
  std::string id;                           // of the experiment; empty: the folder has no experiment.json
  std::set<std::string> files;              // relative paths
  std::filesystem::file_time_type written;  // when the folder was complete; only with an id

  // Whether quantctl wrote `relative`.
  bool Has(const std::string& relative) const;
  // Whether quantctl wrote something in the folder `relative`.
  bool HasBelow(const std::string& relative) const;
};

class FolderExchange {
 public:
  // `name` is the folder's. Creates the hidden folder, or continues the one of a killed call.
  // Errors: ALREADY_EXISTS another process writes the same results.
  static absl::StatusOr<std::unique_ptr<FolderExchange>> Open(const std::string& results_dir,
                                                              const std::string& name, const std::string& id);

  // Registers a file of the new folder and creates the folders above it.
  // Errors: INVALID_ARGUMENT a path that leaves the folder.
  absl::Status Claim(const std::string& path);
  // The first of `paths` that neither is, nor contains, nor lies below a claimed file; empty: none.
  std::string FirstFree(const std::vector<std::string>& paths) const;

  // Where a claimed file is written.
  std::filesystem::path New(const std::string& path) const { return temp_ / path; }
  // A file of an older folder of this experiment; empty where it has none.
  std::filesystem::path Old(const std::string& path) const;
  const OwnFiles& old() const { return old_; }
  const std::set<std::string>& files() const { return files_; }

  // Removes files of a killed call that were not claimed again, writes experiment.json with `marker` as its
  // content, and puts the folder in its place. Call once, last. A folder there of another experiment, or of
  // nobody, is renamed to "<name>@<its id>": the result, else empty.
  absl::StatusOr<std::string> Publish(const std::string& marker);

  const std::filesystem::path& target() const { return target_; }

 private:
  FolderExchange(std::filesystem::path target, std::string id);

  absl::Status Prepare();
  absl::Status FinishOthers();
  absl::Status Exchange();
  absl::StatusOr<std::string> MoveAway();

  // Constant after construction.
  const std::filesystem::path root_, target_, temp_;
  const std::string id_;

  std::unique_ptr<FileLock> lock_;
  OwnFiles old_;
  std::set<std::string> before_;  // in the hidden folder, from a killed call
  std::set<std::string> files_;
};

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_RESULTS_FOLDER_EXCHANGE_H_
