#include "client/quantctl/catalog_assets.h"

#include <sys/stat.h>

#include <yaml-cpp/yaml.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "client/display/text.h"

namespace quantlab::client {
namespace {

constexpr int64_t kMaxBytes = 4 << 20;

std::string Text(const YAML::Node& node) {
  return node && node.IsScalar() ? node.Scalar() : "";
}

CatalogAsset ReadEntry(const std::string& name, const YAML::Node& entry) {
  CatalogAsset asset{name, {}};
  if (!entry.IsMap()) return asset;
  const YAML::Node wheel = entry["wheel"];
  if (!wheel || !wheel.IsMap() || !wheel["files"] || !wheel["files"].IsSequence()) return asset;
  for (const YAML::Node& node : wheel["files"]) {
    if (!node.IsMap()) continue;
    CatalogAsset::File file{Text(node["path"]), Text(node["sha256"]), 0};
    if (absl::SimpleAtoi(Text(node["size"]), &file.size)) asset.files.push_back(std::move(file));
  }
  return asset;
}

}  // namespace

absl::StatusOr<std::vector<CatalogAsset>> ReadCatalogAssets(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  std::vector<CatalogAsset> assets;
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap() || !root["entries"] || !root["entries"].IsMap()) {
      return absl::InvalidArgumentError(absl::StrCat(path, " has no 'entries'"));
    }
    for (const auto& entry : root["entries"]) {
      CatalogAsset asset = ReadEntry(Text(entry.first), entry.second);
      if (!asset.files.empty()) assets.push_back(std::move(asset));
    }
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":", e.mark.line + 1, ": is not YAML: ", e.msg));
  }
  return assets;
}

std::string AssetsRoot(const Environment& environment) {
  const std::string given = environment("QUANTLAB_ASSETS");
  if (!given.empty()) return given;
  const std::string cache = environment("XDG_CACHE_HOME");
  return cache.empty() ? environment("HOME") + "/.cache/quantlab/assets" : cache + "/quantlab/assets";
}

AssetCheck CheckAsset(const std::string& root, const CatalogAsset& asset) {
  const std::string folder = absl::StrCat(root, "/", asset.name);
  int64_t bytes = 0;
  for (const CatalogAsset::File& file : asset.files) {
    const std::string path = absl::StrCat(folder, "/", file.path);
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return {AssetCheck::kMissing, absl::StrCat(path, " is not here yet")};
    const absl::StatusOr<std::string> digest = Sha256OfFile(path);
    if (info.st_size != file.size || !digest.ok() || *digest != file.sha256) {
      return {AssetCheck::kDamaged, absl::StrCat(path, " is not what the catalogue says")};
    }
    bytes += info.st_size;
  }
  return {AssetCheck::kPresent, absl::StrCat(folder, ", ", HumanBytes(bytes), ", digests right")};
}

}  // namespace quantlab::client
