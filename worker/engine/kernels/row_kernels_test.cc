#include "worker/engine/kernels/row_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

std::vector<float> Random(int64_t count, uint32_t seed, float range = 2) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    value = range * (static_cast<float>(random() % 20001) / 10000.0f - 1.0f);
  }
  return values;
}

TEST(GeluTest, IsWithinItsBoundOfTheExactFunction) {
  for (const int64_t n : {1, 7, 8, 16, 33, 4001}) {
    std::vector<float> x = Random(n, static_cast<uint32_t>(n), 12);
    x[0] = -0.0f;
    std::vector<float> y = x;
    Gelu(y.data(), n);
    for (int64_t i = 0; i < n; ++i) {
      const double exact = 0.5 * x[i] * std::erfc(-x[i] / std::sqrt(2.0));
      EXPECT_NEAR(y[i], exact, 2e-7 * std::max(1.0f, std::abs(x[i]))) << x[i];
    }
  }
}

TEST(GeluTest, KeepsWhatIsNotANumber) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> x(20, 1.0f);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  x[17] = kInfinity;
  x[18] = -kInfinity;
  Gelu(x.data(), 20);
  EXPECT_TRUE(std::isnan(x[3]));
  EXPECT_EQ(x[17], kInfinity);
  EXPECT_TRUE(std::isnan(x[18]));
  for (const int i : {0, 2, 4, 16, 19}) EXPECT_NEAR(x[i], 0.8413447, 1e-6);
}

TEST(GeluTest, DoesNotDependOnTheNeighbours) {
  const std::vector<float> x = Random(100, 3);
  std::vector<float> together = x;
  Gelu(together.data(), 100);
  for (size_t i = 0; i < x.size(); ++i) {
    float alone = x[i];
    Gelu(&alone, 1);
    EXPECT_EQ(alone, together[i]) << i;
  }
}

TEST(AddLayerNormTest, IsTheNormOfTheSum) {
  for (const int64_t n : {1, 5, 16, 40, 384, 771}) {
    const auto seed = static_cast<uint32_t>(n);
    const std::vector<float> x = Random(n, seed), residual = Random(n, seed + 1);
    const std::vector<float> weight = Random(n, seed + 2), bias = Random(n, seed + 3);
    std::vector<float> y(static_cast<size_t>(n) + 1, 77.0f);
    AddLayerNorm(x.data(), residual.data(), {weight.data(), bias.data(), 1e-5f}, n, y.data());
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < n; ++i) mean += (double{x[i]} + residual[i]) / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) {
      variance += std::pow(double{x[i]} + residual[i] - mean, 2) / static_cast<double>(n);
    }
    for (int64_t i = 0; i < n; ++i) {
      const double exact = (double{x[i]} + residual[i] - mean) / std::sqrt(variance + 1e-5);
      EXPECT_NEAR(y[i], exact * weight[i] + bias[i], 2e-5) << n << ", " << i;
    }
    EXPECT_EQ(y.back(), 77.0f);
  }
}

TEST(AddLayerNormTest, MayWriteOverItsInput) {
  const std::vector<float> x = Random(50, 1), residual = Random(50, 2), weight = Random(50, 3);
  std::vector<float> apart(50), over_x = x, over_residual = residual;
  const NormParams norm{weight.data(), weight.data(), 1e-5f};
  AddLayerNorm(x.data(), residual.data(), norm, 50, apart.data());
  AddLayerNorm(over_x.data(), residual.data(), norm, 50, over_x.data());
  AddLayerNorm(x.data(), over_residual.data(), norm, 50, over_residual.data());
  EXPECT_EQ(over_x, apart);
  EXPECT_EQ(over_residual, apart);
}

TEST(AddLayerNormTest, RowsMayBeginAnywhere) {
  constexpr int64_t kWidth = 7, kMost = 17;
  const std::vector<float> x = Random(kMost + kWidth, 1), residual = Random(kMost + kWidth, 2);
  const std::vector<float> weight = Random(kWidth, 3);
  const NormParams norm{weight.data(), weight.data(), 1e-5f};
  for (int64_t first = 0; first < kMost; ++first) {
    const std::vector<float> row(x.begin() + first, x.begin() + first + kWidth);
    const std::vector<float> added(residual.begin() + first, residual.begin() + first + kWidth);
    std::vector<float> expected(kWidth), y(kMost + kWidth);
    AddLayerNorm(row.data(), added.data(), norm, kWidth, expected.data());
    AddLayerNorm(x.data() + first, residual.data() + first, norm, kWidth, y.data() + first);
    Gelu(expected.data(), kWidth);
    Gelu(y.data() + first, kWidth);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), y.begin() + first)) << first;
  }
}

struct Free {
  void operator()(float* p) const { std::free(p); }
};

std::unique_ptr<float, Free> Scratch(int64_t count) {
  const size_t bytes = (static_cast<size_t>(count) * sizeof(float) + 63) / 64 * 64;
  return std::unique_ptr<float, Free>(static_cast<float*>(std::aligned_alloc(64, bytes)));
}

// Attention of queries [first, first + queries) of a sequence whose q, k and v are side by side.
std::vector<float> Attended(const std::vector<float>& qkv, int64_t length, int64_t size, int64_t first,
                            int64_t queries) {
  HeadAttention head;
  head.q = qkv.data() + first * 3 * size;
  head.k = qkv.data() + size;
  head.v = qkv.data() + 2 * size;
  head.q_stride = head.k_stride = head.v_stride = 3 * size;
  head.queries = queries;
  head.length = length;
  head.size = size;
  head.scale = 1 / std::sqrt(static_cast<float>(size));
  std::vector<float> out(static_cast<size_t>(queries * size));
  head.out = out.data();
  head.out_stride = size;
  AttendHead(head, Scratch(AttentionScratch(length, size)).get());
  return out;
}

std::vector<double> ExactAttention(const std::vector<float>& qkv, int64_t length, int64_t size,
                                   int64_t query) {
  std::vector<double> weights(static_cast<size_t>(length)), out(static_cast<size_t>(size));
  double total = 0;
  for (int64_t t = 0; t < length; ++t) {
    double score = 0;
    for (int64_t f = 0; f < size; ++f) {
      score += double{qkv[query * 3 * size + f]} * qkv[t * 3 * size + size + f];
    }
    total += weights[t] = std::exp(score / std::sqrt(static_cast<double>(size)));
  }
  for (int64_t t = 0; t < length; ++t) {
    for (int64_t f = 0; f < size; ++f) out[f] += weights[t] / total * qkv[t * 3 * size + 2 * size + f];
  }
  return out;
}

TEST(AttendHeadTest, IsScaledDotProductAttention) {
  const struct {
    int64_t length, size;
  } shapes[] = {{1, 1}, {1, 8}, {2, 5}, {7, 8}, {16, 16}, {17, 64}, {33, 20}, {64, 32}, {129, 64}, {48, 72}};
  for (const auto& s : shapes) {
    const auto qkv = Random(s.length * 3 * s.size, static_cast<uint32_t>(s.length * 100 + s.size));
    const std::vector<float> y = Attended(qkv, s.length, s.size, 0, s.length);
    for (int64_t q = 0; q < s.length; ++q) {
      const std::vector<double> exact = ExactAttention(qkv, s.length, s.size, q);
      for (int64_t f = 0; f < s.size; ++f) {
        ASSERT_NEAR(y[q * s.size + f], exact[f], 1e-5) << s.length << " x " << s.size << ", query " << q;
      }
    }
  }
}

TEST(AttendHeadTest, AQueryDoesNotDependOnTheOthers) {
  constexpr int64_t kLength = 23, kSize = 24;
  const std::vector<float> qkv = Random(kLength * 3 * kSize, 4);
  const std::vector<float> all = Attended(qkv, kLength, kSize, 0, kLength);
  for (int64_t q = 0; q < kLength; ++q) {
    const std::vector<float> alone = Attended(qkv, kLength, kSize, q, 1);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), all.begin() + q * kSize)) << q;
  }
}

TEST(AttendHeadTest, LargeScoresDoNotOverflow) {
  std::vector<float> qkv = Random(5 * 3 * 8, 6, 3000);
  for (const float value : Attended(qkv, 5, 8, 0, 5)) EXPECT_LE(std::abs(value), 3000.0f);
}

TEST(AttendHeadTest, ANotANumberStaysOne) {
  std::vector<float> qkv = Random(5 * 3 * 8, 6);
  qkv[2 * 24 + 8] = std::numeric_limits<float>::quiet_NaN();  // of a key: in the scores of every query
  for (const float value : Attended(qkv, 5, 8, 0, 5)) EXPECT_TRUE(std::isnan(value));
}

TEST(RowKernelsTest, NamesItsInstructionSet) {
  EXPECT_THAT(std::string(RowKernelsIsa()), ::testing::Not(::testing::IsEmpty()));
}

}  // namespace
}  // namespace quantlab::engine
