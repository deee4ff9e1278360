#include "worker/engine/layers/fp8_linear.h"

#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

using ::testing::HasSubstr;

// Every finite value of E4M3 by its definition: exponent bias 7, subnormal numbers below 2^-6, no infinity.
at::Tensor AllFp8Values() {
  std::vector<float> values;
  for (int exponent = 0; exponent < 16; ++exponent) {
    for (int mantissa = 0; mantissa < 8; ++mantissa) {
      if (exponent == 15 && mantissa == 7) continue;  // NaN
      const float value =
          exponent == 0 ? std::ldexp(mantissa / 8.0f, -6) : std::ldexp(1 + mantissa / 8.0f, exponent - 7);
      values.push_back(value);
      values.push_back(-value);
    }
  }
  return at::tensor(values);
}

at::Tensor Random(at::IntArrayRef shape, int64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(static_cast<uint64_t>(seed));
  return at::randn(shape, generator);
}

std::unique_ptr<Fp8Linear> Layer(const at::Tensor& weight, const at::Tensor& bias, bool per_token,
                                 bool per_channel = true) {
  return Fp8Linear::Create(QuantizeWeightsToFp8(weight, per_channel).value(), bias, per_token).value();
}

TEST(Fp8WeightsTest, EachWeightIsTheNearestValueOfTheFormat) {
  const at::Tensor values = AllFp8Values();
  for (const bool per_channel : {true, false}) {
    const at::Tensor weight = Random({12, 40}, 1) * at::logspace(-4, 3, 12).unsqueeze(1);
    const Fp8Weights fp8 = QuantizeWeightsToFp8(weight, per_channel).value();
    ASSERT_EQ(fp8.scale.size(0), per_channel ? 12 : 1);
    const at::Tensor largest = per_channel ? weight.abs().amax(1) : weight.abs().amax().reshape({1});
    EXPECT_TRUE(at::allclose(fp8.scale, largest / 448, 1e-6, 0));
    const at::Tensor scaled = (weight / fp8.scale.unsqueeze(1)).unsqueeze(2);
    const at::Tensor nearest = (scaled - values).abs().amin(2);
    const at::Tensor error = (scaled.squeeze(2) - fp8.values.to(at::kFloat)).abs();
    EXPECT_TRUE(at::allclose(error, nearest, 1e-3, 1e-4));
  }
}

TEST(Fp8WeightsTest, ABrokenCheckpointIsRefused) {
  at::Tensor weight = Random({4, 8}, 1);
  weight[1][2] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(std::string(QuantizeWeightsToFp8(weight, true).status().message()), HasSubstr("infinity"));
}

// at::_scaled_mm is LibTorch's own product of FP8 matrices, with a scale for each row or for each matrix.
TEST(Fp8LinearTest, EqualsLibTorchsScaledProduct) {
  for (const bool per_token : {true, false}) {
    for (const int64_t rows : {1, 7, 64}) {
      const at::Tensor x = Random({rows, 96}, 2) * 3, weight = Random({32, 96}, 3), bias = Random({32}, 4);
      const Fp8Weights fp8 = QuantizeWeightsToFp8(weight, true).value();
      const at::Tensor scale =
          per_token ? x.abs().amax(1) / 448 : (x.abs().amax() / 448).expand({rows}).contiguous();
      const at::Tensor bytes =
          (x * scale.reciprocal().unsqueeze(1)).clamp(-448, 448).to(at::kFloat8_e4m3fn).contiguous();
      const at::Tensor expected =
          at::_scaled_mm(bytes, fp8.values.t(), scale.unsqueeze(1), fp8.scale.unsqueeze(0), std::nullopt,
                         std::nullopt, at::kFloat) +
          bias;
      const at::Tensor y = Layer(weight, bias, per_token)->Forward(x);
      EXPECT_TRUE(at::allclose(y, expected, 1e-5, 1e-5)) << per_token << " " << rows;
      // And FP8 it is: three bits of mantissa keep a product of 96 terms within some percent.
      const at::Tensor exact = at::linear(x, weight, bias);
      const double distance = ((y - exact).norm() / exact.norm()).item<double>();
      EXPECT_GT(distance, 0.005);
      EXPECT_LT(distance, 0.06);
    }
  }
}

TEST(Fp8LinearTest, LayersTogetherAndIntoEachOtherEqualOneAfterTheOther) {
  const auto a = Layer(Random({16, 24}, 1), Random({16}, 2), true),
             b = Layer(Random({8, 24}, 3), Random({8}, 4), true), c = Layer(Random({8, 16}, 5), {}, true);
  const at::Tensor x = Random({2, 5, 24}, 6);
  const auto together = a->ForwardTogether(x, {b.get()});
  EXPECT_TRUE(at::equal(together[0], a->Forward(x)));
  EXPECT_TRUE(at::equal(together[1], b->Forward(x)));
  EXPECT_EQ(together[1].sizes(), at::IntArrayRef({2, 5, 8}));
  const at::Tensor into = a->ForwardInto(x, Activation::kGelu, *c);
  EXPECT_TRUE(at::equal(into, c->Forward(Activate(Activation::kGelu, a->Forward(x)))));
  EXPECT_EQ(a->Forward(x.slice(1, 0, 0)).sizes(), at::IntArrayRef({2, 0, 16}));
}

TEST(Fp8LinearTest, ARowWithoutANumberSpoilsOnlyItselfAndZerosAreZeros) {
  at::Tensor x = Random({4, 16}, 1);
  x[1][3] = std::numeric_limits<float>::quiet_NaN();
  x[2][0] = -std::numeric_limits<float>::infinity();
  x[3].zero_();
  const at::Tensor bias = Random({8}, 2);
  const at::Tensor y = Layer(Random({8, 16}, 3), bias, true)->Forward(x);
  EXPECT_TRUE(at::isfinite(y[0]).all().item<bool>());
  EXPECT_TRUE(at::isnan(y.slice(0, 1, 3)).all().item<bool>());
  EXPECT_TRUE(at::equal(y[3], bias));
  EXPECT_TRUE(at::isnan(Layer(Random({8, 16}, 3), bias, false)->Forward(x)).all().item<bool>());
}

TEST(Fp8LinearTest, SaysWhatRunsAndWhy) {
  const auto layer = Layer(Random({8, 16}, 1), {}, true, false);
  const LayerPrecision precision = layer->precision();
  EXPECT_EQ(precision.requested, "fp8");
  EXPECT_EQ(precision.effective, "fp32");
  EXPECT_FALSE(precision.reason.empty());
  EXPECT_EQ(std::get<std::string>(layer->options().at("weight_granularity")), "per_tensor");
  EXPECT_EQ(layer->tensors().count("bias"), 0u);
}

TEST(Fp8LinearTest, WrongTensorsAreRefusedByName) {
  const Fp8Weights good = QuantizeWeightsToFp8(Random({8, 16}, 1), true).value();
  const auto error = [](const Fp8Weights& weights, const at::Tensor& bias) {
    return std::string(Fp8Linear::Create(weights, bias, true).status().message());
  };
  EXPECT_THAT(error({good.values.to(at::kFloat), good.scale}, {}),
              HasSubstr("weight_fp8 must be float8_e4m3fn"));
  EXPECT_THAT(error({good.values, good.scale.slice(0, 0, 3)}, {}),
              HasSubstr("weight_scale must be float [1] or [8]"));
  EXPECT_THAT(error({good.values, at::zeros({8})}, {}), HasSubstr("not positive and finite"));
  EXPECT_THAT(error(good, at::zeros({3})), HasSubstr("bias must be float [8]"));
  at::Tensor bytes = good.values.clone().view(at::kByte);
  bytes[0][0] = 0x7f;
  EXPECT_THAT(error({bytes.view(at::kFloat8_e4m3fn), good.scale}, {}), HasSubstr("NaN"));
}

}  // namespace
}  // namespace quantlab::engine
