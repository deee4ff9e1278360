#include "worker/engine/measure/paired_bootstrap.h"

#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace quantlab::statistics {
namespace {

using Json = nlohmann::json;
using Values = std::vector<double>;

// SciPy's bootstrap draws other resamples: ends of intervals agree within their own spread.
TEST(PairedBootstrapTest, AgreesWithScipy) {
  std::ifstream in(QUANTLAB_SOURCE_DIR "/tests/golden/correlation.json");
  const Json golden = Json::parse(in);
  ASSERT_EQ(golden["pairs"].size(), 3u);
  for (const Json& pair : golden["pairs"]) {
    const auto result = CompareCorrelations(pair["labels"].get<Values>(), pair["first"].get<Values>(),
                                            pair["second"].get<Values>(), pair["margin"].get<double>(), 5);
    ASSERT_TRUE(result.ok()) << result.status();
    const double low = pair["low"], high = pair["high"];
    EXPECT_NEAR(result->difference, pair["difference"].get<double>(), 1e-12) << pair["name"];
    EXPECT_NEAR(result->interval.low, low, 0.04 * (high - low)) << pair["name"];
    EXPECT_NEAR(result->interval.high, high, 0.04 * (high - low)) << pair["name"];
    EXPECT_NEAR(result->p_value, pair["p"].get<double>(), 0.02) << pair["name"];
    EXPECT_NEAR(result->non_inferiority_p, pair["non_inferiority_p"].get<double>(), 0.02) << pair["name"];
  }
}

TEST(PairedBootstrapTest, AModelAgainstItselfDiffersByNothing) {
  const Values labels = {1, 2, 3, 4, 5}, outputs = {1, 3, 2, 5, 4};
  const auto result = CompareCorrelations(labels, outputs, outputs, 0.01, 1);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->difference, 0);
  EXPECT_EQ(result->interval.low, 0);
  EXPECT_EQ(result->interval.high, 0);
  EXPECT_EQ(result->p_value, 1);
  EXPECT_NEAR(result->non_inferiority_p, 1.0 / (BootstrapResamples(5) + 1), 1e-12);
  EXPECT_NEAR(CompareCorrelations(labels, outputs, outputs, 0, 1)->non_inferiority_p, 1, 1e-12);
}

TEST(PairedBootstrapTest, TheSameSeedGivesTheSameResult) {
  const Values labels = {1, 2, 3, 4, 5, 6}, first = {1, 3, 2, 5, 4, 6}, second = {2, 1, 3, 6, 5, 4};
  const auto one = CompareCorrelations(labels, first, second, 0.1, 3),
             again = CompareCorrelations(labels, first, second, 0.1, 3);
  EXPECT_EQ(one->p_value, again->p_value);
  EXPECT_EQ(one->interval.low, again->interval.low);
}

TEST(PairedBootstrapTest, OutputsFarFromZeroLoseNoDigits) {
  Values labels, first, second, moved;
  for (int i = 0; i < 50; ++i) {
    labels.push_back(i % 7);
    first.push_back(i % 7 + 0.25 * (i % 3));
    second.push_back(i % 7 + 0.5 * (i % 5));
    moved.push_back(second.back() + 1e6);
  }
  EXPECT_NEAR(CompareCorrelations(labels, first, second, 0, 1)->interval.low,
              CompareCorrelations(labels, first, moved, 0, 1)->interval.low, 1e-6);
}

TEST(PairedBootstrapTest, OtherTextsAreAnError) {
  EXPECT_FALSE(CompareCorrelations({1, 2}, {1, 2}, {1}, 0, 1).ok());
  EXPECT_FALSE(CompareCorrelations({}, {}, {}, 0, 1).ok());
}

TEST(PairedBootstrapTest, ManyTextsHaveFewerResamples) {
  EXPECT_EQ(BootstrapResamples(1500), 9999);
  EXPECT_EQ(BootstrapResamples(100'000), 2000);
  EXPECT_EQ(BootstrapResamples(1'000'000'000), 999);
}

}  // namespace
}  // namespace quantlab::statistics
