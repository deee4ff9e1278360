// The catalogue's packages as the worker keeps them on this machine, for `quantctl doctor`.
#ifndef QUANTLAB_CLIENT_QUANTCTL_CATALOG_ASSETS_H_
#define QUANTLAB_CLIENT_QUANTCTL_CATALOG_ASSETS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/quantctl/settings.h"

namespace quantlab::client {

struct CatalogAsset {
  std::string name;
  struct File {
    std::string path, sha256;
    int64_t size = 0;
  };
  std::vector<File> files;
};

// Entries with a list of files; others (paths of the user's own) are left out.
// Errors: NOT_FOUND; INVALID_ARGUMENT not YAML, or not a catalogue.
absl::StatusOr<std::vector<CatalogAsset>> ReadCatalogAssets(const std::string& path);

// $QUANTLAB_ASSETS, else $XDG_CACHE_HOME/quantlab/assets, else ~/.cache/quantlab/assets: as the worker.
std::string AssetsRoot(const Environment& environment);

struct AssetCheck {
  enum State { kPresent, kMissing, kDamaged } state = kPresent;
  std::string detail;
};

// Reads every file below <root>/<name> and compares its digest.
AssetCheck CheckAsset(const std::string& root, const CatalogAsset& asset);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_CATALOG_ASSETS_H_
