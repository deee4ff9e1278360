#include "model_folder/weight_files.h"

#include <filesystem>
#include <set>
#include <system_error>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"
#include "model_folder/first_bytes.h"

namespace quantlab {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int64_t kMaxIndexBytes = int64_t{64} << 20;

bool IsFile(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// A plain name: the index must not lead out of the folder.
bool IsShardName(const std::string& name) {
  return !absl::StartsWith(name, ".") && name.find_first_of("/\\") == std::string::npos &&
         absl::EndsWith(name, ".safetensors");
}

absl::StatusOr<WeightFiles> ReadIndex(const fs::path& folder) {
  const std::string path = (folder / kSafetensorsIndex).string();
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxIndexBytes));
  if (const std::string foreign = DescribeForeign(text); !foreign.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " ", foreign));
  }
  QL_RETURN_IF_ERROR(Annotate(CheckJsonDepth(text), path));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object() || map->empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": has no weight_map that names the file of each tensor"));
  }
  WeightFiles weights;
  std::set<std::string> files;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !IsShardName(file.get<std::string>())) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": tensor ", tensor, ": ", file.dump(),
                                                     " is not the name of a .safetensors file beside it"));
    }
    weights.file_of[tensor] = file.get<std::string>();
    files.insert(file.get<std::string>());
  }
  std::vector<std::string> missing;
  for (const std::string& file : files) {
    if (!IsFile(folder / file)) missing.push_back(file);
  }
  if (!missing.empty()) {
    constexpr size_t kShown = 5;
    const size_t count = missing.size();
    if (count > kShown) missing.resize(kShown);
    return absl::InvalidArgumentError(absl::StrCat(path, ": of its ", files.size(), " shards, ", count,
                                                   " are not in the folder: ", absl::StrJoin(missing, ", "),
                                                   count > kShown ? ", …" : "",
                                                   "; download the whole model"));
  }
  weights.files.assign(files.begin(), files.end());
  return weights;
}

}  // namespace

absl::StatusOr<WeightFiles> FindWeightFiles(const std::string& folder) {
  const fs::path root = folder;
  if (IsFile(root / kSafetensorsFile)) return WeightFiles{false, {kSafetensorsFile}, {}};
  if (IsFile(root / kSafetensorsIndex)) return ReadIndex(root);
  if (IsFile(root / kPickleFile)) return WeightFiles{true, {kPickleFile}, {}};
  return absl::NotFoundError(absl::StrCat((root / kSafetensorsFile).string(), ": no such file, nor ",
                                          kSafetensorsIndex, " or ", kPickleFile, " beside it"));
}

}  // namespace quantlab
