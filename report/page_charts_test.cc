#include "report/page_charts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/facts/testing/variants.h"

namespace quantlab::report {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr InputShape kShape = {1, 128};

VariantFacts Named(const std::string& name, bool baseline) {
  VariantFacts variant = MeasuredVariant(name, {kShape});
  variant.baseline = baseline;
  variant.runs = {&AnyRun()};
  variant.succeeded = 1;
  variant.accuracy = Between(0.85, 0.84, 0.86);
  if (baseline) variant.measured[0].by_shape[kShape].speedup.reset();
  return variant;
}

Facts TwoVariants() {
  Facts facts;
  facts.variants = {Named("baseline", true), Named("q", false)};
  facts.variants[1].difference = Between(-0.004, -0.006, -0.002);
  facts.variants[1].p_value = Value(0.03);
  facts.variants[1].holm_p = Value(0.06);
  facts.comparisons.resize(1);
  return facts;
}

TEST(ChartsJsonTest, APointHasItsIntervalInTheUnitsOfTheAxis) {
  const std::string json = ChartsJson(Language::kEnglish, TwoVariants());
  EXPECT_THAT(json, HasSubstr(R"("x":85,"xl":84,"xh":86,"text":["accuracy 85.00% (95% interval 84.00% to )"
                              R"(86.00%)"));
  EXPECT_THAT(json, HasSubstr(R"("yl":-0.6,"yh":-0.2)"));
}

TEST(ChartsJsonTest, OfNumbersTheCorrelationIsDrawnAsItIsAndThePredictionsByLabel) {
  Facts facts = TwoVariants();
  for (VariantFacts& variant : facts.variants) {
    variant.task = FindTask("regression");
    variant.label_groups = {{1, 0.5, 0.7, 0.1, 1.2}, {2, 4, 3.6, 3.1, 4.4}};
  }
  const std::string json = ChartsJson(Language::kEnglish, facts);
  EXPECT_THAT(json,
              HasSubstr(R"("x":0.85,"xl":0.84,"xh":0.86,"text":["Pearson correlation 0.8500 (95% interval )"
                        R"(0.8400 to 0.8600)"));
  EXPECT_THAT(json, HasSubstr(R"("yl":-0.006,"yh":-0.002)"));
  EXPECT_THAT(json, HasSubstr(R"({"x":4,"y":3.6,"text":["label 4.00: predicted 3.60)"));
  EXPECT_THAT(json, Not(HasSubstr("accuracy")));
}

TEST(ChartsJsonTest, BothPAreThereForTheSwitch) {
  EXPECT_THAT(ChartsJson(Language::kEnglish, TwoVariants()),
              HasSubstr(R"("p":"p = 0.060","rawP":"p = 0.030")"));
}

TEST(ChartsJsonTest, ChartsAreFoundByTheTitlesOfTheFigures) {
  EXPECT_THAT(ChartsJson(Language::kChinese, TwoVariants()),
              HasSubstr(R"({"figure":"准确率与速度的取舍，面积表示模型大小","views":[{)"));
}

TEST(ChartsJsonTest, UnreliableSpeedsAreMarkedAndTradeNothing) {
  Facts facts = TwoVariants();
  facts.comparisons[0].checks[kShape] = {Between(1.1, 1.05, 1.15), false};
  const std::string json = ChartsJson(Language::kEnglish, facts);
  EXPECT_THAT(json, HasSubstr("(unreliable: A/A check failed)"));
  EXPECT_THAT(json, Not(HasSubstr("speed relative to FP32")));
}

TEST(ChartsJsonTest, WhatIsNotANumberIsLeftOut) {
  Facts facts = TwoVariants();
  facts.variants[1].accuracy = Between(0.85, NAN, INFINITY);
  const std::string json = ChartsJson(Language::kEnglish, facts);
  EXPECT_THAT(json, Not(HasSubstr("\":nan")));
  EXPECT_THAT(json, Not(HasSubstr("\":inf")));
  EXPECT_THAT(json, HasSubstr(R"("points":[{"x":85,"text")"));
}

TEST(ChartsJsonTest, AModelThatIsAnotherOneIsDrawnOnce) {
  Facts facts = TwoVariants();
  facts.variants.push_back(Named("again", false));
  facts.variants[2].same_as = "q";
  EXPECT_THAT(ChartsJson(Language::kEnglish, facts), Not(HasSubstr("again")));
}

TEST(ChartsJsonTest, WithoutResultsThereIsNoChart) {
  EXPECT_EQ(ChartsJson(Language::kEnglish, Facts()), "[]");
}

}  // namespace
}  // namespace quantlab::report
