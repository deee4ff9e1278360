#include "client/inputs/assets.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/sha256.h"
#include "base/status_macros.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFiles = 200'000;

bool IsHidden(const fs::path& relative) {
  return std::any_of(relative.begin(), relative.end(),
                     [](const fs::path& part) { return absl::StartsWith(part.string(), "."); });
}

bool IsModelFile(const fs::path& relative) {
  static const std::set<std::string> kExtensions = {".json", ".txt", ".safetensors"};
  return kExtensions.count(relative.extension().string()) > 0;
}

// aclImdb: reviews with a label are <split>/<pos|neg>/<id>.txt; the unlabelled rest is twice as much.
bool IsLabelledReview(const fs::path& relative) {
  const std::string text = relative.generic_string();
  for (const char* folder : {"train/pos/", "train/neg/", "test/pos/", "test/neg/"}) {
    if (absl::StartsWith(text, folder)) return relative.extension() == ".txt";
  }
  return false;
}

absl::StatusOr<std::vector<fs::path>> ListFolder(const fs::path& root, const std::string& role) {
  const bool acl_imdb =
      role == "dataset" && fs::is_directory(root / "train/pos") && fs::is_directory(root / "train/neg");
  std::vector<fs::path> paths;
  std::error_code error;
  auto it = fs::recursive_directory_iterator(root, fs::directory_options::follow_directory_symlink, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (it.depth() > 32) {
      return absl::InvalidArgumentError(
          absl::StrCat(it->path().string(), " is nested too deep; does a link lead back up?"));
    }
    const fs::path relative = it->path().lexically_relative(root);
    if (!it->is_regular_file(error) || IsHidden(relative)) continue;
    if (role == "model" && !IsModelFile(relative)) continue;
    if (acl_imdb && !IsLabelledReview(relative)) continue;
    paths.push_back(relative);
    if (paths.size() > kMaxFiles) {
      return absl::InvalidArgumentError(absl::StrCat(root.string(), " has more than ", kMaxFiles,
                                                     " files; put them into one CSV or JSONL file"));
    }
  }
  if (error)
    return absl::UnavailableError(absl::StrCat("cannot list ", root.string(), ": ", error.message()));
  std::sort(paths.begin(), paths.end());
  return paths;
}

absl::Status CheckModel(const fs::path& root, const std::vector<fs::path>& paths) {
  const bool config = std::find(paths.begin(), paths.end(), fs::path("config.json")) != paths.end();
  const bool weights = std::any_of(paths.begin(), paths.end(),
                                   [](const fs::path& p) { return p.extension() == ".safetensors"; });
  if (!config) {
    return absl::InvalidArgumentError(
        absl::StrCat(root.string(),
                     " has no config.json: a model is a folder in the "
                     "Hugging Face layout (config.json, model.safetensors, vocab.txt)"));
  }
  if (!weights) {
    return absl::InvalidArgumentError(absl::StrCat(root.string(),
                                                   " has no .safetensors file; save the model with "
                                                   "model.save_pretrained(FOLDER, safe_serialization=True)"));
  }
  return absl::OkStatus();
}

absl::Status AddFile(const fs::path& path, const std::string& relative,
                     const std::function<void(const std::string&)>& progress, LocalAsset* asset) {
  if (progress) progress(path.string());
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(path, error));
  if (error)
    return absl::UnavailableError(absl::StrCat("cannot read ", path.string(), ": ", error.message()));
  QL_ASSIGN_OR_RETURN(const std::string sha256, Sha256OfFile(path.string()));
  v1::AssetFile* file = asset->input.add_files();
  file->set_path(relative);
  file->set_sha256(sha256);
  file->set_size(size);
  asset->files.push_back({path.string(), sha256, size});
  return absl::OkStatus();
}

absl::Status Missing(const v1::RequiredInput& required, const std::vector<std::string>& tried) {
  return absl::NotFoundError(
      absl::StrCat("the ", required.role().empty() ? "input" : required.role(), " '", required.name(),
                   "' is not here; looked for ", absl::StrJoin(tried, " and "), ". ", required.remedy(),
                   required.remedy().empty() ? "" : " ", "A place elsewhere is given with --asset '",
                   required.name(), "=PATH'"));
}

}  // namespace

std::vector<std::string> AssetCandidates(const v1::RequiredInput& required,
                                         const std::string& experiment_folder,
                                         const std::map<std::string, std::string>& overrides) {
  const auto given = overrides.find(required.name());
  if (given != overrides.end()) return {given->second};
  const fs::path path = required.path().empty() ? required.name() : required.path();
  if (path.is_absolute()) return {path.string()};
  const std::string beside = (fs::path(experiment_folder) / path).lexically_normal().string();
  const std::string here = path.lexically_normal().string();
  // What the file itself names lies beside it; what the catalogue names lies where quantctl runs.
  if (required.path().empty() || required.path() == required.name()) return {beside};
  if (beside == here) return {here};
  return {here, beside};
}

absl::StatusOr<LocalAsset> FindAsset(const v1::RequiredInput& required, const std::string& experiment_folder,
                                     const std::map<std::string, std::string>& overrides,
                                     const std::function<void(const std::string& path)>& progress) {
  const std::vector<std::string> candidates = AssetCandidates(required, experiment_folder, overrides);
  std::error_code error;
  const auto found = std::find_if(candidates.begin(), candidates.end(),
                                  [&](const std::string& path) { return fs::exists(path, error); });
  if (found == candidates.end()) return Missing(required, candidates);

  LocalAsset asset;
  asset.input.set_name(required.name());
  const fs::path root = *found;
  if (!fs::is_directory(root)) {
    if (required.role() == "model") {
      return absl::InvalidArgumentError(absl::StrCat(root.string(),
                                                     " is a file; a model is a folder with config.json, "
                                                     "model.safetensors and vocab.txt"));
    }
    QL_RETURN_IF_ERROR(AddFile(root, root.filename().string(), progress, &asset));
    return asset;
  }
  QL_ASSIGN_OR_RETURN(const std::vector<fs::path> paths, ListFolder(root, required.role()));
  if (required.role() == "model") QL_RETURN_IF_ERROR(CheckModel(root, paths));
  if (paths.empty()) return absl::InvalidArgumentError(absl::StrCat(root.string(), " has no files"));
  for (const fs::path& relative : paths) {
    QL_RETURN_IF_ERROR(AddFile(root / relative, relative.generic_string(), progress, &asset));
  }
  return asset;
}

}  // namespace quantlab::client
