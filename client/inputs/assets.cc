#include "client/inputs/assets.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/files.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "model_folder/model_folder.h"
#include "platform/environment.h"
#include "worker/engine/input_checks/input_checks.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFiles = 200'000;

bool IsHidden(const fs::path& relative) {
  return std::any_of(relative.begin(), relative.end(),
                     [](const fs::path& part) { return absl::StartsWith(part.string(), "."); });
}

// aclImdb: labelled reviews are <split>/<pos|neg>/<id>.txt; the unlabelled part is twice as large.
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

// The files of a model's folder that workers need.
std::vector<fs::path> SelectModelFiles(const std::vector<fs::path>& paths) {
  std::vector<std::string> names;
  for (const fs::path& path : paths) names.push_back(path.generic_string());
  const std::vector<std::string> selected = ModelFiles(names);
  return std::vector<fs::path>(selected.begin(), selected.end());
}

absl::StatusOr<std::string> Hash(const std::string& path, int64_t size, const HashProgress& progress) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return FileError(errno, "read", path);
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  for (int64_t done = 0; file;) {
    if (progress) progress(path, done, size);
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    hash.Update(absl::string_view(buffer.data(), static_cast<size_t>(file.gcount())));
    done += file.gcount();
  }
  if (file.bad()) return FileError(errno != 0 ? errno : EIO, "read", path);
  return hash.HexDigest();
}

absl::Status AddFile(const fs::path& path, const std::string& relative, const HashProgress& progress,
                     LocalAsset* asset) {
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(path, error));
  if (error)
    return absl::UnavailableError(absl::StrCat("cannot read ", path.string(), ": ", error.message()));
  QL_ASSIGN_OR_RETURN(const std::string sha256, Hash(path.string(), size, progress));
  v1::AssetFile* file = asset->input.add_files();
  file->set_path(relative);
  file->set_sha256(sha256);
  file->set_size(size);
  asset->files.push_back({path.string(), sha256, size});
  return absl::OkStatus();
}

absl::Status Missing(const v1::RequiredInput& required, const std::vector<std::string>& tried) {
  const std::string role = required.role().empty() ? "input" : required.role();
  return MessageStatus(
      absl::StatusCode::kNotFound,
      messages::kInputMissing(role, required.name(), tried, absl::StripSuffix(required.remedy(), ".")));
}

// An asset on this machine, listed and checked.
struct FoundAsset {
  fs::path root;
  std::vector<fs::path> files;  // relative to `root`; empty: `root` is the file itself
};

absl::StatusOr<FoundAsset> ListAsset(const v1::RequiredInput& required, const std::string& experiment_folder,
                                     const std::map<std::string, std::string>& overrides) {
  QL_ASSIGN_OR_RETURN(const std::string found, LocateAsset(required, experiment_folder, overrides));
  FoundAsset asset{found, {}};
  const bool is_model = required.role() == "model";
  if (!fs::is_directory(asset.root)) {
    if (!is_model) return asset;
    return absl::InvalidArgumentError(absl::StrCat(asset.root.string(), " is a file; ", kModelLayout));
  }
  QL_ASSIGN_OR_RETURN(asset.files, ListFolder(asset.root, required.role()));
  if (is_model) {
    QL_RETURN_IF_ERROR(engine::CheckModel(asset.root.string()).status());
    asset.files = SelectModelFiles(asset.files);
  }
  if (asset.files.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(asset.root.string(), " has no files"));
  }
  return asset;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> AssetCandidates(
    const v1::RequiredInput& required, const std::string& experiment_folder,
    const std::map<std::string, std::string>& overrides) {
  using Paths = std::vector<std::string>;
  const VariableLookup environment = ProcessEnvironment();
  const auto given = overrides.find(required.name());
  if (given != overrides.end()) {
    QL_ASSIGN_OR_RETURN(const std::string elsewhere, ExpandHome(given->second, environment));
    return Paths{elsewhere};
  }
  QL_ASSIGN_OR_RETURN(const fs::path path,
                      ExpandHome(required.path().empty() ? required.name() : required.path(), environment));
  if (path.is_absolute()) return Paths{path.string()};
  const std::string beside = (fs::path(experiment_folder) / path).lexically_normal().string();
  const std::string here = path.lexically_normal().string();
  // Paths in the experiment file are relative to it; paths in the catalogue are relative to the current
  // folder.
  if (required.path().empty() || required.path() == required.name()) return Paths{beside};
  if (beside == here) return Paths{here};
  return Paths{here, beside};
}

absl::StatusOr<std::string> LocateAsset(const v1::RequiredInput& required,
                                        const std::string& experiment_folder,
                                        const std::map<std::string, std::string>& overrides) {
  QL_ASSIGN_OR_RETURN(const std::vector<std::string> candidates,
                      AssetCandidates(required, experiment_folder, overrides));
  std::error_code error;
  const auto found = std::find_if(candidates.begin(), candidates.end(),
                                  [&](const std::string& path) { return fs::exists(path, error); });
  if (found == candidates.end()) return Missing(required, candidates);
  return *found;
}

absl::StatusOr<LocalAsset> FindAsset(const v1::RequiredInput& required, const std::string& experiment_folder,
                                     const std::map<std::string, std::string>& overrides,
                                     const HashProgress& progress) {
  QL_ASSIGN_OR_RETURN(const FoundAsset found, ListAsset(required, experiment_folder, overrides));
  LocalAsset asset;
  asset.input.set_name(required.name());
  if (found.files.empty()) {
    QL_RETURN_IF_ERROR(AddFile(found.root, found.root.filename().string(), progress, &asset));
    return asset;
  }
  for (const fs::path& relative : found.files) {
    QL_RETURN_IF_ERROR(AddFile(found.root / relative, relative.generic_string(), progress, &asset));
  }
  return asset;
}

absl::Status CheckAsset(const v1::RequiredInput& required, const std::string& experiment_folder,
                        const std::map<std::string, std::string>& overrides) {
  return ListAsset(required, experiment_folder, overrides).status();
}

}  // namespace quantlab::client
