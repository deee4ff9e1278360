#include "report/text/method_sentences.h"

#include <gtest/gtest.h>

#include "report/facts/testing/variants.h"

namespace quantlab::report {
namespace {

constexpr Language kEn = Language::kEnglish, kZh = Language::kChinese;

TEST(FlipsSentenceTest, CountsByWhatBecameOfThem) {
  VariantFacts variant;
  EXPECT_EQ(FlipsSentence(kEn, variant), "");
  variant.lost = Value(36);
  variant.gained = Value(30);
  EXPECT_EQ(FlipsSentence(kEn, variant),
            "Against the baseline 66 examples change class: 36 from right to wrong, 30 from wrong to right.");
  variant.other_flips = Value(4);
  EXPECT_EQ(
      FlipsSentence(kEn, variant),
      "Against the baseline 70 examples change class: 36 from right to wrong, 30 from wrong to right, 4 between "
      "wrong classes.");
}

TEST(MarginSentenceTest, SaysWhetherItIsShown) {
  VariantFacts variant;
  EXPECT_EQ(MarginSentence(kEn, variant), "");
  variant.non_inferior = Value(1);
  variant.margin = "0.01";
  EXPECT_EQ(
      MarginSentence(kEn, variant),
      "It is shown to be no worse than the baseline by more than 1.00 points, the margin set beforehand.");
  variant.non_inferior = Value(0);
  EXPECT_EQ(MarginSentence(kEn, variant),
            "It is not shown to stay within 1.00 points of the baseline, the margin set beforehand: the "
            "interval of "
            "the difference reaches beyond it.");
  variant.difference = Between(-0.004, -0.010003, 0.002);
  EXPECT_EQ(MarginSentence(kEn, variant),
            "It is not shown to stay within 1.00 points of the baseline, the margin set beforehand: the "
            "interval of "
            "the difference reaches beyond it, down to -1.0003 points.");
  EXPECT_EQ(
      MarginSentence(kZh, variant),
      "不能证明其与基线之差在 1.00 个百分点（事先设定的界值）以内：差值的置信区间超出该界值，下限为 -1.0003 "
      "个百分点。");
}

TEST(MarginSentenceTest, GivesThePOfTheTestWhereAnswersWereCounted) {
  VariantFacts variant;
  variant.non_inferior = Value(0);
  variant.margin = "0.01";
  variant.margin_holm_p = Value(0.0692);
  EXPECT_EQ(
      MarginSentence(kEn, variant),
      "It is not shown to stay within 1.00 points of the baseline, the margin set beforehand: the exact "
      "one-sided test gives p = 0.0692, where 0.025 at most is needed.");
  variant.margin_holm_p->samples = 3;
  EXPECT_EQ(MarginSentence(kZh, variant),
            "不能证明其与基线之差在 1.00 个百分点（事先设定的界值）以内：精确单侧检验得 p = "
            "0.0692（已按方案数校正），须不大于 0.025。");
}

TEST(PairSentenceTest, FollowsTheTest) {
  PairFacts pair{"qat", "static_quantization", {}, {}, {}, {}, {}};
  EXPECT_EQ(PairSentence(kEn, pair), "");
  pair.difference = Between(0.0072, 0.003, 0.0114);
  EXPECT_EQ(
      PairSentence(kEn, pair),
      "`qat` against `static_quantization`: +0.72 points (95% interval +0.30 to +1.14), not settled by one "
      "paired test.");
  pair.p_value = pair.holm_p = Value(0.0009);
  EXPECT_EQ(
      PairSentence(kEn, pair),
      "`qat` is significantly more accurate than `static_quantization`: +0.72 points (95% interval +0.30 to "
      "+1.14), p < 0.001.");
  pair.p_value = pair.holm_p = Value(0.3);
  EXPECT_EQ(
      PairSentence(kEn, pair),
      "`qat` against `static_quantization`: no significant difference, +0.72 points (95% interval +0.30 to "
      "+1.14), p = 0.30.");
  pair.difference = Between(-0.02, -0.03, -0.01);
  pair.p_value = pair.holm_p = Value(0.01);
  EXPECT_EQ(
      PairSentence(kEn, pair),
      "`qat` is significantly less accurate than `static_quantization`: -2.00 points (95% interval -3.00 to "
      "-1.00), p = 0.010.");
}

TEST(PairSentenceTest, TheCorrectedTestDecides) {
  PairFacts pair{"qat", "static_quantization", {}, {}, Value(0.0072), Value(0.02), Value(0.12)};
  pair.holm_p->samples = 6;
  EXPECT_EQ(PairSentence(kEn, pair),
            "`qat` against `static_quantization`: no significant difference, +0.72 points, p = 0.12.");
  pair.variant_label = {"Quantization-aware training", "量化感知训练"};
  pair.against_label = {"Static quantization", "静态量化"};
  EXPECT_EQ(PairSentence(kZh, pair), "量化感知训练对静态量化：无显著差异，+0.72 个百分点，p = 0.12。");
}

RunReport TrainedFor(int64_t epochs) {
  RunReport report;
  report.config.method.params = {{"epochs", epochs}, {"learning_rate", 2e-5}};
  return report;
}

VariantFacts Trained(const std::string& name, const std::string& method, const RunReport& run) {
  VariantFacts variant;
  variant.name = name;
  variant.method = method;
  variant.spec = FindMethod(method);
  variant.runs = {&run};
  return variant;
}

TEST(ControlSentenceTest, SaysWithWhatItWasTrainedAlike) {
  const RunReport one = TrainedFor(1), three = TrainedFor(3);
  Facts facts;
  facts.variants = {Trained("fp32_continued", "fp32_continued", one)};
  EXPECT_EQ(ControlSentence(kEn, facts, facts.variants[0]),
            "A control, not a quantization: FP32 trained further. This experiment has nothing that it is the "
            "control of.");
  facts.variants.push_back(Trained("qat", "qat", one));
  EXPECT_EQ(
      ControlSentence(kEn, facts, facts.variants[0]),
      "A control, not a quantization: FP32 trained further. It is trained on the same examples, for as many "
      "extra epochs and with the same learning rate as `qat`: what it gains over the baseline, training "
      "longer alone would have gained there too.");
  facts.variants[1].runs = {&three};
  EXPECT_EQ(ControlSentence(kEn, facts, facts.variants[0]),
            "A control, not a quantization: FP32 trained further. It is not trained as `qat` (`epochs` 3 "
            "against 1): the difference between them is not one of quantization alone.");
  EXPECT_EQ(ControlSentence(kZh, facts, facts.variants[0]),
            "对照组，并非量化：FP32 模型继续训练。它的训练不同于 `qat`（`epochs` 为 3，对照为 1）："
            "两者之差并非只由量化造成。");
}

TEST(ControlSentenceTest, ATeacherIsADifference) {
  const RunReport one = TrainedFor(1);
  RunReport taught = TrainedFor(1);
  taught.config.method.params["distillation"] = 0.5;
  Facts facts;
  facts.variants = {Trained("fp32_continued", "fp32_continued", one), Trained("qat", "qat", taught)};
  EXPECT_NE(ControlSentence(kEn, facts, facts.variants[0])
                .find("not trained as `qat` (distillation with weight 0.5): the difference"),
            std::string::npos);
  taught.config.method.params["distillation"] = 0.0;
  EXPECT_NE(ControlSentence(kEn, facts, facts.variants[0]).find("the same learning rate as `qat`:"),
            std::string::npos);
}

TEST(ControlSentenceTest, OtherTextsAreNoControl) {
  const RunReport here = TrainedFor(1);
  RunReport there = TrainedFor(1);
  there.config.dataset.train_size = 100;
  Facts facts;
  facts.variants = {Trained("fp32_continued", "fp32_continued", here), Trained("qat", "qat", there)};
  EXPECT_NE(
      ControlSentence(kEn, facts, facts.variants[0]).find("not trained as `qat` (other training examples)"),
      std::string::npos);
}

TEST(NoiseSentenceTest, NamesTheNoisiestLayer) {
  std::vector<Layer> layers(3);
  EXPECT_EQ(NoiseSentence(kEn, layers), "");
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i].name = "layer" + std::to_string(i);
    layers[i].sqnr_db = 40.0 - static_cast<double>(i);
  }
  EXPECT_EQ(NoiseSentence(kEn, layers),
            "The signal-to-quantization-noise ratio of its layers' outputs lies between 38.0 dB (`layer2`) "
            "and 40.0 "
            "dB; the median is 39.0 dB.");
}

TEST(SensitivitySentenceTest, NamesTheWorstByDivergenceWhereThereIsOne) {
  VariantFacts variant;
  EXPECT_EQ(SensitivitySentence(kEn, variant), "");
  variant.sensitivity = {{"a", "int8_static", {}, 0.001, {}, {}}, {"b", "int8_static", {}, 0.004, {}, {}}};
  EXPECT_EQ(SensitivitySentence(kEn, variant),
            "Most sensitive to INT8 static alone, by the increase in loss: `b` (0.00400), `a` (0.00100).");
  variant.sensitivity[0].divergence = 0.02;
  variant.sensitivity[1].divergence = 0.01;
  EXPECT_EQ(
      SensitivitySentence(kEn, variant),
      "Most sensitive to INT8 static alone, by the divergence of the answers, in nats: `a` (0.0200), `b` "
      "(0.0100).");
}

TEST(FrontSentenceTest, SaysWhatTheFrontIsBuiltOnAndWhatWasMeasured) {
  VariantFacts variant;
  EXPECT_EQ(FrontSentence(kEn, variant), "");
  variant.front = {{0, 0.004, {}, 0.003, 0.02, {}, false}, {1, 0.006, {}, 0.0005, 0.002, {}, true}};
  EXPECT_EQ(
      FrontSentence(kEn, variant),
      "The front is built on two sums over the linear layers, their cost and the divergence predicted from "
      "each layer alone; 2 assignments on it were then measured as whole models on the validation examples. The "
      "one taken sums to 6.00 ms of time and a predicted divergence of 0.000500 nats; measured, it changes "
      "the "
      "loss by 0.00200.");
  EXPECT_NE(FrontSentence(kZh, variant)
                .find("所选的一种耗时之和为 6.00 ms，预测散度 0.000500 nat；实测损失变化 0.00200。"),
            std::string::npos);
  RunReport run;
  run.config.method.params = {{"objective", std::string("size")}};
  variant.runs = {&run};
  variant.front[1].bytes = 12e6;
  EXPECT_NE(FrontSentence(kEn, variant).find("The one taken sums to 12.0 MB and a predicted"),
            std::string::npos);
}

TEST(SameModelSentenceTest, NamesTheOtherVariant) {
  Facts facts;
  facts.variants.resize(2);
  facts.variants[0].name = "static_quantization";
  facts.variants[0].label = {"Static quantization", "静态量化"};
  facts.variants[1].name = "mixed_precision";
  EXPECT_EQ(SameModelSentence(kEn, facts, facts.variants[1]), "");
  facts.variants[1].same_as = "static_quantization";
  EXPECT_EQ(
      SameModelSentence(kEn, facts, facts.variants[1]),
      "Its model file is that of Static quantization, byte for byte: the model is ranked, tested and drawn "
      "once, as Static quantization, and a difference between their timings would be noise.");
  EXPECT_NE(SameModelSentence(kZh, facts, facts.variants[1]).find("其模型文件与静态量化逐字节相同"),
            std::string::npos);
}

TEST(CurveSentenceTest, ALossThatDoesNotFallIsCommentedOn) {
  RunReport run;
  run.run.state = RunState::kSucceeded;
  for (int step = 1; step <= 20; ++step) {
    run.metrics.push_back({"train_loss", 0.3 + 0.01 * step, "1", {}, step, {}, {}, 0});
  }
  VariantFacts variant;
  variant.runs = {&run};
  EXPECT_EQ(
      CurveSentence(kEn, variant),
      "Over 20 steps the training loss went from 0.315 to 0.495 (means of the first and last tenth). It did "
      "not fall: by this measure the training did not improve on the model that it started from. A lower "
      "learning rate or more epochs may help.");
  EXPECT_NE(CurveSentence(kZh, variant).find("损失没有下降"), std::string::npos);
  for (Metric& metric : run.metrics) metric.value = 1 - metric.value;
  EXPECT_EQ(CurveSentence(kEn, variant),
            "Over 20 steps the training loss went from 0.685 to 0.505 (means of the first and last tenth).");
}

// A variant that was timed at two shapes by one comparison.
struct Meaning {
  Facts facts;
  VariantFacts variant;

  Meaning() {
    facts.comparisons.resize(1);
    variant.succeeded = 1;
    variant.accuracy = Value(0.9);
    variant.p_value = Value(0.5);
    variant.measured.resize(1);
    variant.measured[0].ratio = Value(3.8);
  }
  Meaning& Speedups(const Result& at_one, const Result& at_eight) {
    variant.measured[0].by_shape[{1, 128}].speedup = at_one;
    variant.measured[0].by_shape[{8, 128}].speedup = at_eight;
    return *this;
  }
  std::string In(Language language) const { return MeaningSentence(language, facts, variant); }
};

TEST(MeaningSentenceTest, SaysWhatItAmountsTo) {
  Meaning meaning;
  meaning.Speedups(Between(2, 1.9, 2.1), Between(0.8, 0.7, 0.9));
  EXPECT_EQ(meaning.In(kEn),
            "**In short**: faster than FP32 at 1 and slower at 1 of 2 input shapes that were timed; "
            "compressed 3.80×; no significant difference in accuracy.");
  EXPECT_EQ(
      meaning.In(kZh),
      "**小结**：在所测的 2 种输入形状中，1 种快于 FP32，1 种慢于 FP32；压缩比 3.80×；准确率无显著差异。");
  meaning.Speedups(Between(1, 0.9, 1.1), Between(1, 0.9, 1.1));
  meaning.variant.measured[0].ratio = Value(1.0);
  EXPECT_EQ(
      meaning.In(kEn),
      "**In short**: no significant difference from FP32 in speed; no smaller; no significant difference in "
      "accuracy.");
  meaning.variant.baseline = true;
  EXPECT_EQ(meaning.In(kZh), "");
}

TEST(MeaningSentenceTest, CountsReliableTimingsOnly) {
  Meaning meaning;
  meaning.Speedups(Between(0.8, 0.7, 0.9), Between(2, 1.9, 2.1));
  meaning.facts.comparisons[0].checks[{1, 128}] = {Between(1.04, 1.02, 1.06), false};
  meaning.facts.comparisons[0].checks[{8, 128}] = {Between(1, 0.99, 1.01), true};
  EXPECT_EQ(meaning.In(kEn),
            "**In short**: faster than FP32 at every input shape that was timed (not counting 1 shape whose "
            "timing is "
            "unreliable); compressed 3.80×; no significant difference in accuracy.");
  EXPECT_EQ(meaning.In(kZh),
            "**小结**：在所测的每种输入形状上都快于 FP32（另有 1 种的时间数据不可靠，未计入）；压缩比 3.80×；"
            "准确率无显著差异。");
  meaning.facts.comparisons[0].checks.clear();
  meaning.facts.comparisons[0].unreliable = {{"aa_check_failed", "too noisy"}};
  EXPECT_EQ(meaning.In(kEn),
            "**In short**: speed not settled, since no timing is reliable; compressed 3.80×; no significant "
            "difference "
            "in accuracy.");
  EXPECT_EQ(meaning.In(kZh),
            "**小结**：速度未能定论，因为时间数据均不可靠；压缩比 3.80×；准确率无显著差异。");
}

}  // namespace
}  // namespace quantlab::report
