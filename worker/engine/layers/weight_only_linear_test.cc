#include "worker/engine/layers/weight_only_linear.h"

#include <limits>
#include <set>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/messages/message_catalogue.h"
#include "worker/engine/layers/int4_packing.h"
#include "worker/engine/layers/weight_grid.h"

namespace quantlab::engine {
namespace {

using ::testing::HasSubstr;

// How a layer is made: INT8, or INT4 in groups.
struct Shape {
  int64_t out, in, group;  // group 0: INT8
  bool symmetric;
};

std::vector<Shape> Shapes() {
  std::vector<Shape> shapes;
  for (const auto& [out, in] : std::vector<std::pair<int64_t, int64_t>>{
           {2, 384}, {3, 40}, {16, 33}, {48, 64}, {64, 96}, {70, 200}, {129, 320}, {1, 2}}) {
    shapes.push_back({out, in, 0, true});
    for (const int64_t group : {32, 64, 128, 256}) {
      for (const bool symmetric : {false, true}) shapes.push_back({out, in, group, symmetric});
    }
  }
  return shapes;
}

std::string Name(const Shape& s) {
  return std::to_string(s.out) + " x " + std::to_string(s.in) + ", groups of " + std::to_string(s.group) +
         (s.symmetric ? ", symmetric" : "");
}

Int4GroupWeights Int4(const at::Tensor& weight, int64_t group, bool symmetric) {
  const GridWeights rounded = RoundToNearest(weight, {4, group, symmetric, true}).value();
  return {PackInt4(rounded.quantized), rounded.scale.to(at::kBFloat16), rounded.zero_point};
}

std::unique_ptr<WeightOnlyLinear> MakeLayer(const Shape& s, const at::Tensor& bias) {
  const at::Tensor weight = at::randn({s.out, s.in}) * 0.1;
  if (s.group != 0) {
    return Int4WeightOnlyLinear::Create(Int4(weight, s.group, s.symmetric), s.in, s.group, bias).value();
  }
  const GridWeights rounded = RoundToNearest(weight, {8, 0, true, false}).value();
  return Int8WeightOnlyLinear::Create({rounded.quantized, rounded.scale.squeeze(1)}, bias).value();
}

std::unique_ptr<Linear> Load(const Linear& layer, std::map<std::string, at::Tensor> tensors) {
  LayerPlan plan{"l", layer.kind(), layer.in_features(), layer.out_features(), layer.options(), "", "", {}};
  TensorMap stored;
  for (const auto& [role, tensor] : tensors) {
    plan.tensors[role] = "l." + role;
    stored["l." + role] = tensor;
  }
  Weights weights(stored, "file");
  auto loaded = FindLayerKind(layer.kind())->load(plan, weights);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(weights.CheckAllTaken().ok());
  return loaded.ok() ? *std::move(loaded) : nullptr;
}

class WeightOnlyLinearTest : public ::testing::Test {
 protected:
  WeightOnlyLinearTest() {
    at::manual_seed(1);
    at::set_num_threads(1);  // for such small layers
  }
  ~WeightOnlyLinearTest() override { at::set_num_threads(threads_); }

 private:
  const int threads_ = at::get_num_threads();
};

TEST_F(WeightOnlyLinearTest, ComputesWithTheDequantizedWeights) {
  for (const Shape& s : Shapes()) {
    const auto layer = MakeLayer(s, at::randn({s.out}));
    const at::Tensor x = at::randn({9, s.in});
    // What the BF16 kernel is given: activations of BF16.
    const at::Tensor rounded = x.to(at::kBFloat16).to(at::kDouble);
    const at::Tensor product = at::mm(rounded, layer->DequantizedWeight().t().to(at::kDouble));
    const at::Tensor expected = product + layer->tensors().at("bias").to(at::kDouble);
    const at::Tensor terms = at::mm(rounded.abs(), layer->DequantizedWeight().abs().t().to(at::kDouble));
    // FP32 sums; the BF16 kernel rounds INT4 weights to its eight bits.
    const bool rounds = s.group != 0 && WeightGemmUsesBf16();
    const at::Tensor allowed = terms * (rounds ? 1.0 / 256 : 1e-5) + 1e-6;
    const at::Tensor error = (layer->Forward(x.to(at::kBFloat16).to(at::kFloat)) - expected).abs();
    EXPECT_TRUE((error <= allowed).all().item<bool>()) << Name(s) << (error / allowed).max();
    EXPECT_TRUE(
        at::allclose(layer->ForwardDequantized(x.to(at::kBFloat16)).to(at::kDouble), expected, 0.01, 0.01))
        << Name(s);
  }
}

TEST_F(WeightOnlyLinearTest, ThreadsAndNeighboursDoNotChangeABit) {
  for (const Shape& s : Shapes()) {
    const auto layer = MakeLayer(s, at::randn({s.out}));
    const at::Tensor x = at::randn({83, s.in});
    at::set_num_threads(1);
    const at::Tensor one = layer->Forward(x);
    at::set_num_threads(3);
    EXPECT_TRUE(at::equal(layer->Forward(x), one)) << Name(s);
    for (const int64_t rows : {1, 2, 3, 4, 5, 16, 33}) {
      for (const int64_t first : {0, 1, 50}) {
        EXPECT_TRUE(
            at::equal(layer->Forward(x.slice(0, first, first + rows)), one.slice(0, first, first + rows)))
            << Name(s) << ": " << rows << " rows from " << first;
      }
    }
    EXPECT_TRUE(at::equal(layer->Forward(x.flip(0)).flip(0), one)) << Name(s);
  }
}

TEST_F(WeightOnlyLinearTest, WhatIsSavedIsWhatWasGivenAndMakesTheSameLayer) {
  for (const Shape& s : Shapes()) {
    for (const bool with_bias : {true, false}) {
      const auto layer = MakeLayer(s, with_bias ? at::randn({s.out}) : at::Tensor());
      const auto tensors = layer->tensors();
      const auto again = Load(*layer, tensors);
      ASSERT_NE(again, nullptr) << Name(s);
      const at::Tensor x = at::randn({5, s.in});
      EXPECT_TRUE(at::equal(again->Forward(x), layer->Forward(x))) << Name(s);
      EXPECT_EQ(again->options(), layer->options());
      const auto second = again->tensors();
      EXPECT_EQ(second.size(), tensors.size());
      for (const auto& [role, tensor] : tensors) EXPECT_TRUE(at::equal(second.at(role), tensor)) << role;
      EXPECT_EQ(tensors.count("bias"), with_bias ? 1u : 0u);
    }
  }
}

TEST_F(WeightOnlyLinearTest, TheKernelsLayoutIsUndoneToTheBit) {
  for (const auto& [out, in] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {64, 512}, {100, 131}, {530, 64}}) {
    const at::Tensor packed = PackInt4(at::randint(-8, 8, {out, in}, at::TensorOptions(at::kChar)));
    const auto layer = Int4WeightOnlyLinear::Create(
        {packed, at::ones({out, (in + 31) / 32}, at::kBFloat16), {}}, in, 32, {});
    ASSERT_TRUE(layer.ok()) << layer.status();
    EXPECT_TRUE(at::equal((*layer)->tensors().at("weight_int4"), packed)) << out << " x " << in;
  }
}

TEST_F(WeightOnlyLinearTest, KeepsFourBitsWhereTheKernelsDoNotRun) {
  const auto layer = MakeLayer({16, 65, 32, false}, at::randn({16}));
  layer->To(at::Device(at::kMeta));
  const at::Tensor kept = layer->tensors().at("weight_int4");
  EXPECT_TRUE(kept.is_meta());
  EXPECT_EQ(kept.nbytes(), 16u * 33u);
}

TEST_F(WeightOnlyLinearTest, SaysWhatRuns) {
  for (const Shape& s : {Shape{16, 64, 64, false}, Shape{16, 64, 0, true}}) {
    const auto layer = MakeLayer(s, {});
    const LayerPrecision precision = layer->precision();
    EXPECT_EQ(precision.requested, layer->kind());
    EXPECT_EQ(precision.effective, layer->kind());
    EXPECT_THAT(precision.kernel, HasSubstr("quantlab::WeightGemm/"));
    EXPECT_TRUE(precision.reason.empty());
  }
}

TEST_F(WeightOnlyLinearTest, KeepsTheShapeAndTheTypeOfTheInput) {
  for (const int64_t group : {0, 32}) {
    const auto layer = MakeLayer({6, 10, group, true}, at::randn({6}));
    EXPECT_EQ(layer->Forward(at::randn({2, 3, 10})).sizes(), (std::vector<int64_t>{2, 3, 6}));
    EXPECT_EQ(layer->Forward(at::randn({10})).sizes(), (std::vector<int64_t>{6}));
    EXPECT_EQ(layer->Forward(at::randn({0, 10})).sizes(), (std::vector<int64_t>{0, 6}));
    const at::Tensor strided = at::randn({4, 21}).slice(1, 1, 21, 2);
    EXPECT_TRUE(at::equal(layer->Forward(strided), layer->Forward(strided.contiguous())));
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
      EXPECT_EQ(layer->Forward(at::randn({4, 10}).to(dtype)).scalar_type(), dtype);
    }
    EXPECT_ANY_THROW(layer->Forward(at::randn({2, 9})));
  }
}

TEST_F(WeightOnlyLinearTest, ABrokenActivationStaysVisibleInItsRow) {
  for (const int64_t group : {0, 32}) {
    const auto layer = MakeLayer({6, 10, group, false}, {});
    at::Tensor x = at::randn({3, 10});
    x[1][4] = std::numeric_limits<float>::quiet_NaN();
    const at::Tensor y = layer->Forward(x);
    EXPECT_TRUE(y[1].isnan().all().item<bool>());
    EXPECT_FALSE(y[0].isnan().any().item<bool>() || y[2].isnan().any().item<bool>());
  }
}

TEST_F(WeightOnlyLinearTest, RefusesWhatIsNoInt8Layer) {
  const at::Tensor q = at::zeros({4, 8}, at::kChar), scale = at::ones({4});
  const auto message = [](const Int8ChannelWeights& weights, const at::Tensor& bias) {
    return std::string(Int8WeightOnlyLinear::Create(weights, bias).status().message());
  };
  EXPECT_THAT(message({at::zeros({4, 8}), scale}, {}), HasSubstr("weight_int8 must be int8"));
  EXPECT_THAT(message({at::zeros({4}, at::kChar), scale}, {}), HasSubstr("weight_int8 must be int8"));
  EXPECT_THAT(message({q, at::ones({3})}, {}), HasSubstr("weight_scale must be Float [4]"));
  EXPECT_THAT(message({q, at::ones({4}, at::kDouble)}, {}), HasSubstr("not Double [4]"));
  EXPECT_THAT(message({q, -scale}, {}), HasSubstr("weight_scale holds a value that is not positive"));
  EXPECT_THAT(message({q, scale / 0}, {}), HasSubstr("not positive and finite"));
  EXPECT_THAT(message({q, scale}, at::ones({5})), HasSubstr("bias must be Float [4]"));
}

TEST_F(WeightOnlyLinearTest, RefusesWhatIsNoInt4Layer) {
  const at::Tensor q = at::zeros({4, 20}, at::kByte), scale = at::ones({4, 2}, at::kBFloat16);
  const at::Tensor zero = at::zeros({4, 2}, at::kChar);
  const auto message = [](const Int4GroupWeights& weights, int64_t in, int64_t group,
                          const at::Tensor& bias) {
    return std::string(Int4WeightOnlyLinear::Create(weights, in, group, bias).status().message());
  };
  EXPECT_EQ(message({q, scale, zero}, 39, 32, {}), "");
  EXPECT_THAT(message({q, scale, zero}, 39, 48, {}), HasSubstr("group_size is 48; allowed: 32, 64"));
  EXPECT_THAT(message({q, scale, zero}, 41, 32, {}), HasSubstr("weight_int4 must be Byte [4, 21]"));
  EXPECT_THAT(message({q.to(at::kChar), scale, zero}, 39, 32, {}), HasSubstr("not Char [4, 20]"));
  EXPECT_THAT(message({q + 16, scale, zero}, 39, 32, {}), HasSubstr("unused half"));
  EXPECT_THAT(message({q, scale.to(at::kFloat), zero}, 39, 32, {}),
              HasSubstr("weight_scale must be BFloat16"));
  EXPECT_THAT(message({q, scale, zero}, 39, 64, {}), HasSubstr("weight_scale must be BFloat16 [4, 1]"));
  EXPECT_THAT(message({q, scale * std::numeric_limits<float>::quiet_NaN(), zero}, 39, 32, {}),
              HasSubstr("weight_scale holds a value that is not positive"));
  EXPECT_THAT(message({q, scale, zero + 8}, 39, 32, {}), HasSubstr("weight_zero_point holds a value out of"));
  EXPECT_THAT(message({q, scale, zero.slice(1, 0, 1)}, 39, 32, {}), HasSubstr("weight_zero_point must be"));
  EXPECT_THAT(message({q, scale, zero}, 39, 32, at::ones({4, 1})), HasSubstr("bias must be Float [4]"));
  EXPECT_THAT(message({at::zeros({0, 20}, at::kByte), scale, zero}, 39, 32, {}), HasSubstr("not empty"));
}

TEST_F(WeightOnlyLinearTest, LoadingNamesTheTensorThatIsWrong) {
  const auto layer = MakeLayer({8, 64, 32, false}, at::randn({8}));
  const auto good = layer->tensors();
  const std::map<std::string, at::Tensor> wrong = {{"weight_int4", at::zeros({8, 31}, at::kByte)},
                                                   {"weight_scale", at::ones({8, 2})},
                                                   {"weight_zero_point", at::zeros({8, 3}, at::kChar)},
                                                   {"bias", at::zeros({7})}};
  for (const auto& [role, tensor] : wrong) {
    LayerPlan plan{"l", layer->kind(), 64, 8, layer->options(), "", "", {}};
    TensorMap stored;
    for (const auto& [good_role, good_tensor] : good) {
      plan.tensors[good_role] = "l." + good_role;
      stored["l." + good_role] = good_role == role ? tensor : good_tensor;
    }
    Weights weights(stored, "file");
    const auto loaded = FindLayerKind(layer->kind())->load(plan, weights);
    EXPECT_TRUE(absl::IsInvalidArgument(loaded.status())) << role;
    EXPECT_THAT(std::string(loaded.status().message()), HasSubstr("l." + role));
    plan.tensors.erase("weight_scale");
    EXPECT_FALSE(FindLayerKind(layer->kind())->load(plan, weights).ok());
  }
}

}  // namespace
}  // namespace quantlab::engine
