#include "base/statistics/correlation.h"

#include <cmath>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace quantlab {
namespace {

using Json = nlohmann::json;
using Values = std::vector<double>;

TEST(CorrelationTest, AgreesWithScipyAndScikitLearn) {
  std::ifstream in(QUANTLAB_SOURCE_DIR "/tests/golden/correlation.json");
  const Json golden = Json::parse(in);
  ASSERT_EQ(golden["cases"].size(), 7u);
  for (const Json& one : golden["cases"]) {
    const auto labels = one["labels"].get<Values>(), outputs = one["outputs"].get<Values>();
    const double pearson = PearsonCorrelation(labels, outputs);
    EXPECT_NEAR(pearson, one["pearson"].get<double>(), 1e-12) << one["name"];
    EXPECT_NEAR(SpearmanCorrelation(labels, outputs), one["spearman"].get<double>(), 1e-12) << one["name"];
    const double error = one["mse"].get<double>();
    EXPECT_NEAR(MeanSquaredError(labels, outputs), error, 1e-12 * error) << one["name"];
    const auto [low, high] = PearsonInterval(pearson, static_cast<int64_t>(labels.size()));
    // At a correlation of 1 the last bits of it are all that the interval depends on.
    const double tolerance = std::abs(pearson) > 0.999999 ? 1e-6 : 1e-9;
    EXPECT_NEAR(low, one["low"].get<double>(), tolerance) << one["name"];
    EXPECT_NEAR(high, one["high"].get<double>(), tolerance) << one["name"];
  }
}

TEST(CorrelationTest, OfConstantsIsZero) {
  EXPECT_EQ(PearsonCorrelation({1, 2, 3}, {5, 5, 5}), 0);
  EXPECT_EQ(PearsonCorrelation({0, 0}, {1, 2}), 0);
  EXPECT_EQ(SpearmanCorrelation({1, 2, 3}, {5, 5, 5}), 0);
  EXPECT_EQ(PearsonCorrelation({1}, {1}), 0);
  EXPECT_EQ(PearsonCorrelation({}, {}), 0);
  EXPECT_EQ(PearsonCorrelation({1, 2}, {std::nan(""), 1}), 0);
}

TEST(CorrelationTest, EqualValuesShareTheMeanOfTheirRanks) {
  EXPECT_THAT(AverageRanks({10, 20, 10, 30, 10}), testing::ElementsAre(2, 4, 2, 5, 2));
  EXPECT_THAT(AverageRanks({}), testing::IsEmpty());
}

}  // namespace
}  // namespace quantlab
