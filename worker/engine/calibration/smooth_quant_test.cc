// Holds SmoothQuant's factors to the paper (Xiao 2022) on worked examples.
#include "worker/engine/calibration/smooth_quant.h"

#include <vector>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

at::Tensor Matrix(const std::vector<float>& values, int64_t columns) {
  return at::tensor(values).reshape({-1, columns});
}

class SmoothingExampleTest : public ::testing::Test {
 protected:
  // The paper's own example of eq. 4 (its figure 5): the second feature of the input is the outlier.
  // Here weights are [out, in], the paper's transposed.
  const at::Tensor x_ = Matrix({1, -16, 2, 6, -2, 8, -1, -9}, 4);
  const at::Tensor weight_ = Matrix({2, 1, -2, 1, -1, -1, 2, -1, -2, -1, -1, 1}, 3).t().contiguous();
  const at::Tensor input_max_ = x_.abs().amax(0), weight_max_ = weight_.abs().amax(0);
};

TEST_F(SmoothingExampleTest, HalfOfTheDifficultyMovesAtOneHalf) {
  const at::Tensor s = SmoothingFactors(input_max_, weight_max_, 0.5);
  EXPECT_TRUE(at::allclose(s, at::tensor({1.f, 4.f, 1.f, 3.f})));
  EXPECT_TRUE(at::allclose(x_ / s, Matrix({1, -4, 2, 2, -2, 2, -1, -3}, 4)));
  EXPECT_TRUE(at::allclose((weight_ * s).t(), Matrix({2, 1, -2, 4, -4, -4, 2, -1, -2, -3, -3, 3}, 3)));
}

TEST_F(SmoothingExampleTest, AllOrNothingMovesAtTheEnds) {
  // alpha = 1: every feature of the input has the largest magnitude 1; alpha = 0: every column of the
  // weights.
  EXPECT_TRUE(at::allclose(SmoothingFactors(input_max_, weight_max_, 1), at::tensor({2.f, 16.f, 2.f, 9.f})));
  EXPECT_TRUE(at::allclose(SmoothingFactors(input_max_, weight_max_, 0), at::tensor({0.5f, 1.f, 0.5f, 1.f})));
}

TEST_F(SmoothingExampleTest, OneQuarter) {
  // 16^(1/4) / 1 = 2, 2^(1/4) / 2^(3/4) = sqrt(1/2), 9^(1/4) = sqrt(3).
  EXPECT_TRUE(at::allclose(SmoothingFactors(input_max_, weight_max_, 0.25),
                           at::tensor({0.70710678f, 2.f, 0.70710678f, 1.7320508f})));
}

TEST_F(SmoothingExampleTest, TheProductStaysTheSame) {
  for (const double alpha : {0.0, 0.3, 0.5, 0.85, 1.0}) {
    const at::Tensor s = SmoothingFactors(input_max_, weight_max_, alpha);
    EXPECT_TRUE(at::allclose((x_ / s).matmul((weight_ * s).t()), x_.matmul(weight_.t()), 1e-5, 1e-5))
        << alpha;
  }
}

TEST(SmoothingFactorsTest, FeaturesThatAreNeverUsedStay) {
  const at::Tensor s = SmoothingFactors(at::tensor({0.f, 4.f, 9.f}), at::tensor({1.f, 0.f, 1.f}), 0.5);
  EXPECT_TRUE(at::allclose(s, at::tensor({1.f, 1.f, 3.f})));
}

// The error of outputs with inputs cut at quantiles and rounded to 256 levels, weights left as they are.
double ErrorWithQuantiles(const SmoothingProblem& problem, const at::Tensor& s, double low, double high) {
  const at::Tensor x = problem.sample / s;
  const at::Tensor ends = at::quantile(x.flatten(), at::tensor({low, high}, at::kFloat));
  const double scale = (ends[1] - ends[0]).item<double>() / 255;
  const at::Tensor rounded =
      ((x.clamp(ends[0].item<double>(), ends[1].item<double>()) - ends[0]) / scale).round() * scale + ends[0];
  const at::Tensor w = problem.weights[0] * s;
  return (x.matmul(w.t()) - rounded.matmul(w.t())).square().sum().item<double>();
}

TEST(SearchSmoothingTest, AnotherObserverIsSearchedWithItself) {
  // Outliers that make up a twentieth of the values: percentiles at 97 cut them off unless they are smoothed
  // away.
  SmoothingProblem problem;
  problem.sample = at::randn({400, 20});
  problem.sample.select(1, 3).mul_(40);
  problem.input_max = problem.sample.abs().amax(0);
  problem.weights = {at::randn({16, 20})};
  problem.observer.kind = ObserverKind::kMinMax;
  const SmoothingChoice by_extremes = SearchSmoothing(problem);
  problem.observer.kind = ObserverKind::kPercentile;
  problem.observer.percentile = 97;
  const SmoothingChoice by_percentiles = SearchSmoothing(problem);
  ASSERT_TRUE(by_extremes.alpha.has_value() && by_percentiles.alpha.has_value());
  EXPECT_LE(ErrorWithQuantiles(problem, by_percentiles.factors, 0.03, 0.97),
            1.05 * ErrorWithQuantiles(problem, by_extremes.factors, 0.03, 0.97));
}

TEST(SearchSmoothingTest, AnOutlierFeatureIsSmoothed) {
  SmoothingProblem problem;
  problem.observer.kind = ObserverKind::kMinMax;
  problem.sample = at::randn({200, 32});
  problem.sample.select(1, 5).mul_(60);
  problem.input_max = problem.sample.abs().amax(0);
  problem.weights = {at::randn({16, 32}), at::randn({8, 32})};
  const SmoothingChoice choice = SearchSmoothing(problem);
  ASSERT_TRUE(choice.alpha.has_value());
  // Nearly all of the error comes from the one step that the outlier makes wide for all features.
  EXPECT_LT(choice.error, 0.2);
  const at::Tensor weight_max = at::max(problem.weights[0].abs().amax(0), problem.weights[1].abs().amax(0));
  EXPECT_TRUE(at::allclose(choice.factors, SmoothingFactors(problem.input_max, weight_max, *choice.alpha)));
  EXPECT_EQ(SearchSmoothing(problem).alpha, choice.alpha);
}

TEST(SearchSmoothingTest, NothingIsBetterThanNoSmoothingForExactInputs) {
  SmoothingProblem problem;
  problem.sample = at::zeros({4, 8});
  problem.input_max = at::zeros({8});
  problem.weights = {at::randn({3, 8})};
  const SmoothingChoice choice = SearchSmoothing(problem);
  EXPECT_FALSE(choice.alpha.has_value());
  EXPECT_FALSE(choice.factors.defined());
  EXPECT_EQ(choice.error, 1);
}

}  // namespace
}  // namespace quantlab::engine
