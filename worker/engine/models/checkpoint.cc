#include "worker/engine/models/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/config/task.h"
#include "base/files.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/task.h"
#include "base/status_macros.h"
#include "base/text/list.h"
#include "model_folder/model_folder.h"
#include "worker/engine/data/class_names.h"
#include "worker/engine/families/families.h"
#include "worker/engine/tensors/folder_weights.h"

namespace quantlab::engine {
namespace {

namespace fs = std::filesystem;

// Of a message: entries of a list.
constexpr size_t kMaxListed = 20;

constexpr int64_t kMaxTokenizerFileBytes = 256 << 20;

std::string Join(const std::string& folder, const char* name) {
  return (fs::path(folder) / name).string();
}

// The layer that gives one number for each class.
std::string OutputOf(const EncoderConfig& config) {
  return FindModelFamily(config.family)->layout.head.output;
}

// Why the classifier of a checkpoint cannot answer with the dataset's classes; no message where it can, or
// where there is none.
Message WhyHeadDoesNotFit(const std::vector<std::string>& labels, const std::string& task, bool trained,
                          const FolderWeights& weights, const EncoderConfig& config) {
  const std::vector<std::string>& own = config.labels;
  const auto classifier = weights.tensors.find(OutputOf(config) + ".weight");
  if (classifier == weights.tensors.end()) return {};
  const int64_t rows = classifier->second.dim() == 0 ? 0 : classifier->second.size(0);
  if (TaskNamed(task).numeric) return rows == 1 ? Message() : messages::kHeadOutputCount(rows);
  if (rows != static_cast<int64_t>(labels.size())) {
    return messages::kHeadClassCount(rows, static_cast<int64_t>(labels.size()), FirstOf(labels, kMaxListed));
  }
  if (trained && labels != own && std::is_permutation(labels.begin(), labels.end(), own.begin(), own.end())) {
    return messages::kHeadClassOrder(FirstOf(own, kMaxListed), FirstOf(labels, kMaxListed));
  }
  return {};
}

// Of a checkpoint that is not trained: its classes must be the dataset's, index by index.
absl::Status CheckClasses(const CheckpointOptions& options, const std::vector<std::string>& own,
                          const std::string& where) {
  const auto matched = MatchClasses(own, options.labels, options.label_map);
  if (!matched.ok()) return Annotate(matched.status(), where);
  if (std::is_sorted(matched->begin(), matched->end())) return absl::OkStatus();
  return MessageStatus(
      absl::StatusCode::kInvalidArgument,
      messages::kHeadRefused(
          where, messages::kHeadClassOrder(FirstOf(own, kMaxListed), FirstOf(options.labels, kMaxListed))));
}

// Gives the config the dataset's classes. A classifier that does not fit them is dropped where a new one may
// be drawn.
absl::Status ApplyLabels(const CheckpointOptions& options, FolderWeights& weights, EncoderConfig& config) {
  if (options.labels.empty()) return absl::OkStatus();
  const bool trained = options.build.initialize_missing_head;
  if (config.text_pairs && !options.text_pairs && !trained) {
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kModelOfPairs(weights.where));
  }
  if (config.task != options.task && !trained) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kModelOfOtherTask(weights.where, config.task, options.task));
  }
  config.text_pairs = options.text_pairs;
  config.task = options.task;
  const bool has_head = weights.tensors.count(OutputOf(config) + ".weight") > 0;
  std::vector<std::string>& own = config.labels;
  const Message why = WhyHeadDoesNotFit(options.labels, options.task, trained, weights, config);
  if (!why.empty() && !trained) {
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kHeadRefused(weights.where, why));
  }
  const bool numeric = TaskNamed(options.task).numeric;
  if (has_head && !trained && !numeric) QL_RETURN_IF_ERROR(CheckClasses(options, own, weights.where));
  if (!why.empty()) {
    for (const char* part : {".weight", ".bias"}) weights.tensors.erase(OutputOf(config) + part);
    if (options.new_head != nullptr) *options.new_head = why;
  }
  // What was not trained here keeps the names that its author gave it.
  if (trained || !has_head || AreDefaultNames(own)) own = options.labels;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Encoder>> LoadCheckpoint(const std::string& folder,
                                                        const CheckpointOptions& options) {
  QL_ASSIGN_OR_RETURN(EncoderConfig config, ReadModelConfig(Join(folder, "config.json")));
  QL_ASSIGN_OR_RETURN(FolderWeights read, ReadFolderWeights(folder));
  QL_RETURN_IF_ERROR(ApplyLabels(options, read, config));
  return MakeEncoder(config, Weights(std::move(read.tensors), std::move(read.where)), options.build);
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

absl::Status SaveTruncationSide(const std::string& side, const std::string& folder) {
  const std::string path = Join(folder, "tokenizer_config.json");
  absl::StatusOr<std::string> text = ReadFile(path, kMaxTokenizerFileBytes);
  if (absl::IsNotFound(text.status())) text = "{}";
  QL_RETURN_IF_ERROR(text.status());
  nlohmann::ordered_json config = nlohmann::ordered_json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return absl::InvalidArgumentError(absl::StrCat(path, ": not a JSON object"));
  config["truncation_side"] = side;
  return WriteFileAtomically(
      path, config.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

absl::Status SaveCheckpoint(const Encoder& model, const std::string& tokenizer_folder,
                            const std::string& folder) {
  QL_RETURN_IF_ERROR(SaveModelConfig(model.config(), folder));
  QL_RETURN_IF_ERROR(CopyTokenizerFiles(tokenizer_folder, folder));
  // Last, so that a folder with weights is a complete one.
  return WriteSafetensors(Join(folder, "model.safetensors"), model.StateTensors(), {{"format", "pt"}});
}

}  // namespace quantlab::engine
