// The comparison: speed, memory and size of everything that succeeded, side by side on one machine that does
// nothing else. The same model, made by two methods, is measured once.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/config/metric_spec.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "platform/files.h"
#include "worker/engine/measure/side_by_side.h"
#include "worker/engine/models/saved_model.h"
#include "worker/runner/attempt.h"
#include "worker/runner/comparison/compare_accuracy.h"
#include "worker/runner/comparison/compare_speed.h"
#include "worker/runner/comparison/memory_child.h"
#include "worker/runner/comparison/same_models.h"

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

absl::Status CompareSize(Attempt& attempt, const std::vector<const engine::Encoder*>& models) {
  const std::vector<ModelInput>& inputs = attempt.job().inputs;
  QL_ASSIGN_OR_RETURN(const engine::ModelSize baseline, engine::SizeOfModel(inputs[0].folder));
  Record(attempt, "model_size", static_cast<double>(baseline.total),
         {{"variant", inputs[0].variant}, {"part", "model"}});
  for (size_t i = 1; i < inputs.size(); ++i) {
    QL_ASSIGN_OR_RETURN(const engine::ModelSize size, engine::SizeOfModel(inputs[i].folder));
    RecordSize(attempt, inputs[i].variant, "model", {size.total, baseline.total});
    RecordSize(attempt, inputs[i].variant, "quantized_layers", QuantizedLayers(*models[i]));
    RecordSize(attempt, inputs[i].variant, "quantized_embeddings", QuantizedEmbeddings(*models[i]));
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
  // Not after the pass: how much of its working memory a process then still holds differs by a tenth between
  // processes of one model.
  growth("load", report.loaded);
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
                                   std::vector<InputShape> shapes, const std::vector<size_t>& first_of_same) {
  // Memory is of the largest batch that is timed.
  const auto tokens = [](const InputShape& shape) {
    return int64_t{shape.batch_size} * shape.sequence_length;
  };
  std::iter_swap(shapes.begin(),
                 std::max_element(shapes.begin(), shapes.end(),
                                  [&](const auto& a, const auto& b) { return tokens(a) < tokens(b); }));
  const std::vector<ModelInput>& inputs = attempt.job().inputs;
  std::vector<MemoryReport> reports;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (first_of_same[i] != i) {
      reports.push_back(reports[first_of_same[i]]);
    } else {
      attempt.Report(messages::kMeasuringMemory(), static_cast<int64_t>(i),
                     static_cast<int64_t>(inputs.size()), "model");
      QL_ASSIGN_OR_RETURN(
          reports.emplace_back(),
          MeasureMemoryInChild(runner, {inputs[i].folder, attempt.device(), attempt.config().threads, shapes},
                               [&] { return attempt.ShouldStop(); }));
    }
    QL_RETURN_IF_ERROR(CheckKernels(inputs[i].variant, reports.back()));
    if (Wants(attempt, {"memory_usage"})) {
      RecordMemory(attempt, inputs[i].variant, shapes.front(), reports.back());
    }
  }
  return absl::OkStatus();
}

// Loads the models, each once, for what needs no timing.
absl::Status CheckAndSizeModels(Attempt& attempt, const std::vector<size_t>& first_of_same) {
  const std::vector<ModelInput>& inputs = attempt.job().inputs;
  std::vector<engine::SideBySide::Input> loaded;
  std::map<size_t, size_t> index;  // among those loaded
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (first_of_same[i] != i) continue;
    index[i] = loaded.size();
    loaded.push_back({inputs[i].variant, inputs[i].folder});
  }
  attempt.Report(messages::kLoadingModels(), 0, static_cast<int64_t>(loaded.size()), "model");
  QL_ASSIGN_OR_RETURN(const auto models, engine::SideBySide::Load(loaded, attempt.device()));
  std::vector<const engine::Encoder*> of_input;
  for (size_t i = 0; i < inputs.size(); ++i) {
    of_input.push_back(&models->model(index.at(first_of_same[i])));
    QL_RETURN_IF_ERROR(CheckLayers(inputs[i].variant, *of_input.back()));
  }
  if (!Wants(attempt, {"model_size", "compression_ratio"})) return absl::OkStatus();
  return CompareSize(attempt, of_input);
}

// Exported models take as much space as the saved ones, and are not kept.
absl::Status CompareSpeedEverywhere(Attempt& attempt, const std::string& runner,
                                    const std::vector<InputShape>& shapes,
                                    const std::vector<size_t>& first_of_same) {
  RuntimesToTime runtimes{{}, attempt.OutputPath(".runtimes")};
  const auto remove = absl::MakeCleanup([folder = runtimes.folder] { RemoveTree(folder).IgnoreError(); });
  QL_ASSIGN_OR_RETURN(runtimes.runtimes, PrepareRuntimes(attempt, first_of_same, runtimes.folder));
  return CompareSpeed(attempt, runner, shapes, first_of_same, std::move(runtimes));
}

}  // namespace

absl::Status RunComparison(Attempt& attempt, const std::string& runner) {
  // Memory first: while this process has loaded nothing, the children have the machine to themselves.
  QL_ASSIGN_OR_RETURN(const std::vector<InputShape> shapes, TimedShapes(attempt));
  const std::vector<ModelInput>& inputs = attempt.job().inputs;
  QL_ASSIGN_OR_RETURN(const std::vector<size_t> first_of_same, FirstOfSameModels(inputs));
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (first_of_same[i] == i) continue;
    attempt.Warn("same_model", messages::kSameModel(inputs[i].variant, inputs[first_of_same[i]].variant));
  }
  QL_RETURN_IF_ERROR(AuditAndMeasureMemory(attempt, runner, shapes, first_of_same));
  QL_RETURN_IF_ERROR(CompareAccuracy(attempt, first_of_same));
  QL_RETURN_IF_ERROR(CheckAndSizeModels(attempt, first_of_same));
  if (!Wants(attempt, {"inference_time", "throughput", "speedup"})) return absl::OkStatus();
  return CompareSpeedEverywhere(attempt, runner, shapes, first_of_same);
}

}  // namespace quantlab::runner
