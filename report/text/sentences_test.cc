// Every generated sentence, in both languages, at the values where it changes.
#include "report/text/sentences.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/facts/names.h"
#include "report/facts/testing/variants.h"

namespace quantlab::report {
namespace {

using testing::HasSubstr;

constexpr Language kEn = Language::kEnglish;
constexpr Language kZh = Language::kChinese;

Result OverSeeds(double value, double deviation, int seeds) {
  Result result = Value(value);
  result.deviation = deviation;
  result.seeds = seeds;
  return result;
}

RunReport SucceededRun() {
  RunReport report;
  report.run.name = "x";
  report.run.state = RunState::kSucceeded;
  return report;
}

const RunReport& AnyRun() {
  static const auto* const run = new RunReport(SucceededRun());
  return *run;
}

VariantFacts Variant(const std::string& name, std::optional<Result> accuracy = std::nullopt) {
  VariantFacts variant;
  variant.name = name;
  variant.method = name;
  variant.accuracy = accuracy;
  variant.runs = {&AnyRun()};
  variant.succeeded = 1;
  return variant;
}

VariantFacts Baseline(double accuracy) {
  VariantFacts variant = Variant("baseline", Between(accuracy, accuracy - 0.02, accuracy + 0.02, 1000));
  variant.baseline = true;
  return variant;
}

VariantFacts Tested(double difference, double p) {
  VariantFacts variant = Variant("q", Between(0.86 + difference, 0.84, 0.88, 1000));
  variant.difference = Between(difference, difference - 0.005, difference + 0.005, 1000);
  variant.p_value = Value(p);
  variant.significant_seeds = p < kSignificance ? 1 : 0;
  return variant;
}

TEST(AccuracySentenceTest, OneRunWithItsInterval) {
  const VariantFacts variant = Variant("q", Between(0.912, 0.8929, 0.928, 1000));
  EXPECT_EQ(AccuracySentence(kEn, variant),
            "`q` classifies 91.20% of 1,000 test examples correctly (95% interval 89.29% to 92.80%).");
  EXPECT_EQ(AccuracySentence(kZh, variant),
            "`q` 在 1,000 条测试文本上的准确率为 91.20%（95% 置信区间 89.29% 至 92.80%）。");
}

TEST(AccuracySentenceTest, OneTextIsSingular) {
  EXPECT_THAT(AccuracySentence(kEn, Variant("q", Between(1, 0.2, 1, 1))),
              HasSubstr("100.00% of 1 test example "));
}

TEST(AccuracySentenceTest, SeveralSeedsGiveMeanAndDeviation) {
  const VariantFacts variant = Variant("q", OverSeeds(0.912, 0.003, 3));
  EXPECT_EQ(
      AccuracySentence(kEn, variant),
      "`q` classifies 91.20% of the test examples correctly (mean over 3 seeds, standard deviation 0.30%).");
  EXPECT_EQ(AccuracySentence(kZh, variant),
            "`q` 在测试文本上的准确率为 91.20%（3 个随机种子的均值，标准差 0.30%）。");
}

TEST(AccuracySentenceTest, SaysWhenSomeSeedsFailed) {
  VariantFacts variant = Variant("q", Between(0.9, 0.88, 0.92, 500));
  variant.runs = {&AnyRun(), &AnyRun(), &AnyRun()};
  variant.succeeded = 1;
  EXPECT_THAT(AccuracySentence(kEn, variant), HasSubstr("Only 1 of its 3 runs succeeded."));
  EXPECT_THAT(AccuracySentence(kZh, variant), HasSubstr("其 3 个运行中仅 1 个成功。"));
}

TEST(AccuracySentenceTest, SaysWhenItWasNotMeasured) {
  EXPECT_EQ(AccuracySentence(kEn, Variant("a|b")), "The accuracy of a\\|b was not measured.");
  EXPECT_EQ(AccuracySentence(kZh, Variant("q")), "未测得 `q` 的准确率。");
}

TEST(DifferenceSentenceTest, NoSignificantDifferenceIsNoProofOfEquality) {
  const VariantFacts baseline = Baseline(0.86);
  EXPECT_EQ(
      DifferenceSentence(kEn, Tested(0.001, 0.77), &baseline),
      "There is no significant difference from the baseline: +0.10 points (95% interval -0.40 to +0.60), "
      "McNemar's paired test: p = 0.77. This is no proof that the two are equal.");
  EXPECT_EQ(
      DifferenceSentence(kZh, Tested(0.001, 0.77), &baseline),
      "与基线相比无显著差异：+0.10 个百分点（95% 置信区间 -0.40 至 +0.60），McNemar 配对检验：p = 0.77。"
      "这并不证明两者相同。");
}

VariantFacts Discordant(double lost, double gained, int tests = 1) {
  VariantFacts variant = Tested(0.001, 0.77);
  variant.lost = Value(lost);
  variant.gained = Value(gained);
  variant.holm_p = Value(0.77);
  variant.holm_p->samples = tests;
  return variant;
}

TEST(DifferenceSentenceTest, WhatTheExactTestCanFindFollowsFromTheTextsThatDiffer) {
  const VariantFacts baseline = Baseline(0.86);
  // Two-sided exact p of 5 to 0 is 0.0625, of 6 to 0 0.03125: with five discordant texts nothing can be
  // significant.
  EXPECT_THAT(
      DifferenceSentence(kEn, Discordant(3, 2), &baseline),
      HasSubstr("With 5 examples that only one of the two classifies correctly, no difference could be "
                "significant, so this is no proof that the two are equal."));
  EXPECT_THAT(DifferenceSentence(kZh, Discordant(3, 2), &baseline),
              HasSubstr("只有一方分类正确的仅 5 条文本，任何差异都不可能显著，因此这并不证明两者相同。"));
  EXPECT_THAT(DifferenceSentence(kEn, Discordant(3, 3), &baseline),
              HasSubstr("the test finds differences of 0.60 points and more"));
  // Of 9 texts, 8 to 1 (p = 0.039) differ by 7.
  EXPECT_THAT(DifferenceSentence(kEn, Discordant(5, 4), &baseline),
              HasSubstr("the test finds differences of 0.70 points and more"));
  // With three tests Holm's strictest step asks for p < 0.0167: 9 to 0 (0.0039).
  EXPECT_THAT(DifferenceSentence(kEn, Discordant(5, 4, 3), &baseline),
              HasSubstr("the test finds differences of 0.90 points and more"));
  EXPECT_THAT(DifferenceSentence(kZh, Discordant(5, 4), &baseline),
              HasSubstr("只有一方分类正确的有 9 条文本，此时检验能发现 0.70 个百分点及以上的差异"));
}

TEST(DifferenceSentenceTest, AnIntervalWithoutZeroIsNamedWhereTheCorrectedTestDisagrees) {
  const VariantFacts baseline = Baseline(0.86);
  VariantFacts variant = Tested(-0.006, 0.02);
  variant.holm_p = Value(0.08);
  variant.holm_p->samples = 4;
  variant.significant_seeds = 0;
  EXPECT_EQ(DifferenceSentence(kEn, variant, &baseline),
            "The uncorrected 95% interval of its difference from the baseline excludes 0, but the corrected "
            "test does "
            "not call the difference significant: -0.60 points (95% interval -1.10 to -0.10), McNemar's "
            "paired test: "
            "p = 0.080.");
  EXPECT_EQ(DifferenceSentence(kZh, variant, &baseline),
            "其与基线之差的 95% 置信区间（未校正）不含 0，但校正后的检验未判定差异显著：-0.60 个百分点（95% "
            "置信区间 -1.10 至 -0.10），McNemar 配对检验：p = 0.080。");
}

TEST(DifferenceSentenceTest, AnIntervalWithoutZeroIsNamedWhereTheExactTestDisagrees) {
  const VariantFacts baseline = Baseline(0.86);
  const VariantFacts variant = Tested(0.0052, 0.06);
  EXPECT_THAT(
      DifferenceSentence(kEn, variant, &baseline),
      HasSubstr("The 95% interval of its difference from the baseline excludes 0, but the test does not"));
  EXPECT_THAT(DifferenceSentence(kZh, variant, &baseline),
              HasSubstr("其与基线之差的 95% 置信区间不含 0，但检验未判定差异显著"));
}

TEST(DifferenceSentenceTest, Worse) {
  const VariantFacts baseline = Baseline(0.86);
  EXPECT_EQ(
      DifferenceSentence(kEn, Tested(-0.031, 0.00002), &baseline),
      "It is significantly less accurate than the baseline: -3.10 points (95% interval -3.60 to -2.60), "
      "McNemar's paired test: p < 0.001.");
  EXPECT_THAT(DifferenceSentence(kZh, Tested(-0.031, 0.00002), &baseline), HasSubstr("准确率显著低于基线"));
}

TEST(DifferenceSentenceTest, Better) {
  const VariantFacts baseline = Baseline(0.86);
  EXPECT_THAT(DifferenceSentence(kEn, Tested(0.02, 0.01), &baseline),
              HasSubstr("It is significantly more accurate than the baseline: +2.00 points"));
  EXPECT_THAT(DifferenceSentence(kZh, Tested(0.02, 0.01), &baseline), HasSubstr("准确率显著高于基线"));
}

TEST(DifferenceSentenceTest, SeedsThatDisagree) {
  const VariantFacts baseline = Baseline(0.86);
  VariantFacts variant = Tested(0, 0.2);
  variant.difference = OverSeeds(0.0003, 0.0029, 3);
  variant.p_value = OverSeeds(0.4, 0.3, 3);
  variant.significant_seeds = 1;
  EXPECT_EQ(
      DifferenceSentence(kEn, variant, &baseline),
      "Seeds disagree about the difference from the baseline: +0.03 points (mean over 3 seeds, standard "
      "deviation 0.29), McNemar's paired test significant in 1 of 3 seeds.");
  EXPECT_THAT(DifferenceSentence(kZh, variant, &baseline), HasSubstr("在 3 个随机种子中有 1 个显著"));
}

TEST(DifferenceSentenceTest, WithoutATestChanceIsNotRuledOut) {
  const VariantFacts baseline = Baseline(0.86);
  const VariantFacts variant = Variant("q", Between(0.85, 0.83, 0.87, 1000));
  EXPECT_EQ(
      DifferenceSentence(kEn, variant, &baseline),
      "Its accuracy differs from the baseline's by -1.00 points; no paired test was made, so chance is not "
      "ruled out.");
  EXPECT_THAT(DifferenceSentence(kZh, variant, &baseline), HasSubstr("未做配对检验"));
}

TEST(DifferenceSentenceTest, WithoutABaselineThereIsNothingToCompare) {
  EXPECT_EQ(DifferenceSentence(kEn, Variant("q", Value(0.9)), nullptr),
            "There is no baseline result to compare it with.");
  EXPECT_EQ(DifferenceSentence(kZh, Variant("q", Value(0.9)), nullptr), "没有可供比较的基线结果。");
  EXPECT_EQ(DifferenceSentence(kEn, Variant("q"), nullptr), "");
  const VariantFacts baseline = Baseline(0.9);
  EXPECT_EQ(DifferenceSentence(kEn, baseline, &baseline), "");
}

std::string Speed(Language language, std::optional<Result> speedup, bool reliable = true) {
  Timing timing;
  timing.speedup = speedup;
  return SpeedSentence(language, {8, 128}, timing, reliable);
}

TEST(SpeedSentenceTest, FasterSlowerAndNeither) {
  EXPECT_EQ(Speed(kEn, Between(2.1, 2.05, 2.15)),
            "At batch size 8 × 128 tokens it is faster: 2.10× (95% interval 2.05× to 2.15×) the speed of the "
            "best FP32 path.");
  EXPECT_EQ(Speed(kEn, Between(0.8, 0.77, 0.83)),
            "At batch size 8 × 128 tokens it is slower: 0.80× (95% interval 0.77× to 0.83×) the speed of the "
            "best FP32 path.");
  EXPECT_EQ(Speed(kEn, Between(1.01, 0.98, 1.04)),
            "At batch size 8 × 128 tokens there is no significant difference in speed from the best FP32 "
            "path: 1.01× (95% "
            "interval 0.98× to 1.04×).");
  EXPECT_THAT(Speed(kZh, Between(2.1, 2.05, 2.15)), HasSubstr("更快"));
  EXPECT_THAT(Speed(kZh, Between(0.8, 0.77, 0.83)), HasSubstr("更慢"));
  EXPECT_THAT(Speed(kZh, Between(1.01, 0.98, 1.04)), HasSubstr("无显著差异"));
}

TEST(SpeedSentenceTest, UnreliableAndWithoutInterval) {
  EXPECT_EQ(Speed(kEn, Between(2.1, 2.05, 2.15), false),
            "At batch size 8 × 128 tokens the timing is unreliable, since its A/A check failed, and settles "
            "nothing: "
            "measured was 2.10× (95% interval 2.05× to 2.15×) the speed of the best FP32 path.");
  EXPECT_THAT(Speed(kZh, Between(2.1, 2.05, 2.15), false),
              HasSubstr("时间数据不可靠（A/A 检验未通过），不足以下结论"));
  EXPECT_EQ(Speed(kZh, Between(2.1, 2.05, 2.15), false).find("更快"), std::string::npos);
  EXPECT_EQ(
      Speed(kEn, Value(2.1)),
      "At batch size 8 × 128 tokens it has 2.10× the speed of the best FP32 path, without an interval.");
  EXPECT_THAT(Speed(kZh, Value(2.1)), HasSubstr("没有置信区间"));
  EXPECT_EQ(Speed(kEn, std::nullopt), "");
}

TEST(SizeSentenceTest, WithAndWithoutRatios) {
  Measured measured;
  EXPECT_EQ(SizeSentence(kEn, measured, false), "");
  measured.size = Value(59.3e6);
  EXPECT_EQ(SizeSentence(kEn, measured, false), "The saved model takes 59.3 MB.");
  measured.ratio = Value(1.538);
  EXPECT_EQ(SizeSentence(kEn, measured, false),
            "The saved model takes 59.3 MB, a compression ratio of 1.54×.");
  EXPECT_EQ(SizeSentence(kEn, measured, true), "The saved model takes 59.3 MB.");
  measured.layers_ratio = Value(3.92);
  EXPECT_EQ(SizeSentence(kEn, measured, false),
            "The saved model takes 59.3 MB, a compression ratio of 1.54×; of the quantized layers alone it "
            "is 3.92×.");
  EXPECT_EQ(SizeSentence(kZh, measured, false),
            "保存的模型大小为 59.3 MB，压缩比为 1.54×；仅计被量化的层为 3.92×。");
}

TEST(MemorySentenceTest, GivesThePeakAndNothingThatDiffersBetweenProcesses) {
  Measured measured;
  EXPECT_EQ(MemorySentence(kEn, measured), "");
  measured.memory["forward"] = Value(120e6);
  EXPECT_EQ(MemorySentence(kEn, measured), "");
  measured.memory["peak"] = Value(312e6);
  EXPECT_EQ(MemorySentence(kEn, measured),
            "A fresh process that loads only this model peaks at 312 MB of memory.");
  EXPECT_EQ(MemorySentence(kZh, measured), "只加载该模型的新进程内存峰值为 312 MB。");
}

Layer MadeLayer(const char* requested, const char* effective, double share, const char* reason = "") {
  Layer layer;
  layer.requested = requested;
  layer.effective = effective;
  layer.macs_share = share;
  layer.reason = reason;
  return layer;
}

TEST(PrecisionSentenceTest, CountsLayersAndMultiplyAdds) {
  EXPECT_EQ(PrecisionSentence(kEn, {}), "");
  EXPECT_EQ(PrecisionSentence(kEn, {MadeLayer("int8", "int8", 1)}),
            "It runs 1 linear layer with 100.00% of the multiply-adds in INT8. No layer fell back.");
  EXPECT_EQ(
      PrecisionSentence(kEn, {MadeLayer("int8", "int8", 0.9), MadeLayer("int8", "fp32", 0.1, "odd | size")}),
      "It runs 1 linear layer with 10.00% of the multiply-adds in FP32, 1 linear layer with 90.00% of the "
      "multiply-adds in INT8. 1 layer did not run as requested: odd \\| size (1).");
  EXPECT_EQ(
      PrecisionSentence(kZh, {MadeLayer("int8", "fp32", 0.5, "x"), MadeLayer("int8", "fp32", 0.5)}),
      "2 个线性层（乘加占 100.00%）以 FP32 运行。有 2 层未按要求的精度运行：未记录原因（1）；原文“x”（1）。");
  EXPECT_THAT(
      PrecisionSentence(kEn, {MadeLayer("int8", "fp32", 0.5, "x"), MadeLayer("int8", "fp32", 0.5, "x")}),
      HasSubstr("2 layers did not run as requested: x (2)."));
}

TEST(EndSentenceTest, EveryStateHasItsWords) {
  RunReport report = SucceededRun();
  report.run.name = "baseline";
  EXPECT_EQ(EndSentence(kEn, report), "");
  for (const RunState state : AllRunStates()) {
    EXPECT_NE(StateWord(kEn, state), "unknown") << RunStateName(state);
    EXPECT_NE(StateWord(kZh, state), "未知") << RunStateName(state);
    report.run.state = state;
    if (state == RunState::kSucceeded) continue;
    EXPECT_THAT(EndSentence(kEn, report), HasSubstr("`baseline` has no result"));
  }
  report.run.state = RunState::kFailed;
  report.run.message = "row 17: label 'x|y'";
  EXPECT_EQ(EndSentence(kEn, report), "Run `baseline` has no result: it failed: row 17: label 'x\\|y'");
  EXPECT_EQ(EndSentence(kZh, report), "运行 `baseline` 没有结果：失败：原文“row 17: label 'x\\|y'”。");
  report.run.state = RunState::kCancelled;
  report.run.message = "cancelled: by its user";
  EXPECT_EQ(EndSentence(kEn, report), "Run `baseline` has no result: it was cancelled: by its user");
  report.run.message = "cancelled";
  EXPECT_EQ(EndSentence(kZh, report), "运行 `baseline` 没有结果：已取消。");
  report.run.state = RunState::kRunning;
  report.run.message = "";
  EXPECT_EQ(EndSentence(kEn, report), "Run `baseline` has no result yet: it is running.");
  EXPECT_EQ(EndSentence(kZh, report), "运行 `baseline` 尚无结果：运行中。");
}

// Baseline and variants with one comparison at batch size 8.
struct Compared {
  ReportData data;
  RunReport run = SucceededRun();
  Facts facts;

  explicit Compared(std::vector<VariantFacts> variants) {
    facts.data = &data;
    facts.variants = std::move(variants);
    ComparisonFacts comparison;
    comparison.run = &run;
    facts.comparisons = {comparison};
    for (VariantFacts& variant : facts.variants) variant.measured.resize(1);
  }
  Compared& Speedup(size_t variant, const Result& speedup) {
    facts.variants[variant].measured[0].by_shape[{8, 128}].speedup = speedup;
    return *this;
  }
  Compared& Size(size_t variant, double bytes, double ratio) {
    facts.variants[variant].measured[0].size = Value(bytes);
    facts.variants[variant].measured[0].ratio = Value(ratio);
    return *this;
  }
};

TEST(ShipForSpeedTest, TheFastestThatIsSurelyFaster) {
  VariantFacts other = Tested(0.001, 0.7);
  other.name = "other";
  Compared compared({Baseline(0.86), Tested(-0.031, 0.00002), other});
  compared.Speedup(1, Between(2.3, 2.2, 2.4)).Speedup(2, Between(2.5, 0.9, 4.0));
  EXPECT_EQ(
      ShipForSpeed(kEn, compared.facts),
      "Ship `q`: its speed over the best FP32 path is 2.30× (95% interval 2.20× to 2.40×) at batch "
      "size 8 × 128 tokens. In the other quantities: accuracy changes by -3.10 points (95% interval -3.60 to -2.60), a "
      "significant loss (McNemar's paired test: p < 0.001).");
  EXPECT_THAT(ShipForSpeed(kZh, compared.facts), HasSubstr("建议使用 `q`"));
}

VariantFacts Named(const char* name, VariantFacts variant) {
  variant.name = name;
  return variant;
}

TEST(ShipForSpeedTest, OverlappingIntervalsAreNoRanking) {
  Compared compared({Baseline(0.86), Named("first", Tested(0.003, 0.7)), Named("second", Tested(0.002, 0.7)),
                     Named("third", Tested(0.002, 0.7))});
  compared.Speedup(1, Between(2.3, 2.2, 2.4)).Speedup(2, Between(2.35, 2.25, 2.45));
  compared.Speedup(3, Between(2.0, 1.9, 2.1));
  EXPECT_EQ(
      ShipForSpeed(kEn, compared.facts),
      "Ship `first`: its speed over the best FP32 path is 2.30× (95% interval 2.20× to 2.40×) at batch size "
      "8 × 128 tokens. In the other quantities: accuracy changes by +0.30 points (95% interval -0.20 to +0.80), no "
      "significant difference (McNemar's paired test: p = 0.70). The highest estimate is that of `second`, "
      "2.35× "
      "(95% interval 2.25× to 2.45×) at batch size 8 × 128 tokens, from which these are not distinguishable "
      "in "
      "speed, since their intervals overlap: `first`. Among variants equally fast, those of the Pareto set "
      "go "
      "first, then those without a significant loss of accuracy (of these, those shown to stay within the margin), then the simpler method.");
  const std::string chinese = ShipForSpeed(kZh, compared.facts);
  EXPECT_THAT(chinese, HasSubstr("建议使用 `first`：相对最优 FP32 路径的速度为 2.30×"));
  EXPECT_THAT(
      chinese,
      HasSubstr(
          "估计值最高的是 `second`：2.35×（95% 置信区间 2.25× 至 2.45×）（批大小 8 × 128 词元）；"
          "置信区间与之重叠、速度上无法与其区分的有：`first`。"
          "速度相当的方案中，优先选择帕累托集中的，其次是准确率无显著下降的（其中又以可证明损失在界值以内者优先），再次是较简单的方法。"));
}

TEST(ShipForSpeedTest, WhatIsOutdoneInEverythingIsNotRecommended) {
  Compared compared(
      {Baseline(0.86), Named("first", Tested(0.001, 0.7)), Named("second", Tested(0.002, 0.7))});
  compared.Speedup(1, Between(2.3, 2.2, 2.4)).Speedup(2, Between(2.35, 2.25, 2.45));
  EXPECT_THAT(ShipForSpeed(kEn, compared.facts), HasSubstr("Ship `second`: "));
  EXPECT_THAT(ShipForSpeed(kEn, compared.facts),
              HasSubstr("Not distinguishable from it in speed, since the intervals overlap: `first`."));
}

TEST(ShipForSpeedTest, OfEquallyFastOnesTheOneThatLosesNoAccuracy) {
  Compared compared(
      {Baseline(0.86), Named("first", Tested(-0.03, 0.001)), Named("second", Tested(0.002, 0.7))});
  compared.Speedup(1, Between(2.35, 2.25, 2.45)).Speedup(2, Between(2.3, 2.2, 2.4));
  EXPECT_THAT(ShipForSpeed(kEn, compared.facts), HasSubstr("Ship `second`: "));
  EXPECT_THAT(ShipForSpeed(kEn, compared.facts), HasSubstr("The highest estimate is that of `first`, 2.35×"));
}

TEST(ShipForSpeedTest, WhatIsAsFastAsTheRecommendedOneIsNamed) {
  Compared compared(
      {Baseline(0.86), Named("first", Tested(0.003, 0.7)), Named("second", Tested(0.002, 0.7))});
  compared.Speedup(1, Between(2.35, 2.25, 2.45)).Speedup(2, Between(2.3, 2.2, 2.4));
  EXPECT_THAT(
      ShipForSpeed(kEn, compared.facts),
      HasSubstr(
          "p = 0.70). Not distinguishable from it in speed, since the intervals overlap: `second`. Among"));
  EXPECT_THAT(ShipForSpeed(kZh, compared.facts),
              HasSubstr("置信区间与之重叠、速度上无法与其区分的有：`second`。"));
  compared.facts.variants[1].measured[0].by_shape[{1, 128}].speedup = Between(3, 2.9, 3.1);
  EXPECT_THAT(
      ShipForSpeed(kEn, compared.facts),
      HasSubstr("Not distinguishable from it in speed at batch size 8 × 128 tokens, since the intervals "
                "overlap: `second`."));
  EXPECT_THAT(ShipForSpeed(kZh, compared.facts),
              HasSubstr("速度上无法与其区分的有（批大小为 8 × 128 词元时）：`second`。"));
}

TEST(ShipForSpeedTest, NothingIsRecommendedForUnreliableShapes) {
  Compared compared({Baseline(0.86), Tested(0.001, 0.7)});
  compared.Speedup(1, Between(2, 1.9, 2.1));
  compared.facts.variants[1].measured[0].by_shape[{1, 128}].speedup = Between(3, 2.9, 3.1);
  compared.facts.comparisons[0].checks[{1, 128}] = {Between(1.04, 1.02, 1.06), false};
  const std::string text = ShipForSpeed(kEn, compared.facts);
  EXPECT_THAT(
      text, HasSubstr("Ship `q`: its speed over the best FP32 path is 2.00× (95% interval 1.90× to 2.10×) at "
                      "batch size 8 × 128 tokens. "));
  EXPECT_THAT(text, HasSubstr(" Nothing is recommended for batch size 1 × 128 tokens: the timings there are "
                              "unreliable, since the A/A check failed."));
  EXPECT_EQ(text.find("3.00×"), std::string::npos);
}

TEST(ShipForSpeedTest, NothingIsSurelyFaster) {
  Compared compared({Baseline(0.86), Tested(0.001, 0.7)});
  compared.Speedup(1, Between(1.01, 0.98, 1.04));
  EXPECT_EQ(ShipForSpeed(kEn, compared.facts),
            "At batch size 8 × 128 tokens no variant is surely faster than the best FP32 path: ship FP32.");
  EXPECT_EQ(ShipForSpeed(kZh, compared.facts),
            "批大小为 8 × 128 词元时，没有方法确定快于最优 FP32 路径：建议使用 FP32。");
}

TEST(ShipForSpeedTest, UnreliableTimingsSaySo) {
  Compared compared({Baseline(0.86), Tested(0.001, 0.7)});
  compared.Speedup(1, Between(2, 1.9, 2.1));
  compared.facts.comparisons[0].unreliable = {{"aa_check_failed", "A/A interval 0.9 to 1.1"}};
  EXPECT_EQ(ShipForSpeed(kEn, compared.facts),
            "Nothing is recommended for speed: no timing is reliable, since the A/A check failed.");
  EXPECT_EQ(ShipForSpeed(kZh, compared.facts), "不就速度给出建议：A/A 检验未通过，时间数据均不可靠。");
  // Nor does speed count for anything else.
  compared.Size(0, 91.2e6, 1).Size(1, 59.3e6, 1.538);
  EXPECT_THAT(ShipForSize(kEn, compared.facts), HasSubstr("speed unknown, since no timing is reliable"));
  EXPECT_THAT(ChoiceSentence(kEn, compared.facts),
              HasSubstr("at least as good in accuracy and size and better"));
}

TEST(ShipForSpeedTest, NothingWasTimed) {
  Compared compared({Baseline(0.86), Tested(0.001, 0.7)});
  EXPECT_EQ(ShipForSpeed(kEn, compared.facts), "No variant was timed against FP32.");
  compared.facts.comparisons.clear();
  EXPECT_EQ(
      ShipForSpeed(kEn, compared.facts),
      "Nothing can be said about speed: this experiment has no comparison, and nothing else measures that.");
  compared.facts.ended_comparisons = {&compared.run};
  EXPECT_EQ(ShipForSpeed(kZh, compared.facts),
            "无法判断速度：这只由对比运行（comparison）测量，而对比运行没有结果。");
}

TEST(ShipForSizeTest, AnIntervalWithoutZeroIsNotCalledNoDifference) {
  VariantFacts variant = Tested(-0.006, 0.02);
  variant.holm_p = Value(0.08);
  variant.holm_p->samples = 4;
  variant.significant_seeds = 0;
  Compared compared({Baseline(0.86), variant});
  compared.Size(0, 91.2e6, 1).Size(1, 59.3e6, 1.538);
  EXPECT_THAT(
      ShipForSize(kEn, compared.facts),
      HasSubstr("accuracy changes by -0.60 points (95% interval -1.10 to -0.10), which the corrected test "
                "does not call significant (McNemar's"));
  EXPECT_THAT(ShipForSize(kZh, compared.facts), HasSubstr("校正后的检验未判定其显著（McNemar"));
}

TEST(ShipForSizeTest, TheSmallest) {
  Compared compared({Baseline(0.86), Tested(0.001, 0.7)});
  EXPECT_EQ(ShipForSize(kEn, compared.facts), "No model size was measured.");
  compared.Size(0, 91.2e6, 1).Size(1, 59.3e6, 1.538);
  EXPECT_THAT(ShipForSize(kEn, compared.facts),
              HasSubstr("Ship `q`: 59.3 MB, a compression ratio of 1.54×. "
                        "In the other quantities: accuracy changes by +0.10 points"));
  compared.Size(1, 99e6, 0.92);
  EXPECT_EQ(ShipForSize(kEn, compared.facts), "Ship FP32 (91.2 MB): no variant is smaller.");
  EXPECT_EQ(ShipForSize(kZh, compared.facts), "建议使用 FP32（91.2 MB）：没有更小的方法。");
}

// An INT4 model that is smallest, and slow and large in memory; an INT8 one that is a little larger.
Compared SmallAndSlow() {
  Compared compared({Baseline(0.86), Named("eight", Tested(0.002, 0.7)), Named("four", Tested(0.001, 0.7))});
  compared.Size(0, 90.9e6, 1).Size(1, 59.4e6, 1.53).Size(2, 54.2e6, 1.68);
  compared.Speedup(1, Between(1.49, 1.46, 1.52)).Speedup(2, Between(0.6, 0.58, 0.62));
  const double peaks[] = {352e6, 288e6, 301e6};
  for (size_t i = 0; i < 3; ++i) compared.facts.variants[i].measured[0].memory["peak"] = Value(peaks[i]);
  return compared;
}

TEST(ShipForSizeTest, NamesThePriceAndWhatALittleMoreSizeWouldBuy) {
  const Compared compared = SmallAndSlow();
  EXPECT_EQ(
      ShipForSize(kEn, compared.facts),
      "Ship `four`: 54.2 MB, a compression ratio of 1.68×. In the other quantities: speed 0.60× at batch size 8 × 128 "
      "tokens; peak memory 301 MB (FP32: 352 MB); accuracy changes by +0.10 points (95% interval -0.40 to "
      "+0.60), no significant difference (McNemar's paired test: p = 0.70). The next smallest is `eight`, "
      "5.20 "
      "MB larger: speed 1.49× at batch size 8 × 128 tokens; peak memory 288 MB (FP32: 352 MB); accuracy "
      "changes by +0.20 points (95% interval -0.30 to +0.70), no significant difference (McNemar's paired "
      "test: p = 0.70).");
  EXPECT_THAT(ShipForSize(kZh, compared.facts),
              HasSubstr("其余各项：速度 0.60×（批大小 8 × 128 词元）；内存峰值 301 MB（FP32 为 352 MB）；"));
  EXPECT_THAT(
      ShipForSpeed(kEn, compared.facts),
      HasSubstr(
          "In the other quantities: size 59.4 MB (FP32: 90.9 MB); peak memory 288 MB (FP32: 352 MB); accuracy"));
}

TEST(GoalLineTest, OneLineForEachGoalWithItsPrice) {
  const Compared compared = SmallAndSlow();
  EXPECT_EQ(
      GoalLine(kEn, compared.facts, Goal::kSpeed),
      "`eight`, speed 1.49× at batch size 8 × 128 tokens; with accuracy +0.20 points (no significant difference), "
      "size 59.4 MB (FP32: 90.9 MB), peak memory 288 MB (FP32: 352 MB).");
  EXPECT_EQ(
      GoalLine(kZh, compared.facts, Goal::kSpeed),
      "`eight`，速度 1.49×（批大小 8 × 128 词元）；同时准确率 +0.20 个百分点（差异不显著），体积 59.4 MB（FP32 为 90.9 "
      "MB），内存峰值 288 MB（FP32 为 352 MB）。");
  EXPECT_EQ(
      GoalLine(kEn, compared.facts, Goal::kSize),
      "`four`, 54.2 MB (FP32: 90.9 MB); with accuracy +0.10 points (no significant difference), speed 0.60× at "
      "batch size 8 × 128 tokens, peak memory 301 MB (FP32: 352 MB).");
  EXPECT_EQ(
      GoalLine(kEn, compared.facts, Goal::kMemory),
      "`eight`, 288 MB (FP32: 352 MB); with accuracy +0.20 points (no significant difference), speed 1.49× at "
      "batch size 8 × 128 tokens, size 59.4 MB (FP32: 90.9 MB).");
  EXPECT_EQ(
      GoalLine(kEn, compared.facts, Goal::kAccuracy),
      "FP32, 86.00%: nothing is significantly more accurate; no significant difference was found for `eight`, "
      "`four`.");
  EXPECT_EQ(GoalLine(kZh, compared.facts, Goal::kAccuracy),
            "FP32，86.00%：没有方案显著更准确；与之差异不显著的有 `eight`、`four`。");
}

TEST(GoalLineTest, Fp32WhereNothingIsBetter) {
  Compared compared({Baseline(0.86), Tested(-0.03, 0.001)});
  compared.Size(0, 91.2e6, 1).Size(1, 99e6, 0.92).Speedup(1, Between(1.01, 0.98, 1.04));
  EXPECT_EQ(GoalLine(kEn, compared.facts, Goal::kSpeed),
            "FP32 at batch size 8 × 128 tokens, where nothing is surely faster.");
  EXPECT_EQ(GoalLine(kZh, compared.facts, Goal::kSpeed),
            "批大小为 8 × 128 词元时使用 FP32：没有方案确定更快。");
  EXPECT_EQ(GoalLine(kEn, compared.facts, Goal::kSize), "FP32, 91.2 MB: nothing needs less.");
  EXPECT_EQ(GoalLine(kZh, compared.facts, Goal::kSize), "FP32，91.2 MB：没有更小的方案。");
  EXPECT_EQ(GoalLine(kEn, compared.facts, Goal::kAccuracy),
            "FP32, 86.00%: nothing is significantly more accurate.");
  EXPECT_EQ(GoalLine(kEn, compared.facts, Goal::kMemory), "");
}

TEST(GoalLineTest, WhatTheTestSaysOfTheAccuracy) {
  const auto line = [](VariantFacts variant, Language language) {
    Compared compared({Baseline(0.86), std::move(variant)});
    compared.Size(0, 91.2e6, 1).Size(1, 59.3e6, 1.5);
    return GoalLine(language, compared.facts, Goal::kSize);
  };
  EXPECT_THAT(line(Tested(-0.03, 0.001), kEn), HasSubstr("with accuracy -3.00 points (a significant loss)."));
  EXPECT_THAT(line(Tested(-0.03, 0.001), kZh), HasSubstr("同时准确率 -3.00 个百分点（显著下降）。"));
  EXPECT_THAT(line(Tested(0.03, 0.001), kEn), HasSubstr("with accuracy +3.00 points (a significant gain)."));
  EXPECT_THAT(line(Tested(0.03, 0.001), kZh), HasSubstr("同时准确率 +3.00 个百分点（显著上升）。"));
  EXPECT_THAT(line(Variant("q", Value(0.87)), kEn), HasSubstr("with accuracy +1.00 points (not tested)."));
  EXPECT_THAT(line(Variant("q", Value(0.87)), kZh), HasSubstr("同时准确率 +1.00 个百分点（未检验）。"));
  EXPECT_THAT(line(Variant("q"), kEn), HasSubstr("with accuracy unknown."));
  EXPECT_THAT(line(Variant("q"), kZh), HasSubstr("同时准确率未知。"));
}

TEST(GoalLineTest, AVariantThatIsMoreAccurate) {
  Compared compared({Baseline(0.86), Tested(0.02, 0.001)});
  compared.Size(0, 91.2e6, 1).Size(1, 59.3e6, 1.5);
  EXPECT_EQ(GoalLine(kEn, compared.facts, Goal::kAccuracy),
            "`q`, 88.00%: accuracy +2.00 points (a significant gain); with size 59.3 MB (FP32: 91.2 MB).");
  EXPECT_EQ(GoalLine(kZh, compared.facts, Goal::kAccuracy),
            "`q`，88.00%：准确率 +2.00 个百分点（显著上升）；同时体积 59.3 MB（FP32 为 91.2 MB）。");
}

TEST(ChoiceSentenceTest, TheParetoSetAndWhatOutdoesTheOthers) {
  Compared compared = SmallAndSlow();
  EXPECT_EQ(
      ChoiceSentence(kEn, compared.facts),
      "The choice is among `eight`, `four`, the Pareto set by the measured values: no other variant is at "
      "least as good in accuracy, speed, size and peak memory and better in one of them. The others are "
      "outdone: `baseline` by `eight`.");
  EXPECT_THAT(ChoiceSentence(kZh, compared.facts),
              HasSubstr("没有其他方案在准确率、速度、体积和内存峰值上均不劣于其中任何一个且至少一项更优。"));
  // The same model again is no choice of its own.
  compared.facts.variants[2].same_as = "eight";
  EXPECT_THAT(ChoiceSentence(kEn, compared.facts), HasSubstr("The choice is `eight`, the Pareto set"));
  EXPECT_THAT(ShipForSize(kEn, compared.facts), HasSubstr("Ship `eight`: "));
}

TEST(ShipForAccuracyTest, FP32UnlessBeatenSignificantly) {
  VariantFacts untested = Variant("untested", Value(0.9));
  const Compared compared(
      {Baseline(0.86), Tested(0.001, 0.7), Named("worse", Tested(-0.03, 0.001)), untested});
  EXPECT_EQ(
      ShipForAccuracy(kEn, compared.facts),
      "No quantized variant is significantly more accurate than FP32 (`baseline`): 86.00% (95% interval "
      "84.00% to 88.00%). No significant difference from the baseline was found for `q`. Significantly worse "
      "than the baseline: `worse`. Not settled by a paired test: `untested`.");
  EXPECT_EQ(ShipForAccuracy(kZh, compared.facts),
            "没有量化方案显著优于 FP32（`baseline`）：准确率 86.00%（95% 置信区间 84.00% 至 "
            "88.00%）。与基线无显著差异："
            "`q`。显著差于基线：`worse`。配对检验未能定论：`untested`。");
}

TEST(ShipForAccuracyTest, ABetterControlSaysThatMoreTrainingWouldGain) {
  VariantFacts control = Named("fp32_continued", Tested(0.02, 0.001));
  control.method = "fp32_continued";
  control.spec = FindMethod(control.method);
  const Compared compared({Baseline(0.86), Tested(0.001, 0.7), control});
  EXPECT_THAT(
      ShipForAccuracy(kEn, compared.facts),
      HasSubstr("The control `fp32_continued`, FP32 trained longer, is significantly more accurate than the "
                "baseline: +2.00 points (95% interval +1.50 to +2.50), McNemar's paired test: p = 0.001; "
                "more training, not quantization, would gain that."));
  EXPECT_THAT(
      ShipForAccuracy(kZh, compared.facts),
      HasSubstr(
          "对照组 `fp32_continued`（继续训练的 FP32）显著优于基线：+2.00 个百分点（95% 置信区间 +1.50 至 "
          "+2.50），McNemar 配对检验：p = 0.001；这一提升来自更多训练，而非量化。"));
}

TEST(ShipForAccuracyTest, EveryBetterVariantIsNamed) {
  const Compared compared({Baseline(0.86), Tested(0.02, 0.001), Named("more", Tested(0.03, 0.001)),
                           Named("some", Tested(0.01, 0.001))});
  EXPECT_THAT(ShipForAccuracy(kEn, compared.facts), HasSubstr("Ship `more`: "));
  EXPECT_THAT(ShipForAccuracy(kEn, compared.facts),
              HasSubstr("Significantly better than the baseline too: `q`, `some`."));
  EXPECT_THAT(ShipForAccuracy(kZh, compared.facts), HasSubstr("同样显著优于基线：`q`、`some`。"));
}

TEST(ShipForAccuracyTest, NothingToSetAgainstTheBaseline) {
  const Compared compared({Baseline(0.86), Variant("q")});
  EXPECT_EQ(
      ShipForAccuracy(kEn, compared.facts),
      "No quantized variant has a result to compare with FP32 (`baseline`), whose accuracy is 86.00% (95% "
      "interval 84.00% to 88.00%).");
  EXPECT_EQ(ShipForAccuracy(kZh, compared.facts),
            "没有量化方案的结果可与 FP32（`baseline`）比较，后者准确率为 86.00%（95% 置信区间 84.00% 至 "
            "88.00%）。");
}

TEST(ShipForAccuracyTest, AVariantThatIsBetter) {
  const Compared compared({Baseline(0.86), Tested(0.02, 0.001)});
  EXPECT_EQ(ShipForAccuracy(kEn, compared.facts),
            "Ship `q`: accuracy changes by +2.00 points (95% interval +1.50 to +2.50), a significant gain "
            "(McNemar's "
            "paired test: p = 0.001).");
}

TEST(ShipForAccuracyTest, AFailedBaseline) {
  VariantFacts failed = Variant("baseline");
  failed.baseline = true;
  const Compared compared({failed, Tested(0.02, 0.001)});
  EXPECT_EQ(ShipForAccuracy(kEn, compared.facts),
            "Nothing can be said about accuracy: there is no baseline result.");
  EXPECT_EQ(ShipForAccuracy(kZh, compared.facts), "无法判断准确率：没有基线结果。");
}

TEST(FirstSeedSentenceTest, SaysOfWhichModelsSpeedIs) {
  Compared compared({Baseline(0.86), Tested(0.001, 0.7)});
  compared.run.run.seed = 7;
  EXPECT_EQ(FirstSeedSentence(kEn, compared.facts), "");
  compared.facts.variants[1].runs = {&AnyRun(), &AnyRun()};
  EXPECT_EQ(FirstSeedSentence(kEn, compared.facts),
            "Speed, size and memory were measured once, with the models of the first seed (7); accuracy is "
            "the mean "
            "over all seeds.");
  EXPECT_EQ(FirstSeedSentence(kZh, compared.facts),
            "速度、体积与内存只用第一个随机种子（7）的模型测量一次；准确率为全部随机种子的均值。");
}

TEST(AaSentenceTest, PassedFailedAndMissing) {
  Compared compared({Baseline(0.86)});
  ComparisonFacts& comparison = compared.facts.comparisons[0];
  EXPECT_EQ(AaSentence(kEn, comparison),
            "No A/A check was recorded, so the timings are without that safeguard.");
  comparison.checks[{1, 128}] = {Between(1.001, 0.995, 1.006), true};
  comparison.checks[{8, 128}] = {Between(1.04, 1.02, 1.06), false};
  EXPECT_EQ(AaSentence(kEn, comparison),
            "A/A check (FP32 against itself, to stay within 0.97 to 1.03): batch size 1 × 128 tokens: 1.001 "
            "(95% interval "
            "0.9950 "
            "to 1.006) passed; batch size 8 × 128 tokens: 1.040 (95% interval 1.020 to 1.060) **failed**.");
  comparison.unreliable = {{"aa_check_failed", "too noisy"}};
  EXPECT_THAT(AaSentence(kZh, comparison), HasSubstr("**不可靠**：原文“too noisy”。"));
  EXPECT_TRUE(comparison.Reliable({1, 128}));
  EXPECT_FALSE(comparison.Reliable({8, 128}));
  EXPECT_FALSE(comparison.Reliable({32, 128}));
}

TEST(AaSentenceTest, SeveralProcessesHaveAnotherRule) {
  ComparisonFacts comparison;
  comparison.checks[{1, 128}] = {Between(1.001, 0.995, 1.006), true, 5};
  EXPECT_EQ(
      AaSentence(kEn, comparison),
      "A/A check (FP32 against itself, its interval at most 1% to each side and around 1): batch size 1 × "
      "128 tokens: 1.001 (95% interval 0.9950 to 1.006) passed.");
}

TEST(SpeedIntervalSentenceTest, SaysWhatTheIntervalCovers) {
  ComparisonFacts comparison;
  comparison.checks[{1, 128}] = {Between(1.001, 0.995, 1.006), true};
  EXPECT_EQ(SpeedIntervalSentence(kEn, comparison, "[7]"),
            "The speedup is the median of the ratios with a bootstrap interval [7].");
  comparison.checks[{1, 128}].processes = 1;
  EXPECT_THAT(SpeedIntervalSentence(kEn, comparison, "[7]"), HasSubstr("not from one process to another"));
  comparison.checks[{1, 128}].processes = 5;
  comparison.checks[{8, 128}] = {Between(1.001, 0.995, 1.006), true, 10};
  EXPECT_THAT(SpeedIntervalSentence(kEn, comparison, "[7]"), HasSubstr("5 to 10 processes"));
  EXPECT_THAT(SpeedIntervalSentence(kZh, comparison, "[7]"), HasSubstr("由 5 至 10 个依次启动的进程"));
}

TEST(FactsTest, MeanAndDeviationOverSeeds) {
  Metric metric;
  metric.value = 1;
  metric.low = 0.5;
  metric.high = 1.5;
  EXPECT_EQ(Summarize({}).has_value(), false);
  EXPECT_EQ(Summarize({metric})->low, 0.5);
  Metric other = metric;
  other.value = 3;
  const Result result = *Summarize({metric, other});
  EXPECT_EQ(result.value, 2);
  EXPECT_DOUBLE_EQ(*result.deviation, std::sqrt(2.0));
  EXPECT_FALSE(result.low.has_value());
}

Metric MadeMetric(const char* name, double value, const char* split) {
  Metric metric;
  metric.name = name;
  metric.value = value;
  metric.labels["split"] = split;
  return metric;
}

TEST(FactsTest, NumbersOfARunThatFailedAreNoResult) {
  ReportData data;
  data.runs.resize(1);
  data.runs[0].run.name = "baseline";
  data.runs[0].run.state = RunState::kFailed;
  data.runs[0].metrics = {MadeMetric("accuracy", 0.9, "test")};
  const Facts facts = CollectFacts(data);
  EXPECT_FALSE(facts.variants[0].accuracy.has_value());
  EXPECT_TRUE(facts.other.empty());
}

TEST(FactsTest, EveryMetricIsShownOnce) {
  ReportData data;
  data.runs.resize(1);
  data.runs[0].run.name = "baseline";
  data.runs[0].run.state = RunState::kSucceeded;
  data.runs[0].metrics = {MadeMetric("accuracy", 0.9, "test"), MadeMetric("accuracy", 0.8, "validation"),
                          MadeMetric("new_metric", 7, "all"), MadeMetric("train_loss", 0.3, "train")};
  data.runs[0].metrics.back().step = 5;
  const Facts facts = CollectFacts(data);
  EXPECT_EQ(facts.variants[0].accuracy->value, 0.9);
  ASSERT_EQ(facts.other.size(), 2);
  EXPECT_EQ(facts.other[0].metric.value, 0.8);
  EXPECT_EQ(facts.other[1].metric.name, "new_metric");
}

}  // namespace
}  // namespace quantlab::report
