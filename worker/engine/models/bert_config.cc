#include "worker/engine/models/bert_config.h"

#include <cmath>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace quantlab::engine {
namespace {

using Json = nlohmann::json;

// Beyond any real model; keeps sizes of tensors far from overflow.
constexpr int64_t kMaxSize = 1 << 24;
constexpr int64_t kMaxWidth = 1 << 16;
constexpr int64_t kMaxLayers = 1000;
constexpr int64_t kMaxLabels = 100'000;
constexpr int64_t kMaxFileBytes = 16 << 20;

std::string DefaultLabel(int64_t index) {
  return absl::StrCat("LABEL_", index);
}

// Reads keys into fields; the first wrong one ends it.
class Parser {
 public:
  Parser(const Json& json, const std::string& where) : json_(json), where_(where) {}

  absl::Status Parse(BertConfig& config) {
    QL_RETURN_IF_ERROR(CheckArchitecture());
    QL_RETURN_IF_ERROR(Integer("vocab_size", 1, kMaxSize, config.vocab_size));
    QL_RETURN_IF_ERROR(Integer("hidden_size", 1, kMaxWidth, config.hidden_size));
    QL_RETURN_IF_ERROR(Integer("num_hidden_layers", 1, kMaxLayers, config.num_hidden_layers));
    QL_RETURN_IF_ERROR(Integer("num_attention_heads", 1, kMaxWidth, config.num_attention_heads));
    QL_RETURN_IF_ERROR(Integer("intermediate_size", 1, kMaxSize, config.intermediate_size));
    QL_RETURN_IF_ERROR(Integer("max_position_embeddings", 1, kMaxSize, config.max_position_embeddings));
    QL_RETURN_IF_ERROR(Integer("type_vocab_size", 1, kMaxSize, config.type_vocab_size));
    if (config.hidden_size % config.num_attention_heads != 0) {
      return Bad("num_attention_heads", absl::StrCat(config.num_attention_heads,
                                                     ", which does not divide "
                                                     "hidden_size ",
                                                     config.hidden_size));
    }
    QL_RETURN_IF_ERROR(ParsePadding(config));
    QL_RETURN_IF_ERROR(ParseActivation(config));
    QL_RETURN_IF_ERROR(Number("layer_norm_eps", 0, 1, config.layer_norm_eps));
    QL_RETURN_IF_ERROR(Number("initializer_range", 0, 100, config.initializer_range));
    QL_RETURN_IF_ERROR(ParseDropout(config));
    return ParseLabels(config);
  }

 private:
  absl::Status Bad(const char* key, const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(where_, ": ", key, " is ", what));
  }
  const Json* Find(const char* key) const {
    const auto it = json_.find(key);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }

  // Models that look like BERT but compute something else.
  absl::Status CheckArchitecture() const {
    if (const Json* type = Find("model_type"); type != nullptr && *type != "bert") {
      return Bad("model_type", absl::StrCat(type->dump(), "; only \"bert\" is supported"));
    }
    if (const Json* kind = Find("position_embedding_type"); kind != nullptr && *kind != "absolute") {
      return Bad("position_embedding_type", absl::StrCat(kind->dump(), "; only \"absolute\" is supported"));
    }
    for (const char* key : {"is_decoder", "add_cross_attention"}) {
      if (const Json* value = Find(key); value != nullptr && *value != false) {
        return Bad(key, absl::StrCat(value->dump(), "; only false is supported (an encoder)"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Integer(const char* key, int64_t min, int64_t max, int64_t& field) const {
    const Json* value = Find(key);
    if (value == nullptr) return absl::OkStatus();
    // A uint64 beyond int64 would turn negative in get<int64_t>, which min refuses.
    if (!value->is_number_integer() || value->get<int64_t>() < min || value->get<int64_t>() > max) {
      return Bad(key, absl::StrCat(value->dump(), "; allowed: an integer from ", min, " to ", max));
    }
    field = value->get<int64_t>();
    return absl::OkStatus();
  }

  absl::Status Number(const char* key, double min, double max, double& field) const {
    const Json* value = Find(key);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_number() || !(value->get<double>() >= min && value->get<double>() <= max)) {
      return Bad(key, absl::StrCat(value->dump(), "; allowed: a number from ", min, " to ", max));
    }
    field = value->get<double>();
    return absl::OkStatus();
  }

  absl::Status ParsePadding(BertConfig& config) const {
    config.pad_token_id = json_.contains("pad_token_id") && json_["pad_token_id"].is_null() ? -1 : 0;
    return Integer("pad_token_id", -1, config.vocab_size - 1, config.pad_token_id);
  }

  absl::Status ParseActivation(BertConfig& config) const {
    const Json* value = Find("hidden_act");
    if (value == nullptr) return absl::OkStatus();
    const auto activation = value->is_string() ? FindActivation(value->get<std::string>()) : std::nullopt;
    if (!activation) {
      std::vector<std::string> names;
      for (const ActivationEntry& entry : AllActivations()) names.push_back(entry.name);
      return Bad("hidden_act", absl::StrCat(value->dump(), "; allowed: ", absl::StrJoin(names, ", ")));
    }
    config.hidden_act = *activation;
    return absl::OkStatus();
  }

  absl::Status ParseDropout(BertConfig& config) const {
    QL_RETURN_IF_ERROR(Number("hidden_dropout_prob", 0, 1, config.hidden_dropout_prob));
    QL_RETURN_IF_ERROR(Number("attention_probs_dropout_prob", 0, 1, config.attention_probs_dropout_prob));
    config.classifier_dropout = config.hidden_dropout_prob;
    return Number("classifier_dropout", 0, 1, config.classifier_dropout);
  }

  // id2label where there is one, else num_labels, else two classes.
  absl::Status ParseLabels(BertConfig& config) const {
    int64_t count = 2;
    QL_RETURN_IF_ERROR(Integer("num_labels", 1, kMaxLabels, count));
    const Json* names = Find("id2label");
    if (names == nullptr) {
      config.labels.clear();
      for (int64_t i = 0; i < count; ++i) config.labels.push_back(DefaultLabel(i));
      return absl::OkStatus();
    }
    if (!names->is_object() || names->empty()) {
      return Bad("id2label", absl::StrCat(names->dump(), "; allowed: {\"0\": name, \"1\": name, …}"));
    }
    if (Find("num_labels") != nullptr && count != static_cast<int64_t>(names->size())) {
      return Bad("num_labels", absl::StrCat(count, ", but id2label has ", names->size(), " names"));
    }
    config.labels.assign(names->size(), "");
    for (size_t i = 0; i < names->size(); ++i) {
      const auto it = names->find(absl::StrCat(i));
      if (it == names->end() || !it->is_string()) {
        return Bad("id2label", absl::StrCat("without a name for class ", i, " of ", names->size()));
      }
      config.labels[i] = it->get<std::string>();
    }
    return absl::OkStatus();
  }

  const Json& json_;
  const std::string& where_;
};

absl::StatusOr<Json> ParseObject(const std::string& text, const std::string& where) {
  try {
    Json json = Json::parse(text);
    if (json.is_object()) return json;
    return absl::InvalidArgumentError(absl::StrCat(where, ": not a JSON object"));
  } catch (const Json::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": not JSON: ", e.what()));
  }
}

}  // namespace

absl::StatusOr<BertConfig> ParseBertConfig(const std::string& json, const std::string& where) {
  QL_ASSIGN_OR_RETURN(const Json parsed, ParseObject(json, where));
  BertConfig config;
  config.source_json = json;
  QL_RETURN_IF_ERROR(Parser(parsed, where).Parse(config));
  return config;
}

absl::StatusOr<BertConfig> ReadBertConfig(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  return ParseBertConfig(text, path);
}

std::string BertConfigToJson(const BertConfig& config) {
  // Without exceptions: source_json was parsed once already, or is empty.
  Json json = Json::parse(config.source_json, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) json = Json::object();
  const auto spelled = json.find("hidden_act");
  const bool same_activation = spelled != json.end() && spelled->is_string() &&
                               FindActivation(spelled->get<std::string>()) == config.hidden_act;
  if (!same_activation) json["hidden_act"] = ActivationName(config.hidden_act);
  json["architectures"] = {"BertForSequenceClassification"};
  json["model_type"] = "bert";
  json["vocab_size"] = config.vocab_size;
  json["hidden_size"] = config.hidden_size;
  json["num_hidden_layers"] = config.num_hidden_layers;
  json["num_attention_heads"] = config.num_attention_heads;
  json["intermediate_size"] = config.intermediate_size;
  json["max_position_embeddings"] = config.max_position_embeddings;
  json["type_vocab_size"] = config.type_vocab_size;
  json["pad_token_id"] = config.pad_token_id < 0 ? Json() : Json(config.pad_token_id);
  json["hidden_dropout_prob"] = config.hidden_dropout_prob;
  json["attention_probs_dropout_prob"] = config.attention_probs_dropout_prob;
  json["classifier_dropout"] = config.classifier_dropout;
  json["layer_norm_eps"] = config.layer_norm_eps;
  json["initializer_range"] = config.initializer_range;
  json["position_embedding_type"] = "absolute";
  json.erase("num_labels");  // said by id2label
  // What is saved is FP32, whatever was read; transformers would round it again by the old word.
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (json.contains(key)) json[key] = "float32";
  }
  Json id2label = Json::object(), label2id = Json::object();
  for (int64_t i = 0; i < config.num_labels(); ++i) {
    id2label[absl::StrCat(i)] = config.labels[i];
    label2id[config.labels[i]] = i;
  }
  json["id2label"] = id2label;
  json["label2id"] = label2id;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace quantlab::engine
