// Holds GPTQ to what Intel Neural Compressor computed (tests/golden/make_gptq_golden.py), and to what it is
// for.
#include "worker/engine/calibration/gptq.h"

#include <limits>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "worker/engine/tensors/safetensors.h"

namespace quantlab::engine {
namespace {

using ::testing::HasSubstr;

at::Tensor Normal(at::IntArrayRef shape, uint64_t seed) {
  return at::empty(shape, at::kFloat).normal_(0, 1, at::detail::createCPUGenerator(seed));
}

at::Tensor HessianOf(const at::Tensor& inputs) {
  Hessian hessian;
  hessian.Add(inputs);
  return hessian.Matrix();
}

// Inputs that depend on each other, as activations do: [rows, in].
at::Tensor CorrelatedInputs(int64_t rows, int64_t in, uint64_t seed) {
  return at::mm(Normal({rows, in}, seed), Normal({in, in}, seed + 1) / 4 + at::eye(in));
}

// Mean over the inputs of the squared error in the output.
double ErrorOn(const at::Tensor& inputs, const at::Tensor& weight, const GridWeights& rounded,
               const GridOptions& grid) {
  const at::Tensor error = weight - Dequantize(rounded, grid.group_size, grid.bf16_scales);
  return at::mm(inputs, error.t()).square().sum(1).mean().item<double>();
}

TEST(GptqGoldenTest, EveryIntegerEqualsTheReferences) {
  const auto file = SafetensorsFile::Open(QUANTLAB_SOURCE_DIR "/tests/golden/gptq.safetensors");
  ASSERT_TRUE(file.ok()) << file.status();
  const TensorMap tensors = file->GetAll().value();
  const auto cases = nlohmann::json::parse(file->metadata().at("cases"));
  ASSERT_GE(cases.size(), 48u);
  for (const auto& c : cases) {
    const std::string layer = c["layer"], name = c["name"];
    GptqOptions options;
    options.grid = {c["bits"], c["group"], c["symmetric"], false};
    options.damping = c["damping"];
    options.activation_order = c["activation_order"];
    const at::Tensor x = tensors.at(layer + ".inputs").to(at::kDouble);
    const auto rounded = Gptq(tensors.at(name + ".weight"), at::mm(x.t(), x), options);
    ASSERT_TRUE(rounded.ok()) << rounded.status();
    EXPECT_TRUE(at::equal(rounded->quantized, tensors.at(name + ".integers"))) << c;
    EXPECT_TRUE(at::allclose(rounded->scale, tensors.at(name + ".scale"), 1e-5, 0)) << c;
    EXPECT_EQ(rounded->zero_point.defined(), !c["symmetric"].get<bool>());
    if (rounded->zero_point.defined()) {
      EXPECT_TRUE(at::equal(rounded->zero_point, tensors.at(name + ".zero_point"))) << c;
    }
  }
}

TEST(GptqTest, BeatsRoundToNearestOnTheCalibrationInputs) {
  for (const bool symmetric : {false, true}) {
    for (const bool order : {false, true}) {
      for (const int64_t group : {int64_t{32}, int64_t{64}, int64_t{256}, int64_t{0}}) {
        const at::Tensor weight = Normal({40, 300}, 1), inputs = CorrelatedInputs(1000, 300, 2);
        GptqOptions options;
        options.grid = {4, group, symmetric, true};
        options.activation_order = order;
        const double gptq =
            ErrorOn(inputs, weight, Gptq(weight, HessianOf(inputs), options).value(), options.grid);
        const double nearest =
            ErrorOn(inputs, weight, RoundToNearest(weight, options.grid).value(), options.grid);
        EXPECT_LT(gptq, 0.7 * nearest)
            << "group " << group << " symmetric " << symmetric << " order " << order;
      }
    }
  }
}

TEST(GptqTest, WithIndependentInputsItRoundsToNearest) {
  const at::Tensor weight = Normal({12, 100}, 3);
  const at::Tensor hessian = at::diag(Normal({100}, 4).square() + 0.1).to(at::kDouble);
  for (const bool order : {false, true}) {
    GptqOptions options;
    options.grid = {4, 32, false, true};
    options.activation_order = order;
    const GridWeights gptq = Gptq(weight, hessian, options).value();
    const GridWeights nearest = RoundToNearest(weight, options.grid).value();
    EXPECT_TRUE(at::equal(gptq.quantized, nearest.quantized));
    EXPECT_TRUE(at::equal(gptq.scale, nearest.scale));
    EXPECT_TRUE(at::equal(gptq.zero_point, nearest.zero_point));
  }
}

// Two inputs, one output, on a grid of whole numbers, by hand: H = [[2, 1], [1, 2]]. The first weight loses
// 0.4; the second makes up for it by 0.4 * H01 / H11 = 0.2 and is 1.55 then, where 1.35 would round to 1.
TEST(GptqTest, TheWorkedExample) {
  const at::Tensor weight = at::tensor({2.4, 1.35, 7.5, -7.5}).reshape({1, 4});
  at::Tensor hessian = at::eye(4, at::kDouble) * 2;
  hessian[0][1] = hessian[1][0] = 1;
  GptqOptions options;
  options.grid = {4, 4, true, false};
  options.damping = 0;
  const GridWeights rounded = Gptq(weight, hessian, options).value();
  EXPECT_TRUE(at::equal(rounded.scale, at::ones({1, 1})));
  EXPECT_TRUE(at::equal(rounded.quantized.slice(1, 0, 2), at::tensor({2, 2}, at::kChar).reshape({1, 2})));
}

TEST(GptqTest, TheLengthOfABlockChangesNothing) {
  const at::Tensor weight = Normal({20, 200}, 5), hessian = HessianOf(CorrelatedInputs(600, 200, 6));
  GptqOptions options;
  options.grid = {4, 32, false, true};
  const GridWeights usual = Gptq(weight, hessian, options).value();
  for (const int64_t block : {1, 64, 1000}) {
    options.block = block;
    EXPECT_TRUE(at::equal(Gptq(weight, hessian, options).value().quantized, usual.quantized)) << block;
  }
}

TEST(GptqTest, ADeadInputIsRoundedToNearest) {
  const at::Tensor weight = Normal({10, 64}, 7);
  at::Tensor inputs = CorrelatedInputs(300, 64, 8);
  inputs.select(1, 0).zero_();
  inputs.select(1, 40).zero_();
  GptqOptions options;
  options.grid = {4, 0, true, true};
  const GridWeights gptq = Gptq(weight, HessianOf(inputs), options).value();
  const GridWeights nearest = RoundToNearest(weight, options.grid).value();
  for (const int64_t dead : {0, 40}) {
    EXPECT_TRUE(at::equal(gptq.quantized.select(1, dead), nearest.quantized.select(1, dead))) << dead;
  }
  EXPECT_LT(ErrorOn(inputs, weight, gptq, options.grid), ErrorOn(inputs, weight, nearest, options.grid));
  EXPECT_TRUE(Gptq(weight, at::zeros({64, 64}, at::kDouble), options).ok()) << "all of them dead";
}

TEST(GptqTest, FewerTextsThanInputsAreEnough) {
  const at::Tensor weight = Normal({8, 128}, 9), inputs = CorrelatedInputs(5, 128, 10);
  GptqOptions options;
  options.damping = 1e-6;
  const auto rounded = Gptq(weight, HessianOf(inputs), options);
  ASSERT_TRUE(rounded.ok()) << rounded.status();
  EXPECT_LT(ErrorOn(inputs, weight, *rounded, options.grid),
            ErrorOn(inputs, weight, RoundToNearest(weight, options.grid).value(), options.grid));
}

TEST(GptqTest, RefusesWhatCannotBeRounded) {
  const at::Tensor weight = at::ones({2, 3}), hessian = at::eye(3, at::kDouble);
  const auto message = [](const at::Tensor& w, const at::Tensor& h) {
    return std::string(Gptq(w, h, {}).status().message());
  };
  EXPECT_THAT(message(weight / 0, hessian), HasSubstr("checkpoint is broken"));
  EXPECT_THAT(message(weight, hessian / 0), HasSubstr("calibration input"));
  EXPECT_THAT(message(weight, at::eye(4, at::kDouble)), HasSubstr("[3, 3]"));
  EXPECT_THAT(message(weight, -hessian), HasSubstr("positive definite"));
  EXPECT_THAT(message(at::ones({3}), hessian), HasSubstr("[out, in]"));
}

TEST(HessianTest, IsTheMeanOverAllInputs) {
  const at::Tensor inputs = Normal({30, 6}, 11);
  Hessian parts;
  EXPECT_FALSE(parts.Matrix().defined());
  parts.Add(inputs.slice(0, 0, 7));
  parts.Add(inputs.slice(0, 7).reshape({1, 23, 6}));
  EXPECT_EQ(parts.rows(), 30);
  const at::Tensor x = inputs.to(at::kDouble);
  EXPECT_TRUE(at::allclose(parts.Matrix(), at::mm(x.t(), x) / 15, 1e-5, 1e-5));
}

TEST(OutputErrorTest, IsTheErrorOverTheInputs) {
  const at::Tensor weight = Normal({9, 32}, 12), inputs = CorrelatedInputs(50, 32, 13);
  const GridOptions grid{4, 32, true, false};
  const GridWeights rounded = RoundToNearest(weight, grid).value();
  const double expected = ErrorOn(inputs, weight, rounded, grid);
  EXPECT_NEAR(OutputError(weight, Dequantize(rounded, 32, false), HessianOf(inputs)), expected,
              1e-4 * expected);
}

TEST(WeightGridTest, CoversTheRangeOfEachGroup) {
  const at::Tensor weight = at::cat({Normal({7, 50}, 14), Normal({7, 50}, 15) * 100 + 50}, 1);
  for (const bool symmetric : {false, true}) {
    for (const bool bf16 : {false, true}) {
      const GridOptions grid{4, 50, symmetric, bf16};
      const GridWeights rounded = RoundToNearest(weight, grid).value();
      const at::Tensor error = (Dequantize(rounded, 50, bf16) - weight).abs();
      const at::Tensor step = rounded.scale.repeat_interleave(50, 1);
      // Half a step; a symmetric grid lacks the upper half of its last one; BF16 has eight bits.
      EXPECT_LE((error / step).max().item<float>(), (bf16 ? 0.56 : 0.501)) << symmetric;
      if (bf16) {
        EXPECT_TRUE(at::equal(rounded.scale, rounded.scale.to(at::kBFloat16).to(at::kFloat)));
      }
    }
  }
}

TEST(WeightGridTest, WeightsOfZeroStayZero) {
  for (const bool symmetric : {false, true}) {
    const GridWeights rounded = RoundToNearest(at::zeros({2, 5}), {4, 2, symmetric, false}).value();
    EXPECT_LT(Dequantize(rounded, 2, false).abs().max().item<float>(), 1e-6);
    EXPECT_EQ(rounded.scale.sizes(), (std::vector<int64_t>{2, 3}));
  }
}

}  // namespace
}  // namespace quantlab::engine
