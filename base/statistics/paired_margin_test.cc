#include "base/statistics/paired_margin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab {
namespace {

// Tango 1998, section 4: 43 patients cured by both disinfections, one by the first alone, a margin of 0.1.
TEST(NonInferiorityScoreTest, AgreesWithTangosExample) {
  EXPECT_NEAR(NonInferiorityScore({1, 0, 44}, 0.1), 1.709, 5e-4);
}

// By NumPy and SciPy: the nuisance share by numerical maximisation of the likelihood, all tables of three
// cells added up, the greatest of 1,200 to 3,000 shares.
TEST(NonInferiorityPValueTest, AgreesWithAllTablesAddedUp) {
  struct Case {
    PairedAnswers answers;
    double margin, score, p_value;
  };
  for (const Case& c : {Case{{1, 0, 44}, 0.1, 1.70856428594, 0.0571088974208},
                        Case{{0, 1, 44}, 0.1, 2.44948973966, 0.00988904404335},
                        Case{{0, 0, 400}, 0.01, 2.01007563052, 0.0230430179295},
                        Case{{1, 4, 400}, 0.01, 2.43357548777, 0.00757619550813},
                        Case{{2, 0, 400}, 0.02, 2.14285714286, 0.0165687968742},
                        Case{{3, 3, 300}, 0.02, 1.94315009225, 0.0283240242118},
                        Case{{7, 2, 60}, 0.1, 0.334025417949, 0.437178288537},
                        Case{{20, 9, 300}, 0.08, 2.19997883848, 0.0161907039374},
                        Case{{5, 15, 200}, 0, 2.2360679787, 0.0140627036165}}) {
    EXPECT_NEAR(NonInferiorityScore(c.answers, c.margin), c.score, 2e-7) << c.answers.total;
    EXPECT_NEAR(NonInferiorityPValue(c.answers, c.margin) / c.p_value, 1, 2e-3) << c.answers.total;
  }
}

TEST(NonInferiorityPValueTest, WithoutAMarginAndWithoutADifferenceNothingIsShown) {
  EXPECT_EQ(NonInferiorityPValue({0, 0, 100}, 0), 1);
}

TEST(NonInferiorityPValueTest, FallsWithTheMarginAndWithTheTexts) {
  double before = 1;
  for (const double margin : {0.005, 0.01, 0.02, 0.05, 0.2}) {
    const double p = NonInferiorityPValue({4, 2, 500}, margin);
    EXPECT_LT(p, before) << margin;
    before = p;
  }
  EXPECT_LT(NonInferiorityPValue({8, 4, 1000}, 0.01), NonInferiorityPValue({4, 2, 500}, 0.01));
}

TEST(NonInferiorityPValueTest, LimitsAndLargeNumbers) {
  EXPECT_EQ(NonInferiorityPValue({99, 0, 100}, 1), 0);
  EXPECT_EQ(NonInferiorityPValue({100, 0, 100}, 1), 1);
  EXPECT_NEAR(NonInferiorityPValue({100, 0, 100}, 0.5), 1, 1e-9);
  const double p = NonInferiorityPValue({1000, 1010, 200000}, 0.0004);
  EXPECT_GT(p, 0);
  EXPECT_LT(p, 0.025);
  const double one = NonInferiorityPValue({0, 0, 1}, 0.5);
  EXPECT_NEAR(one, 0.5, 1e-6);
}

// At a true loss of exactly the margin: the share of all samples of kTexts texts that the test calls not
// inferior, added up and not simulated. benchmarks/error_rates.cc has more sizes.
TEST(NonInferiorityPValueTest, ErrsNoMoreOftenThanItSaysWhereFewAnswersDiffer) {
  constexpr int64_t kTexts = 150;
  constexpr double kMargin = 0.02;
  std::vector<std::vector<bool>> shown(kTexts + 1, std::vector<bool>(kTexts + 1));
  for (int64_t gained = 0; gained <= 12; ++gained) {
    for (int64_t lost = 0; lost <= 12 && lost + gained <= kTexts; ++lost) {
      shown[lost][gained] = NonInferiorityPValue({lost, gained, kTexts}, kMargin) <= kNonInferiorityError;
    }
    EXPECT_FALSE(shown[12][gained] && gained < 9);
  }
  for (const double differing : {0.02, 0.03, 0.04, 0.06}) {
    const double lost_share = (differing + kMargin) / 2, gained_share = (differing - kMargin) / 2;
    double error = 0;
    for (int64_t gained = 0; gained <= 12; ++gained) {
      for (int64_t lost = 0; lost <= 12; ++lost) {
        if (!shown[lost][gained]) continue;
        const double log_ways = std::lgamma(kTexts + 1.0) - std::lgamma(lost + 1.0) -
                                std::lgamma(gained + 1.0) - std::lgamma(kTexts - lost - gained + 1.0);
        if (gained > 0 && gained_share <= 0) continue;
        error += std::exp(log_ways + static_cast<double>(lost) * std::log(lost_share) +
                          (gained > 0 ? static_cast<double>(gained) * std::log(gained_share) : 0) +
                          static_cast<double>(kTexts - lost - gained) * std::log1p(-differing));
      }
    }
    EXPECT_LE(error, kNonInferiorityError) << differing;
  }
}

}  // namespace
}  // namespace quantlab
