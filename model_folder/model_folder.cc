#include "model_folder/model_folder.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "base/text/json_depth.h"
#include "base/text/strict_json.h"
#include "base/text/utf8.h"
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

// "" for a JSON object, else what follows "is not a JSON object". The only place where exceptions of the
// library appear.
std::string WhyNotJsonObject(const std::string& text) {
  constexpr size_t kMaxWhy = 200;
  try {
    return Json::parse(text).is_object() ? "" : "; it is another kind of JSON value";
  } catch (const Json::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 8: …"
    const absl::string_view what = e.what();
    const size_t start = what.find("] ");
    return absl::StrCat(
        ": ",
        Shorten(RepairUtf8(std::string(start == absl::string_view::npos ? what : what.substr(start + 2))),
                kMaxWhy));
  }
}

absl::Status CheckConfig(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  if (const std::string foreign = DescribeForeign(text); !foreign.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " ", foreign));
  }
  QL_RETURN_IF_ERROR(Annotate(CheckJsonDepth(text), path));
  if (const std::string why = WhyNotJsonObject(StrictJson(text)); !why.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a JSON object", why));
  }
  return absl::OkStatus();
}

// The other files of text: what a clone or a download without care leaves instead of one.
absl::Status CheckTextFiles(const fs::path& folder, const std::vector<std::string>& names) {
  for (const char* name : kTokenizerFiles) {
    if (!Has(names, name)) continue;
    const std::string path = (folder / name).string();
    QL_ASSIGN_OR_RETURN(const std::string first, ReadFirstBytes(path));
    const std::string foreign = DescribeForeign(first);
    if (!foreign.empty()) return absl::InvalidArgumentError(absl::StrCat(path, " ", foreign));
  }
  return absl::OkStatus();
}

// "; DIR has a config.json: …" where a folder within the one that was named looks like the model.
std::string HintOfInnerFolder(const std::string& folder) {
  constexpr int kMaxInnerDepth = 3, kMaxVisited = 10'000;
  std::error_code error;
  int visited = 0;
  for (auto it = fs::recursive_directory_iterator(folder, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (++visited > kMaxVisited) break;
    if (it.depth() >= kMaxInnerDepth) it.disable_recursion_pending();
    if (it->path().filename() != "config.json" || it.depth() == 0) continue;
    return absl::StrCat("; ", it->path().parent_path().string(),
                        " has a config.json: if that is the model, name that folder");
  }
  return "";
}

absl::Status CheckShard(const std::string& path, const std::string& name, const WeightFiles& weights) {
  QL_ASSIGN_OR_RETURN(const TensorShapes tensors, ReadSafetensorsShapes(path));
  for (const auto& [tensor, file] : weights.file_of) {
    if (file != name || tensors.count(tensor) > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": tensor ", tensor, " is not in it, though ", kSafetensorsIndex, " says so"));
  }
  if (weights.file_of.empty()) return absl::OkStatus();  // no index
  for (const auto& [tensor, shape] : tensors) {
    const auto it = weights.file_of.find(tensor);
    if (it != weights.file_of.end() && it->second == name) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": holds tensor ", tensor, ", which ", kSafetensorsIndex,
        it == weights.file_of.end() ? " does not name" : absl::StrCat(" places in ", it->second)));
  }
  return absl::OkStatus();
}

// Whether a ZIP archive has its end record, which is followed by a comment of at most 64 KiB.
// Source: PKWARE, APPNOTE.TXT, "End of central directory record".
absl::StatusOr<bool> HasEndOfArchive(const std::string& path) {
  constexpr std::streamoff kLongestEnd = 22 + 0xFFFF;
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = in ? static_cast<std::streamoff>(in.tellg()) : 0;
  std::string end(static_cast<size_t>(std::min(size, kLongestEnd)), '\0');
  in.seekg(size - static_cast<std::streamoff>(end.size()));
  if (!in.read(end.data(), static_cast<std::streamsize>(end.size()))) {
    return absl::UnavailableError(absl::StrCat(path, ": cannot be read"));
  }
  return absl::StrContains(end, "PK\x05\x06");
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
    const std::string hint = Has(names, "config.json") ? "" : HintOfInnerFolder(folder);
    return absl::InvalidArgumentError(absl::StrCat(folder, " ", missing, hint));
  }
  const fs::path root = folder;
  QL_RETURN_IF_ERROR(CheckConfig((root / "config.json").string()));
  QL_RETURN_IF_ERROR(CheckTextFiles(root, names));
  QL_ASSIGN_OR_RETURN(const WeightFiles weights, FindWeightFiles(folder));
  if (weights.pickled) return CheckPickleFile((root / kPickleFile).string());
  for (const std::string& name : weights.files) {
    QL_RETURN_IF_ERROR(CheckShard((root / name).string(), name, weights));
  }
  return absl::OkStatus();
}

absl::Status CheckPickleFile(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::string first, ReadFirstBytes(path));
  if (absl::StartsWith(first, "PK\x03\x04")) {
    QL_ASSIGN_OR_RETURN(const bool whole, HasEndOfArchive(path));
    if (whole) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        " is a ZIP archive, as PyTorch writes it, without its end; is it truncated? Download it again"));
  }
  const std::string text = DescribeText(first);
  return absl::InvalidArgumentError(absl::StrCat(
      path, " ",
      text.empty() ? "is not a file that PyTorch 1.6 or later wrote; load it with torch.load and save it as "
                     "model.safetensors"
                   : text));
}

}  // namespace quantlab
