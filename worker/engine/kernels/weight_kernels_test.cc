#include "worker/engine/kernels/weight_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

struct Problem {
  int64_t rows, out, in, group;  // group 0: INT8
  std::vector<float> x, scale, shift, bias;
  std::vector<int8_t> integers;

  int64_t groups() const { return group == 0 ? 1 : (in + group - 1) / group; }
  double Weight(int64_t channel, int64_t k) const {
    const double q = integers[static_cast<size_t>(channel * in + k)];
    const auto g = static_cast<size_t>(channel * groups() + (group == 0 ? 0 : k / group));
    return group == 0 ? q * scale[g] : q * scale[g] - shift[g];
  }
  PackedWeights Pack() const {
    if (group == 0) return PackedWeights::Int8(integers.data(), out, in, scale.data());
    return PackedWeights::Int4(integers.data(), out, in, {group, scale.data(), shift.data()});
  }
};

// Values of x are exact in BF16, so that both kernels are given the same.
Problem RandomProblem(int64_t rows, int64_t out, int64_t in, int64_t group, uint32_t seed) {
  std::mt19937 random(seed);
  Problem p{rows, out, in, group, {}, {}, {}, {}, {}};
  for (int64_t i = 0; i < rows * in; ++i) p.x.push_back((static_cast<float>(random() % 255) - 127) / 64);
  for (int64_t i = 0; i < out * in; ++i) {
    p.integers.push_back(static_cast<int8_t>(group == 0 ? random() % 256 - 128 : random() % 16 - 8));
  }
  for (int64_t i = 0; i < out * p.groups(); ++i) {
    p.scale.push_back(0.01f + static_cast<float>(random() % 100) / 1000);
    p.shift.push_back(static_cast<float>(random() % 100) / 200 - 0.25f);
  }
  for (int64_t i = 0; i < out; ++i) p.bias.push_back(static_cast<float>(random() % 100) / 10 - 5);
  return p;
}

template <typename T>
std::unique_ptr<T, decltype(&std::free)> Aligned(int64_t count) {
  const size_t bytes = (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
  return {static_cast<T*>(std::aligned_alloc(64, bytes)), &std::free};
}

std::vector<float> Compute(const Problem& p, bool bf16, bool with_bias = true) {
  const PackedWeights weights = p.Pack();
  const auto padded = static_cast<size_t>(weights.padded_in());
  std::vector<float> floats(static_cast<size_t>(p.rows) * padded, 0.0f);
  std::vector<uint16_t> halves(floats.size(), 0);
  for (int64_t r = 0; r < p.rows; ++r) {
    for (int64_t k = 0; k < p.in; ++k) {
      const size_t at = static_cast<size_t>(r) * padded + static_cast<size_t>(k);
      floats[at] = p.x[static_cast<size_t>(r * p.in + k)];
      uint32_t bits;
      std::memcpy(&bits, &floats[at], 4);
      halves[at] = static_cast<uint16_t>(bits >> 16);
    }
  }
  const auto scratch = Aligned<char>(WeightGemmScratch(weights));
  std::vector<float> out(static_cast<size_t>(p.rows * p.out), 77.0f);
  WeightGemmArgs args;
  args.x = bf16 ? static_cast<const void*>(halves.data()) : floats.data();
  args.rows = p.rows;
  args.weights = &weights;
  args.bias = with_bias ? p.bias.data() : nullptr;
  args.out = out.data();
  args.scratch = scratch.get();
  bf16 ? WeightGemm(args, 0, weights.panels()) : WeightGemmFp32(args, 0, weights.panels());
  return out;
}

// FP32, and BF16 where this CPU has it.
std::vector<bool> Kernels() {
  return WeightGemmUsesBf16() ? std::vector<bool>{false, true} : std::vector<bool>{false};
}

TEST(WeightKernelsTest, ComputesWithTheDequantizedWeights) {
  const struct {
    int64_t rows, out, in, group;
  } shapes[] = {{1, 1, 1, 0},     {3, 2, 5, 0},      {12, 32, 64, 0},    {13, 33, 66, 0},
                {25, 70, 130, 0}, {1, 1, 1, 32},     {3, 2, 5, 32},      {12, 32, 64, 32},
                {13, 33, 66, 64}, {25, 70, 130, 32}, {14, 40, 300, 128}, {4, 40, 300, 256}};
  for (const auto& s : shapes) {
    const Problem p = RandomProblem(s.rows, s.out, s.in, s.group, static_cast<uint32_t>(s.rows + s.in));
    for (const bool bf16 : Kernels()) {
      // The BF16 kernel rounds INT4 weights to eight bits.
      const double precision = bf16 && s.group != 0 ? 1.0 / 256 : 1e-5;
      const std::vector<float> y = Compute(p, bf16);
      for (int64_t r = 0; r < p.rows; ++r) {
        for (int64_t c = 0; c < p.out; ++c) {
          double exact = p.bias[static_cast<size_t>(c)], terms = 1;
          for (int64_t k = 0; k < p.in; ++k) {
            const double term = p.Weight(c, k) * p.x[static_cast<size_t>(r * p.in + k)];
            exact += term;
            terms += std::abs(term);
          }
          ASSERT_NEAR(y[static_cast<size_t>(r * p.out + c)], exact, precision * terms)
              << s.rows << "x" << s.out << "x" << s.in << ", groups of " << s.group << (bf16 ? ", BF16" : "");
        }
      }
    }
  }
}

TEST(WeightKernelsTest, ARowDoesNotDependOnItsNeighbours) {
  for (const int64_t group : {0, 32}) {
    const Problem many = RandomProblem(29, 40, 50, group, 5);
    for (const bool bf16 : Kernels()) {
      const std::vector<float> all = Compute(many, bf16);
      for (int64_t r = 0; r < many.rows; ++r) {
        Problem one = many;
        one.rows = 1;
        one.x.assign(many.x.begin() + r * many.in, many.x.begin() + (r + 1) * many.in);
        EXPECT_EQ(Compute(one, bf16),
                  std::vector<float>(all.begin() + r * many.out, all.begin() + (r + 1) * many.out));
      }
    }
  }
}

TEST(WeightKernelsTest, BiasMayBeLeftOut) {
  Problem p = RandomProblem(4, 37, 20, 0, 2);
  for (const bool bf16 : Kernels()) {
    const std::vector<float> without = Compute(p, bf16, /*with_bias=*/false);
    std::fill(p.bias.begin(), p.bias.end(), 0.0f);
    EXPECT_EQ(Compute(p, bf16), without);
  }
}

TEST(WeightKernelsTest, PackingCanBeUndone) {
  for (const int64_t group : {0, 32}) {
    const Problem p = RandomProblem(1, 45, 37, group, 3);
    std::vector<int8_t> back(p.integers.size());
    p.Pack().Unpack(back.data());
    EXPECT_EQ(back, p.integers);
  }
}

TEST(WeightKernelsTest, ANotANumberStaysInItsRow) {
  for (const int64_t group : {0, 32}) {
    Problem p = RandomProblem(3, 33, 40, group, 3);
    p.x[40 + 7] = std::numeric_limits<float>::quiet_NaN();
    for (const bool bf16 : Kernels()) {
      const std::vector<float> y = Compute(p, bf16);
      for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i / 33 == 1) << i;
    }
  }
}

TEST(WeightKernelsTest, NamesWhatRuns) {
  EXPECT_THAT(std::string(WeightGemmName()), ::testing::AnyOf("avx512_bf16", ::testing::StartsWith("fp32/")));
}

}  // namespace
}  // namespace quantlab::engine
