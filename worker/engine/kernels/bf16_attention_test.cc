#include "worker/engine/kernels/bf16_attention.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

std::vector<float> Random(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random() % 20001) / 5000.0f - 2.0f;
  return values;
}

// Attention of queries [first, first + queries) of a sequence whose q, k and v are side by side, in BF16 or
// FP32.
std::vector<float> Attended(const std::vector<float>& qkv, int64_t length, int64_t size, int64_t first,
                            int64_t queries, bool bf16) {
  HeadAttention head;
  head.q = qkv.data() + first * 3 * size;
  head.k = qkv.data() + size;
  head.v = qkv.data() + 2 * size;
  head.q_stride = head.k_stride = head.v_stride = 3 * size;
  head.queries = queries;
  head.length = length;
  head.size = size;
  head.scale = 1 / std::sqrt(static_cast<float>(size));
  std::vector<float> out(static_cast<size_t>(queries * size), 77.0f);
  head.out = out.data();
  head.out_stride = size;
  const int64_t bytes = bf16 ? Bf16AttentionScratch(length, size) : 4 * AttentionScratch(length, size);
  const std::unique_ptr<void, decltype(&std::free)> scratch(
      std::aligned_alloc(64, static_cast<size_t>((bytes + 63) / 64 * 64)), &std::free);
  bf16 ? AttendHeadBf16(head, scratch.get()) : AttendHead(head, static_cast<float*>(scratch.get()));
  return out;
}

class Bf16AttentionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasBf16Attention()) GTEST_SKIP() << "needs a CPU with AVX512-BF16";
  }
};

TEST_F(Bf16AttentionTest, IsWithinItsPrecisionOfFp32) {
  const struct {
    int64_t length, size;
  } shapes[] = {{1, 1},   {1, 8},   {2, 5},   {7, 8},    {16, 16}, {17, 64},
                {33, 20}, {64, 32}, {65, 33}, {129, 64}, {48, 72}, {40, 48}};
  for (const auto& s : shapes) {
    const auto qkv = Random(s.length * 3 * s.size, static_cast<uint32_t>(s.length * 100 + s.size));
    const std::vector<float> expected = Attended(qkv, s.length, s.size, 0, s.length, false);
    const std::vector<float> found = Attended(qkv, s.length, s.size, 0, s.length, true);
    // Values are at most 2, and the scores' errors at most a few of BF16's last bits.
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_NEAR(found[i], expected[i], 2 * 5.0 / 256) << s.length << " x " << s.size << ", " << i;
    }
  }
}

TEST_F(Bf16AttentionTest, AQueryDoesNotDependOnTheOthers) {
  constexpr int64_t kLength = 43, kSize = 24;
  const std::vector<float> qkv = Random(kLength * 3 * kSize, 4);
  const std::vector<float> all = Attended(qkv, kLength, kSize, 0, kLength, true);
  for (int64_t q = 0; q < kLength; ++q) {
    const std::vector<float> alone = Attended(qkv, kLength, kSize, q, 1, true);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), all.begin() + q * kSize)) << q;
  }
}

TEST_F(Bf16AttentionTest, UniformScoresGiveTheMean) {
  constexpr int64_t kLength = 37, kSize = 32;
  std::vector<float> qkv(kLength * 3 * kSize, 0.0f);
  for (int64_t t = 0; t < kLength; ++t) {
    for (int64_t f = 0; f < kSize; ++f) qkv[t * 3 * kSize + 2 * kSize + f] = static_cast<float>(t);
  }
  for (const float value : Attended(qkv, kLength, kSize, 0, kLength, true)) EXPECT_NEAR(value, 18.0f, 1e-4f);
}

TEST_F(Bf16AttentionTest, ANotANumberStaysOne) {
  std::vector<float> qkv = Random(5 * 3 * 8, 6);
  qkv[2 * 24 + 8] = std::numeric_limits<float>::quiet_NaN();  // of a key: in the scores of every query
  for (const float value : Attended(qkv, 5, 8, 0, 5, true)) EXPECT_TRUE(std::isnan(value));
  qkv = Random(5 * 3 * 8, 6);
  qkv[2 * 24] = std::numeric_limits<float>::quiet_NaN();  // of a query: in its own result
  const std::vector<float> y = Attended(qkv, 5, 8, 0, 5, true);
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i / 8 == 2) << i;
}

}  // namespace
}  // namespace quantlab::engine
