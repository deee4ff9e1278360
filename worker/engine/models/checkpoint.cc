#include "worker/engine/models/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "worker/engine/models/families.h"
#include "worker/engine/tensors/safetensors.h"

namespace quantlab::engine {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxTokenizerFileBytes = 256 << 20;
constexpr const char* kTokenizerFiles[] = {"vocab.txt", "tokenizer.json", "tokenizer_config.json",
                                           "special_tokens_map.json", "added_tokens.json"};

std::string Join(const std::string& folder, const char* name) {
  return (fs::path(folder) / name).string();
}

// Gives the config the dataset's classes, where a classifier that is already there allows it.
absl::Status ApplyLabels(const std::vector<std::string>& labels, const SafetensorsFile& file,
                         EncoderConfig& config) {
  if (labels.empty()) return absl::OkStatus();
  const auto classifier = file.entries().find(FindModelFamily(config.family)->layout.head.output + ".weight");
  if (classifier != file.entries().end()) {
    const std::vector<int64_t>& shape = classifier->second.shape;
    if (shape.empty() || shape[0] != static_cast<int64_t>(labels.size())) {
      return absl::InvalidArgumentError(
          absl::StrCat(file.path(), ": its classifier has ", shape.empty() ? 0 : shape[0],
                       " classes, but the dataset has ", labels.size(), " (", absl::StrJoin(labels, ", "),
                       "); use a dataset of the same classes, or a checkpoint without a classifier"));
    }
    if (labels != config.labels &&
        std::is_permutation(labels.begin(), labels.end(), config.labels.begin(), config.labels.end())) {
      return absl::InvalidArgumentError(absl::StrCat(file.path(), ": its classes are in the order ",
                                                     absl::StrJoin(config.labels, ", "),
                                                     ", those of the dataset ", absl::StrJoin(labels, ", "),
                                                     "; set the dataset's labels to that order"));
    }
  }
  config.labels = labels;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Encoder>> LoadCheckpoint(const std::string& folder,
                                                        const CheckpointOptions& options) {
  QL_ASSIGN_OR_RETURN(EncoderConfig config, ReadModelConfig(Join(folder, "config.json")));
  QL_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(Join(folder, "model.safetensors")));
  QL_RETURN_IF_ERROR(ApplyLabels(options.labels, file, config));
  QL_ASSIGN_OR_RETURN(TensorMap tensors, file.GetAll());
  return MakeEncoder(config, Weights(std::move(tensors), file.path()), options.build);
}

absl::Status SaveModelConfig(const EncoderConfig& config, const std::string& folder) {
  QL_RETURN_IF_ERROR(MakeDirectories(folder));
  return WriteFileAtomically(Join(folder, "config.json"), ModelConfigToJson(config));
}

absl::Status CopyTokenizerFiles(const std::string& from, const std::string& to) {
  QL_RETURN_IF_ERROR(MakeDirectories(to));
  for (const char* name : kTokenizerFiles) {
    absl::StatusOr<std::string> content = ReadFile(Join(from, name), kMaxTokenizerFileBytes);
    if (absl::IsNotFound(content.status())) continue;
    QL_RETURN_IF_ERROR(content.status());
    QL_RETURN_IF_ERROR(WriteFileAtomically(Join(to, name), *content));
  }
  return absl::OkStatus();
}

absl::Status SaveCheckpoint(const Encoder& model, const std::string& tokenizer_folder,
                            const std::string& folder) {
  QL_RETURN_IF_ERROR(SaveModelConfig(model.config(), folder));
  QL_RETURN_IF_ERROR(CopyTokenizerFiles(tokenizer_folder, folder));
  // Last, so that a folder with weights is a complete one.
  return WriteSafetensors(Join(folder, "model.safetensors"), model.StateTensors(), {{"format", "pt"}});
}

}  // namespace quantlab::engine
