#include "report/facts/facts.h"

#include <algorithm>
#include <cmath>

#include "report/facts/collect.h"
#include "report/facts/metric_pool.h"
#include "report/facts/runtimes.h"

namespace quantlab::report {
namespace {

// Splits are the same for every run of an experiment: they depend on no run's seed.
void CollectSplits(MetricPool& pool, Facts& facts) {
  for (const RunReport& run : facts.data->runs) {
    for (const Metric& metric : pool.AllOf(&run, "dataset_texts")) {
      if (const auto split = Label(metric, "split")) {
        facts.split_texts.emplace(*split, static_cast<int64_t>(metric.value));
      }
    }
  }
}

// Those of the first run that reported them: they depend on the dataset alone.
void CollectClasses(MetricPool& pool, Facts& facts) {
  for (const RunReport& run : facts.data->runs) {
    const std::vector<Metric> rows = pool.AllOf(&run, "class_rows");
    if (!facts.classes.empty()) continue;
    for (const Metric& metric : rows) {
      if (const auto name = Label(metric, "class")) {
        facts.classes.emplace_back(*name, static_cast<int64_t>(metric.value));
      }
    }
  }
}

}  // namespace

std::optional<Result> Summarize(const std::vector<Metric>& values) {
  if (values.empty()) return std::nullopt;
  Result result;
  result.seeds = static_cast<int>(values.size());
  if (values.size() == 1) {
    result.value = values[0].value;
    result.low = values[0].low;
    result.high = values[0].high;
    result.samples = values[0].samples;
    return result;
  }
  double sum = 0, squares = 0;
  result.samples = values[0].samples;
  for (const Metric& metric : values) {
    sum += metric.value;
    result.samples = std::min(result.samples, metric.samples);
  }
  result.value = sum / static_cast<double>(values.size());
  for (const Metric& metric : values)
    squares += (metric.value - result.value) * (metric.value - result.value);
  result.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return result;
}

bool IsCorrected(const std::optional<Result>& holm_p) {
  return holm_p.has_value() && holm_p->samples > 1;
}

bool ComparisonFacts::Reliable(const InputShape& shape) const {
  const auto it = checks.find(shape);
  if (it != checks.end() && it->second.ratio.has_value()) return it->second.reliable;
  return unreliable.empty();
}

const TaskSpec& Facts::task() const {
  return variants.empty() ? AllTasks().front() : *variants[0].task;
}

const VariantFacts* Facts::baseline() const {
  for (const VariantFacts& variant : variants) {
    if (variant.baseline) return &variant;
  }
  return nullptr;
}

const VariantFacts* Facts::Find(const std::string& variant) const {
  for (const VariantFacts& one : variants) {
    if (one.name == variant) return &one;
  }
  return nullptr;
}

const Result* SpeedupOf(const VariantFacts& variant, size_t comparison, const InputShape& shape) {
  if (comparison >= variant.measured.size()) return nullptr;
  const auto& timings = variant.measured[comparison].by_shape;
  const auto it = timings.find(shape);
  return it == timings.end() || !it->second.speedup.has_value() ? nullptr : &*it->second.speedup;
}

std::set<InputShape> Facts::ShapesWithSpeedup(size_t comparison) const {
  std::set<InputShape> shapes;
  for (const VariantFacts& variant : variants) {
    if (comparison >= variant.measured.size()) continue;
    for (const auto& [shape, timing] : variant.measured[comparison].by_shape) {
      if (timing.speedup.has_value()) shapes.insert(shape);
    }
  }
  return shapes;
}

bool FrontIsBySize(const VariantFacts& variant) {
  return ParamOf(variant, "objective") == "size";
}

std::string ParamOf(const VariantFacts& variant, const char* name) {
  if (variant.runs.empty()) return "";
  const Params& params = variant.runs[0]->config.method.params;
  const auto it = params.find(name);
  return it == params.end() ? "" : ParamToString(it->second);
}

bool Facts::SeveralSeeds() const {
  return std::any_of(variants.begin(), variants.end(),
                     [](const VariantFacts& variant) { return variant.runs.size() > 1; });
}

Facts CollectFacts(const ReportData& data) {
  Facts facts;
  facts.data = &data;
  facts.variants = CollectVariants(data);
  MetricPool pool(data);
  for (const RunReport& run : data.runs) {
    if (run.run.kind != RunKind::kComparison) continue;
    if (run.run.state == RunState::kSucceeded) {
      facts.comparisons.push_back(CollectComparison(pool, run));
      for (const char* name : kRuntimeMetrics) pool.AllOf(&run, name);  // CollectRuntimes has them
    } else {
      facts.ended_comparisons.push_back(&run);
    }
  }
  CollectPairs(pool, facts);
  CollectPairedTests(pool, facts);
  CollectSplits(pool, facts);
  CollectClasses(pool, facts);
  for (VariantFacts& variant : facts.variants) {
    CollectQuality(pool, variant);
    CollectPaired(pool, facts, variant);
    CollectFlips(pool, variant);
    CollectLabelGroups(pool, variant);
    CollectSensitivity(pool, variant);
    CollectFront(pool, variant);
    CollectInputPeaks(pool, variant);
    for (const ComparisonFacts& comparison : facts.comparisons) {
      variant.measured.push_back(CollectMeasured(pool, comparison.run, variant));
    }
  }
  CollectMarginTests(pool, facts);
  facts.other = pool.Rest();
  return facts;
}

}  // namespace quantlab::report
