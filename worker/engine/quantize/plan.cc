#include "worker/engine/quantize/plan.h"

#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace quantlab::engine {
namespace {

using Json = nlohmann::ordered_json;

Json ParamToJson(const ParamValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

Json LayerToJson(const LayerPlan& layer) {
  Json json = {{"name", layer.name},
               {"kind", LayerKindName(layer.kind)},
               {"in_features", layer.in_features},
               {"out_features", layer.out_features}};
  if (layer.kind == LayerKind::kInt8Dynamic) {
    json["granularity"] = layer.per_token ? "per_token" : "per_tensor";
    json["weight_granularity"] = layer.per_channel ? "per_channel" : "per_tensor";
    json["reduce_range"] = layer.reduce_range;
  }
  json["tensors"] = layer.tensors;
  return json;
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

  bool Bool(const char* key) {
    const Json* value = Member(key);
    if (value != nullptr && !value->is_boolean()) Fail(absl::StrCat(key, " must be true or false"));
    return value != nullptr && value->is_boolean() && value->get<bool>();
  }

  // True for the first of two words, false for the second.
  bool Either(const char* key, const char* first, const char* second) {
    const std::string word = Text(key);
    if (word != first && word != second) {
      Fail(absl::StrCat(key, " is \"", word, "\"; allowed: ", first, ", ", second));
    }
    return word == first;
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

absl::StatusOr<LayerPlan> LayerFromJson(const Json& json, const std::string& where) {
  Reader reader(json, where);
  LayerPlan layer;
  layer.name = reader.Text("name");
  const std::string kind = reader.Text("kind");
  if (kind == LayerKindName(LayerKind::kInt8Dynamic)) {
    layer.kind = LayerKind::kInt8Dynamic;
    layer.per_token = reader.Either("granularity", "per_token", "per_tensor");
    layer.per_channel = reader.Either("weight_granularity", "per_channel", "per_tensor");
    layer.reduce_range = reader.Bool("reduce_range");
  } else if (kind != LayerKindName(LayerKind::kFp32)) {
    reader.Fail(absl::StrCat("kind is \"", kind, "\"; allowed: fp32, int8_dynamic"));
  }
  layer.in_features = reader.Integer("in_features", 1, int64_t{1} << 24);
  layer.out_features = reader.Integer("out_features", 1, int64_t{1} << 24);
  if (const Json* tensors = reader.Member("tensors"); tensors != nullptr) {
    if (!tensors->is_object()) reader.Fail("tensors must be an object");
    for (const auto& item : tensors->items()) {
      if (!item.value().is_string()) {
        reader.Fail(absl::StrCat("tensors: ", item.key(), " must be a string"));
        continue;
      }
      layer.tensors[item.key()] = item.value().get<std::string>();
    }
  }
  QL_RETURN_IF_ERROR(reader.status());
  return layer;
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

absl::Status ReadLayers(const Json& json, const std::string& where, QuantizationPlan& plan) {
  if (!json.is_array()) return absl::InvalidArgumentError(absl::StrCat(where, ": layers must be an array"));
  std::set<std::string> names;
  for (const Json& item : json) {
    const std::string at = absl::StrCat(where, ": layer ", plan.layers.size());
    QL_ASSIGN_OR_RETURN(LayerPlan layer, LayerFromJson(item, at));
    if (!names.insert(layer.name).second) {
      return absl::InvalidArgumentError(absl::StrCat(at, ": ", layer.name, " is there twice"));
    }
    plan.layers.push_back(std::move(layer));
  }
  return absl::OkStatus();
}

}  // namespace

const char* LayerKindName(LayerKind kind) {
  return kind == LayerKind::kFp32 ? "fp32" : "int8_dynamic";
}

const LayerPlan* QuantizationPlan::Find(const std::string& layer) const {
  for (const LayerPlan& plan : layers) {
    if (plan.name == layer) return &plan;
  }
  return nullptr;
}

std::string PlanToJson(const QuantizationPlan& plan) {
  Json params = Json::object();
  for (const auto& [name, value] : plan.params) params[name] = ParamToJson(value);
  Json layers = Json::array();
  for (const LayerPlan& layer : plan.layers) layers.push_back(LayerToJson(layer));
  const Json json = {
      {"version", QuantizationPlan::kVersion},
      {"model_family", QuantizationPlan::kFamily},
      {"method", {{"name", plan.method}, {"version", plan.method_version}, {"params", params}}},
      {"layers", layers}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<QuantizationPlan> ParsePlan(const std::string& text, const std::string& where) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::InvalidArgumentError(absl::StrCat(where, ": not JSON, or cut off"));
  Reader reader(json, where);
  const int64_t version = reader.Integer("version", 1, 1'000'000);
  const std::string family = reader.Text("model_family");
  const Json* method = reader.Member("method");
  const Json* layers = reader.Member("layers");
  QL_RETURN_IF_ERROR(reader.status());
  if (version != QuantizationPlan::kVersion) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": version ", version,
                                                   " is newer than this program, which reads ",
                                                   QuantizationPlan::kVersion, "; update it"));
  }
  if (family != QuantizationPlan::kFamily) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": model_family is \"", family, "\"; allowed: ", QuantizationPlan::kFamily));
  }
  QuantizationPlan plan;
  QL_RETURN_IF_ERROR(ReadMethod(*method, where, plan));
  QL_RETURN_IF_ERROR(ReadLayers(*layers, where, plan));
  return plan;
}

}  // namespace quantlab::engine
