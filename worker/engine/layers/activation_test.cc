#include "worker/engine/layers/activation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "worker/engine/layers/half_linear.h"
#include "worker/engine/layers/packed_product.h"

namespace quantlab::engine {
namespace {

constexpr Activation kAll[] = {Activation::kGelu,        Activation::kGeluTanh,  Activation::kGeluClipped,
                               Activation::kQuickGelu,   Activation::kRelu,      Activation::kRelu6,
                               Activation::kReluSquared, Activation::kLeakyRelu, Activation::kSilu,
                               Activation::kHardswish,   Activation::kMish,      Activation::kLaplace,
                               Activation::kTanh,        Activation::kSigmoid,   Activation::kLinear};

TEST(ActivateInPlaceTest, GivesTheSameBitsForEveryActivationAndWidth) {
  const at::NoGradGuard no_grad;
  for (const Activation activation : kAll) {
    for (const int64_t width : {64, 50}) {
      for (const int64_t rows : {1, 3, 700}) {
        const at::Tensor x = at::randn({rows, width});
        const at::Tensor expected = Activate(activation, x);
        EXPECT_TRUE(at::equal(ActivateInPlace(activation, x.clone()), expected))
            << static_cast<int>(activation) << " " << rows << " x " << width;
      }
    }
  }
}

TEST(ActivateInPlaceTest, WritesOverItsInputOnlyWithoutGradients) {
  at::Tensor x = at::randn({4, 32}), trained = at::randn({4, 32}).requires_grad_();
  {
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(ActivateInPlace(Activation::kGelu, x).is_same(x));
  }
  const at::Tensor before = trained.detach().clone();
  ActivateInPlace(Activation::kGelu, trained).sum().backward();
  EXPECT_TRUE(at::equal(trained.detach(), before));
  EXPECT_TRUE(trained.grad().defined());
}

TEST(PackedProductTest, AppliesTheActivationOfTheModel) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = at::randn({37, 48}), weight = at::randn({96, 48}), bias = at::randn({96});
  at::Tensor packed;
  try {
    packed = PackWeight(weight, 37);
  } catch (const std::exception& e) {
    GTEST_SKIP() << e.what();
  }
  const at::Tensor product = at::linear(x, weight, bias);
  for (const Activation activation : kAll) {
    if (!IsFused(activation)) continue;
    const at::Tensor difference = PackedProduct(x, packed, bias, activation) - Activate(activation, product);
    EXPECT_LT(difference.abs().max().item<float>(), 2e-5) << static_cast<int>(activation);
  }
  EXPECT_TRUE(IsFused(Activation::kGelu));
  EXPECT_ANY_THROW(PackedProduct(x, packed, bias, Activation::kMish));
}

TEST(HalfLinearTest, PackedWeightsComputeWhatLibTorchComputes) {
  const at::NoGradGuard no_grad;
  const at::Tensor weight = at::randn({64, 96}) / 10, bias = at::randn({64});
  const auto layer = HalfLinear::Create(weight, bias, at::kBFloat16).value();
  for (const int64_t rows : {1, 5, 130}) {
    const at::Tensor x = at::randn({rows, 96});
    // The same products of BF16 numbers, summed in double.
    const at::Tensor exact =
        at::linear(x.to(at::kBFloat16).to(at::kDouble), weight.to(at::kBFloat16).to(at::kDouble),
                   bias.to(at::kBFloat16).to(at::kDouble));
    const at::Tensor error = (layer->Forward(x).to(at::kDouble) - exact).abs();
    // Half a unit in the last of BF16's 8 places, and what summing in FP32 adds.
    EXPECT_TRUE((error <= exact.abs() * (1.0 / 256) + 1e-3).all().item<bool>()) << rows;
  }
  EXPECT_TRUE(at::equal(layer->tensors().at("weight"), weight.to(at::kBFloat16)));
}

}  // namespace
}  // namespace quantlab::engine
