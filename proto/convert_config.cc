// RunConfig and Job.
#include <limits>
#include <set>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/reflection.h>

#include "absl/strings/str_cat.h"
#include "base/config/settings.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "proto/checks.h"
#include "proto/convert.h"

namespace quantlab {
namespace {

using namespace proto_checks;  // NOLINT: this file is made of them

v1::CatalogSource ToProtoCatalog(const CatalogSource& catalog) {
  v1::CatalogSource out;
  out.set_package(ValidUtf8(catalog.package));
  out.set_version(ValidUtf8(catalog.version));
  out.set_wheel_sha256(ValidUtf8(catalog.wheel_sha256));
  out.set_prefix(ValidUtf8(catalog.prefix));
  AddAll(catalog.files, out.mutable_files());
  return out;
}

absl::StatusOr<CatalogSource> FromProtoCatalog(const v1::CatalogSource& in) {
  CatalogSource out{in.package(), in.version(), in.wheel_sha256(), in.prefix(), {}};
  QL_RETURN_IF_ERROR(NonEmpty("package", out.package));
  QL_RETURN_IF_ERROR(NonEmpty("version", out.version));
  QL_RETURN_IF_ERROR(Digest("wheel_sha256", out.wheel_sha256));
  if (!out.prefix.empty()) {
    const bool folder = out.prefix.back() == '/';
    QL_RETURN_IF_ERROR(RelativePath("prefix", out.prefix.substr(0, out.prefix.size() - folder)));
  }
  QL_RETURN_IF_ERROR(Parts("files", in.files(), &out.files));
  return out;
}

// ---- sections of settings, by the table in base/config/settings.h
// --------------------------------------------

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Of the lists in one section.
constexpr int kMaxListItems = 1000;

const FieldDescriptor* FieldOf(const Message& message, const std::string& name) {
  return message.GetDescriptor()->FindFieldByName(name);
}

// Sets a field of `to`, which has the default of its type.
struct FieldSetter {
  Message& to;
  const Reflection& in;
  const FieldDescriptor* field;

  void operator()(bool value) const { in.SetBool(&to, field, value); }
  void operator()(int value) const { in.SetInt32(&to, field, value); }
  void operator()(int64_t value) const { in.SetInt64(&to, field, value); }
  void operator()(uint64_t value) const { in.SetUInt64(&to, field, value); }
  void operator()(double value) const { in.SetDouble(&to, field, value); }
  void operator()(const std::string& value) const { in.SetString(&to, field, ValidUtf8(value)); }
  void operator()(const std::vector<int>& values) const {
    for (const int value : values) in.AddInt32(&to, field, value);
  }
  void operator()(const std::vector<std::string>& values) const {
    for (const std::string& value : values) in.AddString(&to, field, ValidUtf8(value));
  }
  // ExperimentOptions are in no message.
  void operator()(absl::Duration) const {}
};

// Reads a field of `from`. Ranges are checked afterwards.
struct FieldGetter {
  const Message& from;
  const Reflection& in;
  const FieldDescriptor* field;

  absl::Status operator()(bool* value) const { return Take(in.GetBool(from, field), value); }
  absl::Status operator()(int* value) const { return Take(in.GetInt32(from, field), value); }
  absl::Status operator()(int64_t* value) const { return Take(in.GetInt64(from, field), value); }
  absl::Status operator()(uint64_t* value) const { return Take(in.GetUInt64(from, field), value); }
  absl::Status operator()(double* value) const { return Take(in.GetDouble(from, field), value); }
  absl::Status operator()(std::string* value) const {
    *value = in.GetString(from, field);
    return Text(field->name(), *value);
  }
  absl::Status operator()(std::vector<int>* values) const {
    const auto items = in.GetRepeatedFieldRef<int32_t>(from, field);
    QL_RETURN_IF_ERROR(Items(field->name(), items.size(), kMaxListItems));
    values->assign(items.begin(), items.end());
    return absl::OkStatus();
  }
  absl::Status operator()(std::vector<std::string>* values) const {
    return Texts(field->name(), in.GetRepeatedFieldRef<std::string>(from, field), values);
  }
  absl::Status operator()(absl::Duration*) const { return absl::OkStatus(); }

  template <typename T>
  static absl::Status Take(T from, T* to) {
    *to = from;
    return absl::OkStatus();
  }
};

template <typename Section>
void SettingsToProto(const Section& section, Message* out) {
  for (const Setting<Section>& setting : SettingsOf<Section>()) {
    const FieldSetter set{*out, *out->GetReflection(), FieldOf(*out, setting.spec.field)};
    std::visit([&](auto field) { set(section.*field); }, setting.field);
  }
}

bool IsSet(const Message& message, const FieldDescriptor* field) {
  const Reflection& reflection = *message.GetReflection();
  return field->is_repeated() ? reflection.FieldSize(message, field) > 0
                              : reflection.HasField(message, field);
}

template <typename Section>
absl::Status SettingsFromProto(const Message& in, Section* section) {
  for (const Setting<Section>& setting : SettingsOf<Section>()) {
    const FieldDescriptor* const from = FieldOf(in, setting.spec.field);
    if (setting.spec.origin == SettingOrigin::kAdded && !IsSet(in, from)) continue;
    const FieldGetter get{in, *in.GetReflection(), from};
    QL_RETURN_IF_ERROR(std::visit([&](auto field) { return get(&(section->*field)); }, setting.field));
  }
  return absl::OkStatus();
}

template <typename Section>
absl::Status CheckRanges(const Section& section, Unset unset) {
  for (const Setting<Section>& setting : SettingsOf<Section>()) {
    const std::string problem = SettingProblem(setting, section, unset);
    if (!problem.empty()) return Bad(setting.spec.field, problem);
  }
  return absl::OkStatus();
}

v1::DatasetConfig ToProtoDataset(const DatasetConfig& dataset) {
  v1::DatasetConfig out;
  *out.mutable_asset() = ToProto(dataset.asset);
  SettingsToProto(dataset, &out);
  return out;
}

absl::StatusOr<DatasetConfig> FromProtoDataset(const v1::DatasetConfig& in) {
  DatasetConfig out;
  QL_RETURN_IF_ERROR(Part("asset", in.asset(), &out.asset));
  QL_RETURN_IF_ERROR(SettingsFromProto(in, &out));
  QL_RETURN_IF_ERROR(CheckRanges(out, Unset::kAllowed));
  return out;
}

v1::TrainingConfig ToProtoTraining(const TrainingConfig& training) {
  v1::TrainingConfig out;
  out.set_enabled(training.enabled);
  SettingsToProto(training, &out);
  return out;
}

absl::StatusOr<TrainingConfig> FromProtoTraining(const v1::TrainingConfig& in) {
  TrainingConfig out;
  out.enabled = in.enabled();
  QL_RETURN_IF_ERROR(SettingsFromProto(in, &out));
  QL_RETURN_IF_ERROR(CheckRanges(out, out.enabled ? Unset::kRefused : Unset::kAllowed));
  return out;
}

v1::MethodConfig ToProtoMethod(const MethodConfig& method) {
  v1::MethodConfig out;
  out.set_name(ValidUtf8(method.name));
  out.set_version(method.version);
  for (const auto& [name, value] : method.params) (*out.mutable_params())[ValidUtf8(name)] = ToProto(value);
  return out;
}

absl::StatusOr<MethodConfig> FromProtoMethod(const v1::MethodConfig& in) {
  MethodConfig out;
  out.name = in.name();
  out.version = in.version();
  QL_RETURN_IF_ERROR(Text("name", out.name));
  QL_RETURN_IF_ERROR(AtLeast("version", out.version, 0));
  QL_RETURN_IF_ERROR(Items("params", static_cast<int64_t>(in.params().size())));
  for (const auto& [name, value] : in.params()) {
    QL_RETURN_IF_ERROR(NonEmpty("params", name));
    QL_RETURN_IF_ERROR(Part(absl::StrCat("params[", name, "]"), value, &out.params[name]));
  }
  return out;
}

v1::EvaluationConfig ToProtoEvaluation(const EvaluationConfig& evaluation) {
  v1::EvaluationConfig out;
  SettingsToProto(evaluation, &out);
  return out;
}

absl::StatusOr<EvaluationConfig> FromProtoEvaluation(const v1::EvaluationConfig& in) {
  EvaluationConfig out;
  QL_RETURN_IF_ERROR(SettingsFromProto(in, &out));
  if (out.latency_sequence_lengths.empty() && in.latency_sequence_length() != 0) {
    out.latency_sequence_lengths = {in.latency_sequence_length()};
  }
  QL_RETURN_IF_ERROR(CheckRanges(out, Unset::kAllowed));
  return out;
}

// The parts of a message that have no public overload of their own.
template <typename Message, typename T, typename Convert>
absl::Status PartBy(absl::string_view field, const Message& from, T* to, Convert convert) {
  auto converted = convert(from);
  if (!converted.ok()) return Within(field, converted.status());
  *to = *std::move(converted);
  return absl::OkStatus();
}

}  // namespace

v1::RunKind ToProto(RunKind kind) {
  switch (kind) {
    case RunKind::kBaseline:
      return v1::RUN_KIND_BASELINE;
    case RunKind::kQuantization:
      return v1::RUN_KIND_QUANTIZATION;
    case RunKind::kComparison:
      return v1::RUN_KIND_COMPARISON;
  }
  return v1::RUN_KIND_UNSPECIFIED;
}

absl::StatusOr<RunKind> FromProto(v1::RunKind kind) {
  switch (kind) {
    case v1::RUN_KIND_BASELINE:
      return RunKind::kBaseline;
    case v1::RUN_KIND_QUANTIZATION:
      return RunKind::kQuantization;
    case v1::RUN_KIND_COMPARISON:
      return RunKind::kComparison;
    default:
      return Bad("", absl::StrCat(static_cast<int>(kind), " is no kind of run that this version knows"));
  }
}

v1::ParamValue ToProto(const ParamValue& value) {
  v1::ParamValue out;
  if (const auto* b = std::get_if<bool>(&value)) out.set_bool_value(*b);
  if (const auto* i = std::get_if<int64_t>(&value)) out.set_int_value(*i);
  if (const auto* d = std::get_if<double>(&value)) out.set_double_value(*d);
  if (const auto* s = std::get_if<std::string>(&value)) out.set_string_value(ValidUtf8(*s));
  return out;
}

absl::StatusOr<ParamValue> FromProto(const v1::ParamValue& value) {
  switch (value.value_case()) {
    case v1::ParamValue::kBoolValue:
      return ParamValue(value.bool_value());
    case v1::ParamValue::kIntValue:
      return ParamValue(static_cast<int64_t>(value.int_value()));
    case v1::ParamValue::kDoubleValue: {
      constexpr double kMax = std::numeric_limits<double>::max();
      QL_RETURN_IF_ERROR(Between("double_value", value.double_value(), -kMax, kMax));
      return ParamValue(value.double_value());
    }
    case v1::ParamValue::kStringValue:
      QL_RETURN_IF_ERROR(Text("string_value", value.string_value(), kMaxPathBytes));
      return ParamValue(value.string_value());
    case v1::ParamValue::VALUE_NOT_SET:
      break;
  }
  return Bad("value", "is not set");
}

v1::AssetFile ToProto(const AssetFile& file) {
  v1::AssetFile out;
  out.set_path(ValidUtf8(file.path));
  out.set_sha256(ValidUtf8(file.sha256));
  out.set_size(file.size);
  return out;
}

absl::StatusOr<AssetFile> FromProto(const v1::AssetFile& file) {
  QL_RETURN_IF_ERROR(RelativePath("path", file.path()));
  QL_RETURN_IF_ERROR(Digest("sha256", file.sha256()));
  QL_RETURN_IF_ERROR(AtLeast("size", file.size(), 0));
  return AssetFile{file.path(), file.sha256(), file.size()};
}

v1::AssetRef ToProto(const AssetRef& asset) {
  v1::AssetRef out;
  out.set_name(ValidUtf8(asset.name));
  out.set_digest(ValidUtf8(asset.digest));
  out.set_license(ValidUtf8(asset.license));
  if (asset.catalog) *out.mutable_catalog() = ToProtoCatalog(*asset.catalog);
  AddAll(asset.files, out.mutable_files());
  return out;
}

absl::StatusOr<AssetRef> FromProto(const v1::AssetRef& asset) {
  AssetRef out;
  out.name = asset.name();
  out.digest = asset.digest();
  out.license = asset.license();
  QL_RETURN_IF_ERROR(Text("name", out.name, kMaxPathBytes));
  QL_RETURN_IF_ERROR(Digest("digest", out.digest, /*optional=*/true));
  QL_RETURN_IF_ERROR(Text("license", out.license));
  if (asset.has_catalog()) {
    QL_RETURN_IF_ERROR(PartBy("catalog", asset.catalog(), &out.catalog.emplace(), FromProtoCatalog));
  }
  QL_RETURN_IF_ERROR(Parts("files", asset.files(), &out.files));
  if (out.catalog && !out.files.empty()) return Bad("files", "are set beside catalog; only one may be");
  const auto& files = out.catalog ? out.catalog->files : out.files;
  std::set<absl::string_view> paths;
  for (const AssetFile& file : files) {
    if (!paths.insert(file.path).second) return Bad("files", absl::StrCat(file.path, " is there twice"));
  }
  return out;
}

v1::RunConfig ToProto(const RunConfig& config) {
  v1::RunConfig out;
  out.set_experiment_id(ValidUtf8(config.experiment_id));
  out.set_run_name(ValidUtf8(config.run_name));
  out.set_variant(ValidUtf8(config.variant));
  out.set_kind(ToProto(config.kind));
  out.set_seed(config.seed);
  out.set_device(ValidUtf8(config.device));
  out.set_threads(config.threads);
  *out.mutable_model() = ToProto(config.model);
  *out.mutable_dataset() = ToProtoDataset(config.dataset);
  *out.mutable_training() = ToProtoTraining(config.training);
  *out.mutable_method() = ToProtoMethod(config.method);
  *out.mutable_evaluation() = ToProtoEvaluation(config.evaluation);
  return out;
}

absl::StatusOr<RunConfig> FromProto(const v1::RunConfig& in) {
  RunConfig out;
  out.experiment_id = in.experiment_id();
  out.run_name = in.run_name();
  out.variant = in.variant();
  out.seed = in.seed();
  out.device = in.device();
  out.threads = in.threads();
  if (!out.experiment_id.empty()) QL_RETURN_IF_ERROR(PathPart("experiment_id", out.experiment_id));
  QL_RETURN_IF_ERROR(PathPart("run_name", out.run_name));
  QL_RETURN_IF_ERROR(Text("variant", out.variant));
  QL_RETURN_IF_ERROR(Part("kind", in.kind(), &out.kind));
  QL_RETURN_IF_ERROR(NonEmpty("device", out.device));
  QL_RETURN_IF_ERROR(AtLeast("threads", out.threads, 0));
  QL_RETURN_IF_ERROR(Part("model", in.model(), &out.model));
  QL_RETURN_IF_ERROR(PartBy("dataset", in.dataset(), &out.dataset, FromProtoDataset));
  QL_RETURN_IF_ERROR(PartBy("training", in.training(), &out.training, FromProtoTraining));
  QL_RETURN_IF_ERROR(PartBy("method", in.method(), &out.method, FromProtoMethod));
  QL_RETURN_IF_ERROR(PartBy("evaluation", in.evaluation(), &out.evaluation, FromProtoEvaluation));
  if (out.kind == RunKind::kQuantization && out.method.name.empty()) {
    return Bad("method.name", "is empty, and a quantization needs a method");
  }
  return out;
}

v1::Job ToProto(const Job& job) {
  v1::Job out;
  out.set_version(job.version);
  *out.mutable_config() = ToProto(job.config);
  out.set_attempt(job.attempt);
  out.set_model_folder(ValidUtf8(job.model_folder));
  out.set_dataset_folder(ValidUtf8(job.dataset_folder));
  for (const ModelInput& input : job.inputs) {
    auto* added = out.add_inputs();
    added->set_run(ValidUtf8(input.run));
    added->set_variant(ValidUtf8(input.variant));
    added->set_method(ValidUtf8(input.method));
    added->set_folder(ValidUtf8(input.folder));
  }
  out.set_output_folder(ValidUtf8(job.output_folder));
  return out;
}

absl::StatusOr<Job> FromProto(const v1::Job& in) {
  Job out;
  out.version = in.version();
  if (out.version != 1) {
    return Bad("version", absl::StrCat("is ", out.version, "; this version knows only 1"));
  }
  QL_RETURN_IF_ERROR(Part("config", in.config(), &out.config));
  out.attempt = in.attempt();
  out.model_folder = in.model_folder();
  out.dataset_folder = in.dataset_folder();
  out.output_folder = in.output_folder();
  QL_RETURN_IF_ERROR(AtLeast("attempt", out.attempt, 1));
  // Which of the two folders a run needs depends on its kind; the runner reports a missing one.
  if (!out.model_folder.empty()) QL_RETURN_IF_ERROR(AbsolutePath("model_folder", out.model_folder));
  if (!out.dataset_folder.empty()) QL_RETURN_IF_ERROR(AbsolutePath("dataset_folder", out.dataset_folder));
  QL_RETURN_IF_ERROR(AbsolutePath("output_folder", out.output_folder));
  QL_RETURN_IF_ERROR(Items("inputs", in.inputs_size()));
  for (const v1::ModelInput& input : in.inputs()) {
    QL_RETURN_IF_ERROR(PathPart("inputs.run", input.run()));
    QL_RETURN_IF_ERROR(Text("inputs.variant", input.variant()));
    QL_RETURN_IF_ERROR(Text("inputs.method", input.method()));
    QL_RETURN_IF_ERROR(AbsolutePath("inputs.folder", input.folder()));
    out.inputs.push_back({input.run(), input.variant(), input.method(), input.folder()});
  }
  return out;
}

std::string RunConfigToJson(const RunConfig& config) {
  return ToJson(ToProto(config));
}

absl::StatusOr<RunConfig> RunConfigFromJson(absl::string_view json) {
  v1::RunConfig message;
  QL_RETURN_IF_ERROR(FromJson(json, &message));
  return FromProto(message);
}

std::string JobToJson(const Job& job) {
  return ToJson(ToProto(job));
}

absl::StatusOr<Job> JobFromJson(absl::string_view json) {
  v1::Job message;
  QL_RETURN_IF_ERROR(FromJson(json, &message));
  return FromProto(message);
}

}  // namespace quantlab
