#include "report/facts/collect.h"

namespace quantlab::report {
namespace {

const char* AverageOf(const VariantFacts& variant) {
  for (const RunReport* run : variant.runs) {
    for (const Metric& metric : run->metrics) {
      if (Label(metric, "average") == "binary") return "binary";
    }
  }
  return "macro";
}

}  // namespace

void CollectQuality(MetricPool& pool, VariantFacts& variant) {
  const Labels test = {{"split", "test"}};
  const Labels averaged = {{"split", "test"}, {"average", AverageOf(variant)}};
  variant.accuracy = Summarize(pool.Own(variant, "accuracy", test));
  variant.precision = Summarize(pool.Own(variant, "precision", averaged));
  variant.recall = Summarize(pool.Own(variant, "recall", averaged));
  variant.f1 = Summarize(pool.Own(variant, "f1_score", averaged));
  variant.f1_macro = Summarize(pool.Own(variant, "f1_score", {{"split", "test"}, {"average", "macro"}}));
}

// Paired numbers come from the run itself, or from a comparison.
void CollectPaired(MetricPool& pool, const Facts& facts, VariantFacts& variant) {
  const auto find = [&](const std::string& name) {
    const Labels test = {{"split", "test"}};
    std::vector<std::pair<uint64_t, Metric>> values;  // by seed
    for (const RunReport* run : variant.runs) {
      for (const Metric& metric : pool.OfRun(run, name, test)) values.emplace_back(run->run.seed, metric);
    }
    for (const ComparisonFacts& comparison : facts.comparisons) {
      if (!values.empty()) break;
      const std::vector<Metric> compared = pool.Compared(comparison.run, variant, name, test);
      for (size_t i = 0; i < compared.size(); ++i)
        values.emplace_back(variant.runs[i]->run.seed, compared[i]);
    }
    return values;
  };
  const auto summarize = [](const std::vector<std::pair<uint64_t, Metric>>& values) {
    std::vector<Metric> metrics;
    for (const auto& [seed, metric] : values) metrics.push_back(metric);
    return Summarize(metrics);
  };
  const auto differences = find("accuracy_difference");
  variant.difference = summarize(differences);
  for (const auto& [seed, metric] : differences) {
    variant.seed_differences.push_back({seed, metric.value, metric.low, metric.high});
  }
  variant.agreement = summarize(find("agreement"));
}

void CollectFlips(MetricPool& pool, VariantFacts& variant) {
  const auto find = [&](const char* direction) {
    return Summarize(pool.Own(variant, "label_flips", {{"split", "test"}, {"direction", direction}}));
  };
  variant.lost = find("right_to_wrong");
  variant.gained = find("wrong_to_right");
  variant.other_flips = find("wrong_to_wrong");
  const std::vector<Metric> held = pool.Own(variant, "non_inferior", {{"split", "test"}});
  variant.non_inferior = Summarize(held);
  if (!held.empty()) variant.margin = Label(held[0], "margin").value_or("");
}

}  // namespace quantlab::report
