// What INT8 layers do together: bytes handed on must mean the same as floats handed on.
#include "worker/engine/layers/int8_linear.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/messages/message_catalogue.h"
#include "worker/engine/layers/activation.h"
#include "worker/engine/layers/dynamic_int8_linear.h"
#include "worker/engine/layers/half_linear.h"
#include "worker/engine/layers/static_int8_linear.h"
#include "worker/engine/models/random_encoder.h"

namespace quantlab::engine {
namespace {

at::Tensor Random(at::IntArrayRef shape, double scale = 1) {
  return at::randn(shape, at::kFloat) * scale;
}

std::unique_ptr<Linear> Static(int64_t in, int64_t out, const StaticInput& input, int bits = 8) {
  const Int8Weights weights = QuantizeWeights(Random({out, in}, 0.1), true, bits).value();
  return StaticInt8Linear::Create(weights, bits, Random({out}), input).value();
}

std::unique_ptr<Linear> Dynamic(int64_t in, int64_t out) {
  return DynamicInt8Linear::Create(QuantizeWeights(Random({out, in}, 0.1), true).value(), Random({out}), {})
      .value();
}

class Int8LinearTest : public ::testing::Test {
 protected:
  Int8LinearTest() { at::manual_seed(3); }
  StaticInput input_{{0.03f, 120}, {}};
};

TEST_F(Int8LinearTest, HandingBytesOnEqualsHandingFloatsOn) {
  const auto first = Static(40, 96, input_), second = Static(96, 24, {{0.02f, 3}, {}});
  const auto dynamic = Dynamic(40, 96), last = Dynamic(96, 24);
  // One row, a few, and more than a block for each thread; a width with and without full vectors.
  for (const int64_t rows : {1, 5, 63, 64, 200, 300}) {
    const at::Tensor x = Random({rows, 40});
    for (const auto& [a, b] : {std::pair{first.get(), second.get()},
                               {dynamic.get(), last.get()},
                               {first.get(), last.get()},
                               {dynamic.get(), second.get()}}) {
      const at::Tensor apart = b->Forward(Activate(Activation::kGelu, a->Forward(x)));
      EXPECT_TRUE(at::equal(a->ForwardInto(x, Activation::kGelu, *b), apart)) << rows;
    }
  }
}

TEST_F(Int8LinearTest, ARowIsTheSameInHalfPrecisionHoweverManyThereAre) {
  const auto first = Static(40, 70, input_), second = Static(70, 24, {{0.02f, 3}, {}});
  const at::Tensor x = Random({300, 40}).to(at::kBFloat16);
  const at::Tensor all = first->ForwardInto(x, Activation::kGelu, *second);
  EXPECT_EQ(all.scalar_type(), at::kBFloat16);
  for (const int64_t row : {0, 77, 299}) {
    const at::Tensor one = first->ForwardInto(x.narrow(0, row, 1), Activation::kGelu, *second);
    EXPECT_TRUE(at::equal(one, all.narrow(0, row, 1))) << row;
  }
}

TEST_F(Int8LinearTest, SharedInputsEqualSingleOnes) {
  StaticInput smooth = input_;
  smooth.smoothing = at::rand({40}) + 0.5;
  const auto a = Static(40, 33, input_), b = Static(40, 64, input_), c = Static(40, 8, smooth),
             d = Dynamic(40, 12);
  for (const int64_t rows : {1, 7, 150}) {
    const at::Tensor x = Random({rows, 40});
    const std::vector<const Linear*> others = {b.get(), c.get(), d.get()};
    const std::vector<at::Tensor> together = a->ForwardTogether(x, others);
    ASSERT_EQ(together.size(), 4u);
    EXPECT_TRUE(at::equal(together[0], a->Forward(x)));
    for (size_t i = 0; i < others.size(); ++i) EXPECT_TRUE(at::equal(together[i + 1], others[i]->Forward(x)));
    EXPECT_TRUE(at::equal(a->ForwardTogether(x, {b.get()})[1], b->Forward(x)));
  }
}

TEST_F(Int8LinearTest, AtenGivesTheSameBits) {
  StaticInput smooth = input_;
  smooth.smoothing = at::rand({40}) + 0.5;
  for (const StaticInput& input : {input_, smooth}) {
    const auto layer = Static(40, 24, input);
    const at::Tensor x = Random({19, 40});
    EXPECT_TRUE(at::equal(dynamic_cast<const Int8Linear&>(*layer).ForwardAten(x), layer->Forward(x)));
  }
}

TEST_F(Int8LinearTest, ABrokenRowSaysSoAndLeavesTheOthersAlone) {
  const auto layer = Static(40, 24, input_);
  at::Tensor x = Random({3, 40});
  const at::Tensor before = layer->Forward(x);
  x[1][7] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor after = layer->Forward(x);
  EXPECT_TRUE(after[1].isnan().all().item<bool>());
  EXPECT_TRUE(at::equal(after[0], before[0]));
  EXPECT_TRUE(at::equal(after[2], before[2]));
}

TEST_F(Int8LinearTest, FourBitWeightsTakeHalfTheBytes) {
  const auto eight = Static(40, 24, input_), four = Static(40, 24, input_, 4);
  EXPECT_EQ(eight->tensors().at("weight_int8").nbytes(), 40u * 24);
  EXPECT_EQ(four->tensors().at("weight_int4").nbytes(), 40u * 24 / 2);
  EXPECT_EQ(four->tensors().count("weight_int8"), 0u);
}

TEST_F(Int8LinearTest, RefusesBrokenInputs) {
  const Int8Weights weights = QuantizeWeights(Random({4, 8}), true).value();
  const auto refused = [&](const Int8Weights& w, int bits, const StaticInput& input) {
    return absl::IsInvalidArgument(StaticInt8Linear::Create(w, bits, {}, input).status());
  };
  EXPECT_TRUE(refused(weights, 8, {{0.0f, 3}, {}}));
  EXPECT_TRUE(refused(weights, 8, {{std::numeric_limits<float>::quiet_NaN(), 3}, {}}));
  EXPECT_TRUE(refused(weights, 8, {{0.1f, 256}, {}}));
  EXPECT_TRUE(refused(weights, 8, {{0.1f, -1}, {}}));
  EXPECT_TRUE(refused(weights, 8, {{0.1f, 3}, at::zeros({8})}));
  EXPECT_TRUE(refused(weights, 8, {{0.1f, 3}, at::ones({7})}));
  EXPECT_TRUE(refused(weights, 4, {{0.1f, 3}, {}})) << "8-bit weights do not fit 4 bits";
  EXPECT_TRUE(refused(weights, 9, {{0.1f, 3}, {}}));
}

TEST(HalfLinearTest, RoundsAsTheDtypeDoes) {
  at::manual_seed(1);
  const at::Tensor weight = Random({24, 40}), bias = Random({24}), x = Random({9, 40});
  const auto layer = HalfLinear::Create(weight, bias, at::kBFloat16).value();
  const at::Tensor expected = at::linear(x, weight, bias);
  EXPECT_LT((layer->Forward(x) - expected).abs().max().item<float>(),
            0.03f * expected.abs().max().item<float>());
  EXPECT_EQ(layer->Forward(x).scalar_type(), at::kFloat);
  EXPECT_EQ(layer->Forward(x.to(at::kBFloat16)).scalar_type(), at::kBFloat16);
}

TEST(HalfLinearTest, SaysWhatTheMachineCannotDo) {
  const auto layer = HalfLinear::Create(at::ones({2, 4}), {}, at::kHalf).value();
  const LayerPrecision precision = layer->precision();
  EXPECT_EQ(precision.requested, "fp16");
  if (WhyNotHalf(at::kHalf, at::kCPU).empty()) {
    EXPECT_EQ(precision.effective, "fp16");
  } else {
    EXPECT_EQ(precision.effective, "fp32");
    EXPECT_THAT(English(precision.reason), ::testing::HasSubstr("FP16"));
  }
}

TEST(HalfLinearTest, RefusesWhatFp16CannotHold) {
  const auto layer = HalfLinear::Create(at::full({2, 4}, 1e6f), {}, at::kHalf);
  EXPECT_THAT(std::string(layer.status().message()), ::testing::HasSubstr("65504"));
  EXPECT_TRUE(HalfLinear::Create(at::full({2, 4}, 1e6f), {}, at::kBFloat16).ok());
}

}  // namespace
}  // namespace quantlab::engine
