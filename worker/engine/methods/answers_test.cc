#include "worker/engine/methods/answers.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

Answers WithLogits(std::vector<std::vector<float>> logits) {
  Answers answers;
  answers.logits = std::move(logits);
  return answers;
}

// scipy.stats.entropy(softmax(p), softmax(q)) of each text: 0.11094, 0.02262, 0; then mean and sem.
TEST(DivergenceTest, AgreesWithScipy) {
  const Divergence d =
      DivergenceOf(WithLogits({{1, 0}, {0.5f, -0.5f}, {2, 2}}), WithLogits({{0, 0}, {1, -0.5f}, {3, 3}}));
  EXPECT_NEAR(d.mean, 0.044522124, 1e-7);
  EXPECT_NEAR(d.standard_error, 0.033846952, 1e-7);
}

TEST(DivergenceTest, OfAnswersThatAreNoNumbersIsInfinite) {
  Answers broken = WithLogits({{1, 0}});
  broken.finite = false;
  EXPECT_TRUE(std::isinf(DivergenceOf(WithLogits({{1, 0}}), broken).mean));
  EXPECT_TRUE(std::isinf(DivergenceOf(broken, WithLogits({{1, 0}})).mean))
      << "nothing can be compared with it";
}

// Of 100 texts 4 are lost and 1 is gained: 3 % -+ sqrt(5 - 9 / 100) / 100.
TEST(AccuracyDropTest, OnlyTextsThatOneOfTheTwoGetsRightCount) {
  Answers reference, other;
  for (int i = 0; i < 100; ++i) {
    reference.right.push_back(i < 80);
    other.right.push_back((i >= 4 && i < 80) || i == 90);
  }
  const AccuracyDrop drop = DropOf(reference, other);
  EXPECT_NEAR(drop.value, 0.03, 1e-12);
  EXPECT_NEAR(drop.standard_error, std::sqrt(5 - 0.09) / 100, 1e-12);
  EXPECT_EQ(DropOf(reference, reference).standard_error, 0);
}

}  // namespace
}  // namespace quantlab::engine
