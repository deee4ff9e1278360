#include "worker/engine/kernels/int8_kernels.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/engine/kernels/onednn_isa.h"

namespace quantlab::engine {
namespace {

std::vector<Int8Isa> IsasOfThisCpu() {
  std::vector<Int8Isa> isas;
  for (Int8Isa isa : {Int8Isa::kPortable, Int8Isa::kAvx2, Int8Isa::kAvxVnni, Int8Isa::kAvx512Vnni}) {
    if (CpuHasInt8Isa(isa)) isas.push_back(isa);
  }
  return isas;
}

struct Problem {
  int64_t rows, out, in;
  std::vector<float> x, scale, bias;
  std::vector<int8_t> weights;
};

Problem RandomProblem(int64_t rows, int64_t out, int64_t in, uint32_t seed) {
  std::mt19937 random(seed);
  Problem p{rows, out, in, {}, {}, {}, {}};
  const auto uniform = [&random] { return static_cast<float>(random() % 20001) / 10000.0f - 1.0f; };
  for (int64_t i = 0; i < rows * in; ++i) p.x.push_back(3 * uniform());
  for (int64_t i = 0; i < out * in; ++i) p.weights.push_back(static_cast<int8_t>(random() % 256 - 128));
  const int64_t padded = (out + kPanel - 1) / kPanel * kPanel;
  for (int64_t i = 0; i < padded; ++i) {
    p.scale.push_back(i < out ? 0.01f + 0.001f * uniform() : 0.0f);
    p.bias.push_back(i < out ? uniform() : 0.0f);
  }
  return p;
}

std::vector<float> Compute(Int8Isa isa, const Problem& p) {
  const PackedInt8Weights packed(p.weights.data(), p.out, p.in);
  std::vector<uint8_t> q(p.rows * packed.padded_in());
  std::vector<ActivationParams> params(p.rows);
  for (int64_t r = 0; r < p.rows; ++r) {
    const RowRange range = FindRowRange(isa, &p.x[r * p.in], p.in);
    params[r] = ChooseActivationParams(range.min, range.max, false);
    QuantizeRow(isa, &p.x[r * p.in], p.in, params[r], &q[r * packed.padded_in()], packed.padded_in());
  }
  std::vector<float> out(p.rows * p.out, -1.0f);
  Int8GemmArgs args{q.data(),       packed.padded_in(), params.data(), p.rows, &packed,
                    p.scale.data(), p.bias.data(),      out.data(),    p.out};
  Int8Gemm(isa, args, 0, packed.panels());
  return out;
}

TEST(Int8KernelsTest, EveryInstructionSetGivesTheSameBits) {
  const struct {
    int64_t rows, out, in;
  } shapes[] = {{1, 1, 1}, {3, 2, 5}, {8, 32, 64}, {9, 33, 66}, {17, 31, 7}, {13, 70, 129}, {25, 96, 384}};
  for (const auto& s : shapes) {
    const Problem problem = RandomProblem(s.rows, s.out, s.in, static_cast<uint32_t>(s.rows + s.in));
    const std::vector<float> expected = Compute(Int8Isa::kPortable, problem);
    for (Int8Isa isa : IsasOfThisCpu()) {
      EXPECT_EQ(Compute(isa, problem), expected)
          << Int8IsaName(isa) << " " << s.rows << "x" << s.out << "x" << s.in;
    }
  }
}

// A tile of registers for each number of rows.
TEST(Int8KernelsTest, EveryNumberOfRowsGivesTheSameBits) {
  for (int64_t rows = 1; rows <= 37; ++rows) {
    const Problem problem = RandomProblem(rows, 33, 20, static_cast<uint32_t>(rows));
    const std::vector<float> expected = Compute(Int8Isa::kPortable, problem);
    for (Int8Isa isa : IsasOfThisCpu()) {
      EXPECT_EQ(Compute(isa, problem), expected) << Int8IsaName(isa) << ", " << rows << " rows";
    }
  }
}

TEST(Int8KernelsTest, ARowDoesNotDependOnItsNeighbours) {
  const Problem many = RandomProblem(21, 40, 50, 5);
  for (Int8Isa isa : IsasOfThisCpu()) {
    const std::vector<float> all = Compute(isa, many);
    for (int64_t r : {0, 7, 20}) {
      Problem one = many;
      one.rows = 1;
      one.x.assign(many.x.begin() + r * many.in, many.x.begin() + (r + 1) * many.in);
      const std::vector<float> alone = Compute(isa, one);
      EXPECT_EQ(alone, std::vector<float>(all.begin() + r * many.out, all.begin() + (r + 1) * many.out));
    }
  }
}

TEST(Int8KernelsTest, ExtremeBytesDoNotSaturate) {
  // 255 * -128 * 4096 does not fit 16 bits, nor do two of its terms.
  Problem p = RandomProblem(4, 32, 4096, 1);
  std::fill(p.x.begin(), p.x.end(), 1.0f);
  std::fill(p.weights.begin(), p.weights.end(), int8_t{-128});
  std::fill(p.scale.begin(), p.scale.end(), 1.0f);
  std::fill(p.bias.begin(), p.bias.end(), 0.0f);
  for (Int8Isa isa : IsasOfThisCpu()) {
    for (float value : Compute(isa, p)) EXPECT_NEAR(value, -128.0f * 4096, 1.0f) << Int8IsaName(isa);
  }
}

TEST(Int8KernelsTest, PackingCanBeUndone) {
  const Problem p = RandomProblem(1, 45, 37, 3);
  const PackedInt8Weights packed(p.weights.data(), p.out, p.in);
  std::vector<int8_t> back(p.weights.size());
  packed.Unpack(back.data());
  EXPECT_EQ(back, p.weights);
}

TEST(QuantizeRowByFeatureTest, EveryInstructionSetGivesTheSameBits) {
  const Problem p = RandomProblem(1, 1, 131, 9);
  std::vector<float> factor;
  for (size_t i = 0; i < p.x.size(); ++i) factor.push_back(5.0f + static_cast<float>(i % 7));
  for (int64_t n : {1, 7, 8, 16, 33, 131}) {
    std::vector<uint8_t> expected(n);
    for (int64_t i = 0; i < n; ++i) {
      const float value = std::nearbyint(std::fma(p.x[i], factor[i], 100.0f));
      expected[i] = static_cast<uint8_t>(std::min(255.0f, std::max(0.0f, value)));
    }
    for (Int8Isa isa : IsasOfThisCpu()) {
      std::vector<uint8_t> q(n + 3, 9);
      QuantizeRowByFeature(isa, p.x.data(), n, factor.data(), 100, q.data(), n + 3);
      EXPECT_EQ(std::vector<uint8_t>(q.begin(), q.begin() + n), expected) << Int8IsaName(isa) << " " << n;
      EXPECT_EQ(q[n], 0);
      EXPECT_EQ(q[n + 2], 0);
    }
  }
}

TEST(FindRowRangeTest, SeesNonFiniteValuesEverywhere) {
  for (Int8Isa isa : IsasOfThisCpu()) {
    for (int64_t n : {1, 7, 8, 16, 37}) {
      std::vector<float> x(n, 0.5f);
      x[n / 2] = -2.0f;
      const RowRange range = FindRowRange(isa, x.data(), n);
      EXPECT_TRUE(range.finite);
      EXPECT_EQ(range.min, -2.0f);
      EXPECT_EQ(range.max, n == 1 ? -2.0f : 0.5f);
      for (float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        for (int64_t at = 0; at < n; ++at) {
          std::vector<float> broken = x;
          broken[at] = bad;
          EXPECT_FALSE(FindRowRange(isa, broken.data(), n).finite) << Int8IsaName(isa) << " " << n;
        }
      }
    }
  }
}

TEST(ChooseActivationParamsTest, HoldsZeroExactly) {
  const ActivationParams positive = ChooseActivationParams(2.0f, 10.2f, false);
  EXPECT_EQ(positive.zero_point, 0);
  EXPECT_FLOAT_EQ(positive.scale, 10.2f / 255);
  const ActivationParams negative = ChooseActivationParams(-5.1f, -1.0f, false);
  EXPECT_EQ(negative.zero_point, 255);
  EXPECT_FLOAT_EQ(negative.scale, 0.02f);
  EXPECT_EQ(ChooseActivationParams(-1.0f, 1.0f, true).zero_point, 64);  // 63.5 to even
}

TEST(ChooseActivationParamsTest, AllZerosAndTinyRangesHaveAScale) {
  EXPECT_FLOAT_EQ(ChooseActivationParams(0, 0, false).scale, 0.1f);
  EXPECT_FLOAT_EQ(ChooseActivationParams(-1e-9f, 1e-9f, false).scale, 6.1e-5f);
  EXPECT_FLOAT_EQ(ChooseActivationParams(0, 1e-42f, false).scale, 0.1f);
}

TEST(LimitInt8IsaTest, ObeysOneDnnsVariable) {
  EXPECT_EQ(LimitInt8Isa(Int8Isa::kAvx512Vnni, ""), Int8Isa::kAvx512Vnni);
  EXPECT_EQ(LimitInt8Isa(Int8Isa::kAvx512Vnni, "AVX2"), Int8Isa::kAvx2);
  EXPECT_EQ(LimitInt8Isa(Int8Isa::kAvx512Vnni, "AVX512_CORE"), Int8Isa::kAvx2);
  EXPECT_EQ(LimitInt8Isa(Int8Isa::kAvx512Vnni, "SSE41"), Int8Isa::kPortable);
  EXPECT_EQ(LimitInt8Isa(Int8Isa::kAvx2, "AVX512_CORE_VNNI"), Int8Isa::kAvx2);
}

class OneDnnMaxCpuIsaTest : public testing::Test {
 protected:
  ~OneDnnMaxCpuIsaTest() override {
    unsetenv("ONEDNN_MAX_CPU_ISA");
    unsetenv("DNNL_MAX_CPU_ISA");
  }
};

TEST_F(OneDnnMaxCpuIsaTest, IsReadAsOneDnnReadsIt) {
  EXPECT_EQ(OneDnnMaxCpuIsa(), "");
  setenv("DNNL_MAX_CPU_ISA", "avx2", 1);
  EXPECT_EQ(OneDnnMaxCpuIsa(), "AVX2");
  setenv("ONEDNN_MAX_CPU_ISA", "avx512_core", 1);
  EXPECT_EQ(OneDnnMaxCpuIsa(), "AVX512_CORE");
  setenv("ONEDNN_MAX_CPU_ISA", "all", 1);
  EXPECT_EQ(OneDnnMaxCpuIsa(), "");
}

}  // namespace
}  // namespace quantlab::engine
