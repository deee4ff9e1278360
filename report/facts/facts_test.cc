// What is taken out of report data, where a verdict hangs on it.
#include "report/facts/facts.h"

#include <gtest/gtest.h>

namespace quantlab::report {
namespace {

RunReport MakeRun(const std::string& variant, uint64_t seed, RunKind kind) {
  RunReport report;
  report.run.name = variant + ".seed-" + std::to_string(seed);
  report.run.kind = kind;
  report.run.state = RunState::kSucceeded;
  report.run.seed = seed;
  report.config.variant = variant;
  return report;
}

RunReport Tested(const std::string& variant, uint64_t seed, double p) {
  RunReport report = MakeRun(variant, seed, RunKind::kQuantization);
  report.run.method = variant;
  report.metrics = {Metric{"mcnemar_p_value", p, "1", {{"split", "test"}}, 0, {}, {}, 40}};
  return report;
}

Metric OfComparison(const std::string& name, double value, std::map<std::string, std::string> labels) {
  labels["split"] = "test";
  return Metric{name, value, "1", std::move(labels), 0, {}, {}, 2};
}

ReportData Data(std::vector<RunReport> runs) {
  ReportData data;
  data.runs = {MakeRun("baseline", 1, RunKind::kBaseline), MakeRun("baseline", 2, RunKind::kBaseline)};
  data.runs.insert(data.runs.end(), runs.begin(), runs.end());
  return data;
}

const VariantFacts& Find(const Facts& facts, const std::string& name) {
  for (const VariantFacts& variant : facts.variants) {
    if (variant.name == name) return variant;
  }
  ADD_FAILURE() << "no variant " << name;
  return facts.variants[0];
}

TEST(PairedTestFacts, EachSeedIsCorrectedByItself) {
  // 0.03 alone is significant; beside another test of its seed it is not.
  const ReportData data =
      Data({Tested("qat", 1, 0.03), Tested("qat", 2, 0.03), Tested("weight_only", 1, 0.04),
            Tested("weight_only", 2, 0.001), Tested("static_quantization", 1, 0.5)});
  const Facts facts = CollectFacts(data);
  const VariantFacts& qat = Find(facts, "qat");
  EXPECT_EQ(qat.significant_uncorrected, 2);
  EXPECT_EQ(qat.significant_seeds, 1);  // 0.09 and 0.03
  EXPECT_EQ(qat.holm_p->seeds, 2);
  EXPECT_NEAR(qat.holm_p->value, (0.09 + 0.03) / 2, 1e-12);
  EXPECT_EQ(Find(facts, "weight_only").significant_seeds, 1);  // 0.09 and 0.002
  EXPECT_EQ(Find(facts, "weight_only").significant_uncorrected, 2);
  EXPECT_FALSE(Find(facts, "baseline").holm_p.has_value());
}

TEST(PairedTestFacts, TheComparisonsCorrectionOfOneSeedIsNotNeeded) {
  RunReport comparison = MakeRun("comparison", 1, RunKind::kComparison);
  comparison.metrics = {OfComparison("mcnemar_p_holm", 0.06, {{"variant", "qat"}}),
                        OfComparison("mcnemar_p_holm", 0.06, {{"variant", "weight_only"}})};
  const std::vector<RunReport> runs = {Tested("qat", 1, 0.03), Tested("qat", 2, 0.04),
                                       Tested("weight_only", 1, 0.04), Tested("weight_only", 2, 0.03)};
  ReportData without = Data(runs);
  ReportData with = Data(runs);
  with.runs.push_back(comparison);
  for (const ReportData* data : {&without, &with}) {
    const Facts facts = CollectFacts(*data);
    EXPECT_EQ(Find(facts, "qat").significant_seeds, 0);
    EXPECT_EQ(Find(facts, "weight_only").significant_seeds, 0);
    EXPECT_TRUE(facts.other.empty());
  }
}

TEST(PairedTestFacts, OneVariantAloneNeedsNoCorrection) {
  const ReportData data = Data({Tested("qat", 1, 0.03)});
  const Facts facts = CollectFacts(data);
  EXPECT_EQ(Find(facts, "qat").holm_p->value, 0.03);
  EXPECT_EQ(Find(facts, "qat").holm_p->samples, 1);
  EXPECT_EQ(Find(facts, "qat").significant_seeds, 1);
}

RunReport WithModel(RunReport run, const std::string& digest) {
  run.artifacts = {{"model/model.safetensors", digest, 10}, {"log.txt", "log of " + run.run.name, 1}};
  return run;
}

TEST(SameModelTest, TheSameFilesForEverySeedAreOneModelAndOneHypothesis) {
  const std::vector<RunReport> runs = {WithModel(Tested("static_quantization", 1, 0.03), "a"),
                                       WithModel(Tested("mixed_precision", 1, 0.03), "a"),
                                       WithModel(Tested("weight_only", 1, 0.04), "b")};
  const ReportData data = Data(runs);
  const Facts facts = CollectFacts(data);
  EXPECT_EQ(Find(facts, "static_quantization").same_as, "");
  EXPECT_EQ(Find(facts, "mixed_precision").same_as, "static_quantization");
  EXPECT_EQ(Find(facts, "weight_only").same_as, "");
  // Two hypotheses, not three.
  EXPECT_DOUBLE_EQ(Find(facts, "static_quantization").holm_p->value, 0.06);
  EXPECT_DOUBLE_EQ(Find(facts, "mixed_precision").holm_p->value, 0.06);
  EXPECT_EQ(Find(facts, "weight_only").holm_p->samples, 2);
}

TEST(SameModelTest, OneSeedThatDiffersIsAnotherModel) {
  const ReportData data = Data({WithModel(Tested("static_quantization", 1, 0.3), "a"),
                                WithModel(Tested("static_quantization", 2, 0.3), "c"),
                                WithModel(Tested("mixed_precision", 1, 0.3), "a"),
                                WithModel(Tested("mixed_precision", 2, 0.3), "d"), Tested("qat", 1, 0.3),
                                Tested("weight_only", 1, 0.3)});
  for (const VariantFacts& variant : CollectFacts(data).variants)
    EXPECT_EQ(variant.same_as, "") << variant.name;
}

TEST(PairFactsTest, PairsOfOneComparisonAreCorrectedTogether) {
  RunReport comparison = MakeRun("comparison", 1, RunKind::kComparison);
  comparison.metrics = {OfComparison("mcnemar_p_value", 0.02, {{"variant", "b"}, {"against", "a"}}),
                        OfComparison("mcnemar_p_value", 0.3, {{"variant", "c"}, {"against", "a"}}),
                        OfComparison("mcnemar_p_value", 0.01, {{"variant", "c"}, {"against", "b"}})};
  const ReportData data = Data({comparison});
  const Facts facts = CollectFacts(data);
  ASSERT_EQ(facts.pairs.size(), 3u);
  EXPECT_EQ(facts.pairs[0].p_value->value, 0.02);
  EXPECT_DOUBLE_EQ(facts.pairs[0].holm_p->value, 0.04);
  EXPECT_DOUBLE_EQ(facts.pairs[1].holm_p->value, 0.3);
  EXPECT_DOUBLE_EQ(facts.pairs[2].holm_p->value, 0.03);
  EXPECT_EQ(facts.pairs[2].holm_p->samples, 3);
}

}  // namespace
}  // namespace quantlab::report
