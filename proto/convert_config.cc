// RunConfig and Job.
#include <limits>
#include <set>

#include "absl/strings/str_cat.h"
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

v1::DatasetConfig ToProtoDataset(const DatasetConfig& dataset) {
  v1::DatasetConfig out;
  *out.mutable_asset() = ToProto(dataset.asset);
  out.set_format(ValidUtf8(dataset.format));
  out.set_text_column(ValidUtf8(dataset.text_column));
  out.set_label_column(ValidUtf8(dataset.label_column));
  out.set_filter_column(ValidUtf8(dataset.filter_column));
  out.set_filter_value(ValidUtf8(dataset.filter_value));
  for (const std::string& label : dataset.labels) out.add_labels(ValidUtf8(label));
  out.set_split_seed(dataset.split_seed);
  out.set_train_size(dataset.train_size);
  out.set_validation_size(dataset.validation_size);
  out.set_test_size(dataset.test_size);
  out.set_max_length(dataset.max_length);
  return out;
}

absl::StatusOr<DatasetConfig> FromProtoDataset(const v1::DatasetConfig& in) {
  DatasetConfig out;
  QL_RETURN_IF_ERROR(Part("asset", in.asset(), &out.asset));
  out.format = in.format();
  out.text_column = in.text_column();
  out.label_column = in.label_column();
  out.filter_column = in.filter_column();
  out.filter_value = in.filter_value();
  for (const std::string* text :
       {&out.format, &out.text_column, &out.label_column, &out.filter_column, &out.filter_value}) {
    QL_RETURN_IF_ERROR(Text("columns", *text));
  }
  QL_RETURN_IF_ERROR(Texts("labels", in.labels(), &out.labels));
  out.split_seed = in.split_seed();
  out.train_size = in.train_size();
  out.validation_size = in.validation_size();
  out.test_size = in.test_size();
  out.max_length = in.max_length();
  QL_RETURN_IF_ERROR(AtLeast("train_size", out.train_size, 0));
  QL_RETURN_IF_ERROR(AtLeast("validation_size", out.validation_size, 0));
  QL_RETURN_IF_ERROR(AtLeast("test_size", out.test_size, 0));
  QL_RETURN_IF_ERROR(AtLeast("max_length", out.max_length, 0));
  return out;
}

v1::TrainingConfig ToProtoTraining(const TrainingConfig& training) {
  v1::TrainingConfig out;
  out.set_enabled(training.enabled);
  out.set_epochs(training.epochs);
  out.set_batch_size(training.batch_size);
  out.set_learning_rate(training.learning_rate);
  out.set_weight_decay(training.weight_decay);
  out.set_warmup_ratio(training.warmup_ratio);
  out.set_max_grad_norm(training.max_grad_norm);
  out.set_adam_beta1(training.adam_beta1);
  out.set_adam_beta2(training.adam_beta2);
  out.set_adam_epsilon(training.adam_epsilon);
  out.set_dropout(training.dropout);
  out.set_dtype(ValidUtf8(training.dtype));
  return out;
}

absl::StatusOr<TrainingConfig> FromProtoTraining(const v1::TrainingConfig& in) {
  TrainingConfig out;
  out.enabled = in.enabled();
  out.epochs = in.epochs();
  out.batch_size = in.batch_size();
  out.learning_rate = in.learning_rate();
  out.weight_decay = in.weight_decay();
  out.warmup_ratio = in.warmup_ratio();
  out.max_grad_norm = in.max_grad_norm();
  out.adam_beta1 = in.adam_beta1();
  out.adam_beta2 = in.adam_beta2();
  out.adam_epsilon = in.adam_epsilon();
  out.dropout = in.dropout();
  out.dtype = in.dtype();
  const int least = out.enabled ? 1 : 0;
  QL_RETURN_IF_ERROR(AtLeast("epochs", out.epochs, least));
  QL_RETURN_IF_ERROR(AtLeast("batch_size", out.batch_size, least));
  QL_RETURN_IF_ERROR(NonNegative("learning_rate", out.learning_rate));
  QL_RETURN_IF_ERROR(NonNegative("weight_decay", out.weight_decay));
  QL_RETURN_IF_ERROR(Between("warmup_ratio", out.warmup_ratio, 0, 1));
  QL_RETURN_IF_ERROR(NonNegative("max_grad_norm", out.max_grad_norm));
  QL_RETURN_IF_ERROR(Between("adam_beta1", out.adam_beta1, 0, 1));
  QL_RETURN_IF_ERROR(Between("adam_beta2", out.adam_beta2, 0, 1));
  QL_RETURN_IF_ERROR(NonNegative("adam_epsilon", out.adam_epsilon));
  QL_RETURN_IF_ERROR(Text("dtype", out.dtype));
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
  for (const std::string& metric : evaluation.metrics) out.add_metrics(ValidUtf8(metric));
  out.set_batch_size(evaluation.batch_size);
  for (const int size : evaluation.latency_batch_sizes) out.add_latency_batch_sizes(size);
  for (const int tokens : evaluation.latency_sequence_lengths) out.add_latency_sequence_lengths(tokens);
  out.set_warmup_iterations(evaluation.warmup_iterations);
  out.set_min_samples(evaluation.min_samples);
  out.set_min_duration_seconds(evaluation.min_duration_seconds);
  out.set_non_inferiority_margin(evaluation.non_inferiority_margin);
  return out;
}

absl::StatusOr<EvaluationConfig> FromProtoEvaluation(const v1::EvaluationConfig& in) {
  EvaluationConfig out;
  QL_RETURN_IF_ERROR(Texts("metrics", in.metrics(), &out.metrics));
  out.batch_size = in.batch_size();
  QL_RETURN_IF_ERROR(AtLeast("batch_size", out.batch_size, 0));
  QL_RETURN_IF_ERROR(Items("latency_batch_sizes", in.latency_batch_sizes_size(), 1000));
  out.latency_batch_sizes.assign(in.latency_batch_sizes().begin(), in.latency_batch_sizes().end());
  for (const int size : out.latency_batch_sizes) {
    QL_RETURN_IF_ERROR(AtLeast("latency_batch_sizes", size, 1));
  }
  QL_RETURN_IF_ERROR(Items("latency_sequence_lengths", in.latency_sequence_lengths_size(), 1000));
  out.latency_sequence_lengths.assign(in.latency_sequence_lengths().begin(),
                                      in.latency_sequence_lengths().end());
  if (out.latency_sequence_lengths.empty() && in.latency_sequence_length() != 0) {
    out.latency_sequence_lengths = {in.latency_sequence_length()};
  }
  for (const int tokens : out.latency_sequence_lengths) {
    QL_RETURN_IF_ERROR(AtLeast("latency_sequence_lengths", tokens, 1));
  }
  out.warmup_iterations = in.warmup_iterations();
  out.min_samples = in.min_samples();
  out.min_duration_seconds = in.min_duration_seconds();
  QL_RETURN_IF_ERROR(AtLeast("warmup_iterations", out.warmup_iterations, 0));
  QL_RETURN_IF_ERROR(AtLeast("min_samples", out.min_samples, 0));
  out.non_inferiority_margin = in.non_inferiority_margin();
  QL_RETURN_IF_ERROR(NonNegative("min_duration_seconds", out.min_duration_seconds));
  QL_RETURN_IF_ERROR(NonNegative("non_inferiority_margin", out.non_inferiority_margin));
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
  // Which of the two folders a run needs depends on its kind; the runner says what it misses.
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
