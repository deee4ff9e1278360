// Every sentence of the analysis and of the conclusion, and what decides between them.
#include "report/text/analysis.h"

#include <cmath>
#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/config/layer_role.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "report/facts/analysis.h"
#include "report/facts/testing/variants.h"

namespace quantlab::report {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr Language kEn = Language::kEnglish, kZh = Language::kChinese;

Layer MakeLayer(const std::string& name, const char* role, int64_t block, double sqnr,
                const std::string& precision = "int8_static") {
  Layer layer;
  layer.name = name;
  layer.role = role;
  layer.block = block;
  layer.requested = layer.effective = precision;
  layer.sqnr_db = sqnr;
  layer.bytes_fp32 = 1'000'000;
  return layer;
}

// Runs stay where they are while a test lives.
class AnalysisTest : public testing::Test {
 protected:
  RunReport& NewRun() {
    RunReport& run = runs_.emplace_back();
    run.run.state = RunState::kSucceeded;
    return run;
  }

  VariantFacts WithLayers(std::vector<Layer> layers, const std::string& method = "static_quantization") {
    VariantFacts variant = Measured(method);
    runs_.back().layers = std::move(layers);
    return variant;
  }

  VariantFacts Measured(const std::string& method) {
    VariantFacts variant = MeasuredVariant(method, {{1, 128}});
    variant.runs = {&NewRun()};
    variant.spec = FindMethod(method);
    return variant;
  }

  // Four blocks of two layers each; the second has `down` dB.
  std::vector<Layer> Blocks(double up, double down) {
    std::vector<Layer> layers;
    for (int64_t i = 0; i < 4; ++i) {
      layers.push_back(MakeLayer("up" + std::to_string(i), layer_role::kFfnIn, i, up));
      layers.push_back(MakeLayer("down" + std::to_string(i), layer_role::kFfnOut, i, down));
    }
    return layers;
  }

  Facts WithBaseline(std::vector<VariantFacts> variants) {
    Facts facts;
    VariantFacts baseline = Measured("");
    baseline.name = "baseline";
    baseline.baseline = true;
    baseline.method = "";
    facts.variants = {baseline};
    for (VariantFacts& variant : variants) facts.variants.push_back(std::move(variant));
    facts.comparisons.resize(1);
    facts.comparisons[0].run = &NewRun();
    return facts;
  }

  std::deque<RunReport> runs_;
};

// ---- Noise
// --------------------------------------------------------------------------------------------------

TEST_F(AnalysisTest, APartThatIsTwiceAsNoisyIsNamed) {
  const VariantFacts variant = WithLayers(Blocks(35, 31));
  EXPECT_EQ(
      NoisyPartSentence(kEn, variant),
      "The noise is highest in the second feed-forward layer: median SQNR 31.0 dB, against 35.0 dB of all "
      "other layers.");
  EXPECT_EQ(NoisyPartSentence(kZh, variant),
            "噪声最大的是前馈降维层：SQNR 中位数为 31.0 dB，其余各层为 35.0 dB。");
}

TEST_F(AnalysisTest, LessThanTwiceTheNoiseIsEven) {
  Facts facts;
  facts.variants = {WithLayers(Blocks(35, 32.1))};
  EXPECT_EQ(NoisyPartSentence(kEn, facts.variants[0]), "");
  EXPECT_EQ(
      EvenNoiseSentence(kEn, facts),
      "Noise is spread evenly with `static_quantization`: no part of the model has a median SQNR 3 dB below "
      "that of the rest, and no single layer lies 6 dB below the others of its part.");
  EXPECT_EQ(
      EvenNoiseSentence(kZh, facts),
      "`static_quantization` 的噪声分布均匀：没有哪个部分的 SQNR 中位数比其余部分低 3 dB，也没有单个层比同部"
      "分的其他层低 6 dB。");
}

TEST_F(AnalysisTest, LargerOutliersAreGivenAsTheMechanism) {
  VariantFacts variant = WithLayers(Blocks(35, 31));
  for (const Layer& layer : variant.runs[0]->layers)
    variant.input_peaks[layer.name] = layer.role == layer_role::kFfnOut ? 12 : 6;
  EXPECT_THAT(
      NoisyPartSentence(kEn, variant),
      HasSubstr(
          "The inputs there have larger outliers: the largest is 12.0 times the root mean square, against "
          "6.00 times elsewhere (medians over layers). A scale that covers them leaves fewer steps for the "
          "common values."));
  EXPECT_THAT(NoisyPartSentence(kZh, variant),
              HasSubstr("该部分的输入离群值更大：最大绝对值为均方根的 12.0 倍"));
  for (auto& [layer, peak] : variant.input_peaks) peak = 6;
  EXPECT_THAT(NoisyPartSentence(kEn, variant), HasSubstr("Outliers of the inputs do not account for it"));
  EXPECT_THAT(NoisyPartSentence(kZh, variant), HasSubstr("不足以解释这一点"));
}

TEST_F(AnalysisTest, OutliersOfInputsSayNothingWhereOnlyWeightsAreRounded) {
  std::vector<Layer> layers = Blocks(35, 31);
  for (Layer& layer : layers) layer.effective = "int4_weight_only";
  VariantFacts variant = WithLayers(layers, "weight_only");
  for (const Layer& layer : layers) variant.input_peaks[layer.name] = 6;
  EXPECT_THAT(NoisyPartSentence(kEn, variant), Not(HasSubstr("utliers")));
}

TEST_F(AnalysisTest, OneLayerFarBelowItsPartDips) {
  std::vector<Layer> layers = Blocks(35, 34);
  layers[3].sqnr_db = 26;
  VariantFacts variant = WithLayers(layers);
  EXPECT_EQ(
      NoiseDipsSentence(kEn, variant),
      "Single layers dip below the median of the others of the same part and precision: `down1` (8.00 dB).");
  variant.input_peaks["down1"] = 40;
  EXPECT_THAT(NoiseDipsSentence(kEn, variant),
              HasSubstr("`down1` (8.00 dB, its largest input 40.0 times the root mean square)"));
  EXPECT_EQ(NoiseDipsSentence(kZh, variant),
            "个别层明显低于同部分、同精度其他层的中位数：`down1`（8.00 dB，其最大输入为均方根的 40.0 倍）。");
}

TEST_F(AnalysisTest, LayersInSeveralPrecisionsAreComparedWithinThemAlone) {
  std::vector<Layer> layers = Blocks(35, 34);
  layers[1].sqnr_db = 50;
  layers[1].effective = "bf16";
  Facts facts;
  facts.variants = {WithLayers(layers, "mixed_precision")};
  EXPECT_EQ(NoisyPartSentence(kEn, facts.variants[0]), "");
  EXPECT_EQ(NoiseDipsSentence(kEn, facts.variants[0]), "");
  EXPECT_EQ(
      EvenNoiseSentence(kEn, facts),
      "With `mixed_precision` no single layer lies 6 dB below the others of the same part and precision.");
  EXPECT_EQ(EvenNoiseSentence(kZh, facts), "`mixed_precision` 没有单个层比同部分、同精度的其他层低 6 dB。");
}

TEST_F(AnalysisTest, WithoutLayersNothingIsSaidOfNoise) {
  Facts facts;
  facts.variants = {Measured("static_quantization")};
  EXPECT_EQ(NoisyPartSentence(kEn, facts.variants[0]), "");
  EXPECT_EQ(NoiseDipsSentence(kEn, facts.variants[0]), "");
  EXPECT_EQ(EvenNoiseSentence(kEn, facts), "");
  std::vector<Layer> layers = Blocks(35, 31);
  for (Layer& layer : layers) layer.sqnr_db = NAN;
  facts.variants = {WithLayers(layers)};
  EXPECT_EQ(EvenNoiseSentence(kEn, facts), "");
}

// ---- Sensitivity
// --------------------------------------------------------------------------------------------

// Damage by layer; SQNR falls as damage rises.
std::vector<LayerSensitivity> Damages(const std::vector<double>& damages) {
  std::vector<LayerSensitivity> sensitivity;
  for (size_t i = 0; i < damages.size(); ++i) {
    LayerSensitivity one;
    one.layer = "encoder.layer." + std::to_string(i) + ".output";
    one.precision = "int8";
    one.divergence = damages[i];
    one.loss_increase = damages[i];
    one.sqnr_db = 40 - damages[i];
    sensitivity.push_back(one);
  }
  return sensitivity;
}

TEST_F(AnalysisTest, AFewLayersThatDoHalfOfTheDamageAreNamed) {
  VariantFacts variant = Measured("mixed_precision");
  variant.sensitivity = Damages({1, 1, 1, 1, 1, 1, 1, 9});
  EXPECT_EQ(
      SensitivityAnalysis(kEn, variant),
      (std::vector<std::string>{
          "Sensitivity to INT8 is concentrated: 1 of 8 layers make up half of the summed divergence of the "
          "answers: `encoder.layer.7.output`. Depth matters: the later half of the encoder layers makes up "
          "75.00% of it. Layers with more noise of their own do more damage: the rank correlation of SQNR "
          "and divergence of the answers is -1.0."}));
}

TEST_F(AnalysisTest, DamageThatIsSpreadOutSaysSo) {
  VariantFacts variant = Measured("mixed_precision");
  variant.sensitivity = Damages({8, 7, 6, 5, 5, 6, 7, 8});
  const std::string text = SensitivityAnalysis(kEn, variant).at(0);
  EXPECT_THAT(text, HasSubstr("Sensitivity to INT8 is spread out: it takes 4 of 8 layers to make up half"));
  EXPECT_THAT(text,
              HasSubstr("Depth matters little: the later half of the encoder layers makes up 50.00% of it."));
  EXPECT_THAT(text, HasSubstr("Layers with more noise of their own do more damage"));
  const std::string chinese = SensitivityAnalysis(kZh, variant).at(0);
  EXPECT_THAT(chinese, HasSubstr("对 INT8 的敏感度较为分散：8 层中需 4 层才占到各层答案散度之和的一半"));
  EXPECT_THAT(chinese, HasSubstr("敏感度与深度关系不大：后一半编码器层占 50.00%。"));
}

TEST_F(AnalysisTest, EarlierLayersMayMatterMore) {
  VariantFacts variant = Measured("mixed_precision");
  variant.sensitivity = Damages({9, 9, 1, 1});
  const std::string text = SensitivityAnalysis(kEn, variant).at(0);
  EXPECT_THAT(text,
              HasSubstr("Depth matters: the earlier half of the encoder layers makes up 90.00% of it."));
  EXPECT_THAT(text, Not(HasSubstr("rank correlation"))) << "four layers are too few";
}

TEST_F(AnalysisTest, NoiseThatDoesNotPredictDamageSaysSo) {
  VariantFacts variant = Measured("mixed_precision");
  variant.sensitivity = Damages({1, 2, 3, 4, 5, 6, 7, 8});
  for (LayerSensitivity& one : variant.sensitivity) one.sqnr_db = *one.divergence;
  EXPECT_THAT(
      SensitivityAnalysis(kEn, variant).at(0),
      HasSubstr(
          "A layer's own noise does not predict the damage: the rank correlation of SQNR and divergence of "
          "the answers is 1.0."));
}

TEST_F(AnalysisTest, ALossThatFallsExplainsTheRanking) {
  VariantFacts variant = Measured("mixed_precision");
  variant.sensitivity = Damages({1, 2, 3, 4});
  variant.sensitivity[0].loss_increase = -0.01;
  EXPECT_THAT(
      SensitivityAnalysis(kEn, variant).at(0),
      HasSubstr(
          "Quantizing one layer alone lowers the loss for 1 of them; layers are therefore ranked by the "
          "divergence, which is never negative."));
  for (LayerSensitivity& one : variant.sensitivity) one.divergence.reset();
  EXPECT_THAT(SensitivityAnalysis(kEn, variant).at(0), HasSubstr("half of the summed increase in loss"));
  EXPECT_THAT(SensitivityAnalysis(kEn, variant).at(0), Not(HasSubstr("lowers the loss")));
}

TEST_F(AnalysisTest, WithoutDamageThereIsNoSensitivity) {
  VariantFacts variant = Measured("mixed_precision");
  EXPECT_THAT(SensitivityAnalysis(kEn, variant), IsEmpty());
  variant.sensitivity = Damages({0, 0, 0});
  EXPECT_THAT(SensitivityAnalysis(kEn, variant), IsEmpty());
}

TEST(RankCorrelationTest, IsSpearmansWithTies) {
  std::vector<std::pair<double, double>> pairs;
  EXPECT_FALSE(RankCorrelation(pairs).has_value());
  for (int i = 0; i < 8; ++i) pairs.emplace_back(i, i * i);
  EXPECT_DOUBLE_EQ(*RankCorrelation(pairs), 1);
  for (auto& [a, b] : pairs) b = -b;
  EXPECT_DOUBLE_EQ(*RankCorrelation(pairs), -1);
  for (auto& [a, b] : pairs) b = 3;
  EXPECT_FALSE(RankCorrelation(pairs).has_value()) << "one that never changes";
  // statistics.correlation() of Python, of the mean ranks.
  pairs = {{1, 2}, {2, 1}, {2, 3}, {3, 3}, {4, 5}, {5, 4}, {6, 8}, {7, 6}};
  EXPECT_NEAR(*RankCorrelation(pairs), 0.8975903614457831, 1e-12);
}

// ---- Training
// -----------------------------------------------------------------------------------------------

class TrainingTest : public AnalysisTest {
 protected:
  TrainingTest() {
    VariantFacts qat = Measured("qat"), control = Measured("fp32_continued"),
                 calibrated = Measured("static_quantization");
    qat.difference = Between(0.002, -0.002, 0.006);
    control.difference = Between(0.003, -0.001, 0.007);
    facts_ = WithBaseline({qat, control, calibrated});
  }

  void Pair(const std::string& variant, const std::string& against, double difference, double p) {
    PairFacts pair;
    pair.variant = variant;
    pair.against = against;
    pair.difference = Between(difference, difference - 0.001, difference + 0.002);
    pair.p_value = pair.holm_p = Value(p);
    facts_.pairs.push_back(pair);
  }

  std::string Text(Language language = kEn) {
    return TrainingAnalysis(language, facts_, *facts_.Find("qat"));
  }

  Facts facts_;
};

TEST_F(TrainingTest, WithoutADifferenceFromTheControlNoEffectOfRoundingIsClaimed) {
  Pair("qat", "fp32_continued", -0.001, 0.4);
  EXPECT_EQ(
      Text(),
      "Relative to the baseline its accuracy changes by +0.20 points; that of its control "
      "(`fp32_continued`), trained alike but without rounding, by +0.30 points. The difference between the "
      "two is the effect of rounding: -0.10 points (95% interval -0.20 to +0.10), not significant, p = "
      "0.40. No effect beside that of the training was found.");
  EXPECT_EQ(
      Text(kZh),
      "相对基线，其准确率变化 +0.20 个百分点；训练相同而不做舍入的对照“`fp32_continued`”变化 +0.30 个百分点。"
      "两者之差即舍入的影响：-0.10 个百分点（95% 置信区间 -0.20 至 +0.10），不显著，p = 0.40。未发现训练之外"
      "的影响。");
}

TEST_F(TrainingTest, ASignificantDifferenceIsLossOrGainOfRounding) {
  Pair("qat", "fp32_continued", -0.01, 0.001);
  EXPECT_THAT(
      Text(),
      HasSubstr(
          "significant, p = 0.001. It costs accuracy that training with simulated rounding did not regain."));
  facts_.pairs.clear();
  Pair("fp32_continued", "qat", -0.01, 0.001);
  EXPECT_THAT(Text(),
              HasSubstr("the effect of rounding: +1.00 points (95% interval +0.80 to +1.10), significant"))
      << "measured the other way round";
  EXPECT_THAT(Text(), HasSubstr("The result is better than that of longer training alone."));
}

TEST_F(TrainingTest, WithoutATestNothingIsSettled) {
  EXPECT_THAT(Text(), HasSubstr("The two were not compared by a paired test"));
  EXPECT_THAT(Text(kZh), HasSubstr("两者之间未做配对检验"));
}

TEST_F(TrainingTest, SeveralSeedsHaveNoSingleTest) {
  Pair("qat", "fp32_continued", -0.001, 0.4);
  facts_.pairs[0].holm_p->seeds = 3;
  EXPECT_THAT(Text(), HasSubstr("without a paired test. No effect"));
}

TEST_F(TrainingTest, AControlWithoutAResultOrWithOtherTrainingIsNamed) {
  VariantFacts& control = facts_.variants[2];
  const_cast<RunReport*>(control.runs[0])->config.method.params["epochs"] = int64_t{3};
  EXPECT_THAT(
      Text(),
      HasSubstr(
          "`fp32_continued` was trained differently (`epochs` – against 3) and does not separate training "
          "from rounding."));
  control.succeeded = 0;
  EXPECT_THAT(Text(), HasSubstr("Its control `fp32_continued` has no result."));
  facts_.variants.erase(facts_.variants.begin() + 2);
  EXPECT_THAT(Text(), HasSubstr("The experiment has no control that trains as long without rounding"));
  EXPECT_THAT(Text(kZh), HasSubstr("实验中没有训练同样久而不做舍入的对照"));
}

TEST_F(TrainingTest, TrainingIsComparedWithCalibrationAlone) {
  Pair("qat", "static_quantization", 0.01, 0.001);
  EXPECT_THAT(
      Text(),
      HasSubstr(
          "Against `static_quantization`, which runs on the same kernels: +1.00 points (95% interval +0.90 "
          "to +1.20), significant, p = 0.001; training gained what calibration alone did not."));
  facts_.pairs[0].difference->value = -0.01;
  EXPECT_THAT(Text(), HasSubstr("training did worse than calibration alone."));
  facts_.pairs[0].holm_p = Value(0.5);
  EXPECT_THAT(Text(), HasSubstr("a gain over calibration alone was not shown."));
}

TEST_F(TrainingTest, OnlyAMethodWithAControlIsAnalysed) {
  EXPECT_EQ(TrainingAnalysis(kEn, facts_, *facts_.Find("static_quantization")), "");
  facts_.variants[1].succeeded = 0;
  EXPECT_EQ(Text(), "");
}

// ---- Mixed precision
// ----------------------------------------------------------------------------------------

class ChoiceTest : public AnalysisTest {
 protected:
  ChoiceTest() : variant_(Measured("mixed_precision")) {
    RunReport& run = runs_.back();
    run.config.method.params["max_accuracy_drop"] = 0.005;
    variant_.sensitivity = Damages({1, 2, 3, 4});
    for (int i = 0; i < 4; ++i) {
      LayerSensitivity half = variant_.sensitivity[static_cast<size_t>(i)];
      half.precision = "bf16";
      variant_.sensitivity.push_back(half);
      run.layers.push_back(
          MakeLayer(half.layer, layer_role::kFfnOut, i, 30, i == 3 ? "bf16" : "int8_static"));
    }
    variant_.front = {Point(0, 1e-3, 0.85), Point(1, 2e-3, 0.86)};
    variant_.front[1].chosen = true;
  }

  static FrontPoint Point(int64_t number, double seconds, double accuracy) {
    FrontPoint point;
    point.number = number;
    point.seconds = seconds;
    point.bytes = seconds * 1e9;
    point.accuracy = accuracy;
    return point;
  }

  VariantFacts variant_;
};

TEST_F(ChoiceTest, SaysWhatWasKeptAndWhatWasTooCheap) {
  EXPECT_EQ(
      ChoiceAnalysis(kEn, variant_),
      "The precisions offered were INT8, BF16, FP32. Of its 4 linear layers it kept 1 in more bits than "
      "INT8: `encoder.layer.3.output` (BF16). It is the layer that INT8 damages most. 1 cheaper assignment "
      "on the front was measured, with a validation accuracy of 85.00% against 86.00% of the one taken. The "
      "cheapest assignment measured within the accuracy budget (0.50 points) was taken.");
  EXPECT_EQ(
      ChoiceAnalysis(kZh, variant_),
      "可选精度为 INT8、BF16、FP32。在 4 个线性层中，有 1 层的精度高于 INT8：`encoder.layer.3.output`（BF16）"
      "。这些正是受 INT8 损害最大的层。前沿上代价更低的 1 种分配也经实测，验证集准确率为 85.00%，所选分配为 "
      "86.00%。所选为实测分配中满足准确率预算（0.50 个百分点）的代价最低的一种。");
}

TEST_F(ChoiceTest, ALessSensitiveLayerIsKeptForItsCost) {
  std::vector<Layer>& layers = runs_.back().layers;
  layers[3].requested = "int8_static";
  layers[0].requested = "fp32";
  EXPECT_THAT(
      ChoiceAnalysis(kEn, variant_),
      HasSubstr(
          "`encoder.layer.0.output` (FP32). Of these, 0 are among the 1 layer that INT8 damages most; the "
          "choice weighs damage against cost"));
}

TEST_F(ChoiceTest, EverythingInTheLowestPrecisionIsSaid) {
  for (Layer& layer : runs_.back().layers) layer.requested = "int8_static";
  variant_.front[1].chosen = false;
  variant_.front[0].chosen = true;
  const std::string text = ChoiceAnalysis(kEn, variant_);
  EXPECT_THAT(text, HasSubstr("It asked for INT8 in every one of its 4 linear layers."));
  EXPECT_THAT(
      text,
      HasSubstr(
          "It is the cheapest assignment that was measured: the accuracy budget (0.50 points) did not bind."));
  EXPECT_THAT(text, Not(HasSubstr("cheaper")));
}

TEST_F(ChoiceTest, AMissedBudgetASizeBudgetAndPinsAreNamed) {
  runs_.back().config.method.params["pin"] = std::string("classifier=fp32");
  runs_.back().config.method.params["objective"] = std::string("size");
  EXPECT_THAT(ChoiceAnalysis(kEn, variant_), HasSubstr("Layers named by `pin` were not up for choice."));
  EXPECT_THAT(ChoiceAnalysis(kEn, variant_),
              HasSubstr("The least harmful assignment found that fits the size budget was taken."));
  runs_.back().caveats.push_back({"accuracy_budget_missed", "missed"});
  EXPECT_THAT(ChoiceAnalysis(kEn, variant_), HasSubstr("No assignment that was measured met its budget"));
}

TEST_F(ChoiceTest, APrecisionThatTheMachineLacksIsNamedWithTheReason) {
  const Message message = messages::kPrecisionNotOffered("bf16", messages::kNoVnni());
  runs_.back().caveats.push_back({"fallback", English(message), message});
  EXPECT_THAT(ChoiceAnalysis(kEn, variant_),
              HasSubstr("FP32. Besides, no layer is offered bf16: no VNNI on this CPU"));
  EXPECT_THAT(ChoiceAnalysis(kZh, variant_), HasSubstr("此外，没有层可选用 bf16："));
}

TEST_F(ChoiceTest, WithoutAFrontOrLayersThereIsNoChoice) {
  VariantFacts whole = variant_;
  whole.front.clear();
  EXPECT_EQ(ChoiceAnalysis(kEn, whole), "");
  runs_.back().layers.clear();
  EXPECT_EQ(ChoiceAnalysis(kEn, variant_), "");
}

// ---- Size and speed
// -----------------------------------------------------------------------------------------

TEST_F(AnalysisTest, WhatIsNotLinearBoundsTheCompression) {
  VariantFacts variant = WithLayers(Blocks(35, 31));
  variant.measured[0].size = Value(92e6);
  Facts facts = WithBaseline({variant});
  facts.variants[0].measured[0].size = Value(100e6);
  EXPECT_EQ(
      SizeAnalysis(kEn, facts),
      "Of the 100 MB of the FP32 model its linear layers take 8.00 MB (8.00%). The other 92.0 MB are not "
      "linear layers: while they stay FP32, no precision of the linear layers compresses the whole beyond "
      "1.09×.");
  facts.variants[1].measured[0].size = Value(30e6);
  EXPECT_THAT(
      SizeAnalysis(kEn, facts),
      HasSubstr("Below that bound, so more than the linear layers is smaller: `static_quantization`."));
  EXPECT_THAT(SizeAnalysis(kZh, facts),
              HasSubstr("突破这一界限的方案（变小的不只是线性层）：`static_quantization`。"));
  facts.variants[0].measured[0].size.reset();
  EXPECT_EQ(SizeAnalysis(kEn, facts), "");
}

TEST_F(AnalysisTest, RestIsMostlyEmbeddingsWhereTheirBytesSaySo) {
  Facts facts = WithBaseline({WithLayers(Blocks(35, 31))});
  facts.variants[0].measured[0].size = Value(100e6);
  auto& comparison = const_cast<RunReport&>(*facts.comparisons[0].run);
  const auto quantized = [&](double bytes) {
    comparison.metrics.clear();
    for (const auto& [name, value] : {std::pair{"model_size", bytes}, std::pair{"compression_ratio", 4.0}}) {
      Metric metric;
      metric.name = name;
      metric.value = value;
      metric.labels = {{"variant", "static_quantization"}, {"part", "quantized_embeddings"}};
      comparison.metrics.push_back(metric);
    }
  };
  quantized(12e6);
  EXPECT_THAT(SizeAnalysis(kEn, facts),
              HasSubstr("The other 92.0 MB are mostly embeddings (48.0 MB): while"));
  EXPECT_THAT(SizeAnalysis(kZh, facts), HasSubstr("其余 92.0 MB 主要是嵌入层（48.0 MB）"));
  quantized(11e6);
  EXPECT_THAT(SizeAnalysis(kEn, facts), HasSubstr("The other 92.0 MB are not linear layers")) << "44 of 92";
  EXPECT_THAT(SizeAnalysis(kZh, facts), HasSubstr("其余 92.0 MB 不是线性层"));
}

TEST_F(AnalysisTest, SpeedupsThatDependOnTheShapeAreNamed) {
  VariantFacts variant = MeasuredVariant("weight_only", {{1, 128}, {8, 128}});
  variant.spec = FindMethod("weight_only");
  Facts facts = WithBaseline({variant});
  EXPECT_EQ(SpeedAnalysis(kEn, facts),
            "The speedups do not differ between input shapes beyond their intervals.");
  facts.variants[1].measured[0].by_shape[{8, 128}].speedup = Between(0.8, 0.79, 0.81);
  EXPECT_EQ(
      SpeedAnalysis(kEn, facts),
      "The speedup depends on the input shape: `weight_only` from 0.80× at batch size 8 × 128 tokens to "
      "2.00× at batch size 1 × 128 tokens. `weight_only` computes in floating point and saves only the "
      "reading of weights, which weighs most where few tokens share it.");
  facts.comparisons[0].checks[{8, 128}] = {Value(1.1), false};
  EXPECT_EQ(SpeedAnalysis(kEn, facts), "") << "one reliable shape is left";
}

// ---- Conclusion
// ---------------------------------------------------------------------------------------------

TEST_F(AnalysisTest, FindingsCountTheVerdictsAndWeighTheEffort) {
  VariantFacts better = Measured("dynamic_quantization"), worse = Measured("weight_only"),
               qat = Measured("qat"), calibrated = Measured("static_quantization");
  better.difference = Between(0.01, 0.005, 0.015);
  worse.difference = Between(-0.02, -0.03, -0.01);
  for (VariantFacts* variant : {&better, &worse}) {
    variant->p_value = variant->holm_p = Value(0.001);
    variant->significant_seeds = variant->significant_uncorrected = 1;
  }
  for (VariantFacts* variant : {&qat, &calibrated}) variant->p_value = variant->holm_p = Value(0.7);
  Facts facts = WithBaseline({better, calibrated, qat, worse});
  EXPECT_EQ(
      Findings(kEn, facts).at(0),
      "Accuracy: of 4 quantized variants, 1 significantly more accurate than FP32, 2 without a significant "
      "difference from FP32, 1 significantly less accurate.");
  EXPECT_EQ(Findings(kZh, facts).at(0),
            "准确率：4 个量化方案中，1 个显著优于 FP32，2 个与 FP32 无显著差异，1 个显著更差。");
  EXPECT_EQ(Findings(kEn, facts).size(), 1) << "no pair was tested";
  PairFacts pair;
  pair.variant = "qat";
  pair.against = "static_quantization";
  pair.difference = Value(0.001);
  pair.p_value = pair.holm_p = Value(0.6);
  facts.pairs = {pair};
  EXPECT_EQ(Findings(kEn, facts).at(1),
            "Effort: `qat` is not shown to be more accurate than `static_quantization`, which is simpler.");
  facts.pairs[0].holm_p = Value(0.001);
  EXPECT_EQ(Findings(kEn, facts).at(1),
            "Effort: `qat` is significantly more accurate than `static_quantization`.");
  facts.pairs[0].difference = Value(-0.001);
  EXPECT_EQ(Findings(kEn, facts).at(1),
            "Effort: `qat` is significantly less accurate than `static_quantization`, which is simpler.");
}

TEST_F(AnalysisTest, FindingsNameThePartWithTheMostNoise) {
  Facts facts =
      WithBaseline({WithLayers(Blocks(35, 31)), WithLayers(Blocks(35, 35), "dynamic_quantization")});
  EXPECT_EQ(Findings(kEn, facts).back(),
            "Layers: the second feed-forward layer had the most quantization noise in 1 of 2 variants whose "
            "layers were measured in one precision.");
  facts = WithBaseline({WithLayers(Blocks(35, 35))});
  EXPECT_EQ(Findings(kEn, facts).back(),
            "Layers: where all ran in one precision, no part of the model has clearly more quantization "
            "noise than the rest.");
}

TEST_F(AnalysisTest, VariantsInSeveralPrecisionsAreNotCountedAmongTheNoisy) {
  std::vector<Layer> several = Blocks(35, 31);
  several[0].effective = "bf16";
  EXPECT_THAT(Findings(kEn, WithBaseline({WithLayers(several, "mixed_precision")})),
              Each(Not(HasSubstr("Layers:"))));
  const Facts facts = WithBaseline({WithLayers(Blocks(35, 31)), WithLayers(several, "mixed_precision")});
  EXPECT_THAT(Findings(kEn, facts).back(), HasSubstr("in 1 of 1 variant whose"));
}

TEST_F(AnalysisTest, AllPartsThatTieForTheMostNoiseAreNamed) {
  const Facts facts =
      WithBaseline({WithLayers(Blocks(35, 31)), WithLayers(Blocks(31, 35), "dynamic_quantization")});
  EXPECT_EQ(Findings(kEn, facts).back(),
            "Layers: the first feed-forward layer and the second feed-forward layer each had the most "
            "quantization noise in 1 of 2 variants whose layers were measured in one precision.");
  EXPECT_EQ(
      Findings(kZh, facts).back(),
      "层：在各层以同一精度测量的 2 个方案中，量化噪声最大的部分为前馈升维层与前馈降维层，各见于 1 个方案。");
}

TEST_F(AnalysisTest, OpenQuestionsSayWhatWouldSettleThem) {
  VariantFacts undecided = Measured("qat"), missing = Measured("weight_only");
  undecided.p_value = undecided.holm_p = Value(0.4);
  undecided.non_inferior = Value(0);
  undecided.margin = "0.01";
  missing.succeeded = 0;
  runs_.back().run.state = RunState::kFailed;
  Facts facts = WithBaseline({undecided, missing});
  ReportData data;
  data.experiment.id = "quick-k3f9a2";
  facts.data = &data;
  facts.comparisons[0].checks[{1, 128}] = {Value(1.1), false};
  const std::vector<std::string> open = OpenQuestions(kEn, facts);
  ASSERT_EQ(open.size(), 5);
  EXPECT_EQ(open[0], "`weight_only`: no result; `quantctl retry quick-k3f9a2` runs what failed again.");
  EXPECT_EQ(
      open[1],
      "`qat`: neither a loss nor its absence within the margin (1.00 points) is shown; more test examples "
      "or seeds would settle it.");
  EXPECT_THAT(open[2], HasSubstr("Speed where the A/A check failed"));
  EXPECT_THAT(open[3], HasSubstr("seeds: [1, 2, 3]"));
  EXPECT_THAT(open[4], HasSubstr("Speed and memory on other hardware"));
  EXPECT_EQ(OpenQuestions(kZh, facts).size(), 5);
}

TEST_F(AnalysisTest, OnlyWhatFailedOrWasSkippedIsToBeRetried) {
  VariantFacts missing = Measured("weight_only");
  missing.succeeded = 0;
  RunReport& run = runs_.back();
  Facts facts = WithBaseline({missing});
  ReportData data;
  data.experiment.id = "quick-k3f9a2";
  facts.data = &data;
  for (const RunState state : {RunState::kCancelled, RunState::kQueued, RunState::kRunning}) {
    run.run.state = state;
    EXPECT_EQ(OpenQuestions(kEn, facts).at(0), "`weight_only`: no result.") << RunStateName(state);
    EXPECT_EQ(OpenQuestions(kZh, facts).at(0), "`weight_only`：没有结果。") << RunStateName(state);
  }
  for (const RunState state : {RunState::kFailed, RunState::kCrashed, RunState::kSkipped}) {
    run.run.state = state;
    EXPECT_EQ(OpenQuestions(kZh, facts).at(0),
              "`weight_only`：没有结果；`quantctl retry quick-k3f9a2` 可重新运行失败的部分。")
        << RunStateName(state);
  }
}

TEST_F(AnalysisTest, SeveralSeedsAndNoComparisonLeaveTheirQuestionsOut) {
  VariantFacts variant = Measured("qat");
  variant.runs.push_back(&NewRun());
  Facts facts = WithBaseline({variant});
  facts.comparisons.clear();
  EXPECT_THAT(OpenQuestions(kEn, facts), IsEmpty());
}

}  // namespace
}  // namespace quantlab::report
