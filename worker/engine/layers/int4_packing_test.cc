#include "worker/engine/layers/int4_packing.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

TEST(Int4PackingTest, LowNibbleComesFirstAndRowsAreFilledUp) {
  const at::Tensor q = at::tensor({1, -1, -8, 7, 0, 5}, at::kChar).reshape({2, 3});
  const at::Tensor packed = PackInt4(q);
  EXPECT_TRUE(at::equal(packed, at::tensor({0xF1, 0x08, 0x07, 0x05}, at::kByte).reshape({2, 2}))) << packed;
}

TEST(Int4PackingTest, EveryPairOfValuesComesBack) {
  const at::Tensor values = at::arange(kInt4Min, kInt4Max + 1, at::TensorOptions(at::kChar));
  const at::Tensor pairs = at::cartesian_prod({values, values});
  EXPECT_TRUE(at::equal(UnpackInt4(PackInt4(pairs), 2), pairs));
}

TEST(Int4PackingTest, RowsOfAnyLengthComeBack) {
  for (int64_t cols : {1, 2, 3, 31, 64}) {
    const at::Tensor q = at::randint(kInt4Min, kInt4Max + 1, {5, cols}, at::TensorOptions(at::kChar));
    EXPECT_EQ(PackInt4(q).sizes(), (std::vector<int64_t>{5, (cols + 1) / 2}));
    EXPECT_TRUE(at::equal(UnpackInt4(PackInt4(q), cols), q)) << cols;
    EXPECT_TRUE(at::equal(UnpackInt4(PackInt4(q.t()), 5), q.t())) << "not contiguous, " << cols;
  }
}

TEST(Int4PackingTest, WhatDoesNotFitIsRefused) {
  EXPECT_ANY_THROW(PackInt4(at::full({1, 2}, 8, at::kChar)));
  EXPECT_ANY_THROW(PackInt4(at::full({1, 2}, -9, at::kChar)));
  EXPECT_ANY_THROW(PackInt4(at::zeros({1, 2})));
  EXPECT_ANY_THROW(PackInt4(at::zeros({2}, at::kChar)));
  EXPECT_ANY_THROW(UnpackInt4(at::zeros({1, 2}, at::kByte), 5));
  EXPECT_ANY_THROW(UnpackInt4(at::zeros({1, 2}, at::kChar), 4));
}

}  // namespace
}  // namespace quantlab::engine
