#include "worker/engine/methods/assignment.h"

#include <cmath>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

using ::testing::ElementsAre;

std::vector<LayerChoices> TwoLayers() {
  return {{"a", {{"int8", 1, 10, 0.5}, {"bf16", 2, 20, 0.1}, {"fp32", 4, 40, 0}}},
          {"b", {{"int8", 1, 10, 0.02}, {"bf16", 3, 20, 0.01}, {"fp32", 6, 40, 0}}}};
}

TEST(ParetoFrontTest, GoesFromTheCheapestToTheLeastHarmful) {
  const auto front = ParetoFront(TwoLayers(), Cost::kSeconds);
  ASSERT_EQ(front.size(), 5u);
  EXPECT_THAT(front.front().chosen, ElementsAre(0, 0));
  EXPECT_THAT(front[1].chosen, ElementsAre(1, 0)) << "a saves 0.4 for one second";
  EXPECT_THAT(front[2].chosen, ElementsAre(2, 0)) << "then 0.1 for two";
  EXPECT_THAT(front.back().chosen, ElementsAre(2, 2));
  EXPECT_DOUBLE_EQ(front.back().divergence, 0);
  for (size_t i = 1; i < front.size(); ++i) {
    EXPECT_GT(front[i].seconds, front[i - 1].seconds);
    EXPECT_LT(front[i].divergence, front[i - 1].divergence);
  }
}

TEST(ParetoFrontTest, SkipsChoicesAboveTheHull) {
  const std::vector<LayerChoices> layers = {
      {"a", {{"int8", 1, 1, 1.0}, {"bf16", 2, 2, 0.9}, {"fp32", 3, 3, 0}}}};
  const auto front = ParetoFront(layers, Cost::kSeconds);
  ASSERT_EQ(front.size(), 2u);
  EXPECT_THAT(front[1].chosen, ElementsAre(2));
}

TEST(ParetoFrontTest, AChoiceThatIsFasterAndLessHarmfulLeavesNothingToChoose) {
  const std::vector<LayerChoices> layers = {
      {"a", {{"int8", 2, 1, 0.1}, {"bf16", 1, 2, 0.0}, {"fp32", 4, 4, 0}}}};
  EXPECT_EQ(ParetoFront(layers, Cost::kSeconds).size(), 1u);
  EXPECT_THAT(ParetoFront(layers, Cost::kSeconds)[0].chosen, ElementsAre(1));
  EXPECT_EQ(ParetoFront(layers, Cost::kBytes).size(), 2u);
}

TEST(ParetoFrontTest, APinnedLayerHasOneChoice) {
  std::vector<LayerChoices> layers = TwoLayers();
  layers[0].choices = {{"fp32", 4, 40, 0}};
  for (const Assignment& point : ParetoFront(layers, Cost::kBytes)) EXPECT_EQ(point.chosen[0], 0u);
}

// No assignment at all lies below the line between two neighbours of the front.
TEST(ParetoFrontTest, IsTheHullOfAllAssignments) {
  std::mt19937 random(3);
  const auto draw = [&random] { return static_cast<double>(random() % 1000 + 1) / 1000; };
  for (int round = 0; round < 50; ++round) {
    std::vector<LayerChoices> layers(4);
    for (LayerChoices& layer : layers) {
      layer.choices = {{"int8", draw(), 1, draw()}, {"bf16", draw(), 2, draw()}, {"fp32", draw() + 1, 4, 0}};
    }
    const auto front = ParetoFront(layers, Cost::kSeconds);
    for (int code = 0; code < 81; ++code) {
      const size_t c = static_cast<size_t>(code);
      const Assignment any = Assign(layers, {c % 3, c / 3 % 3, c / 9 % 3, c / 27});
      for (size_t i = 1; i < front.size(); ++i) {
        const double slope =
            (front[i].divergence - front[i - 1].divergence) / (front[i].seconds - front[i - 1].seconds);
        const double line = front[i - 1].divergence + slope * (any.seconds - front[i - 1].seconds);
        EXPECT_GE(any.divergence, line - 1e-9);
      }
      EXPECT_GE(any.seconds, front.front().seconds - 1e-12);
    }
  }
}

TEST(ParetoFrontTest, AnswersThatAreNoNumbersAreLeftFirst) {
  const double none = std::numeric_limits<double>::infinity();
  const std::vector<LayerChoices> layers = {
      {"a", {{"int8", 1, 1, 0.5}, {"fp32", 3, 4, 0}}},
      {"b", {{"fp16", 1, 2, none}, {"int8", 2, 1, none}, {"fp32", 4, 4, 0}}}};
  const auto front = ParetoFront(layers, Cost::kSeconds);
  ASSERT_EQ(front.size(), 3u);
  EXPECT_THAT(front[1].chosen, ElementsAre(0, 2));
  EXPECT_EQ(front[1].divergence, 0.5);
}

TEST(FillBudgetTest, GoesOnPastAStepThatDoesNotFit) {
  const std::vector<LayerChoices> layers = {{"large", {{"int8", 1, 100, 0.9}, {"fp32", 4, 400, 0}}},
                                            {"small", {{"int8", 1, 10, 0.01}, {"fp32", 4, 40, 0}}}};
  // The large layer's step is worth the most, and too large.
  const Assignment within = FillBudget(layers, Cost::kBytes, 150);
  EXPECT_THAT(within.chosen, ElementsAre(0, 1));
  EXPECT_EQ(within.bytes, 140);
  EXPECT_THAT(FillBudget(layers, Cost::kBytes, 500).chosen, ElementsAre(1, 1));
  EXPECT_THAT(FillBudget(layers, Cost::kBytes, 1).chosen, ElementsAre(0, 0));
}

}  // namespace
}  // namespace quantlab::engine
