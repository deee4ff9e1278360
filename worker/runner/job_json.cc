#include "worker/runner/job_json.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/config/runtime_names.h"
#include "base/config/settings.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "base/text/json_depth.h"
#include "worker/runner/json_fields.h"

namespace quantlab::runner {
namespace {

AssetFile ReadFile(JsonFields& fields) {
  return {fields.String("path"), fields.String("sha256"), fields.Int64("size")};
}

AssetRef ReadAsset(JsonFields fields) {
  AssetRef asset;
  asset.name = fields.String("name");
  asset.digest = fields.String("digest");
  asset.license = fields.String("license");
  if (fields.Has("catalog")) {
    JsonFields catalog = fields.Message("catalog");
    CatalogSource source{catalog.String("package"),
                         catalog.String("version"),
                         catalog.String("wheel_sha256"),
                         catalog.String("prefix"),
                         {}};
    catalog.Messages("files", [&](JsonFields& file) { source.files.push_back(ReadFile(file)); });
    asset.catalog = std::move(source);
  }
  fields.Messages("files", [&](JsonFields& file) { asset.files.push_back(ReadFile(file)); });
  return asset;
}

// A oneof: exactly one of the four.
ParamValue ReadParam(JsonFields& fields) {
  const int given = fields.Has("bool_value") + fields.Has("int_value") + fields.Has("double_value") +
                    fields.Has("string_value");
  if (given != 1)
    fields.Fail("value", "must be exactly one of boolValue, intValue, doubleValue, stringValue");
  if (fields.Has("bool_value")) return fields.Bool("bool_value");
  if (fields.Has("int_value")) return fields.Int64("int_value");
  if (fields.Has("double_value")) return fields.Double("double_value");
  return fields.String("string_value");
}

// ---- sections of settings, by the table in base/config/settings.h
// --------------------------------------------

// Reads the field of a setting as the type of its struct's field.
struct FieldReader {
  JsonFields& fields;
  const char* name;

  void operator()(bool* out) const { *out = fields.Bool(name); }
  void operator()(int* out) const { *out = fields.Int32(name); }
  void operator()(int64_t* out) const { *out = fields.Int64(name); }
  void operator()(uint64_t* out) const { *out = fields.Uint64(name); }
  void operator()(double* out) const { *out = fields.Double(name); }
  void operator()(std::string* out) const { *out = fields.String(name); }
  void operator()(std::vector<int>* out) const {
    const std::vector<int32_t> numbers = fields.Int32s(name);
    out->assign(numbers.begin(), numbers.end());
  }
  void operator()(std::vector<std::string>* out) const { *out = fields.Strings(name); }
  // ExperimentOptions are in no job.
  void operator()(absl::Duration*) const {}
};

template <typename Section>
void ReadSettings(JsonFields& fields, Section* section) {
  for (const Setting<Section>& setting : SettingsOf<Section>()) {
    const char* const name = setting.spec.field.c_str();
    if (setting.spec.origin == SettingOrigin::kAdded && !fields.Has(name)) continue;
    const FieldReader read{fields, name};
    std::visit([&](auto field) { read(&(section->*field)); }, setting.field);
  }
}

DatasetConfig ReadDataset(JsonFields fields) {
  DatasetConfig dataset;
  dataset.asset = ReadAsset(fields.Message("asset"));
  ReadSettings(fields, &dataset);
  return dataset;
}

TrainingConfig ReadTraining(JsonFields fields) {
  TrainingConfig training;
  training.enabled = fields.Bool("enabled");
  ReadSettings(fields, &training);
  return training;
}

EvaluationConfig ReadEvaluation(JsonFields fields) {
  EvaluationConfig evaluation;
  ReadSettings(fields, &evaluation);
  return evaluation;
}

MethodConfig ReadMethod(JsonFields fields) {
  MethodConfig method;
  method.name = fields.String("name");
  method.version = fields.Int32("version");
  fields.MessageMap(
      "params", [&](const std::string& name, JsonFields& value) { method.params[name] = ReadParam(value); });
  return method;
}

// 0 is RUN_KIND_UNSPECIFIED, which has no RunKind.
RunKind ReadKind(JsonFields& fields) {
  const int kind = fields.Enum(
      "kind", {"RUN_KIND_UNSPECIFIED", "RUN_KIND_BASELINE", "RUN_KIND_QUANTIZATION", "RUN_KIND_COMPARISON"});
  if (kind == 0) fields.Fail("kind", "must say what kind of run this is");
  return kind == 0 ? RunKind::kBaseline : static_cast<RunKind>(kind - 1);
}

RunConfig ReadConfig(JsonFields fields) {
  RunConfig config;
  config.experiment_id = fields.String("experiment_id");
  config.run_name = fields.String("run_name");
  config.variant = fields.String("variant");
  config.kind = ReadKind(fields);
  config.seed = fields.Uint64("seed");
  config.device = fields.String("device");
  config.threads = fields.Int32("threads");
  config.model = ReadAsset(fields.Message("model"));
  config.dataset = ReadDataset(fields.Message("dataset"));
  config.training = ReadTraining(fields.Message("training"));
  config.method = ReadMethod(fields.Message("method"));
  config.evaluation = ReadEvaluation(fields.Message("evaluation"));
  return config;
}

absl::Status Refuse(const char* field, const std::string& value, const std::string& allowed) {
  return absl::InvalidArgumentError(absl::StrCat("job: ", field, " is \"", value, "\"; allowed: ", allowed));
}

// "job: training.epochs is 0; allowed: an integer from 1 to 1000".
template <typename Section>
absl::Status CheckSection(const Section& section) {
  return Annotate(CheckSettings(section), "job");
}

// The baseline and methods evaluate; only the comparison times.
absl::Status CheckEvaluation(const EvaluationConfig& evaluation, RunKind kind) {
  const bool times = kind == RunKind::kComparison;
  if (times && evaluation.latency_batch_sizes.empty()) {
    return Refuse("evaluation.latency.batch_sizes", "", "at least one");
  }
  if (times && evaluation.latency_sequence_lengths.empty()) {
    return Refuse("evaluation.latency.sequence_lengths", "", "at least one");
  }
  for (const Setting<EvaluationConfig>& setting : SettingsOf<EvaluationConfig>()) {
    if (!times && absl::StartsWith(setting.spec.key, "latency.")) continue;
    const std::string problem = SettingProblem(setting, evaluation);
    if (!problem.empty())
      return absl::InvalidArgumentError(absl::StrCat("job: ", setting.spec.path(), " ", problem));
  }
  return absl::OkStatus();
}

absl::Status CheckMethod(const MethodConfig& method) {
  const MethodSpec* const spec = FindMethod(method.name);
  if (spec == nullptr) return Refuse("method.name", method.name, "one that `quant-runner info` lists");
  if (method.version != spec->version) {
    return MessageStatus(absl::StatusCode::kFailedPrecondition,
                         messages::kRunnerHasOtherMethod(method.name, method.version, spec->version));
  }
  return ResolveParams(*spec, method.params).status();
}

absl::Status CheckInputs(const Job& job) {
  if (job.config.kind == RunKind::kBaseline) return absl::OkStatus();
  if (job.inputs.empty()) return Refuse("inputs", "", "the baseline's model at least");
  if (!job.inputs.front().method.empty()) {
    return Refuse("inputs[0].method", job.inputs.front().method, "none: the baseline comes first");
  }
  for (const ModelInput& input : job.inputs) {
    if (!absl::StartsWith(input.folder, "/"))
      return Refuse("inputs.folder", input.folder, "an absolute path");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Job> ParseJob(absl::string_view text) {
  QL_RETURN_IF_ERROR(Annotate(CheckJsonDepth(text), "job"));
  const auto json = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::InvalidArgumentError("job: not JSON, or cut off");
  absl::Status status;
  JsonFields fields(json, "", &status);
  Job job;
  job.version = fields.Int32("version");
  job.config = ReadConfig(fields.Message("config"));
  job.attempt = fields.Int64("attempt");
  job.model_folder = fields.String("model_folder");
  job.dataset_folder = fields.String("dataset_folder");
  fields.Messages("inputs", [&](JsonFields& input) {
    job.inputs.push_back(
        {input.String("run"), input.String("variant"), input.String("method"), input.String("folder")});
  });
  job.output_folder = fields.String("output_folder");
  if (!status.ok()) return Annotate(status, "job");
  return job;
}

absl::Status CheckJob(const Job& job) {
  const RunConfig& config = job.config;
  if (job.version != 1) {
    return Refuse("version", absl::StrCat(job.version),
                  "1: this runner and the agent are of different versions");
  }
  ExperimentOptions options;
  options.device = config.device;
  options.threads = config.threads;
  QL_RETURN_IF_ERROR(CheckSection(options));
  if (!absl::StartsWith(job.output_folder, "/"))
    return Refuse("outputFolder", job.output_folder, "an absolute path");
  const bool baseline = config.kind == RunKind::kBaseline;
  if (baseline && !absl::StartsWith(job.model_folder, "/")) {
    return Refuse("modelFolder", job.model_folder, "an absolute path");
  }
  if (config.kind != RunKind::kComparison) {
    if (!absl::StartsWith(job.dataset_folder, "/"))
      return Refuse("datasetFolder", job.dataset_folder, "an absolute path");
    QL_RETURN_IF_ERROR(CheckSection(config.dataset));
  }
  if (baseline && config.training.enabled) QL_RETURN_IF_ERROR(CheckSection(config.training));
  if (config.kind == RunKind::kQuantization) QL_RETURN_IF_ERROR(CheckMethod(config.method));
  for (const std::string& runtime : RuntimesOf(config)) {
    if (!IsRuntimeName(runtime)) return Refuse("method.params.runtimes", runtime, RuntimeNames());
  }
  QL_RETURN_IF_ERROR(CheckInputs(job));
  return CheckEvaluation(config.evaluation, config.kind);
}

}  // namespace quantlab::runner
