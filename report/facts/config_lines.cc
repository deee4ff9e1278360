#include "report/facts/config_lines.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/method_spec.h"
#include "base/sha256.h"
#include "report/facts/format.h"

namespace quantlab::report {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

void AddBool(Lines& lines, const char* key, bool value) {
  lines.emplace_back(key, value ? "true" : "false");
}

template <typename Integer>
void AddInt(Lines& lines, const char* key, Integer value) {
  lines.emplace_back(key, std::to_string(value));
}

void AddDouble(Lines& lines, const char* key, double value) {
  lines.emplace_back(key, FormatExact(value));
}

void AddDataset(Lines& lines, const DatasetConfig& dataset) {
  lines.emplace_back("dataset.digest", dataset.asset.digest);
  lines.emplace_back("dataset.format", dataset.format);
  lines.emplace_back("dataset.text_column", dataset.text_column);
  lines.emplace_back("dataset.label_column", dataset.label_column);
  lines.emplace_back("dataset.filter_column", dataset.filter_column);
  lines.emplace_back("dataset.filter_value", dataset.filter_value);
  lines.emplace_back("dataset.labels", absl::StrJoin(dataset.labels, ";"));
  AddInt(lines, "dataset.split_seed", dataset.split_seed);
  AddInt(lines, "dataset.train_size", dataset.train_size);
  AddInt(lines, "dataset.validation_size", dataset.validation_size);
  AddInt(lines, "dataset.test_size", dataset.test_size);
  AddInt(lines, "dataset.max_length", dataset.max_length);
}

void AddTraining(Lines& lines, const TrainingConfig& training) {
  AddBool(lines, "training.enabled", training.enabled);
  if (!training.enabled) return;
  AddInt(lines, "training.epochs", training.epochs);
  AddInt(lines, "training.batch_size", training.batch_size);
  AddDouble(lines, "training.learning_rate", training.learning_rate);
  AddDouble(lines, "training.weight_decay", training.weight_decay);
  AddDouble(lines, "training.warmup_ratio", training.warmup_ratio);
  AddDouble(lines, "training.max_grad_norm", training.max_grad_norm);
  AddDouble(lines, "training.adam_beta1", training.adam_beta1);
  AddDouble(lines, "training.adam_beta2", training.adam_beta2);
  AddDouble(lines, "training.adam_epsilon", training.adam_epsilon);
  AddBool(lines, "training.dropout", training.dropout);
  lines.emplace_back("training.dtype", training.dtype);
}

void AddEvaluation(Lines& lines, const RunConfig& config) {
  const EvaluationConfig& evaluation = config.evaluation;
  lines.emplace_back("evaluation.metrics", absl::StrJoin(evaluation.metrics, ";"));
  AddInt(lines, "evaluation.batch_size", evaluation.batch_size);
  AddDouble(lines, "evaluation.non_inferiority_margin", evaluation.non_inferiority_margin);
  if (config.kind != RunKind::kComparison) return;
  lines.emplace_back("evaluation.latency_batch_sizes", absl::StrJoin(evaluation.latency_batch_sizes, ";"));
  lines.emplace_back("evaluation.latency_sequence_lengths",
                     absl::StrJoin(evaluation.latency_sequence_lengths, ";"));
  AddInt(lines, "evaluation.warmup_iterations", evaluation.warmup_iterations);
  AddInt(lines, "evaluation.min_samples", evaluation.min_samples);
  AddDouble(lines, "evaluation.min_duration_seconds", evaluation.min_duration_seconds);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> ConfigLines(const RunConfig& config) {
  Lines lines;
  lines.emplace_back("kind", RunKindName(config.kind));
  AddInt(lines, "seed", config.seed);
  lines.emplace_back("device", config.device);
  AddInt(lines, "threads", config.threads);
  lines.emplace_back("model.digest", config.model.digest);
  AddDataset(lines, config.dataset);
  if (config.kind != RunKind::kComparison) AddTraining(lines, config.training);
  if (!config.method.name.empty()) {
    lines.emplace_back("method.name", config.method.name);
    AddInt(lines, "method.version", config.method.version);
    for (const auto& [name, value] : config.method.params) {
      lines.emplace_back(absl::StrCat("method.", name), ParamToString(value));
    }
  }
  AddEvaluation(lines, config);
  return lines;
}

std::string ConfigDigest(const RunConfig& config) {
  std::string text;
  for (const auto& [key, value] : ConfigLines(config)) absl::StrAppend(&text, key, "=", value, "\n");
  return Sha256Hex(text);
}

}  // namespace quantlab::report
