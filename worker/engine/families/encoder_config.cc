#include "worker/engine/families/encoder_config.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/task.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "base/text/json_depth.h"
#include "base/text/strict_json.h"
#include "worker/engine/families/families.h"

namespace quantlab::engine {
namespace {

using Json = nlohmann::json;

// Beyond any real model; keeps sizes of tensors far from overflow.
constexpr int64_t kMaxSize = 1 << 24;
constexpr int64_t kMaxWidth = 1 << 16;
constexpr int64_t kMaxLayers = 1000;
constexpr int64_t kMaxLabels = 100'000;
constexpr int64_t kMaxFileBytes = 16 << 20;
// Of a message: bytes of a value.
constexpr size_t kMaxShown = 200;

std::string DefaultLabel(int64_t index) {
  return absl::StrCat("LABEL_", index);
}

constexpr char kTextPairs[] = "text_pairs", kProblemType[] = "problem_type";

// Settings by which models of these families come to compute something else, and their only value here.
struct RequiredSetting {
  const char* key;
  const char* json;
};
constexpr RequiredSetting kRequired[] = {{"position_embedding_type", "\"absolute\""},
                                         {"is_decoder", "false"},
                                         {"add_cross_attention", "false"},
                                         {"sinusoidal_pos_embds", "false"}};

// Reads keys into fields; the first wrong one ends it.
class Parser {
 public:
  Parser(const Json& json, const std::string& where) : json_(json), where_(where) {}

  absl::StatusOr<EncoderConfig> Parse() {
    QL_ASSIGN_OR_RETURN(const ModelFamily* const family, Family());
    QL_RETURN_IF_ERROR(CheckRequired());
    const ConfigKeys& keys = family->keys;
    EncoderConfig config = family->defaults;
    config.family = family->name;
    QL_RETURN_IF_ERROR(ParseSizes(keys, config));
    QL_RETURN_IF_ERROR(ParsePadding(config));
    QL_RETURN_IF_ERROR(ParseActivation(keys.hidden_act, config));
    QL_RETURN_IF_ERROR(Number(keys.layer_norm_eps, 0, 1, config.layer_norm_eps));
    QL_RETURN_IF_ERROR(Number("initializer_range", 0, 100, config.initializer_range));
    QL_RETURN_IF_ERROR(ParseDropout(*family, config));
    QL_RETURN_IF_ERROR(ParseLabels(config));
    QL_RETURN_IF_ERROR(Flag(kTextPairs, config.text_pairs));
    ParseTask(config);
    return config;
  }

 private:
  absl::Status Bad(const char* key, const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(where_, ": ", key, " is ", what));
  }
  // nullptr for a key that is not there, and for no key.
  const Json* Find(const char* key) const {
    if (key == nullptr) return nullptr;
    const auto it = json_.find(key);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }

  absl::StatusOr<const ModelFamily*> Family() const {
    const ModelFamily* family = nullptr;
    if (const Json* type = Find("model_type"); type != nullptr) {
      if (type->is_string()) family = FindModelFamily(type->get<std::string>());
      if (family == nullptr) {
        return Bad("model_type", absl::StrCat(type->dump(), "; supported: ", ModelFamilyNames()));
      }
    }
    if (const Json* names = Find("architectures"); names != nullptr) {
      if (!names->is_array()) return Bad("architectures", absl::StrCat(names->dump(), "; allowed: a list"));
      for (const Json& name : *names) QL_RETURN_IF_ERROR(CheckArchitecture(name, family));
    }
    return family == nullptr ? FindModelFamily(EncoderConfig().family) : family;
  }

  // Of the family so far, or the first to name one.
  absl::Status CheckArchitecture(const Json& name, const ModelFamily*& family) const {
    const ModelFamily* named = name.is_string() ? FindFamilyOfArchitecture(name.get<std::string>()) : nullptr;
    if (named == nullptr) {
      return Bad("architectures",
                 absl::StrCat(name.dump(), "; supported are models of the families ", ModelFamilyNames()));
    }
    if (family != nullptr && family != named) {
      return Bad("architectures", absl::StrCat(name.dump(), ", a model of the family ", named->name,
                                               ", but model_type or another entry says ", family->name));
    }
    family = named;
    return absl::OkStatus();
  }

  absl::Status CheckRequired() const {
    for (const RequiredSetting& setting : kRequired) {
      const Json* value = Find(setting.key);
      if (value == nullptr || value->dump() == setting.json) continue;
      return Bad(setting.key, absl::StrCat(value->dump(), "; only ", setting.json, " is supported"));
    }
    return absl::OkStatus();
  }

  absl::Status ParseSizes(const ConfigKeys& keys, EncoderConfig& config) const {
    QL_RETURN_IF_ERROR(Integer("vocab_size", 1, kMaxSize, config.vocab_size));
    QL_RETURN_IF_ERROR(Integer(keys.hidden_size, 1, kMaxWidth, config.hidden_size));
    QL_RETURN_IF_ERROR(Integer(keys.embedding_size, 1, kMaxWidth, config.embedding_size));
    QL_RETURN_IF_ERROR(Integer(keys.num_hidden_layers, 1, kMaxLayers, config.num_hidden_layers));
    QL_RETURN_IF_ERROR(Integer(keys.num_attention_heads, 1, kMaxWidth, config.num_attention_heads));
    QL_RETURN_IF_ERROR(Integer(keys.intermediate_size, 1, kMaxSize, config.intermediate_size));
    QL_RETURN_IF_ERROR(Integer("max_position_embeddings", 1, kMaxSize, config.max_position_embeddings));
    QL_RETURN_IF_ERROR(Integer(keys.type_vocab_size, 1, kMaxSize, config.type_vocab_size));
    if (config.hidden_size % config.num_attention_heads == 0) return absl::OkStatus();
    return Bad(keys.num_attention_heads, absl::StrCat(config.num_attention_heads, ", which does not divide ",
                                                      keys.hidden_size, " ", config.hidden_size));
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

  // Other problem types are those of classifiers, whose outputs are read as of single labels.
  void ParseTask(EncoderConfig& config) const {
    const Json* type = Find(kProblemType);
    for (const TaskSpec& task : AllTasks()) {
      const bool named =
          type != nullptr && type->is_string() && type->get<std::string>() == task.problem_type;
      if (named || (type == nullptr && task.numeric && config.num_labels() == 1)) config.task = task.name;
    }
  }

  absl::Status Flag(const char* key, bool& field) const {
    const Json* value = Find(key);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_boolean()) return Bad(key, absl::StrCat(value->dump(), "; allowed: true, false"));
    field = value->get<bool>();
    return absl::OkStatus();
  }

  absl::Status ParsePadding(EncoderConfig& config) const {
    if (json_.contains("pad_token_id") && json_["pad_token_id"].is_null()) config.pad_token_id = -1;
    QL_RETURN_IF_ERROR(Integer("pad_token_id", -1, config.vocab_size - 1, config.pad_token_id));
    if (config.positions_after_padding && config.pad_token_id < 0) {
      return Bad("pad_token_id",
                 absl::StrCat("null, but positions of the family ", config.family, " count from it"));
    }
    if (config.max_tokens() >= 1) return absl::OkStatus();
    return Bad("max_position_embeddings",
               absl::StrCat(config.max_position_embeddings, "; texts start at position ",
                            config.first_position(), ", so it must be greater"));
  }

  absl::Status ParseActivation(const char* key, EncoderConfig& config) const {
    const Json* value = Find(key);
    if (value == nullptr) return absl::OkStatus();
    const auto activation = value->is_string() ? FindActivation(value->get<std::string>()) : std::nullopt;
    if (!activation) {
      std::vector<std::string> names;
      for (const ActivationEntry& entry : AllActivations()) names.push_back(entry.name);
      return Bad(key, absl::StrCat(value->dump(), "; allowed: ", absl::StrJoin(names, ", ")));
    }
    config.hidden_act = *activation;
    return absl::OkStatus();
  }

  absl::Status ParseDropout(const ModelFamily& family, EncoderConfig& config) const {
    QL_RETURN_IF_ERROR(Number(family.keys.hidden_dropout, 0, 1, config.hidden_dropout_prob));
    QL_RETURN_IF_ERROR(Number(family.keys.attention_dropout, 0, 1, config.attention_probs_dropout_prob));
    config.classifier_dropout = family.classifier_dropout.value_or(config.hidden_dropout_prob);
    return Number(family.keys.classifier_dropout, 0, 1, config.classifier_dropout);
  }

  // As many as id2label has, else num_labels, else two. Classes without a name get the default one.
  absl::Status ParseLabels(EncoderConfig& config) const {
    int64_t count = 2;
    QL_RETURN_IF_ERROR(Integer("num_labels", 1, kMaxLabels, count));
    const Json* names = Find("id2label");
    if (names != nullptr && !names->is_object()) {
      return Bad("id2label",
                 absl::StrCat(Shorten(names->dump(), kMaxShown), "; allowed: {\"0\": name, \"1\": name, …}"));
    }
    const bool named = names != nullptr && !names->empty();
    if (named) {
      QL_ASSIGN_OR_RETURN(const int64_t in_names, CountClasses(*names));
      if (Find("num_labels") != nullptr && count != in_names) {
        return Bad("num_labels", absl::StrCat(count, ", but id2label has ", in_names, " classes"));
      }
      count = in_names;
    }
    config.labels.clear();
    for (int64_t i = 0; i < count; ++i) {
      const auto name = named ? names->find(absl::StrCat(i)) : json_.end();
      const bool known = named && name != names->end() && !name->is_null();
      config.labels.push_back(!known              ? DefaultLabel(i)
                              : name->is_string() ? name->get<std::string>()
                                                  : name->dump());
    }
    return absl::OkStatus();
  }

  // One more than the largest index among the keys of id2label.
  absl::StatusOr<int64_t> CountClasses(const Json& names) const {
    int64_t count = 0;
    for (const auto& [key, name] : names.items()) {
      int64_t index = -1;
      if (!absl::SimpleAtoi(key, &index) || index < 0 || index >= kMaxLabels || key != absl::StrCat(index)) {
        return Bad("id2label", absl::StrCat("with the key \"", Shorten(key, kMaxShown), "\"; allowed: 0 to ",
                                            kMaxLabels - 1));
      }
      if (!name.is_string() && !name.is_number() && !name.is_null()) {
        return Bad("id2label", absl::StrCat("without a name for class ", index));
      }
      count = std::max(count, index + 1);
    }
    return count;
  }

  const Json& json_;
  const std::string& where_;
};

absl::StatusOr<Json> ParseObject(const std::string& text, const std::string& where) {
  QL_RETURN_IF_ERROR(Annotate(CheckJsonDepth(text), where));
  try {
    Json json = Json::parse(text);
    if (json.is_object()) return json;
    return absl::InvalidArgumentError(absl::StrCat(where, ": not a JSON object"));
  } catch (const Json::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": not JSON: ", e.what()));
  }
}

void WriteFamily(const ModelFamily& family, const EncoderConfig& config, Json& json) {
  json["architectures"] = Json::array({family.architecture()});
  json["model_type"] = family.name;
  const ConfigKeys& keys = family.keys;
  const auto write = [&json](const char* key, const auto& value) {
    if (key != nullptr) json[key] = value;
  };
  write(keys.hidden_size, config.hidden_size);
  write(keys.embedding_size, config.embedding_width());
  write(keys.num_hidden_layers, config.num_hidden_layers);
  write(keys.num_attention_heads, config.num_attention_heads);
  write(keys.intermediate_size, config.intermediate_size);
  write(keys.type_vocab_size, config.type_vocab_size);
  write(keys.hidden_dropout, config.hidden_dropout_prob);
  write(keys.attention_dropout, config.attention_probs_dropout_prob);
  write(keys.classifier_dropout, config.classifier_dropout);
  write(keys.layer_norm_eps, config.layer_norm_eps);
  write(keys.position_embedding_type, "absolute");
  // Another spelling of the same activation is kept.
  const auto spelled = json.find(keys.hidden_act);
  const bool same_activation = spelled != json.end() && spelled->is_string() &&
                               FindActivation(spelled->get<std::string>()) == config.hidden_act;
  if (!same_activation) json[keys.hidden_act] = ActivationName(config.hidden_act);
}

// problem_type is written for tasks that transformers would not take for granted, and replaced where it is
// that of another task.
void WriteTask(const EncoderConfig& config, Json& json) {
  const TaskSpec& task = TaskNamed(config.task);
  const auto written = json.find(kProblemType);
  const bool of_other = written != json.end() && written->is_string() &&
                        std::any_of(AllTasks().begin(), AllTasks().end(), [&](const TaskSpec& other) {
                          return other.name != task.name && other.problem_type == written->get<std::string>();
                        });
  if (of_other) json.erase(kProblemType);
  if (!task.problem_type.empty()) json[kProblemType] = task.problem_type;
}

void WriteLabels(const EncoderConfig& config, Json& json) {
  Json id2label = Json::object(), label2id = Json::object();
  for (int64_t i = 0; i < config.num_labels(); ++i) {
    id2label[absl::StrCat(i)] = config.labels[i];
    label2id[config.labels[i]] = i;
  }
  json["id2label"] = id2label;
  json["label2id"] = label2id;
}

}  // namespace

absl::StatusOr<EncoderConfig> ParseModelConfig(const std::string& json, const std::string& where) {
  const std::string text = Json::accept(json) ? json : StrictJson(json);
  QL_ASSIGN_OR_RETURN(const Json parsed, ParseObject(text, where));
  QL_ASSIGN_OR_RETURN(EncoderConfig config, Parser(parsed, where).Parse());
  config.source_json = text;
  return config;
}

absl::StatusOr<EncoderConfig> ReadModelConfig(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  return ParseModelConfig(text, path);
}

std::string ModelConfigToJson(const EncoderConfig& config) {
  // Without exceptions: source_json was parsed once already, or is empty.
  Json json = Json::parse(config.source_json, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) json = Json::object();
  if (const ModelFamily* family = FindModelFamily(config.family); family != nullptr) {
    WriteFamily(*family, config, json);
  }
  json["vocab_size"] = config.vocab_size;
  json["max_position_embeddings"] = config.max_position_embeddings;
  json["pad_token_id"] = config.pad_token_id < 0 ? Json() : Json(config.pad_token_id);
  json["initializer_range"] = config.initializer_range;
  json.erase("num_labels");  // said by id2label
  // What is saved is FP32, whatever was read; transformers would round it again by the old word.
  for (const char* key : {"dtype", "torch_dtype"}) {
    if (json.contains(key)) json[key] = "float32";
  }
  WriteLabels(config, json);
  WriteTask(config, json);
  json.erase(kTextPairs);
  if (config.text_pairs) json[kTextPairs] = true;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace quantlab::engine
