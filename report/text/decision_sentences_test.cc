// Every sentence of a decision, in both languages.
#include "report/text/decision_sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/facts/testing/variants.h"

namespace quantlab::report {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr Language kEn = Language::kEnglish;
constexpr Language kZh = Language::kChinese;
constexpr InputShape kShape = {1, 128};

VariantFacts Variant(const std::string& name) {
  return MeasuredVariant(name, {kShape});
}

VariantFacts Baseline() {
  VariantFacts variant = Variant("baseline");
  variant.baseline = true;
  variant.label = {"FP32 baseline", "FP32 基线"};
  variant.difference.reset();
  variant.seed_differences.clear();
  variant.measured[0].by_shape[kShape].speedup.reset();
  variant.measured[0].by_shape[kShape].p90 = Between(0.020, 0.0199, 0.0204);
  variant.measured[0].size = Value(90e6);
  variant.measured[0].memory["peak"] = Value(400e6);
  return variant;
}

Constraints All() {
  Constraints constraints;
  constraints.accuracy_drop = 0.005;
  constraints.p90 = 0.012;
  constraints.size = 60e6;
  constraints.memory = 300e6;
  return constraints;
}

// Keeps the facts that the decision borrows from.
struct Case {
  Case(std::vector<VariantFacts> variants, const Constraints& asked, Goal goal, bool reliable = true) {
    facts.variants = std::move(variants);
    facts.comparisons.resize(1);
    if (!reliable) facts.comparisons[0].checks[kShape] = {Between(1.1, 1.05, 1.15), false};
    decision = Decide(facts, asked, goal);
  }
  Case(const Case&) = delete;

  std::string Checks(Language language, size_t variant) const {
    return ChecksSentence(language, decision, decision.variants[variant]);
  }

  Facts facts;
  Decision decision;
};

TEST(QuestionSentenceTest, NamesTheConstraintsAndTheGoal) {
  const Case all({Baseline(), Variant("q")}, All(), Goal::kSpeed);
  EXPECT_EQ(
      QuestionSentence(kEn, all.decision),
      "Asked for: the fastest, with accuracy drop at most 0.50 points, p90 time of a batch (batch size 1 × 128 tokens) at most 12.0 ms, size at most 60.0 MB, peak memory at most 300 MB.");
  EXPECT_EQ(
      QuestionSentence(kZh, all.decision),
      "要求：在准确率下降不超过 0.50 个百分点、批大小 1 × 128 词元时的 p90 延迟不超过 12.0 ms、体积不超过 60.0 MB、内存峰值不超过 300 MB 的方案中，选择最快的。");
  const Case none({Baseline()}, {}, Goal::kAccuracy);
  EXPECT_EQ(QuestionSentence(kEn, none.decision), "Asked for: the most accurate, without constraints.");
  EXPECT_EQ(QuestionSentence(kZh, none.decision), "要求：选择准确率最高的，不设约束。");
}

TEST(QuestionSentenceTest, NamesEachGoal) {
  const std::vector<VariantFacts> variants = {Baseline()};
  EXPECT_THAT(QuestionSentence(kEn, Case(variants, {}, Goal::kSize).decision), HasSubstr("the smallest"));
  EXPECT_THAT(QuestionSentence(kEn, Case(variants, {}, Goal::kMemory).decision),
              HasSubstr("the one with the least peak memory"));
  EXPECT_THAT(QuestionSentence(kZh, Case(variants, {}, Goal::kSize).decision), HasSubstr("选择体积最小的"));
  EXPECT_THAT(QuestionSentence(kZh, Case(variants, {}, Goal::kMemory).decision),
              HasSubstr("选择内存峰值最低的"));
}

TEST(AnswerSentenceTest, TheOnlyOneThatQualifies) {
  const Case one({Baseline(), Variant("q")}, All(), Goal::kSpeed);
  EXPECT_EQ(
      AnswerSentence(kEn, one.decision),
      "Ship `q`: 2.00× (95% interval 1.90× to 2.10×) the speed of FP32 at batch size 1 × 128 tokens, the only variant that meets all constraints.");
  EXPECT_EQ(
      AnswerSentence(kZh, one.decision),
      "建议使用 `q`：速度为 FP32 的 2.00×（95% 置信区间 1.90× 至 2.10×），批大小 1 × 128 词元，是唯一满足全部约束的方案。");
}

TEST(AnswerSentenceTest, TheBestOfSeveral) {
  VariantFacts smaller = Variant("s");
  smaller.measured[0].size = Value(40e6);
  const Case two({Baseline(), Variant("q"), smaller}, All(), Goal::kSize);
  EXPECT_EQ(AnswerSentence(kEn, two.decision),
            "Ship `s`: size 40.0 MB, the smallest of the 2 variants that meet all constraints.");
  EXPECT_EQ(AnswerSentence(kZh, two.decision),
            "建议使用 `s`：体积 40.0 MB，是满足全部约束的 2 个方案中体积最小的。");
  const Case free({Baseline(), Variant("q"), smaller}, {}, Goal::kSize);
  EXPECT_EQ(AnswerSentence(kEn, free.decision), "Ship `s`: size 40.0 MB, the smallest of 3 variants.");
  EXPECT_EQ(AnswerSentence(kZh, free.decision), "建议使用 `s`：体积 40.0 MB，是 3 个方案中体积最小的。");
}

TEST(AnswerSentenceTest, Ties) {
  VariantFacts faster = Variant("s");
  faster.measured[0].by_shape[kShape].speedup = Between(2.05, 1.95, 2.15);
  // Slower, but smaller, so that neither dominates.
  VariantFacts first = Variant("q");
  first.measured[0].size = Value(40e6);
  const Case tie({Baseline(), first, faster}, All(), Goal::kSpeed);
  EXPECT_EQ(
      AnswerSentence(kEn, tie.decision),
      "Ship `q`: 2.00× (95% interval 1.90× to 2.10×) the speed of FP32 at batch size 1 × 128 tokens, among the best of the 2 that qualify. Not distinguishable from it in speed: `s`. The best measured value is that of `s`: 2.05× (95% interval 1.95× to 2.15×) the speed of FP32 at batch size 1 × 128 tokens. Among equals, those of the Pareto set go first, then those without a significant loss of accuracy (of these, those shown to stay within the margin), then the simpler method.");
  EXPECT_EQ(
      AnswerSentence(kZh, tie.decision),
      "建议使用 `q`：速度为 FP32 的 2.00×（95% 置信区间 1.90× 至 2.10×），批大小 1 × 128 词元，属于符合要求的 2 个方案中最好的之列。在速度上无法与其区分：`s`。测得值最好的是 `s`：速度为 FP32 的 2.05×（95% 置信区间 1.95× 至 2.15×），批大小 1 × 128 词元。不相上下时，优先选择帕累托集中的，其次是准确率无显著下降的（其中又以可证明损失在界值以内者优先），再次是较简单的方法。");
}

TEST(AnswerSentenceTest, NothingFeasible) {
  Constraints tight = All();
  tight.size = 10e6;
  const Case none({Baseline(), Variant("q")}, tight, Goal::kSpeed);
  EXPECT_EQ(AnswerSentence(kEn, none.decision), "No variant meets all constraints, FP32 included.");
  EXPECT_EQ(AnswerSentence(kZh, none.decision), "没有方案满足全部约束，FP32 亦然。");
}

TEST(AnswerSentenceTest, NothingMeasured) {
  VariantFacts failed;
  failed.name = failed.method = "q";
  failed.runs = {&AnyRun()};
  const Case none({failed}, {}, Goal::kSpeed);
  EXPECT_EQ(AnswerSentence(kEn, none.decision), "Nothing was measured that could be chosen from.");
  EXPECT_EQ(AnswerSentence(kZh, none.decision), "没有测得任何可供选择的结果。");
  EXPECT_EQ(none.Checks(kEn, 0), "`q` does not qualify: nothing was measured of it.");
  EXPECT_EQ(none.Checks(kZh, 0), "`q` 不符合要求：没有测得任何结果。");
}

TEST(AnswerSentenceTest, OneVariant) {
  const Case one({Baseline()}, {}, Goal::kSpeed);
  EXPECT_EQ(AnswerSentence(kEn, one.decision),
            "Ship FP32 baseline: the speed of FP32, the only variant that was measured.");
  EXPECT_EQ(AnswerSentence(kZh, one.decision), "建议使用 FP32 基线：FP32 的速度，是唯一测得结果的方案。");
}

TEST(AnswerSentenceTest, UnreliableTimings) {
  const Case limit({Baseline(), Variant("q")}, All(), Goal::kSize, /*reliable=*/false);
  EXPECT_EQ(
      AnswerSentence(kEn, limit.decision),
      "No variant meets all constraints, FP32 included. No timing is reliable at this shape, since the A/A check failed, so the limit of time is met by none.");
  EXPECT_EQ(
      AnswerSentence(kZh, limit.decision),
      "没有方案满足全部约束，FP32 亦然。A/A 检验未通过，该输入形状下的时间数据均不可靠，因此无一满足时间限值。");
  EXPECT_THAT(limit.Checks(kEn, 1), HasSubstr("unknown, since the timings are unreliable"));
  EXPECT_THAT(limit.Checks(kZh, 1), HasSubstr("批大小 1 × 128 词元时的 p90 延迟未知（时间数据不可靠）"));
  const Case goal({Baseline(), Variant("q")}, {}, Goal::kSpeed, /*reliable=*/false);
  EXPECT_EQ(
      AnswerSentence(kEn, goal.decision),
      "2 of 2 variants qualify, but cannot be ranked by speed (the timings are unreliable, since the A/A check failed): FP32 baseline, `q`.");
  EXPECT_EQ(
      AnswerSentence(kZh, goal.decision),
      "2 个方案中有 2 个符合要求，但无法按速度排名（A/A 检验未通过，时间数据不可靠）：FP32 基线、`q`。");
}

TEST(AnswerSentenceTest, WhatCannotBeRankedIsNamed) {
  VariantFacts unknown = Variant("s");
  unknown.measured[0].size.reset();
  const Case some({Baseline(), Variant("q"), unknown}, {}, Goal::kSize);
  EXPECT_THAT(AnswerSentence(kEn, some.decision),
              HasSubstr("Not ranked by size, since it was not measured: `s`."));
  EXPECT_THAT(AnswerSentence(kZh, some.decision), HasSubstr("未按体积排名的有 `s`：未测得该项。"));
  EXPECT_EQ(some.Checks(kEn, 2), "`s`: size unknown, since it was not measured.");
  EXPECT_EQ(some.Checks(kZh, 2), "`s`：体积未知（未测得该项）。");
}

TEST(AnswerSentenceTest, TheOtherGoals) {
  const std::vector<VariantFacts> variants = {Baseline(), Variant("q")};
  EXPECT_THAT(AnswerSentence(kEn, Case(variants, {}, Goal::kMemory).decision),
              HasSubstr("Ship `q`: peak memory 250 MB, the one with the least peak memory of 2 variants."));
  EXPECT_THAT(AnswerSentence(kZh, Case(variants, {}, Goal::kMemory).decision),
              HasSubstr("建议使用 `q`：内存峰值 250 MB，是 2 个方案中内存峰值最低的。"));
  const Case accuracy(variants, {}, Goal::kAccuracy);
  EXPECT_THAT(accuracy.Checks(kEn, 1),
              HasSubstr("`q`: accuracy -0.10 points (95% interval -0.30 to +0.10) against FP32."));
  EXPECT_THAT(accuracy.Checks(kZh, 1),
              HasSubstr("`q`：准确率相对 FP32 变化 -0.10 个百分点（95% 置信区间 -0.30 至 +0.10）。"));
  EXPECT_EQ(accuracy.Checks(kEn, 0), "FP32 baseline: the accuracy of FP32.");
  EXPECT_EQ(accuracy.Checks(kZh, 0), "FP32 基线：FP32 的准确率。");
}

TEST(ChecksSentenceTest, WhatIsMetAndWithWhatConfidence) {
  VariantFacts close = Variant("q");
  close.seed_differences = {{42, -0.001, -0.0045, 0.0025}};
  const Case met({Baseline(), close}, All(), Goal::kSpeed);
  EXPECT_EQ(
      met.Checks(kEn, 1),
      "`q` meets all constraints: accuracy changes by -0.10 points, and the drop is within the limit with 98.74% confidence; p90 time of a batch (batch size 1 × 128 tokens) 10.0 ms, with 97.5% confidence at most 10.4 ms; size 50.0 MB; peak memory 250 MB.");
  EXPECT_EQ(
      met.Checks(kZh, 1),
      "`q` 满足全部约束：准确率变化 -0.10 个百分点，下降在限值内的置信度为 98.74%；批大小 1 × 128 词元时的 p90 延迟 10.0 ms，以 97.5% 的置信度不超过 10.4 ms；体积 50.0 MB；内存峰值 250 MB。");
}

TEST(ChecksSentenceTest, WhatIsExceededAndByHowMuch) {
  VariantFacts bad = Variant("q");
  bad.seed_differences = {{42, -0.02, -0.022, -0.018}};
  bad.measured[0].size = Value(70e6);
  bad.measured[0].by_shape[kShape].p90 = Between(0.015, 0.014, 0.016);
  const Case failed({Baseline(), bad}, All(), Goal::kSpeed);
  EXPECT_EQ(
      failed.Checks(kEn, 1),
      "`q` does not qualify: accuracy changes by -2.00 points, a drop 1.50 points beyond the limit; p90 time of a batch (batch size 1 × 128 tokens) 15.0 ms exceeds the limit by 3.00 ms; size 70.0 MB exceeds the limit by 10.0 MB. It meets: peak memory 250 MB.");
  EXPECT_EQ(
      failed.Checks(kZh, 1),
      "`q` 不符合要求：准确率变化 -2.00 个百分点，下降超出限值 1.50 个百分点；批大小 1 × 128 词元时的 p90 延迟 15.0 ms，超出限值 3.00 ms；体积 70.0 MB，超出限值 10.0 MB。满足的约束：内存峰值 250 MB。");
  EXPECT_THAT(failed.Checks(kEn, 0), HasSubstr("It meets: accuracy: it is the baseline."));
  EXPECT_THAT(failed.Checks(kZh, 0), HasSubstr("满足的约束：准确率：即为基线。"));
}

TEST(ChecksSentenceTest, WhatIsNotShown) {
  VariantFacts unsure = Variant("q");
  unsure.seed_differences = {{42, -0.004, -0.006, -0.002}};
  unsure.measured[0].by_shape[kShape].p90 = Between(0.0119, 0.0118, 0.0125);
  const Case crossing({Baseline(), unsure}, All(), Goal::kSpeed);
  EXPECT_EQ(
      crossing.Checks(kEn, 1),
      "`q` does not qualify: accuracy changes by -0.40 points, but that the drop is within the limit has only 83.64% confidence where 97.5% is required; p90 time of a batch (batch size 1 × 128 tokens) 11.9 ms, but it may be as much as 12.5 ms (95% interval), 500 µs above the limit. It meets: size 50.0 MB; peak memory 250 MB.");
  EXPECT_EQ(
      crossing.Checks(kZh, 1),
      "`q` 不符合要求：准确率变化 -0.40 个百分点，但下降在限值内的置信度仅为 83.64%，未达到所需的 97.5%；批大小 1 × 128 词元时的 p90 延迟 11.9 ms，但可能高达 12.5 ms（95% 置信区间），超出限值 500 µs。满足的约束：体积 50.0 MB；内存峰值 250 MB。");
  unsure.seed_differences = {{42, -0.001, {}, {}}};
  unsure.measured[0].by_shape[kShape].p90 = Value(0.010);
  const Case bare({Baseline(), unsure}, All(), Goal::kSpeed);
  EXPECT_THAT(
      bare.Checks(kEn, 1),
      HasSubstr(
          "accuracy changes by -0.10 points, but without a paired interval for every seed that shows nothing; p90 time of a batch (batch size 1 × 128 tokens) 10.0 ms, but its interval is not known"));
  EXPECT_THAT(
      bare.Checks(kZh, 1),
      HasSubstr(
          "准确率变化 -0.10 个百分点，但并非每个随机种子都有配对置信区间，不足以说明问题；批大小 1 × 128 词元时的 p90 延迟 10.0 ms，但其置信区间未知"));
}

TEST(ChecksSentenceTest, AWideIntervalIsToldByItsEnd) {
  VariantFacts wide = Variant("q");
  wide.seed_differences = {{42, 0, -0.024, 0.024}};
  VariantFacts other = wide;
  other.name = "s";
  const Case vague({Baseline(), wide, other}, All(), Goal::kSpeed);
  EXPECT_THAT(vague.Checks(kEn, 1), HasSubstr("but it may drop by as much as 2.40 points (95% interval)"));
  EXPECT_THAT(vague.Checks(kZh, 1), HasSubstr("但最多可能下降 2.40 个百分点（95% 置信区间）"));
}

TEST(ChecksSentenceTest, SeveralSeedsAndSeveralTests) {
  VariantFacts seeds = Variant("q");
  seeds.runs = {&AnyRun(), &AnyRun()};
  seeds.seed_differences = {{42, -0.001, -0.003, 0.001}, {43, -0.0015, -0.0035, 0.0005}};
  const Case several({Baseline(), seeds, Variant("s")}, All(), Goal::kSpeed);
  EXPECT_THAT(
      several.Checks(kEn, 1),
      HasSubstr(
          "accuracy changes by -0.15 points, and the drop is within the limit with >99.9% confidence (the lowest of 2 seeds, corrected for 2 tests)"));
  EXPECT_THAT(
      several.Checks(kZh, 1),
      HasSubstr(
          "准确率变化 -0.15 个百分点，下降在限值内的置信度为 >99.9%（2 个随机种子中最低，按 2 次检验校正）"));
}

TEST(ChecksSentenceTest, WhatWasNotMeasured) {
  VariantFacts unknown = Variant("q");
  unknown.measured[0].memory.clear();
  const Case some({Baseline(), unknown}, All(), Goal::kSpeed);
  EXPECT_THAT(some.Checks(kEn, 1),
              HasSubstr("does not qualify: peak memory unknown, since it was not measured. It meets: "));
  EXPECT_THAT(some.Checks(kZh, 1), HasSubstr("不符合要求：内存峰值未知（未测得）。满足的约束："));
}

TEST(ChecksSentencesTest, TheBestComesFirstAndWhatDoesNotQualifyLast) {
  VariantFacts slower = Variant("slower");
  slower.measured[0].by_shape[kShape].speedup = Between(1.5, 1.45, 1.55);
  const Case three({Baseline(), slower, Variant("q")}, All(), Goal::kSpeed);
  EXPECT_THAT(
      ChecksSentences(kEn, three.decision),
      ElementsAre(HasSubstr("`q` meets"), HasSubstr("`slower` meets"), HasSubstr("does not qualify")));
}

TEST(ChecksSentenceTest, NamesFromOutsideAreEscaped) {
  const Case hostile({Baseline(), Variant("<b>|")}, All(), Goal::kSpeed);
  EXPECT_THAT(AnswerSentence(kEn, hostile.decision), Not(HasSubstr("<b>|")));
}

}  // namespace
}  // namespace quantlab::report
