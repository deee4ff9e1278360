#include "model_folder/model_folder.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"
#include "model_folder/first_bytes.h"
#include "model_folder/weight_files.h"

namespace quantlab {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;

bool Has(const std::vector<std::string>& paths, absl::string_view name) {
  return std::find(paths.begin(), paths.end(), name) != paths.end();
}

// Files in the folder itself that hold weights in a form that is not read.
std::vector<std::string> ForeignWeights(const std::vector<std::string>& paths) {
  std::vector<std::string> found;
  for (const std::string& path : paths) {
    if (absl::StrContains(path, '/')) continue;
    for (const char* end :
         {".safetensors", ".bin", ".h5", ".msgpack", ".gguf", ".onnx", ".pt", ".pth", ".bin.index.json"}) {
      if (absl::EndsWith(path, end) && found.size() < 4) found.push_back(path);
    }
  }
  return found;
}

std::string MissingWeights(const std::vector<std::string>& paths) {
  if (Has(paths, kSafetensorsFile) || Has(paths, kSafetensorsIndex) || Has(paths, kPickleFile)) return "";
  return kSafetensorsFile;
}

std::string MissingTokenizer(const std::vector<std::string>& paths) {
  if (Has(paths, "tokenizer.json") || Has(paths, "vocab.txt")) return "";
  if (Has(paths, "vocab.json") && Has(paths, "merges.txt")) return "";
  return "tokenizer.json or vocab.txt";
}

absl::Status CheckConfig(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  if (const std::string foreign = DescribeForeign(text); !foreign.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " ", foreign));
  }
  QL_RETURN_IF_ERROR(Annotate(CheckJsonDepth(text), path));
  if (Json::parse(text, nullptr, /*allow_exceptions=*/false).is_object()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": is not a JSON object"));
}

absl::Status CheckShard(const std::string& path, const std::string& name, const WeightFiles& weights) {
  QL_ASSIGN_OR_RETURN(const TensorShapes tensors, ReadSafetensorsShapes(path));
  for (const auto& [tensor, file] : weights.file_of) {
    if (file != name || tensors.count(tensor) > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": tensor ", tensor, " is not in it, though ", kSafetensorsIndex, " says so"));
  }
  return absl::OkStatus();
}

}  // namespace

const char kModelLayout[] =
    "a model is a folder in the Hugging Face layout: config.json; weights (model.safetensors, its shards with "
    "model.safetensors.index.json, or pytorch_model.bin); a tokenizer (tokenizer.json or vocab.txt)";

std::vector<std::string> ModelFiles(const std::vector<std::string>& paths) {
  const bool safetensors = Has(paths, kSafetensorsFile) || Has(paths, kSafetensorsIndex);
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    const bool plain =
        absl::EndsWith(path, ".json") || absl::EndsWith(path, ".txt") || absl::EndsWith(path, ".safetensors");
    if (plain || (path == kPickleFile && !safetensors)) files.push_back(path);
  }
  return files;
}

std::string MissingFromModel(const std::vector<std::string>& paths) {
  std::vector<std::string> missing;
  if (!Has(paths, "config.json")) missing.push_back("config.json");
  const std::string weights = MissingWeights(paths);
  if (!weights.empty()) missing.push_back(weights);
  const std::string tokenizer = MissingTokenizer(paths);
  if (!tokenizer.empty()) missing.push_back(tokenizer);
  if (missing.empty()) return "";
  std::string text = absl::StrCat("lacks ", absl::StrJoin(missing, ", "));
  const std::vector<std::string> foreign = ForeignWeights(paths);
  if (!weights.empty() && !foreign.empty()) {
    absl::StrAppend(&text, " (", absl::StrJoin(foreign, ", "),
                    foreign.size() == 1 ? " is not read" : " are not read",
                    ": save the whole model with model.save_pretrained(FOLDER))");
  }
  return absl::StrCat(text, "; ", kModelLayout);
}

absl::Status CheckModelFolder(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_regular_file(error)) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  if (const std::string missing = MissingFromModel(names); !missing.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(folder, " ", missing));
  }
  const fs::path root = folder;
  QL_RETURN_IF_ERROR(CheckConfig((root / "config.json").string()));
  QL_ASSIGN_OR_RETURN(const WeightFiles weights, FindWeightFiles(folder));
  if (weights.pickled) return CheckPickleFile((root / kPickleFile).string());
  for (const std::string& name : weights.files) {
    QL_RETURN_IF_ERROR(CheckShard((root / name).string(), name, weights));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TensorShapes>> ReadTensorShapes(const std::string& folder) {
  QL_ASSIGN_OR_RETURN(const WeightFiles weights, FindWeightFiles(folder));
  if (weights.pickled) return std::optional<TensorShapes>();
  TensorShapes all;
  for (const std::string& name : weights.files) {
    QL_ASSIGN_OR_RETURN(TensorShapes shapes, ReadSafetensorsShapes((fs::path(folder) / name).string()));
    all.merge(shapes);
  }
  return std::optional<TensorShapes>(std::move(all));
}

absl::Status CheckPickleFile(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::string first, ReadFirstBytes(path));
  if (absl::StartsWith(first, "PK\x03\x04")) return absl::OkStatus();
  const std::string text = DescribeText(first);
  return absl::InvalidArgumentError(absl::StrCat(
      path, " ",
      text.empty() ? "is not a file that PyTorch 1.6 or later wrote; load it with torch.load and save it as "
                     "model.safetensors"
                   : text));
}

}  // namespace quantlab
