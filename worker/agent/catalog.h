// The worker's reading of configs/catalog.yaml, for `quant-worker fetch`: only what is needed to fetch.
#ifndef QUANTLAB_WORKER_AGENT_CATALOG_H_
#define QUANTLAB_WORKER_AGENT_CATALOG_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "base/run_config.h"

namespace quantlab::agent {

// Assets by name; those that come from elsewhere than a wheel (the user's own paths) are left out.
// Errors: NOT_FOUND no file; INVALID_ARGUMENT says file, line and what is expected.
absl::StatusOr<std::map<std::string, CatalogSource>> ReadCatalog(const std::string& path);

}  // namespace quantlab::agent

#endif  // QUANTLAB_WORKER_AGENT_CATALOG_H_
