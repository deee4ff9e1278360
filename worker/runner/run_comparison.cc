// The comparison: speed, memory and size of everything that succeeded, side by side on one machine that
// does nothing else.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/metric_spec.h"
#include "base/numbers.h"
#include "base/status_macros.h"
#include "worker/engine/measure/side_by_side.h"
#include "worker/engine/quantize/saved_model.h"
#include "worker/runner/attempt.h"
#include "worker/runner/compare_accuracy.h"
#include "worker/runner/memory_child.h"

namespace quantlab::runner {
namespace {

using Labels = std::map<std::string, std::string>;

bool Wants(const Attempt& attempt, std::initializer_list<const char*> names) {
  const std::vector<std::string>& wanted = attempt.config().evaluation.metrics;
  if (wanted.empty()) return true;
  return std::any_of(names.begin(), names.end(), [&](const char* name) {
    return std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  });
}

void Record(Attempt& attempt, const char* name, double value, Labels labels, int64_t samples = 0) {
  attempt.Record(Metric{name, value, FindMetric(name)->unit, std::move(labels), 0, {}, {}, samples});
}

// What one round of timings is of.
struct InputShape {
  int batch_size, sequence_length;

  Labels labels() const {
    return {{"batch_size", absl::StrCat(batch_size)}, {"sequence_length", absl::StrCat(sequence_length)}};
  }
  std::string text() const { return absl::StrFormat("batch %d x %d tokens", batch_size, sequence_length); }
};

void RecordTimes(Attempt& attempt, const ModelInput& input, const engine::BenchTimes& times,
                 const InputShape& shape) {
  Labels labels = shape.labels();
  labels["variant"] = input.variant;
  const auto quantile = [&](const char* name, double value) {
    Labels with = labels;
    with["quantile"] = name;
    Record(attempt, "inference_time", value, std::move(with), times.summary.samples);
  };
  quantile("p50", times.summary.p50);
  quantile("p90", times.summary.p90);
  if (times.summary.p99) quantile("p99", *times.summary.p99);
  Record(attempt, "throughput", shape.batch_size / times.summary.p50, labels, times.summary.samples);
  if (input.method.empty()) return;
  attempt.Record(Metric{"speedup", times.speedup, "1", labels, 0, times.speedup_interval.low,
                        times.speedup_interval.high, times.summary.samples});
}

void AppendSamples(const engine::BenchTimes& times, const std::string& variant, const InputShape& shape,
                   std::string& csv) {
  for (size_t block = 0; block < times.seconds.size(); ++block) {
    absl::StrAppend(&csv, shape.batch_size, ",", shape.sequence_length, ",", block, ",", variant, ",",
                    RoundTrip(times.seconds[block]), "\n");
  }
}

void ExplainReference(Attempt& attempt, const engine::SideBySideResult& result, const InputShape& shape) {
  const engine::BenchResult& bench = result.bench;
  if (!result.other_fp32_path.empty()) {
    attempt.Send(Caveat{
        "fp32_path",
        absl::StrFormat("%s: speedups are told against %s, the faster FP32 here; %s took %.2f "
                        "times as long",
                        shape.text(), result.fp32_path, result.other_fp32_path, result.other_fp32_ratio)});
  }
  attempt.Record(Metric{"aa_ratio", bench.twin.speedup, "1", shape.labels(), 0,
                        bench.twin.speedup_interval.low, bench.twin.speedup_interval.high,
                        bench.twin.summary.samples});
  if (bench.reliable) return;
  attempt.Warn("aa_check_failed",
               absl::StrFormat(
                   "%s: the timings are unreliable: one model timed against itself gave %.3f to %.3f "
                   "instead of 0.97 to 1.03, twice; run the comparison on a machine that does nothing else",
                   shape.text(), bench.twin.speedup_interval.low, bench.twin.speedup_interval.high));
}

absl::Status TimeShape(Attempt& attempt, const engine::SideBySide& models, const InputShape& shape,
                       std::string& csv) {
  const EvaluationConfig& evaluation = attempt.config().evaluation;
  engine::BenchOptions options;
  options.batch_size = shape.batch_size;
  options.sequence_length = shape.sequence_length;
  options.warmup_iterations = evaluation.warmup_iterations;
  options.min_samples = evaluation.min_samples;
  options.min_duration_seconds = evaluation.min_duration_seconds;
  options.seed = attempt.config().seed;
  options.progress = [&](int64_t blocks, double) {
    return attempt.Report(absl::StrCat("measuring speed at ", shape.text()), blocks,
                          std::max<int64_t>(blocks, evaluation.min_samples), "block");
  };
  QL_ASSIGN_OR_RETURN(const engine::SideBySideResult result, models.Run(options));
  ExplainReference(attempt, result, shape);
  const engine::BenchResult& bench = result.bench;
  AppendSamples(bench.reference, "reference", shape, csv);
  AppendSamples(bench.twin, "reference_again", shape, csv);
  RecordTimes(attempt, attempt.job().inputs[0], bench.reference, shape);
  for (size_t i = 0; i < bench.entries.size(); ++i) {
    RecordTimes(attempt, attempt.job().inputs[i + 1], bench.entries[i], shape);
    AppendSamples(bench.entries[i], bench.entries[i].name, shape, csv);
  }
  return absl::OkStatus();
}

absl::Status CompareSpeed(Attempt& attempt, const engine::SideBySide& models) {
  const EvaluationConfig& evaluation = attempt.config().evaluation;
  std::string csv = "batch_size,sequence_length,block,variant,seconds\n";
  for (int sequence_length : evaluation.latency_sequence_lengths) {
    for (int batch_size : evaluation.latency_batch_sizes) {
      QL_RETURN_IF_ERROR(TimeShape(attempt, models, {batch_size, sequence_length}, csv));
    }
  }
  return attempt.WriteArtifact("samples.csv", csv);
}

// Bytes of the tensors of the layers that are not FP32, and of the same layers in FP32.
std::pair<int64_t, int64_t> QuantizedBytes(const engine::BertForSequenceClassification& model) {
  std::pair<int64_t, int64_t> bytes;
  for (const Layer& layer : engine::DescribeLayers(model, 1)) {
    if (layer.effective == "fp32") continue;
    bytes.first += layer.bytes;
    bytes.second += layer.bytes_fp32;
  }
  return bytes;
}

absl::Status CompareSize(Attempt& attempt, const engine::SideBySide& models) {
  const std::vector<ModelInput>& inputs = attempt.job().inputs;
  QL_ASSIGN_OR_RETURN(const engine::ModelSize baseline, engine::SizeOfModel(inputs[0].folder));
  for (size_t i = 0; i < inputs.size(); ++i) {
    QL_ASSIGN_OR_RETURN(const engine::ModelSize size, engine::SizeOfModel(inputs[i].folder));
    const Labels whole = {{"variant", inputs[i].variant}, {"part", "model"}};
    Record(attempt, "model_size", static_cast<double>(size.total), whole);
    if (i == 0) continue;
    Record(attempt, "compression_ratio",
           static_cast<double>(baseline.total) / static_cast<double>(size.total), whole);
    const auto [bytes, bytes_fp32] = QuantizedBytes(models.model(i));
    if (bytes == 0) continue;
    const Labels layers = {{"variant", inputs[i].variant}, {"part", "quantized_layers"}};
    Record(attempt, "model_size", static_cast<double>(bytes), layers);
    Record(attempt, "compression_ratio", static_cast<double>(bytes_fp32) / static_cast<double>(bytes),
           layers);
  }
  return absl::OkStatus();
}

void RecordMemory(Attempt& attempt, const std::string& variant, const MemoryReport& report) {
  const auto record = [&](const std::string& kind, int64_t bytes) {
    Record(attempt, "memory_usage", static_cast<double>(bytes), {{"variant", variant}, {"kind", kind}});
  };
  const auto growth = [&](const std::string& kind, const engine::ProcessMemory& now) {
    record(kind, now.resident - report.start.resident);
    record(kind + "_anonymous", now.anonymous - report.start.anonymous);
    record(kind + "_file", now.file - report.start.file);
  };
  growth("load", report.loaded);
  growth("forward", report.forward);
  record("peak", report.forward.peak);
}

// A variant on a reference kernel would be compared for what no user gets.
absl::Status CheckKernels(const std::string& variant, const MemoryReport& report) {
  if (report.reference_primitives.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(variant, " ran on a reference kernel of oneDNN (",
                                                    absl::StrJoin(report.reference_primitives, ", "),
                                                    "), which is correct but very slow, so its speed would "
                                                    "mislead; disable this variant on this machine, or "
                                                    "use another worker"));
}

absl::Status CheckLayers(const std::string& variant, const engine::BertForSequenceClassification& model) {
  for (const Layer& layer : engine::DescribeLayers(model, 1)) {
    if (!absl::StrContains(layer.kernel, "portable")) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(variant, ": ", layer.name, " ran on the portable kernel ", layer.kernel,
                     ", since this CPU has no AVX2 (or ONEDNN_MAX_CPU_ISA hides it); use another worker"));
  }
  return absl::OkStatus();
}

// Each model in a process of its own: which kernels run, and how much memory they take.
absl::Status AuditAndMeasureMemory(Attempt& attempt, const std::string& runner) {
  const std::vector<ModelInput>& inputs = attempt.job().inputs;
  const EvaluationConfig& evaluation = attempt.config().evaluation;
  // Of the largest input that is timed.
  const int batch_size =
      *std::max_element(evaluation.latency_batch_sizes.begin(), evaluation.latency_batch_sizes.end());
  const int sequence_length = *std::max_element(evaluation.latency_sequence_lengths.begin(),
                                                evaluation.latency_sequence_lengths.end());
  for (size_t i = 0; i < inputs.size(); ++i) {
    attempt.Report("measuring memory", static_cast<int64_t>(i), static_cast<int64_t>(inputs.size()), "model");
    QL_ASSIGN_OR_RETURN(const MemoryReport report,
                        MeasureMemoryInChild(runner,
                                             {inputs[i].folder, attempt.config().device,
                                              attempt.config().threads, batch_size, sequence_length},
                                             [&] { return attempt.ShouldStop(); }));
    QL_RETURN_IF_ERROR(CheckKernels(inputs[i].variant, report));
    if (Wants(attempt, {"memory_usage"})) RecordMemory(attempt, inputs[i].variant, report);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunComparison(Attempt& attempt, const std::string& runner) {
  // Memory first: while nothing is loaded here, the children have the machine to themselves.
  QL_RETURN_IF_ERROR(AuditAndMeasureMemory(attempt, runner));
  QL_RETURN_IF_ERROR(CompareAccuracy(attempt));
  std::vector<engine::SideBySide::Input> inputs;
  for (const ModelInput& input : attempt.job().inputs) inputs.push_back({input.variant, input.folder});
  attempt.Report("loading models", 0, static_cast<int64_t>(inputs.size()), "model");
  QL_ASSIGN_OR_RETURN(const auto models, engine::SideBySide::Load(inputs, attempt.config().device));
  for (size_t i = 0; i < inputs.size(); ++i) {
    QL_RETURN_IF_ERROR(CheckLayers(inputs[i].name, models->model(i)));
  }
  if (Wants(attempt, {"model_size", "compression_ratio"})) QL_RETURN_IF_ERROR(CompareSize(attempt, *models));
  if (Wants(attempt, {"inference_time", "throughput", "speedup"}))
    QL_RETURN_IF_ERROR(CompareSpeed(attempt, *models));
  return absl::OkStatus();
}

}  // namespace quantlab::runner
