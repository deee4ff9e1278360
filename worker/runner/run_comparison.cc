// The comparison: speed, memory and size of everything that succeeded, side by side on one machine that
// does nothing else.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/message_catalogue.h"
#include "base/messages.h"
#include "base/metric_spec.h"
#include "base/numbers.h"
#include "base/status_macros.h"
#include "worker/engine/measure/side_by_side.h"
#include "worker/engine/models/saved_model.h"
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

Labels LabelsOf(const InputShape& shape) {
  return {{"batch_size", absl::StrCat(shape.batch_size)},
          {"sequence_length", absl::StrCat(shape.sequence_length)}};
}

Message MessageOfShape(const InputShape& shape) {
  return messages::kTimedShape(shape.batch_size, shape.sequence_length);
}

double Rounded(double value, int digits) {
  const double scale = std::pow(10, digits);
  return std::round(value * scale) / scale;
}

// Every length with every batch size. A length beyond the model's maximum becomes that, with a caveat.
absl::StatusOr<std::vector<InputShape>> TimedShapes(Attempt& attempt) {
  const EvaluationConfig& evaluation = attempt.config().evaluation;
  QL_ASSIGN_OR_RETURN(const engine::EncoderConfig config,
                      engine::ReadModelConfig(attempt.job().inputs[0].folder + "/config.json"));
  const int longest = static_cast<int>(config.max_tokens());
  std::vector<int> lengths;
  for (const int asked : evaluation.latency_sequence_lengths) {
    if (asked > longest) {
      attempt.Warn("sequence_length", messages::kTimedLengthCut(asked, longest));
    }
    const int length = std::min(asked, longest);
    if (std::find(lengths.begin(), lengths.end(), length) == lengths.end()) lengths.push_back(length);
  }
  std::vector<InputShape> shapes;
  for (const int length : lengths) {
    for (const int batch_size : evaluation.latency_batch_sizes) shapes.push_back({batch_size, length});
  }
  return shapes;
}

void RecordTimes(Attempt& attempt, const ModelInput& input, const engine::BenchTimes& times,
                 const InputShape& shape) {
  Labels labels = LabelsOf(shape);
  labels["variant"] = input.variant;
  const auto quantile = [&](const char* name, double share, double value) {
    Metric metric = {"inference_time", value, "s", labels, 0, {}, {}, times.summary.samples};
    metric.labels["quantile"] = name;
    if (const auto interval = statistics::QuantileInterval(times.seconds, share)) {
      metric.low = interval->low;
      metric.high = interval->high;
    }
    attempt.Record(std::move(metric));
  };
  quantile("p50", 0.5, times.summary.p50);
  quantile("p90", 0.9, times.summary.p90);
  if (times.summary.p99) quantile("p99", 0.99, *times.summary.p99);
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
    const Message message = messages::kFp32Path(MessageOfShape(shape), result.fp32_path,
                                                result.other_fp32_path, Rounded(result.other_fp32_ratio, 2));
    attempt.Send(Caveat{"fp32_path", English(message), message});
  }
  attempt.Record(Metric{"aa_ratio", bench.twin.speedup, "1", LabelsOf(shape), 0,
                        bench.twin.speedup_interval.low, bench.twin.speedup_interval.high,
                        bench.twin.summary.samples});
  if (bench.reliable) return;
  attempt.Warn("aa_check_failed", messages::kTimingsUnreliable(MessageOfShape(shape),
                                                               Rounded(bench.twin.speedup_interval.low, 3),
                                                               Rounded(bench.twin.speedup_interval.high, 3)));
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
    return attempt.Report(messages::kMeasuringSpeed(MessageOfShape(shape)), blocks,
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

absl::Status CompareSpeed(Attempt& attempt, const engine::SideBySide& models,
                          const std::vector<InputShape>& shapes) {
  std::string csv = "batch_size,sequence_length,block,variant,seconds\n";
  for (const InputShape& shape : shapes) QL_RETURN_IF_ERROR(TimeShape(attempt, models, shape, csv));
  return attempt.WriteArtifact("samples.csv", csv);
}

// Bytes as stored, and in FP32.
struct StoredBytes {
  int64_t stored = 0, fp32 = 0;
};

// Of the linear layers that are stored in anything but FP32, whatever they compute in here.
StoredBytes QuantizedLayers(const engine::Encoder& model) {
  StoredBytes bytes;
  for (const Layer& layer : engine::DescribeLayers(model, 1)) {
    if (layer.bytes == layer.bytes_fp32) continue;
    bytes.stored += layer.bytes;
    bytes.fp32 += layer.bytes_fp32;
  }
  return bytes;
}

StoredBytes QuantizedEmbeddings(const engine::Encoder& model) {
  StoredBytes bytes;
  model.ForEachEmbedding([&](const engine::LayerInfo&, const engine::Embedding& table) {
    if (table.kind() == "fp32") return;
    for (const auto& [role, tensor] : table.tensors()) bytes.stored += static_cast<int64_t>(tensor.nbytes());
    bytes.fp32 += table.rows() * table.width() * static_cast<int64_t>(sizeof(float));
  });
  return bytes;
}

void RecordSize(Attempt& attempt, const std::string& variant, const char* part, const StoredBytes& bytes) {
  if (bytes.stored == 0) return;
  const Labels labels = {{"variant", variant}, {"part", part}};
  Record(attempt, "model_size", static_cast<double>(bytes.stored), labels);
  Record(attempt, "compression_ratio", static_cast<double>(bytes.fp32) / static_cast<double>(bytes.stored),
         labels);
}

absl::Status CompareSize(Attempt& attempt, const engine::SideBySide& models) {
  const std::vector<ModelInput>& inputs = attempt.job().inputs;
  QL_ASSIGN_OR_RETURN(const engine::ModelSize baseline, engine::SizeOfModel(inputs[0].folder));
  Record(attempt, "model_size", static_cast<double>(baseline.total),
         {{"variant", inputs[0].variant}, {"part", "model"}});
  for (size_t i = 1; i < inputs.size(); ++i) {
    QL_ASSIGN_OR_RETURN(const engine::ModelSize size, engine::SizeOfModel(inputs[i].folder));
    RecordSize(attempt, inputs[i].variant, "model", {size.total, baseline.total});
    RecordSize(attempt, inputs[i].variant, "quantized_layers", QuantizedLayers(models.model(i)));
    RecordSize(attempt, inputs[i].variant, "quantized_embeddings", QuantizedEmbeddings(models.model(i)));
  }
  return absl::OkStatus();
}

void RecordMemory(Attempt& attempt, const std::string& variant, const InputShape& shape,
                  const MemoryReport& report) {
  const auto record = [&](const std::string& kind, int64_t bytes) {
    Labels labels = LabelsOf(shape);
    labels.insert({{"variant", variant}, {"kind", kind}});
    Record(attempt, "memory_usage", static_cast<double>(bytes), std::move(labels));
  };
  const auto growth = [&](const std::string& kind, const engine::ProcessMemory& now) {
    record(kind, now.resident - report.start.resident);
    record(kind + "_anonymous", now.anonymous - report.start.anonymous);
    record(kind + "_file", now.file - report.start.file);
  };
  growth("load", report.loaded);
  growth("forward", report.forward);
  record("peak", report.forward.peak);
  if (report.device_peak > 0) record("device_peak", report.device_peak);
}

// The timings of a variant on a reference kernel would be meaningless to users.
absl::Status CheckKernels(const std::string& variant, const MemoryReport& report) {
  if (report.reference_primitives.empty()) return absl::OkStatus();
  return MessageStatus(absl::StatusCode::kFailedPrecondition,
                       messages::kReferenceKernel(variant, report.reference_primitives));
}

absl::Status CheckLayers(const std::string& variant, const engine::Encoder& model) {
  for (const Layer& layer : engine::DescribeLayers(model, 1)) {
    if (!absl::StrContains(layer.kernel, "portable")) continue;
    return MessageStatus(absl::StatusCode::kFailedPrecondition,
                         messages::kPortableKernel(variant, layer.name, layer.kernel));
  }
  return absl::OkStatus();
}

// Each model in a process of its own: which kernels run, and how much memory they take.
absl::Status AuditAndMeasureMemory(Attempt& attempt, const std::string& runner,
                                   std::vector<InputShape> shapes) {
  // Memory is of the largest batch that is timed.
  const auto tokens = [](const InputShape& shape) {
    return int64_t{shape.batch_size} * shape.sequence_length;
  };
  std::iter_swap(shapes.begin(),
                 std::max_element(shapes.begin(), shapes.end(),
                                  [&](const auto& a, const auto& b) { return tokens(a) < tokens(b); }));
  const std::vector<ModelInput>& inputs = attempt.job().inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    attempt.Report(messages::kMeasuringMemory(), static_cast<int64_t>(i), static_cast<int64_t>(inputs.size()),
                   "model");
    QL_ASSIGN_OR_RETURN(
        const MemoryReport report,
        MeasureMemoryInChild(runner, {inputs[i].folder, attempt.device(), attempt.config().threads, shapes},
                             [&] { return attempt.ShouldStop(); }));
    QL_RETURN_IF_ERROR(CheckKernels(inputs[i].variant, report));
    if (Wants(attempt, {"memory_usage"})) RecordMemory(attempt, inputs[i].variant, shapes.front(), report);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunComparison(Attempt& attempt, const std::string& runner) {
  // Memory first: while this process has loaded nothing, the children have the machine to themselves.
  QL_ASSIGN_OR_RETURN(const std::vector<InputShape> shapes, TimedShapes(attempt));
  QL_RETURN_IF_ERROR(AuditAndMeasureMemory(attempt, runner, shapes));
  QL_RETURN_IF_ERROR(CompareAccuracy(attempt));
  std::vector<engine::SideBySide::Input> inputs;
  for (const ModelInput& input : attempt.job().inputs) inputs.push_back({input.variant, input.folder});
  attempt.Report(messages::kLoadingModels(), 0, static_cast<int64_t>(inputs.size()), "model");
  QL_ASSIGN_OR_RETURN(const auto models, engine::SideBySide::Load(inputs, attempt.device()));
  for (size_t i = 0; i < inputs.size(); ++i) {
    QL_RETURN_IF_ERROR(CheckLayers(inputs[i].name, models->model(i)));
  }
  if (Wants(attempt, {"model_size", "compression_ratio"})) QL_RETURN_IF_ERROR(CompareSize(attempt, *models));
  if (Wants(attempt, {"inference_time", "throughput", "speedup"}))
    QL_RETURN_IF_ERROR(CompareSpeed(attempt, *models, shapes));
  return absl::OkStatus();
}

}  // namespace quantlab::runner
