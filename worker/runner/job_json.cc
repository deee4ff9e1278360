#include "worker/runner/job_json.h"

#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
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

DatasetConfig ReadDataset(JsonFields fields) {
  DatasetConfig dataset;
  dataset.asset = ReadAsset(fields.Message("asset"));
  dataset.format = fields.String("format");
  dataset.text_column = fields.String("text_column");
  dataset.label_column = fields.String("label_column");
  dataset.filter_column = fields.String("filter_column");
  dataset.filter_value = fields.String("filter_value");
  dataset.labels = fields.Strings("labels");
  dataset.split_seed = fields.Uint64("split_seed");
  dataset.train_size = fields.Int64("train_size");
  dataset.validation_size = fields.Int64("validation_size");
  dataset.test_size = fields.Int64("test_size");
  dataset.max_length = fields.Int32("max_length");
  return dataset;
}

TrainingConfig ReadTraining(JsonFields fields) {
  TrainingConfig training;
  training.enabled = fields.Bool("enabled");
  training.epochs = fields.Int32("epochs");
  training.batch_size = fields.Int32("batch_size");
  training.learning_rate = fields.Double("learning_rate");
  training.weight_decay = fields.Double("weight_decay");
  training.warmup_ratio = fields.Double("warmup_ratio");
  training.max_grad_norm = fields.Double("max_grad_norm");
  training.adam_beta1 = fields.Double("adam_beta1");
  training.adam_beta2 = fields.Double("adam_beta2");
  training.adam_epsilon = fields.Double("adam_epsilon");
  training.dropout = fields.Bool("dropout");
  training.dtype = fields.String("dtype");
  return training;
}

// A oneof: exactly one of the four.
void ReadParam(const std::string& name, JsonFields& fields, Params& params) {
  const int given = fields.Has("bool_value") + fields.Has("int_value") + fields.Has("double_value") +
                    fields.Has("string_value");
  if (given != 1)
    fields.Fail("value", "must be exactly one of boolValue, intValue, doubleValue, stringValue");
  if (fields.Has("bool_value")) params[name] = fields.Bool("bool_value");
  if (fields.Has("int_value")) params[name] = fields.Int64("int_value");
  if (fields.Has("double_value")) params[name] = fields.Double("double_value");
  if (fields.Has("string_value")) params[name] = fields.String("string_value");
}

MethodConfig ReadMethod(JsonFields fields) {
  MethodConfig method;
  method.name = fields.String("name");
  method.version = fields.Int32("version");
  fields.MessageMap(
      "params", [&](const std::string& name, JsonFields& value) { ReadParam(name, value, method.params); });
  return method;
}

EvaluationConfig ReadEvaluation(JsonFields fields) {
  EvaluationConfig evaluation;
  evaluation.metrics = fields.Strings("metrics");
  evaluation.batch_size = fields.Int32("batch_size");
  const std::vector<int32_t> sizes = fields.Int32s("latency_batch_sizes");
  evaluation.latency_batch_sizes.assign(sizes.begin(), sizes.end());
  const std::vector<int32_t> lengths = fields.Int32s("latency_sequence_lengths");
  evaluation.latency_sequence_lengths.assign(lengths.begin(), lengths.end());
  evaluation.warmup_iterations = fields.Int32("warmup_iterations");
  evaluation.min_samples = fields.Int32("min_samples");
  evaluation.min_duration_seconds = fields.Double("min_duration_seconds");
  evaluation.non_inferiority_margin = fields.Double("non_inferiority_margin");
  return evaluation;
}

// 0 is RUN_KIND_UNSPECIFIED, which no RunKind stands for.
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

absl::Status CheckRange(const char* field, double value, double min, double max) {
  // Negated, so that NaN is refused too.
  if (!(value >= min && value <= max)) {
    return Refuse(field, absl::StrCat(value), absl::StrCat(min, " to ", max));
  }
  return absl::OkStatus();
}

absl::Status CheckTraining(const TrainingConfig& training) {
  if (!training.enabled) return absl::OkStatus();
  QL_RETURN_IF_ERROR(CheckRange("training.epochs", training.epochs, 1, 10000));
  QL_RETURN_IF_ERROR(CheckRange("training.batchSize", training.batch_size, 1, 65536));
  QL_RETURN_IF_ERROR(CheckRange("training.learningRate", training.learning_rate, 0, 1));
  QL_RETURN_IF_ERROR(CheckRange("training.weightDecay", training.weight_decay, 0, 10));
  QL_RETURN_IF_ERROR(CheckRange("training.warmupRatio", training.warmup_ratio, 0, 1));
  QL_RETURN_IF_ERROR(CheckRange("training.maxGradNorm", training.max_grad_norm, 0, 1e9));
  if (training.dtype != "fp32" && training.dtype != "bf16") {
    return Refuse("training.dtype", training.dtype, "fp32, bf16");
  }
  return absl::OkStatus();
}

absl::Status CheckEvaluation(const EvaluationConfig& evaluation, RunKind kind) {
  QL_RETURN_IF_ERROR(CheckRange("evaluation.batchSize", evaluation.batch_size, 1, 65536));
  QL_RETURN_IF_ERROR(CheckRange("evaluation.nonInferiorityMargin", evaluation.non_inferiority_margin, 0, 1));
  if (kind != RunKind::kComparison) return absl::OkStatus();
  if (evaluation.latency_batch_sizes.empty())
    return Refuse("evaluation.latencyBatchSizes", "", "at least one");
  for (int size : evaluation.latency_batch_sizes) {
    QL_RETURN_IF_ERROR(CheckRange("evaluation.latencyBatchSizes", size, 1, 4096));
  }
  if (evaluation.latency_sequence_lengths.empty())
    return Refuse("evaluation.latencySequenceLengths", "", "at least one");
  for (int tokens : evaluation.latency_sequence_lengths) {
    QL_RETURN_IF_ERROR(CheckRange("evaluation.latencySequenceLengths", tokens, 1, 65536));
  }
  QL_RETURN_IF_ERROR(CheckRange("evaluation.warmupIterations", evaluation.warmup_iterations, 0, 10000));
  QL_RETURN_IF_ERROR(CheckRange("evaluation.minSamples", evaluation.min_samples, 1, 1'000'000));
  return CheckRange("evaluation.minDurationSeconds", evaluation.min_duration_seconds, 0, 86400);
}

absl::Status CheckMethod(const MethodConfig& method) {
  const MethodSpec* const spec = FindMethod(method.name);
  if (spec == nullptr) return Refuse("method.name", method.name, "one that `quant-runner info` lists");
  if (method.version != spec->version) {
    return absl::FailedPreconditionError(absl::StrCat("job: ", method.name, " version ", method.version,
                                                      " is asked for, but this runner has version ",
                                                      spec->version, "; use workers of one version"));
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
  if (config.device != "cpu" && config.device != "cuda")
    return Refuse("config.device", config.device, "cpu, cuda");
  QL_RETURN_IF_ERROR(CheckRange("config.threads", config.threads, 0, 4096));
  if (!absl::StartsWith(job.output_folder, "/"))
    return Refuse("outputFolder", job.output_folder, "an absolute path");
  const bool baseline = config.kind == RunKind::kBaseline;
  if (baseline && !absl::StartsWith(job.model_folder, "/")) {
    return Refuse("modelFolder", job.model_folder, "an absolute path");
  }
  if (config.kind != RunKind::kComparison) {
    if (!absl::StartsWith(job.dataset_folder, "/"))
      return Refuse("datasetFolder", job.dataset_folder, "an absolute path");
    QL_RETURN_IF_ERROR(CheckRange("config.dataset.maxLength", config.dataset.max_length, 2, 65536));
  }
  if (baseline) QL_RETURN_IF_ERROR(CheckTraining(config.training));
  if (config.kind == RunKind::kQuantization) QL_RETURN_IF_ERROR(CheckMethod(config.method));
  QL_RETURN_IF_ERROR(CheckInputs(job));
  return CheckEvaluation(config.evaluation, config.kind);
}

}  // namespace quantlab::runner
