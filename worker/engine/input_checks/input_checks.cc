#include "worker/engine/input_checks/input_checks.h"

#include <filesystem>
#include <memory>

#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/task.h"
#include "base/status_macros.h"
#include "base/text/list.h"
#include "model_folder/model_folder.h"
#include "model_folder/stored_tensors.h"
#include "model_folder/weight_files.h"
#include "worker/engine/data/class_names.h"
#include "worker/engine/families/families.h"
#include "worker/engine/input_checks/tensor_checks.h"

namespace quantlab::engine {
namespace {

// Of a message: entries of a list.
constexpr size_t kMaxListed = 20;

absl::Status CheckVocabulary(const Tokenizer& tokenizer, const EncoderConfig& config,
                             const std::string& folder) {
  if (tokenizer.vocab_size() <= config.vocab_size) return absl::OkStatus();
  return MessageStatus(
      absl::StatusCode::kInvalidArgument,
      messages::kTokenizerTooLarge(folder, static_cast<int64_t>(tokenizer.vocab_size()), config.vocab_size));
}

absl::Status CheckPositions(const EncoderConfig& config, int max_length) {
  if (max_length <= config.max_tokens()) return absl::OkStatus();
  return MessageStatus(absl::StatusCode::kInvalidArgument,
                       messages::kTooFewPositions(max_length, config.max_tokens()));
}

absl::Status MustBeClassifier(const Message& why) {
  return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kMustBeClassifier(why));
}

// A file that a folder lacks is an error of the folder.
absl::Status AsInvalid(const absl::Status& status) {
  if (!absl::IsNotFound(status)) return status;
  absl::Status invalid = absl::InvalidArgumentError(status.message());
  status.ForEachPayload(
      [&invalid](absl::string_view type, const absl::Cord& payload) { invalid.SetPayload(type, payload); });
  return invalid;
}

int64_t ClassifierRows(const StoredTensors& stored, const EncoderConfig& config) {
  const auto weight = stored.find(FindModelFamily(config.family)->layout.head.output + ".weight");
  return weight == stored.end() || weight->second.shape.empty() ? 0 : weight->second.shape[0];
}

bool LacksHeadLayer(const StoredTensors& stored, const EncoderConfig& config) {
  const ModelFamily& family = *FindModelFamily(config.family);
  for (const bool has_prefix : {true, false}) {
    for (const auto& [name, tensor] : stored) {
      if (CanonicalTensorName(family, name, has_prefix) == family.layout.head.dense + ".weight") return false;
    }
  }
  return true;
}

// The weights, where they can be read without LibTorch.
absl::Status CheckWeights(CheckedModel* model) {
  QL_ASSIGN_OR_RETURN(const WeightFiles weights, FindWeightFiles(model->folder));
  if (weights.pickled) return absl::OkStatus();
  QL_ASSIGN_OR_RETURN(const StoredTensors stored, ReadFolderTensors(model->folder));
  model->classifier_rows = ClassifierRows(stored, model->config);
  model->lacks_head_layer = LacksHeadLayer(stored, model->config);
  return CheckTensors(stored, model->config, model->folder);
}

}  // namespace

absl::StatusOr<CheckedModel> CheckModel(const std::string& folder) {
  QL_RETURN_IF_ERROR(CheckModelFolder(folder));
  CheckedModel model;
  model.folder = folder;
  QL_ASSIGN_OR_RETURN(model.config,
                      ReadModelConfig((std::filesystem::path(folder) / "config.json").string()));
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::Load(folder);
  if (!tokenizer.ok()) return AsInvalid(tokenizer.status());
  model.tokenizer = *std::move(tokenizer);
  QL_RETURN_IF_ERROR(CheckVocabulary(*model.tokenizer, model.config, folder));
  QL_RETURN_IF_ERROR(CheckWeights(&model));
  return model;
}

absl::Status CheckTokenizer(const Tokenizer& tokenizer, const EncoderConfig& config,
                            const std::string& folder, int max_length) {
  QL_RETURN_IF_ERROR(CheckVocabulary(tokenizer, config, folder));
  return CheckPositions(config, max_length);
}

absl::Status CheckPairs(const Tokenizer& tokenizer, const EncoderConfig& config, const std::string& folder,
                        int max_length) {
  const auto invalid = [](const Message& message) {
    return MessageStatus(absl::StatusCode::kInvalidArgument, message);
  };
  if (!tokenizer.encodes_pairs()) return invalid(messages::kNoPairTemplate(folder));
  const int32_t type = tokenizer.largest_pair_type();
  if (HasTokenTypes(config) && type >= config.type_vocab_size) {
    return invalid(messages::kTokenTypeMissing(folder, static_cast<int64_t>(type), config.type_vocab_size));
  }
  const int least = tokenizer.pair_specials() + 2;
  if (max_length >= least) return absl::OkStatus();
  return invalid(messages::kTooFewTokensForPairs(max_length, least));
}

absl::Status CheckTogether(const RunConfig& config, const CheckedModel& model, const Dataset& dataset) {
  QL_RETURN_IF_ERROR(CheckPositions(model.config, config.dataset.max_length));
  if (dataset.pairs) {
    QL_RETURN_IF_ERROR(CheckPairs(*model.tokenizer, model.config, model.folder, config.dataset.max_length));
  }
  if (model.config.text_pairs && !dataset.pairs && !config.training.enabled) {
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kModelOfPairs(model.folder));
  }
  if (config.training.enabled) return absl::OkStatus();
  if (model.config.task != config.dataset.task) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kModelOfOtherTask(model.folder, model.config.task, config.dataset.task));
  }
  if (!model.classifier_rows) return absl::OkStatus();
  const int64_t rows = *model.classifier_rows;
  if (rows == 0 || model.lacks_head_layer) return MustBeClassifier(messages::kNoClassifier(model.folder));
  if (dataset.numeric) {
    return rows == 1
               ? absl::OkStatus()
               : MustBeClassifier(messages::kHeadRefused(model.folder, messages::kHeadOutputCount(rows)));
  }
  if (rows != static_cast<int64_t>(dataset.labels.size())) {
    return MustBeClassifier(messages::kHeadRefused(
        model.folder, messages::kHeadClassCount(rows, static_cast<int64_t>(dataset.labels.size()),
                                                FirstOf(dataset.labels, kMaxListed))));
  }
  const absl::Status matched =
      MatchClasses(model.config.labels, dataset.labels, config.dataset.label_map).status();
  return matched.ok() ? matched : Annotate(matched, model.folder);
}

}  // namespace quantlab::engine
