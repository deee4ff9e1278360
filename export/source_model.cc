#include "export/source_model.h"

#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"

namespace quantlab::model_export {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxPlanBytes = int64_t{16} << 20;
constexpr int kPlanVersion = 2;  // the newest that is read

std::string PathOf(const std::string& folder, const char* name) {
  return (std::filesystem::path(folder) / name).string();
}

// Members of one object of plan.json; the first wrong one is remembered.
class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) Fail("must be an object");
  }

  std::string Text(const char* key) {
    const Json* value = Find(key);
    if (value == nullptr || !value->is_string()) Fail(absl::StrCat(key, " must be a string"));
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
  }
  void Integer(const char* key, int64_t min, int64_t max, int64_t& field) {
    const Json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_number_integer() || value->get<int64_t>() < min || value->get<int64_t>() > max) {
      return Fail(absl::StrCat(key, " must be an integer from ", min, " to ", max));
    }
    field = value->get<int64_t>();
  }
  void Bool(const char* key, bool& field) {
    const Json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_boolean()) return Fail(absl::StrCat(key, " must be true or false"));
    field = value->get<bool>();
  }
  void Tensors(std::map<std::string, std::string>& tensors) {
    const Json* value = Find("tensors");
    if (value == nullptr || !value->is_object()) return Fail("tensors must be an object");
    for (const auto& [role, name] : value->items()) {
      if (!name.is_string()) return Fail(absl::StrCat("tensors: ", role, " must be a string"));
      tensors[role] = name.get<std::string>();
    }
  }
  const Json* Find(const char* key) const {
    const auto it = json_.is_object() ? json_.find(key) : json_.end();
    return !json_.is_object() || it == json_.end() ? nullptr : &*it;
  }
  const absl::Status& status() const { return status_; }

 private:
  void Fail(const std::string& what) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(where_, ": ", what));
  }

  const Json& json_;
  const std::string where_;
  absl::Status status_;
};

absl::StatusOr<LayerEntry> ReadEntry(const Json& json, const std::string& where) {
  Reader reader(json, where);
  LayerEntry entry;
  entry.name = reader.Text("name");
  entry.kind = reader.Text("kind");
  reader.Tensors(entry.tensors);
  reader.Integer("weight_bits", 2, 8, entry.weight_bits);
  reader.Integer("group_size", 1, 1 << 16, entry.group_size);
  reader.Bool("symmetric", entry.symmetric);
  reader.Bool("reduce_range", entry.reduce_range);
  if (reader.Find("granularity") != nullptr) entry.per_token = reader.Text("granularity") == "per_token";
  QL_RETURN_IF_ERROR(reader.status());
  return entry;
}

absl::Status ReadEntries(const Json& json, const char* key, const std::string& where,
                         std::map<std::string, LayerEntry>& entries) {
  const auto it = json.find(key);
  if (it == json.end()) return absl::OkStatus();  // version 1 has no embeddings
  if (!it->is_array()) return absl::InvalidArgumentError(absl::StrCat(where, ": ", key, " must be an array"));
  for (size_t i = 0; i < it->size(); ++i) {
    QL_ASSIGN_OR_RETURN(LayerEntry entry, ReadEntry((*it)[i], absl::StrCat(where, ": ", key, " ", i)));
    const std::string name = entry.name;
    if (!entries.emplace(name, std::move(entry)).second) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": ", key, ": ", name, " is there twice"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SourceModel> SourceModel::Open(const std::string& folder) {
  SourceModel model;
  model.folder_ = folder;
  QL_ASSIGN_OR_RETURN(model.config_, engine::ReadModelConfig(PathOf(folder, "config.json")));
  model.family_ = engine::FindModelFamily(model.config_.family);
  QL_RETURN_IF_ERROR(model.ReadPlan());
  QL_RETURN_IF_ERROR(model.ReadTensors());
  return model;
}

absl::Status SourceModel::ReadPlan() {
  const std::string path = PathOf(folder_, "plan.json");
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxPlanBytes);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  QL_RETURN_IF_ERROR(text.status());
  QL_RETURN_IF_ERROR(Annotate(CheckJsonDepth(*text), path));
  const Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::InvalidArgumentError(absl::StrCat(path, ": not JSON, or cut off"));
  Reader reader(json, path);
  int64_t version = 0;
  reader.Integer("version", 1, kPlanVersion, version);
  const std::string family = reader.Text("model_family");
  const Json* method = reader.Find("method");
  if (reader.Find("activation_dtype") != nullptr) activation_dtype_ = reader.Text("activation_dtype");
  QL_RETURN_IF_ERROR(reader.status());
  if (family != config_.family) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": model_family is \"", family,
                                                   "\", but config.json describes a model of the family ",
                                                   config_.family));
  }
  if (method == nullptr || !method->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": method must be an object"));
  }
  Reader in_method(*method, absl::StrCat(path, ": method"));
  method_ = in_method.Text("name");
  method_json_ = method->dump();
  QL_RETURN_IF_ERROR(in_method.status());
  QL_RETURN_IF_ERROR(ReadEntries(json, "layers", path, planned_));
  return ReadEntries(json, "embeddings", path, planned_);
}

absl::Status SourceModel::ReadTensors() {
  QL_ASSIGN_OR_RETURN(const StoredTensors stored, ReadFolderTensors(folder_));
  const auto begins = [this](const auto& named) {
    return absl::StartsWith(named.first, family_->prefix + ".");
  };
  const bool has_prefix = std::any_of(stored.begin(), stored.end(), begins);
  for (const auto& [name, tensor] : stored) {
    const std::string canonical = engine::CanonicalTensorName(*family_, name, has_prefix);
    if (!tensors_.emplace(canonical, tensor).second) {
      return absl::InvalidArgumentError(absl::StrCat(tensor.path, ": two tensors have the name ", canonical));
    }
  }
  return absl::OkStatus();
}

LayerEntry SourceModel::Layer(const std::string& name) const {
  const auto it = planned_.find(name);
  if (it != planned_.end()) return it->second;
  LayerEntry entry;
  entry.name = name;
  for (const char* role : {"weight", "bias"}) {
    const std::string tensor = absl::StrCat(name, ".", role);
    if (tensors_.count(tensor) > 0) entry.tensors[role] = tensor;
  }
  return entry;
}

std::map<std::string, int> SourceModel::CountKinds() const {
  std::map<std::string, int> kinds;
  for (const auto& [name, entry] : planned_) ++kinds[entry.kind];
  return kinds;
}

absl::StatusOr<StoredTensor> SourceModel::Tensor(const std::string& name) const {
  const auto it = tensors_.find(name);
  if (it != tensors_.end()) return it->second;
  return absl::NotFoundError(absl::StrCat(folder_, ": the weights lack the tensor ", name));
}

absl::StatusOr<StoredTensor> SourceModel::Tensor(const LayerEntry& layer, const std::string& role) const {
  const auto it = layer.tensors.find(role);
  if (it != layer.tensors.end()) return Tensor(it->second);
  return absl::NotFoundError(absl::StrCat(folder_, ": the layer ", layer.name, " has no tensor ", role));
}

bool SourceModel::Has(const LayerEntry& layer, const std::string& role) const {
  return layer.tensors.count(role) > 0;
}

}  // namespace quantlab::model_export
