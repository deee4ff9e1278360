#include "report/facts/runtimes.h"

#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/config/runtime_names.h"
#include "report/facts/metric_pool.h"

namespace quantlab::report {
namespace {

Labels With(Labels labels, const char* name, const std::string& value) {
  labels[name] = value;
  return labels;
}

InputShape ShapeOf(const std::string& batch_size, const std::string& length) {
  InputShape shape{0, 0};
  if (!absl::SimpleAtoi(batch_size, &shape.batch_size) || !absl::SimpleAtoi(length, &shape.sequence_length)) {
    return {0, 0};
  }
  return shape;
}

class Collector {
 public:
  Collector(MetricPool& pool, const RunReport& run, const VariantFacts& variant)
      : pool_(pool), run_(run), variant_(variant) {}

  VariantInRuntimes Collect() {
    VariantInRuntimes result;
    result.variant = &variant_;
    const std::set<std::string> batch_sizes = Values("batch_size"), lengths = Values("sequence_length");
    for (const std::string& runtime : Values("runtime")) {
      for (const std::string& batch_size : batch_sizes) {
        for (const std::string& length : lengths) {
          const InputShape shape = ShapeOf(batch_size, length);
          if (shape.batch_size <= 0) continue;
          Take(runtime, {{"batch_size", batch_size}, {"sequence_length", length}, {"runtime", runtime}},
               result.by_shape[shape]);
        }
      }
      TakeCheck(runtime, result.checks);
    }
    return result;
  }

 private:
  std::set<std::string> Values(const char* label) const {
    return pool_.Values(&run_, &variant_, "runtime_speedup", label);
  }

  void Take(const std::string& runtime, const Labels& labels, RuntimeTimings& timings) {
    const std::vector<Metric> speedups = pool_.Compared(&run_, variant_, "runtime_speedup", labels);
    if (speedups.empty()) return;
    RuntimeTiming& timing = timings[runtime];
    timing.speedup = Summarize(speedups);
    timing.reference = Label(speedups[0], "reference").value_or("");
    timing.p50 = Summarize(pool_.Compared(&run_, variant_, "runtime_time", With(labels, "quantile", "p50")));
    timing.p90 = Summarize(pool_.Compared(&run_, variant_, "runtime_time", With(labels, "quantile", "p90")));
  }

  // This engine has nothing to differ from.
  void TakeCheck(const std::string& runtime, std::map<std::string, RuntimeCheck>& checks) {
    const std::vector<Metric> differences =
        pool_.Compared(&run_, variant_, "runtime_logit_difference", {{"runtime", runtime}});
    if (differences.empty()) return;
    checks[runtime] = {Label(differences[0], "version").value_or(""), Summarize(differences),
                       Label(differences[0], "tolerance").value_or("")};
  }

  MetricPool& pool_;
  const RunReport& run_;
  const VariantFacts& variant_;
};

}  // namespace

std::vector<RuntimeFacts> CollectRuntimes(const Facts& facts) {
  if (facts.data == nullptr) return {};  // not from CollectFacts
  MetricPool pool(*facts.data);
  std::vector<RuntimeFacts> all;
  for (const ComparisonFacts& comparison : facts.comparisons) {
    RuntimeFacts runtimes{&comparison, {}};
    for (const VariantFacts& variant : facts.variants) {
      VariantInRuntimes collected = Collector(pool, *comparison.run, variant).Collect();
      if (!collected.by_shape.empty()) runtimes.variants.push_back(std::move(collected));
    }
    if (!runtimes.variants.empty()) all.push_back(std::move(runtimes));
  }
  return all;
}

std::vector<std::string> TimedRuntimes(const std::vector<RuntimeFacts>& all) {
  std::set<std::string> seen;
  for (const RuntimeFacts& runtimes : all) {
    for (const VariantInRuntimes& variant : runtimes.variants) {
      for (const auto& [shape, timings] : variant.by_shape) {
        for (const auto& [name, timing] : timings) seen.insert(name);
      }
    }
  }
  std::vector<std::string> names;
  for (const KnownRuntime& known : KnownRuntimes()) {
    if (seen.erase(known.name) > 0) names.emplace_back(known.name);
  }
  names.insert(names.end(), seen.begin(), seen.end());
  return names;
}

const RuntimeTimings* TimingsAt(const std::vector<RuntimeFacts>& all, const VariantFacts& variant,
                                const InputShape& shape) {
  if (all.empty()) return nullptr;
  for (const VariantInRuntimes& timed : all[0].variants) {
    if (timed.variant != &variant) continue;
    const auto it = timed.by_shape.find(shape);
    return it == timed.by_shape.end() ? nullptr : &it->second;
  }
  return nullptr;
}

}  // namespace quantlab::report
