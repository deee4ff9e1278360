#include <algorithm>

#include "absl/strings/numbers.h"
#include "base/statistics/holm.h"
#include "base/statistics/paired_margin.h"
#include "report/facts/collect.h"

namespace quantlab::report {
namespace {

// Holm's correction within one family of tests; `samples` is the size of the family.
std::vector<Metric> Corrected(std::vector<Metric> tests) {
  std::vector<double> p_values;
  for (const Metric& test : tests) p_values.push_back(test.value);
  const std::vector<double> adjusted = HolmAdjust(p_values);
  for (size_t i = 0; i < tests.size(); ++i) {
    tests[i].value = adjusted[i];
    tests[i].samples = static_cast<int64_t>(tests.size());
  }
  return tests;
}

int CountSignificant(const std::vector<Metric>& tests) {
  return static_cast<int>(std::count_if(tests.begin(), tests.end(),
                                        [](const Metric& test) { return test.value < kSignificance; }));
}

// The tests of one seed against that seed's baseline, and whose each is.
struct TestFamily {
  std::vector<VariantFacts*> variants;
  std::vector<Metric> tests;
};

// The tests of each variant, corrected within the family of its seed, by seed.
std::map<VariantFacts*, std::vector<Metric>> CorrectedByVariant(
    const std::map<uint64_t, TestFamily>& families) {
  std::map<VariantFacts*, std::vector<Metric>> corrected;
  for (const auto& [seed, family] : families) {
    const std::vector<Metric> tests = Corrected(family.tests);
    for (size_t i = 0; i < tests.size(); ++i) corrected[family.variants[i]].push_back(tests[i]);
  }
  return corrected;
}

// 1 where a test excludes a loss by the margin, else 0.
std::vector<Metric> Shown(std::vector<Metric> tests) {
  for (Metric& test : tests) test.value = test.value <= kNonInferiorityError ? 1 : 0;
  return tests;
}

// From counted answers, or as it was recorded; nullopt where there is neither.
std::optional<Metric> MarginTest(const SeedDifference& difference, double margin) {
  Metric test;
  if (difference.answers.has_value()) {
    test.value = NonInferiorityPValue(*difference.answers, margin);
    test.samples = difference.answers->total;
  } else if (difference.margin_p.has_value()) {
    test.value = *difference.margin_p;
  } else {
    return std::nullopt;
  }
  return test;
}

// A variant's tests by seed: of its runs, or where those have none, of a comparison.
std::map<uint64_t, Metric> PairedTests(MetricPool& pool, const Facts& facts, const VariantFacts& variant) {
  const Labels test = {{"split", "test"}};
  std::map<uint64_t, Metric> by_seed;
  for (const RunReport* run : variant.runs) {
    for (const Metric& metric : pool.OfRun(run, variant.task->p_value, test)) by_seed[run->run.seed] = metric;
  }
  for (const ComparisonFacts& comparison : facts.comparisons) {
    if (!by_seed.empty()) break;
    const auto values = pool.Compared(comparison.run, variant, variant.task->p_value, test);
    for (size_t i = 0; i < values.size(); ++i) by_seed[variant.runs[i]->run.seed] = values[i];
  }
  return by_seed;
}

// What comparisons measured of one pair of variants, one value per comparison.
struct PairMetrics {
  std::vector<Metric> differences, tests, corrected;
};

}  // namespace

// Corrected here, not by the comparison: that covers one seed alone, and there may be none.
void CollectPairedTests(MetricPool& pool, Facts& facts) {
  std::map<uint64_t, TestFamily> families;
  for (VariantFacts& variant : facts.variants) {
    std::vector<Metric> tests;
    for (const auto& [seed, test] : PairedTests(pool, facts, variant)) {
      tests.push_back(test);
      // The same model again is no further hypothesis.
      if (!variant.same_as.empty()) continue;
      families[seed].variants.push_back(&variant);
      families[seed].tests.push_back(test);
    }
    variant.p_value = Summarize(tests);
    variant.significant_uncorrected = CountSignificant(tests);
    // The comparison's own correction is shown by what is made here.
    for (const ComparisonFacts& comparison : facts.comparisons) {
      pool.Compared(comparison.run, variant, variant.task->p_holm, {});
    }
  }
  for (const auto& [variant, tests] : CorrectedByVariant(families)) {
    variant->holm_p = Summarize(tests);
    variant->significant_seeds = CountSignificant(tests);
  }
  for (VariantFacts& variant : facts.variants) {
    if (variant.same_as.empty()) continue;
    const VariantFacts& first = *facts.Find(variant.same_as);
    variant.holm_p = first.holm_p;
    variant.significant_seeds = first.significant_seeds;
  }
}

void CollectMarginTests(MetricPool& pool, Facts& facts) {
  std::map<uint64_t, TestFamily> families;
  for (VariantFacts& variant : facts.variants) {
    for (const ComparisonFacts& comparison : facts.comparisons) {
      pool.Compared(comparison.run, variant, "non_inferiority_p_holm", {});
    }
    double margin = 0;
    if (!absl::SimpleAtod(variant.margin, &margin) || !(margin >= 0)) continue;
    std::vector<Metric> tests;
    for (const SeedDifference& difference : variant.seed_differences) {
      const auto test = MarginTest(difference, margin);
      if (!test.has_value()) continue;
      tests.push_back(*test);
      if (!variant.same_as.empty()) continue;
      families[difference.seed].variants.push_back(&variant);
      families[difference.seed].tests.push_back(*test);
    }
    // Without the counts, what was recorded stands.
    if (tests.empty() || tests.size() < variant.seed_differences.size()) continue;
    variant.margin_p = Summarize(tests);
  }
  for (const auto& [variant, tests] : CorrectedByVariant(families)) {
    if (!variant->margin_p.has_value()) continue;
    variant->margin_holm_p = Summarize(tests);
    variant->non_inferior = Summarize(Shown(tests));
  }
  for (VariantFacts& variant : facts.variants) {
    if (variant.same_as.empty() || !variant.margin_p.has_value()) continue;
    const VariantFacts& first = *facts.Find(variant.same_as);
    if (!first.margin_holm_p.has_value()) continue;
    variant.margin_holm_p = first.margin_holm_p;
    variant.non_inferior = first.non_inferior;
  }
}

void CollectPairs(MetricPool& pool, Facts& facts) {
  const TaskSpec& task = facts.task();
  const std::string baseline = facts.baseline() == nullptr ? "" : facts.baseline()->name;
  std::map<std::pair<std::string, std::string>, PairMetrics> found;
  std::vector<std::pair<std::string, std::string>> order;
  const auto add = [&](const std::vector<Metric>& metrics, std::vector<Metric> PairMetrics::*kind) {
    for (const Metric& metric : metrics) {
      const std::pair key(*Label(metric, "variant"), *Label(metric, "against"));
      if (found.count(key) == 0) order.push_back(key);
      (found[key].*kind).push_back(metric);
    }
  };
  // The same model again is no further hypothesis.
  const auto again = [&](const Metric& metric) {
    const VariantFacts* const variant = facts.Find(*Label(metric, "variant"));
    const VariantFacts* const against = facts.Find(*Label(metric, "against"));
    return (variant != nullptr && !variant->same_as.empty()) ||
           (against != nullptr && !against->same_as.empty());
  };
  for (const ComparisonFacts& comparison : facts.comparisons) {
    std::vector<Metric> differences = pool.Pairs(comparison.run, task.difference, baseline);
    std::vector<Metric> tests = pool.Pairs(comparison.run, task.p_value, baseline);
    std::erase_if(differences, again);
    std::erase_if(tests, again);
    add(differences, &PairMetrics::differences);
    add(tests, &PairMetrics::tests);
    add(Corrected(tests), &PairMetrics::corrected);
  }
  const auto label = [&](const std::string& name) {
    const VariantFacts* const variant = facts.Find(name);
    return variant == nullptr ? Text() : variant->label;
  };
  for (const auto& key : order) {
    const PairMetrics& pair = found[key];
    facts.pairs.push_back({key.first, key.second, label(key.first), label(key.second),
                           Summarize(pair.differences), Summarize(pair.tests), Summarize(pair.corrected),
                           &task});
  }
}

}  // namespace quantlab::report
