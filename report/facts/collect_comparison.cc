#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "base/statistics/aa_check.h"
#include "report/facts/collect.h"

namespace quantlab::report {
namespace {

int64_t ToNumber(const std::string& text) {
  int64_t number = 0;
  return absl::SimpleAtoi(text, &number) ? number : 0;
}

// A shape, and the labels that metrics of it carry.
using LabelledShapes = std::map<InputShape, Labels>;

// Comparisons of one length did not label it once; it stands in their configuration.
int64_t OnlyLength(const RunReport& comparison) {
  const std::vector<int>& lengths = comparison.config.evaluation.latency_sequence_lengths;
  return lengths.size() == 1 ? lengths[0] : 0;
}

// The shapes that a comparison's metrics of one name have, about a variant (or about nobody).
LabelledShapes ShapesOf(const MetricPool& pool, const RunReport& comparison, const VariantFacts* variant,
                        const std::string& name) {
  LabelledShapes shapes;
  const std::set<std::string> lengths = pool.Values(&comparison, variant, name, "sequence_length");
  for (const std::string& size : pool.Values(&comparison, variant, name, "batch_size")) {
    if (ToNumber(size) <= 0) continue;
    if (lengths.empty()) shapes[{ToNumber(size), OnlyLength(comparison)}] = {{"batch_size", size}};
    for (const std::string& length : lengths) {
      shapes[{ToNumber(size), ToNumber(length)}] = {{"batch_size", size}, {"sequence_length", length}};
    }
  }
  return shapes;
}

Labels With(Labels labels, const char* name, const char* value) {
  labels[name] = value;
  return labels;
}

// By the rule of the time: comparisons of several processes carry their number.
bool PassesCheck(const Result& ratio, int64_t processes) {
  const double low = ratio.low.value_or(ratio.value), high = ratio.high.value_or(ratio.value);
  if (processes > 0) return CheckAa(ratio.value, low, high).reliable();
  return low >= 1 - kAaTolerance && high <= 1 + kAaTolerance;
}

}  // namespace

Measured CollectMeasured(MetricPool& pool, const RunReport* comparison, const VariantFacts& variant) {
  Measured measured;
  const auto find = [&](const std::string& name, const Labels& labels) {
    return Summarize(pool.Compared(comparison, variant, name, labels));
  };
  LabelledShapes shapes;
  for (const char* name : {"inference_time", "throughput", "speedup"}) {
    shapes.merge(ShapesOf(pool, *comparison, &variant, name));
  }
  for (const auto& [shape, labels] : shapes) {
    Timing timing;
    timing.p50 = find("inference_time", With(labels, "quantile", "p50"));
    timing.p90 = find("inference_time", With(labels, "quantile", "p90"));
    timing.p99 = find("inference_time", With(labels, "quantile", "p99"));
    timing.throughput = find("throughput", labels);
    timing.speedup = find("speedup", labels);
    if (timing.any()) measured.by_shape.emplace(shape, timing);
  }
  measured.size = find("model_size", {{"part", "model"}});
  measured.layers_size = find("model_size", {{"part", "quantized_layers"}});
  measured.ratio = find("compression_ratio", {{"part", "model"}});
  measured.layers_ratio = find("compression_ratio", {{"part", "quantized_layers"}});
  for (const std::string& kind : pool.Values(comparison, &variant, "memory_usage", "kind")) {
    const auto value = find("memory_usage", {{"kind", kind}});
    // Earlier versions measured growth after a pass, once: it differs by a tenth between processes.
    if (value.has_value() && !absl::StartsWith(kind, "forward")) measured.memory.emplace(kind, *value);
  }
  return measured;
}

ComparisonFacts CollectComparison(MetricPool& pool, const RunReport& run) {
  ComparisonFacts comparison;
  comparison.run = &run;
  for (const auto& [shape, labels] : ShapesOf(pool, run, nullptr, "aa_ratio")) {
    AaCheck check;
    const std::vector<Metric> ratio = pool.OfRun(&run, "aa_ratio", labels);
    check.ratio = Summarize(ratio);
    if (!check.ratio.has_value()) continue;
    check.processes = ToNumber(Label(ratio[0], "processes").value_or(""));
    check.reliable = PassesCheck(*check.ratio, check.processes);
    comparison.checks.emplace(shape, check);
  }
  for (const Caveat& caveat : run.caveats) {
    if (caveat.code == "aa_check_failed") comparison.unreliable.push_back(caveat);
  }
  return comparison;
}

}  // namespace quantlab::report
