#include "worker/engine/models/plan.h"

#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/message_json.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"
#include "worker/engine/families/families.h"
#include "worker/engine/layers/layer_kinds.h"

namespace quantlab::engine {
namespace {

using Json = nlohmann::ordered_json;

Json ParamToJson(const ParamValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

Json TensorsToJson(const std::map<std::string, std::string>& tensors) {
  Json json = Json::object();
  for (const auto& [role, name] : tensors) json[role] = name;
  return json;
}

Json LayerToJson(const LayerPlan& layer) {
  Json json = {{"name", layer.name},
               {"kind", layer.kind},
               {"in_features", layer.in_features},
               {"out_features", layer.out_features}};
  const LayerKind* kind = FindLayerKind(layer.kind);
  if (kind != nullptr) {
    for (const ParamSpec& option : kind->options) {
      json[option.name] = ParamToJson(layer.options.at(option.name));
    }
  }
  if (!layer.reason.empty()) {
    json["requested"] = layer.requested;
    json["reason"] = English(layer.reason);
    json["coded_reason"] = Json::parse(MessageToJson(layer.reason));
  }
  json["tensors"] = TensorsToJson(layer.tensors);
  return json;
}

std::map<std::string, std::string> FileNames(const std::string& layer,
                                             const std::map<std::string, at::Tensor>& tensors) {
  std::map<std::string, std::string> names;
  for (const auto& [role, tensor] : tensors) names[role] = absl::StrCat(layer, ".", role);
  return names;
}

// Reads members of one object and remembers the first that is wrong.
class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) Fail("must be an object");
  }

  std::string Text(const char* key) {
    const Json* value = Member(key);
    if (value != nullptr && !value->is_string()) Fail(absl::StrCat(key, " must be a string"));
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
  }

  int64_t Integer(const char* key, int64_t min, int64_t max) {
    const Json* value = Member(key);
    const bool good = value != nullptr && value->is_number_integer() &&
                      !(value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(max)) &&
                      value->get<int64_t>() >= min && value->get<int64_t>() <= max;
    if (!good) Fail(absl::StrCat(key, " must be an integer from ", min, " to ", max));
    return good ? value->get<int64_t>() : min;
  }

  // {role: name in the file}.
  std::map<std::string, std::string> Tensors() {
    std::map<std::string, std::string> names;
    const Json* tensors = Member("tensors");
    if (tensors == nullptr) return names;
    if (!tensors->is_object()) Fail("tensors must be an object");
    for (const auto& item : tensors->items()) {
      if (!item.value().is_string()) {
        Fail(absl::StrCat("tensors: ", item.key(), " must be a string"));
        continue;
      }
      names[item.key()] = item.value().get<std::string>();
    }
    return names;
  }

  // The option as its kind wants it.
  ParamValue Option(const std::string& kind, const ParamSpec& option) {
    const Json* json = Member(option.name.c_str());
    if (json == nullptr) return option.default_value;
    ParamValue value = std::string("a list, an object or null");
    if (json->is_boolean()) value = json->get<bool>();
    if (json->is_number_float()) value = json->get<double>();
    if (json->is_number_integer()) value = json->get<int64_t>();
    if (json->is_string()) value = json->get<std::string>();
    MethodSpec named;
    named.name = kind;
    const auto checked = CheckParam(named, option, value);
    if (!checked.ok()) Fail(std::string(checked.status().message()));
    return checked.ok() ? *checked : option.default_value;
  }

  // Text that may be missing.
  std::string OptionalText(const char* key) {
    return json_.is_object() && json_.contains(key) ? Text(key) : "";
  }

  // A message that may be missing or unknown here, with the text that says the same.
  Message OptionalMessage(const char* key, const std::string& text) {
    if (!json_.is_object() || !json_.contains(key)) return TextMessage(text);
    return MessageOr(MessageFromJson(json_[key].dump()).value_or(Message()), text);
  }

  const Json* Member(const char* key) {
    if (!json_.is_object()) return nullptr;
    const auto it = json_.find(key);
    if (it == json_.end()) Fail(absl::StrCat(key, " is missing"));
    return it == json_.end() ? nullptr : &*it;
  }

  void Fail(const std::string& what) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(where_, ": ", what));
  }
  const absl::Status& status() const { return status_; }

 private:
  const Json& json_;
  std::string where_;
  absl::Status status_;
};

std::string KindNames() {
  return absl::StrJoin(AllLayerKinds(), ", ",
                       [](std::string* out, const LayerKind& kind) { out->append(kind.name); });
}

absl::StatusOr<LayerPlan> LayerFromJson(const Json& json, const std::string& where) {
  Reader reader(json, where);
  LayerPlan layer;
  layer.name = reader.Text("name");
  layer.kind = reader.Text("kind");
  if (const LayerKind* kind = FindLayerKind(layer.kind); kind != nullptr) {
    for (const ParamSpec& option : kind->options) {
      layer.options[option.name] = reader.Option(layer.kind, option);
    }
  } else {
    reader.Fail(absl::StrCat("kind is \"", layer.kind, "\"; allowed: ", KindNames()));
  }
  layer.in_features = reader.Integer("in_features", 1, int64_t{1} << 24);
  layer.out_features = reader.Integer("out_features", 1, int64_t{1} << 24);
  layer.requested = reader.OptionalText("requested");
  layer.reason = reader.OptionalMessage("coded_reason", reader.OptionalText("reason"));
  layer.tensors = reader.Tensors();
  QL_RETURN_IF_ERROR(reader.status());
  return layer;
}

absl::StatusOr<EmbeddingPlan> EmbeddingFromJson(const Json& json, const std::string& where) {
  Reader reader(json, where);
  EmbeddingPlan table;
  table.name = reader.Text("name");
  table.kind = reader.Text("kind");
  if (table.kind != Int8Embedding::kKind && !DtypeFromName(table.kind).ok()) {
    reader.Fail(absl::StrCat("kind is \"", table.kind, "\"; allowed: fp32, bf16, fp16, int8_rows"));
  }
  table.tensors = reader.Tensors();
  QL_RETURN_IF_ERROR(reader.status());
  return table;
}

absl::StatusOr<Params> ParamsFromJson(const Json& json, const std::string& where) {
  if (!json.is_object()) return absl::InvalidArgumentError(absl::StrCat(where, " must be an object"));
  Params params;
  for (const auto& item : json.items()) {
    const Json& value = item.value();
    if (value.is_boolean()) {
      params[item.key()] = value.get<bool>();
    } else if (value.is_number_integer()) {
      params[item.key()] = value.get<int64_t>();
    } else if (value.is_number_float()) {
      params[item.key()] = value.get<double>();
    } else if (value.is_string()) {
      params[item.key()] = value.get<std::string>();
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": ", item.key(), " must be true, false, a number or a string"));
    }
  }
  return params;
}

absl::Status ReadMethod(const Json& json, const std::string& where, QuantizationPlan& plan) {
  Reader reader(json, absl::StrCat(where, ": method"));
  plan.method = reader.Text("name");
  plan.method_version = static_cast<int>(reader.Integer("version", 1, 1'000'000));
  const Json* params = reader.Member("params");
  QL_RETURN_IF_ERROR(reader.status());
  QL_ASSIGN_OR_RETURN(plan.params, ParamsFromJson(*params, absl::StrCat(where, ": method: params")));
  return absl::OkStatus();
}

// Items of the array `key`, each read by `read`; their names must differ.
template <typename Item>
absl::Status ReadArray(const Json& json, const char* key, const std::string& where,
                       absl::StatusOr<Item> (*read)(const Json&, const std::string&),
                       std::vector<Item>& items) {
  if (!json.is_array())
    return absl::InvalidArgumentError(absl::StrCat(where, ": ", key, "s must be an array"));
  std::set<std::string> names;
  for (const Json& element : json) {
    const std::string at = absl::StrCat(where, ": ", key, " ", items.size());
    QL_ASSIGN_OR_RETURN(Item item, read(element, at));
    if (!names.insert(item.name).second) {
      return absl::InvalidArgumentError(absl::StrCat(at, ": ", item.name, " is there twice"));
    }
    items.push_back(std::move(item));
  }
  return absl::OkStatus();
}

// What version 2 has besides.
absl::Status ReadBeyondVersion1(const Json& json, const std::string& where, QuantizationPlan& plan) {
  Reader reader(json, where);
  plan.activation_dtype = reader.Text("activation_dtype");
  const Json* embeddings = reader.Member("embeddings");
  QL_RETURN_IF_ERROR(reader.status());
  const auto dtype = DtypeFromName(plan.activation_dtype);
  if (!dtype.ok()) return Annotate(dtype.status(), absl::StrCat(where, ": activation_dtype"));
  return ReadArray<EmbeddingPlan>(*embeddings, "embedding", where, EmbeddingFromJson, plan.embeddings);
}

}  // namespace

const LayerPlan* QuantizationPlan::Find(const std::string& layer) const {
  for (const LayerPlan& plan : layers) {
    if (plan.name == layer) return &plan;
  }
  return nullptr;
}

const EmbeddingPlan* QuantizationPlan::FindEmbedding(const std::string& table) const {
  for (const EmbeddingPlan& plan : embeddings) {
    if (plan.name == table) return &plan;
  }
  return nullptr;
}

std::string DtypeName(at::ScalarType dtype) {
  if (dtype == at::kBFloat16) return "bf16";
  return dtype == at::kHalf ? "fp16" : "fp32";
}

absl::StatusOr<at::ScalarType> DtypeFromName(const std::string& name) {
  if (name == "fp32") return at::kFloat;
  if (name == "bf16") return at::kBFloat16;
  if (name == "fp16") return at::kHalf;
  return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no dtype; allowed: fp32, bf16, fp16"));
}

QuantizationPlan DescribePlan(const Encoder& model, const MethodSpec& method, const Params& params) {
  QuantizationPlan plan;
  plan.family = model.config().family;
  plan.method = method.name;
  plan.method_version = method.version;
  plan.params = params;
  plan.activation_dtype = DtypeName(model.activation_dtype());
  model.ForEachEmbedding([&](const LayerInfo& info, const Embedding& table) {
    plan.embeddings.push_back({info.name, table.kind(), FileNames(info.name, table.tensors())});
  });
  model.ForEachLinear([&](const LayerInfo& info, const Linear& linear) {
    LayerPlan layer{info.name,
                    linear.kind(),
                    linear.in_features(),
                    linear.out_features(),
                    linear.options(),
                    "",
                    {},
                    FileNames(info.name, linear.tensors())};
    const LayerPrecision precision = linear.precision();
    // A kept layer computes as its kind says, but something else was asked for.
    if (precision.requested != layer.kind) {
      layer.requested = precision.requested;
      layer.reason = precision.reason;
    }
    plan.layers.push_back(std::move(layer));
  });
  return plan;
}

// docs/en/plan.md describes each field and docs/plan.schema.json is the schema; both change with this.
std::string PlanToJson(const QuantizationPlan& plan) {
  Json params = Json::object();
  for (const auto& [name, value] : plan.params) params[name] = ParamToJson(value);
  Json layers = Json::array();
  for (const LayerPlan& layer : plan.layers) layers.push_back(LayerToJson(layer));
  Json embeddings = Json::array();
  for (const EmbeddingPlan& table : plan.embeddings) {
    embeddings.push_back(
        {{"name", table.name}, {"kind", table.kind}, {"tensors", TensorsToJson(table.tensors)}});
  }
  const Json json = {
      {"version", QuantizationPlan::kVersion},
      {"model_family", plan.family},
      {"activation_dtype", plan.activation_dtype},
      {"method", {{"name", plan.method}, {"version", plan.method_version}, {"params", params}}},
      {"embeddings", embeddings},
      {"layers", layers}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<QuantizationPlan> ParsePlan(const std::string& text, const std::string& where) {
  QL_RETURN_IF_ERROR(Annotate(CheckJsonDepth(text), where));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::InvalidArgumentError(absl::StrCat(where, ": not JSON, or cut off"));
  Reader reader(json, where);
  const int64_t version = reader.Integer("version", 1, 1'000'000);
  const std::string family = reader.Text("model_family");
  const Json* method = reader.Member("method");
  const Json* layers = reader.Member("layers");
  QL_RETURN_IF_ERROR(reader.status());
  if (version > QuantizationPlan::kVersion) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": version ", version,
                                                   " is newer than this program, which reads ",
                                                   QuantizationPlan::kVersion, "; update it"));
  }
  if (FindModelFamily(family) == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": model_family is \"", family, "\"; allowed: ", ModelFamilyNames()));
  }
  QuantizationPlan plan;
  plan.family = family;
  QL_RETURN_IF_ERROR(ReadMethod(*method, where, plan));
  if (version >= 2) QL_RETURN_IF_ERROR(ReadBeyondVersion1(json, where, plan));
  QL_RETURN_IF_ERROR(ReadArray<LayerPlan>(*layers, "layer", where, LayerFromJson, plan.layers));
  return plan;
}

}  // namespace quantlab::engine
