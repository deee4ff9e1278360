#include <algorithm>

#include "absl/strings/numbers.h"
#include "report/facts/collect.h"

namespace quantlab::report {
namespace {

// The run of a variant that has metrics of one name; null where none has.
const RunReport* RunWith(const VariantFacts& variant, const char* name) {
  for (const RunReport* run : variant.runs) {
    if (run->run.state != RunState::kSucceeded) continue;
    for (const Metric& metric : run->metrics) {
      if (metric.name == name) return run;
    }
  }
  return nullptr;
}

LayerSensitivity& SensitivityOf(VariantFacts& variant, const Metric& metric) {
  const std::string layer = Label(metric, "layer").value_or("");
  const std::string precision = Label(metric, "precision").value_or("");
  for (LayerSensitivity& row : variant.sensitivity) {
    if (row.layer == layer && row.precision == precision) return row;
  }
  variant.sensitivity.push_back({layer, precision, {}, {}, {}, {}});
  return variant.sensitivity.back();
}

}  // namespace

void CollectSensitivity(MetricPool& pool, VariantFacts& variant) {
  const RunReport* const run = RunWith(variant, "layer_sensitivity");
  if (run == nullptr) return;
  for (const Metric& metric : pool.AllOf(run, "layer_sensitivity", {{"measure", "divergence"}})) {
    SensitivityOf(variant, metric).divergence = metric.value;
  }
  for (const Metric& metric : pool.AllOf(run, "layer_sensitivity", {{"measure", "loss_increase"}})) {
    SensitivityOf(variant, metric).loss_increase = metric.value;
  }
  for (const Metric& metric : pool.AllOf(run, "layer_sensitivity", {{"measure", "sqnr_db"}})) {
    SensitivityOf(variant, metric).sqnr_db = metric.value;
  }
  for (const Metric& metric : pool.AllOf(run, "layer_time")) {
    SensitivityOf(variant, metric).seconds = metric.value;
  }
}

void CollectFront(MetricPool& pool, VariantFacts& variant) {
  const RunReport* const run = RunWith(variant, "front_time");
  if (run == nullptr) return;
  std::map<int64_t, FrontPoint> points;
  const auto collect = [&](const char* name, std::optional<double> FrontPoint::*member) {
    for (const Metric& metric : pool.AllOf(run, name)) {
      int64_t number = 0;
      if (!absl::SimpleAtoi(Label(metric, "point").value_or(""), &number)) continue;
      FrontPoint& point = points[number];
      point.number = number;
      point.*member = metric.value;
      if (Label(metric, "chosen") == "true") point.chosen = true;
    }
  };
  collect("front_time", &FrontPoint::seconds);
  collect("front_divergence", &FrontPoint::divergence);
  collect("front_loss_increase", &FrontPoint::loss_increase);
  collect("front_accuracy", &FrontPoint::accuracy);
  collect("front_bytes", &FrontPoint::bytes);
  for (const auto& [number, point] : points) variant.front.push_back(point);
  std::stable_sort(variant.front.begin(), variant.front.end(), [](const FrontPoint& a, const FrontPoint& b) {
    return a.seconds.value_or(0) < b.seconds.value_or(0);
  });
}

void CollectInputPeaks(MetricPool& pool, VariantFacts& variant) {
  const RunReport* const run = RunWith(variant, "layer_input_peak");
  if (run == nullptr) return;
  for (const Metric& metric : pool.AllOf(run, "layer_input_peak")) {
    variant.input_peaks[Label(metric, "layer").value_or("")] = metric.value;
  }
}

}  // namespace quantlab::report
