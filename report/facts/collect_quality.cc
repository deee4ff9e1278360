#include <map>

#include "absl/strings/numbers.h"
#include "report/facts/collect.h"

namespace quantlab::report {
namespace {

// Beyond what a test split can have; the test takes time in proportion.
constexpr int64_t kMaxTexts = 10'000'000;

const char* AverageOf(const VariantFacts& variant) {
  for (const RunReport* run : variant.runs) {
    for (const Metric& metric : run->metrics) {
      if (Label(metric, "average") == "binary") return "binary";
    }
  }
  return "macro";
}

// From the changed answers of the run with that seed.
std::optional<PairedAnswers> AnswersOf(const VariantFacts& variant, uint64_t seed) {
  std::optional<double> lost, gained;
  int64_t total = 0;
  for (const RunReport* run : variant.runs) {
    if (run->run.seed != seed) continue;
    for (const Metric& metric : run->metrics) {
      if (metric.name != "label_flips" || Label(metric, "split") != "test") continue;
      const std::string direction = Label(metric, "direction").value_or("");
      if (direction == "right_to_wrong") lost = metric.value;
      if (direction == "wrong_to_right") gained = metric.value;
      total = metric.samples;
    }
  }
  const bool counted = lost.has_value() && gained.has_value() && *lost >= 0 && *gained >= 0 && total > 0 &&
                       total <= kMaxTexts && *lost + *gained <= static_cast<double>(total);
  if (!counted) return std::nullopt;
  return PairedAnswers{static_cast<int64_t>(*lost), static_cast<int64_t>(*gained), total};
}

}  // namespace

void CollectQuality(MetricPool& pool, VariantFacts& variant) {
  const Labels test = {{"split", "test"}};
  const Labels averaged = {{"split", "test"}, {"average", AverageOf(variant)}};
  variant.accuracy = Summarize(pool.Own(variant, variant.task->quality, test));
  variant.spearman = Summarize(pool.Own(variant, "spearman", test));
  variant.squared_error = Summarize(pool.Own(variant, "mean_squared_error", test));
  variant.output_shift = Summarize(pool.Own(variant, "output_shift", test));
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
  const auto differences = find(variant.task->difference);
  variant.difference = summarize(differences);
  for (const auto& [seed, metric] : differences) {
    variant.seed_differences.push_back(
        {seed, metric.value, metric.low, metric.high, AnswersOf(variant, seed)});
  }
  variant.agreement = summarize(find("agreement"));
}

void CollectLabelGroups(MetricPool& pool, VariantFacts& variant) {
  for (const RunReport* run : variant.runs) {
    std::map<int64_t, LabelGroup> groups;
    for (const Metric& metric : pool.AllOf(run, "prediction_by_label", {{"split", "test"}})) {
      int64_t number = 0;
      if (!absl::SimpleAtoi(Label(metric, "group").value_or(""), &number)) continue;
      LabelGroup& group = groups[number];
      group.number = number;
      const std::string measure = Label(metric, "measure").value_or("");
      if (measure == "label") group.label = metric.value;
      if (measure == "median") group.median = metric.value;
      if (measure == "p10") group.p10 = metric.value;
      if (measure == "p90") group.p90 = metric.value;
    }
    if (!variant.label_groups.empty()) continue;
    for (const auto& [number, group] : groups) variant.label_groups.push_back(group);
  }
}

void CollectFlips(MetricPool& pool, VariantFacts& variant) {
  const auto find = [&](const char* direction) {
    return Summarize(pool.Own(variant, "label_flips", {{"split", "test"}, {"direction", direction}}));
  };
  variant.lost = find("right_to_wrong");
  variant.gained = find("wrong_to_right");
  variant.other_flips = find("wrong_to_wrong");
  // Tested here, for every seed and with Holm's correction: CollectMarginTests.
  for (const RunReport* run : variant.runs) {
    for (const Metric& metric : pool.OfRun(run, "non_inferiority_p_value", {{"split", "test"}})) {
      for (SeedDifference& difference : variant.seed_differences) {
        if (difference.seed == run->run.seed && variant.task->numeric) difference.margin_p = metric.value;
      }
    }
  }
  const std::vector<Metric> held = pool.Own(variant, "non_inferior", {{"split", "test"}});
  variant.non_inferior = Summarize(held);
  if (!held.empty()) variant.margin = Label(held[0], "margin").value_or("");
}

}  // namespace quantlab::report
