#include "base/statistics/holm.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

// As in R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02.
TEST(HolmAdjustTest, AgreesWithR) {
  EXPECT_THAT(HolmAdjust({0.01, 0.04, 0.03, 0.005}),
              ElementsAre(DoubleNear(0.03, 1e-12), DoubleNear(0.06, 1e-12), DoubleNear(0.06, 1e-12),
                          DoubleNear(0.02, 1e-12)));
}

TEST(HolmAdjustTest, OneTestStaysAsItIs) {
  EXPECT_THAT(HolmAdjust({0.04}), ElementsAre(0.04));
  EXPECT_THAT(HolmAdjust({}), ElementsAre());
}

TEST(HolmAdjustTest, NothingExceedsOne) {
  EXPECT_THAT(HolmAdjust({0.9, 0.8}), ElementsAre(1, 1));
}

TEST(HolmAdjustTest, WhatIsNoNumberCountsAsATestWithoutAResult) {
  EXPECT_THAT(HolmAdjust({std::numeric_limits<double>::quiet_NaN(), 0.25}), ElementsAre(1, 0.5));
}

}  // namespace
}  // namespace quantlab
