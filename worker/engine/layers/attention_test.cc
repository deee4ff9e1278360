#include "worker/engine/layers/attention.h"

#include <array>
#include <vector>

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

constexpr int64_t kHeads = 3, kWidth = 48;

// The result and the gradients of q, k and v for a fixed gradient of the result, as FP32.
std::vector<at::Tensor> ForwardAndBackward(at::ScalarType dtype, const std::vector<SequenceGroup>& groups,
                                           bool first_only) {
  int64_t tokens = 0, texts = 0;
  for (const SequenceGroup& group : groups) {
    tokens += group.texts * group.length;
    texts += group.texts;
  }
  at::manual_seed(7);
  std::vector<at::Tensor> inputs;
  for (const int64_t rows : {first_only ? texts : tokens, tokens, tokens}) {
    inputs.push_back(at::randn({rows, kWidth}).to(dtype).set_requires_grad(true));
  }
  AttentionOptions options;
  options.heads = kHeads;
  options.training = true;
  options.first_only = first_only;
  const at::Tensor result = Attention(inputs[0], inputs[1], inputs[2], groups, options);
  result.backward(at::randn(result.sizes()).to(dtype));
  std::vector<at::Tensor> all = {result.detach().to(at::kFloat)};
  for (const at::Tensor& input : inputs) all.push_back(input.grad().to(at::kFloat));
  return all;
}

double RelativeError(const at::Tensor& got, const at::Tensor& want) {
  return ((got - want).norm() / want.norm()).item<double>();
}

// In BF16 with gradients attention is computed otherwise than in FP32.
TEST(AttentionTest, GradientsInBf16AreThoseOfFp32) {
  const at::AutoGradMode gradients(true);
  const std::vector<std::vector<SequenceGroup>> cases = {{{4, 9}}, {{1, 1}}, {{2, 5}, {1, 17}, {3, 33}}};
  for (const std::vector<SequenceGroup>& groups : cases) {
    for (const bool first_only : {false, true}) {
      const auto want = ForwardAndBackward(at::kFloat, groups, first_only);
      const auto got = ForwardAndBackward(at::kBFloat16, groups, first_only);
      for (size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(got[i].sizes(), want[i].sizes());
        // Of one token the probability is 1 whatever q and k are: their gradients are rounding errors.
        if (want[i].norm().item<double>() < 1e-3) continue;
        EXPECT_LT(RelativeError(got[i], want[i]), 0.02)
            << "tensor " << i << " of " << groups.size() << " groups";
      }
    }
  }
}

}  // namespace
}  // namespace quantlab::engine
