#include "export/package.h"

#include <filesystem>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/messages/export.h"
#include "base/messages/message_catalogue.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "export/model_card.h"
#include "export/output_files.h"
#include "model_folder/model_folder.h"
#include "model_folder/weight_files.h"
#include "platform/file_lock.h"
#include "platform/files.h"

namespace quantlab::model_export {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kManifestVersion = 1;
constexpr int64_t kMaxCopiedBytes = int64_t{256} << 20;

absl::Status FromError(const std::error_code& error, const char* action, const fs::path& path) {
  return error ? FileError(error.value(), action, path.string()) : absl::OkStatus();
}

absl::Status CopyFile(const SourceModel& model, const char* name, const fs::path& folder) {
  std::error_code error;
  const fs::path from = fs::path(model.folder()) / name;
  // A format may have written its own.
  if (!fs::is_regular_file(from, error) || fs::exists(folder / name, error)) return absl::OkStatus();
  QL_ASSIGN_OR_RETURN(const std::string content, ReadFile(from.string(), kMaxCopiedBytes));
  return WriteOutput((folder / name).string(), content);
}

absl::Status CopyFiles(const SourceModel& model, const fs::path& folder) {
  QL_RETURN_IF_ERROR(CopyFile(model, "config.json", folder));
  for (const char* name : kTokenizerFiles) QL_RETURN_IF_ERROR(CopyFile(model, name, folder));
  return absl::OkStatus();
}

std::string Dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

struct Digests {
  std::map<std::string, std::string> of_files;
  int64_t bytes = 0;
};

absl::StatusOr<Digests> DigestFiles(const fs::path& folder) {
  Digests digests;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_regular_file()) continue;
    QL_ASSIGN_OR_RETURN(digests.of_files[it->path().lexically_relative(folder).generic_string()],
                        Sha256OfFile(it->path().string()));
    digests.bytes += static_cast<int64_t>(it->file_size());
  }
  QL_RETURN_IF_ERROR(FromError(error, "read", folder));
  return digests;
}

// That of model.safetensors, or of all shards, one after the other.
absl::StatusOr<std::string> DigestOfWeights(const std::string& folder) {
  QL_ASSIGN_OR_RETURN(const WeightFiles weights, FindWeightFiles(folder));
  std::string all;
  for (const std::string& name : weights.files) {
    QL_ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile((fs::path(folder) / name).string()));
    if (weights.files.size() == 1) return digest;
    absl::StrAppend(&all, digest, "  ", name, "\n");
  }
  return Sha256Hex(all);
}

Json CheckJson(const std::optional<CheckResult>& check) {
  if (!check) return Json();
  Json json = {{"runtime", check->runtime},
               {"passed", check->passed},
               {"texts", check->texts},
               {"agreement", check->agreement},
               {"difference", check->difference},
               {"tolerance", check->tolerance},
               {"largest_logit", check->largest_logit},
               {"tokens", check->tokens},
               {"threads", check->threads},
               {"seconds", check->seconds},
               {"own_seconds", check->own_seconds}};
  if (check->int8_products) json["int8_products"] = *check->int8_products;
  return json;
}

Json Manifest(const CardInput& input) {
  Json files = Json::object();
  for (const auto& [name, digest] : input.digests) files[name] = digest;
  return {{"version", kManifestVersion},
          {"format", input.exporter.name()},
          {"name", input.facts.name},
          {"family", input.model.config().family},
          {"method", input.model.quantized() ? Json::parse(input.model.method_json()) : Json()},
          {"exact", input.options.exact},
          {"source_digest", input.source_digest},
          {"bytes", input.bytes},
          {"files", files},
          {"check", CheckJson(input.check)}};
}

absl::Status Fill(const SourceModel& model, const Exporter& exporter, const ExportOptions& options,
                  const fs::path& folder) {
  QL_RETURN_IF_ERROR(exporter.Write(model, options, folder.string()));
  QL_RETURN_IF_ERROR(CopyFiles(model, folder));
  QL_RETURN_IF_ERROR(WriteOutput((folder / "labels.json").string(), Dump(Json(model.config().labels))));
  return WriteOutput((folder / "example.py").string(), exporter.Example(model));
}

// `check`'s result, unless it did not pass.
absl::StatusOr<std::optional<CheckResult>> Checked(const Checker& check, const fs::path& folder) {
  QL_ASSIGN_OR_RETURN(const std::optional<CheckResult> result, check(folder.string()));
  if (!result || result->passed) return result;
  return MessageStatus(
      absl::StatusCode::kFailedPrecondition,
      messages::kExportDiffers(result->runtime, absl::StrCat(result->difference),
                               absl::StrCat(result->tolerance), result->agreement, result->layer));
}

absl::StatusOr<std::optional<CheckResult>> WriteInto(const SourceModel& model, const Exporter& exporter,
                                                     const ExportOptions& options, const ModelFacts& facts,
                                                     const Checker& check, const fs::path& folder) {
  // Left behind by a call that was killed.
  QL_RETURN_IF_ERROR(RemoveTree(folder.string()));
  std::error_code error;
  fs::create_directory(folder, error);
  QL_RETURN_IF_ERROR(FromError(error, "create", folder));
  QL_RETURN_IF_ERROR(Fill(model, exporter, options, folder));
  QL_ASSIGN_OR_RETURN(const std::optional<CheckResult> result, Checked(check, folder));
  QL_ASSIGN_OR_RETURN(Digests digests, DigestFiles(folder));
  QL_ASSIGN_OR_RETURN(const std::string source, DigestOfWeights(model.folder()));
  const CardInput card{model, exporter, options, facts, result, digests.of_files, digests.bytes, source};
  QL_RETURN_IF_ERROR(WriteOutput((folder / "export.json").string(), Dump(Manifest(card))));
  QL_RETURN_IF_ERROR(WriteOutput((folder / "README.md").string(), ModelCard(card)));
  return result;
}

fs::path WithoutSlash(const std::string& folder) {
  const fs::path path = fs::absolute(folder).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

// ".NAME.partial" beside NAME.
fs::path Hidden(const fs::path& target, const char* suffix) {
  return target.parent_path() / absl::StrCat(".", target.filename().string(), suffix);
}

}  // namespace

absl::Status CheckTarget(const std::string& folder) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(folder, error);
  const bool nothing = status.type() == fs::file_type::not_found;
  if (nothing || (fs::is_directory(status) && fs::is_empty(folder, error) && !error)) return absl::OkStatus();
  return MessageStatus(absl::StatusCode::kAlreadyExists, messages::kExportFolderTaken(folder));
}

absl::StatusOr<std::optional<CheckResult>> WritePackage(const SourceModel& model, const Exporter& exporter,
                                                        const ExportOptions& options, const ModelFacts& facts,
                                                        const Checker& check, const std::string& folder) {
  QL_RETURN_IF_ERROR(CheckTarget(folder));
  QL_RETURN_IF_ERROR(exporter.Check(model, options));
  const fs::path target = WithoutSlash(folder);
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  QL_RETURN_IF_ERROR(FromError(error, "create", target.parent_path()));
  const std::string lock_path = Hidden(target, ".lock").string();
  QL_ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, FileLock::Try(lock_path));
  if (lock == nullptr) {
    return MessageStatus(absl::StatusCode::kAlreadyExists, messages::kExportRunning(target.string()));
  }
  const fs::path staged = Hidden(target, ".partial");
  auto result = WriteInto(model, exporter, options, facts, check, staged);
  if (result.ok()) {
    fs::rename(staged, target, error);
    if (error) result = FromError(error, "write", target);
  }
  if (!result.ok()) RemoveTree(staged.string()).IgnoreError();
  RemoveTree(lock_path).IgnoreError();
  return result;
}

}  // namespace quantlab::model_export
