// Holds DynamicInt8Linear to what PyTorch computed (tests/golden/make_dynamic_golden.py).
#include "worker/engine/layers/dynamic_int8_linear.h"

#include <limits>

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "worker/engine/tensors/safetensors.h"

namespace quantlab::engine {
namespace {

using ::testing::HasSubstr;

class GoldenTest : public ::testing::Test {
 protected:
  GoldenTest() {
    auto file = SafetensorsFile::Open(QUANTLAB_SOURCE_DIR "/tests/golden/dynamic_linear.safetensors");
    EXPECT_TRUE(file.ok()) << file.status();
    tensors_ = file->GetAll().value();
    cases_ = nlohmann::json::parse(file->metadata().at("cases"));
  }

  at::Tensor Get(const nlohmann::json& c, const char* key, const char* suffix) const {
    return tensors_.at(c[key].get<std::string>() + suffix);
  }

  std::unique_ptr<DynamicInt8Linear> Layer(const nlohmann::json& c) const {
    const Int8Weights weights = QuantizeWeights(Get(c, "layer", ".weight"), c["per_channel"]).value();
    const at::Tensor bias = c["bias"] ? Get(c, "layer", ".bias") : at::Tensor();
    return DynamicInt8Linear::Create(weights, bias, {c["per_token"], c["reduce_range"]}).value();
  }

  at::Tensor Input(const nlohmann::json& c) const { return Get(c, "layer", ".x").slice(0, 0, c["rows"]); }

  TensorMap tensors_;
  nlohmann::json cases_;
};

// 1e-4, relative where the values are large.
int64_t CountDiffering(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs() > 1e-4 * b.abs().clamp_min(1)).sum().item<int64_t>();
}

TEST_F(GoldenTest, WeightsAreQuantizedToTheSameBytesAndScales) {
  for (const auto& c : cases_) {
    const Int8Weights weights = QuantizeWeights(Get(c, "layer", ".weight"), c["per_channel"]).value();
    EXPECT_TRUE(at::equal(weights.quantized, Get(c, "weights", ".weight_int8"))) << c;
    EXPECT_TRUE(at::equal(weights.scale, Get(c, "weights", ".weight_scale"))) << c;
  }
}

TEST_F(GoldenTest, EveryLayerEqualsPyTorchs) {
  ASSERT_GE(cases_.size(), 48u);
  for (const auto& c : cases_) {
    const at::Tensor y = Layer(c)->Forward(Input(c));
    EXPECT_EQ(CountDiffering(y, Get(c, "name", ".y")), 0) << c;
  }
}

TEST_F(GoldenTest, TheWayOfTheGpuGivesTheSame) {
  if (BestInt8Isa() < Int8Isa::kAvxVnni) GTEST_SKIP() << "at::_int_mm saturates on a CPU without VNNI";
  for (const auto& c : cases_) {
    const auto layer = Layer(c);
    const at::Tensor kernels = layer->Forward(Input(c)), aten = layer->ForwardAten(Input(c));
    EXPECT_LE((kernels - aten).abs().max().item<float>(), 2e-6 * kernels.abs().max().item<float>()) << c;
  }
}

TEST_F(GoldenTest, ThreadsAndNeighboursDoNotChangeABit) {
  const int threads = at::get_num_threads();
  for (const auto& c : cases_) {
    if (!c["per_token"]) continue;
    const auto layer = Layer(c);
    const at::Tensor x = Input(c).repeat({9, 1});  // 153 rows: enough for blocks on two threads
    at::set_num_threads(1);
    const at::Tensor one = layer->Forward(x);
    at::set_num_threads(2);
    EXPECT_TRUE(at::equal(layer->Forward(x), one)) << c;
    for (int64_t r : {0, 9, 16}) {
      EXPECT_TRUE(at::equal(layer->Forward(x.slice(0, r, r + 1)), one.slice(0, r, r + 1)))
          << c << " row " << r;
    }
    EXPECT_TRUE(at::equal(layer->Forward(x.flip(0)).flip(0), one)) << c;
  }
  at::set_num_threads(threads);
}

TEST_F(GoldenTest, WhatIsSavedMakesTheSameLayer) {
  for (const auto& c : cases_) {
    const auto layer = Layer(c);
    auto tensors = layer->tensors();
    const auto again = DynamicInt8Linear::Create({tensors["weight_int8"], tensors["weight_scale"]},
                                                 c["bias"] ? tensors["bias"] : at::Tensor(),
                                                 {c["per_token"], c["reduce_range"]});
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(at::equal((*again)->Forward(Input(c)), layer->Forward(Input(c)))) << c;
    EXPECT_EQ(tensors.count("bias"), c["bias"] ? 1u : 0u);
  }
}

TEST(DynamicInt8LinearTest, ABrokenActivationStaysVisible) {
  const Int8Weights weights = QuantizeWeights(at::randn({6, 10}), true).value();
  at::Tensor x = at::randn({3, 10});
  x[1][4] = std::numeric_limits<float>::infinity();
  for (bool per_token : {true, false}) {
    const auto layer = DynamicInt8Linear::Create(weights, {}, {per_token, false}).value();
    for (const at::Tensor& y : {layer->Forward(x), layer->ForwardAten(x)}) {
      EXPECT_TRUE(y[1].isnan().all().item<bool>());
      EXPECT_EQ(y[0].isnan().any().item<bool>(), !per_token);
    }
  }
}

TEST(DynamicInt8LinearTest, KeepsTheShapeOfTheInput) {
  const auto layer =
      DynamicInt8Linear::Create(QuantizeWeights(at::randn({6, 10}), false).value(), {}, {}).value();
  EXPECT_EQ(layer->Forward(at::randn({2, 3, 10})).sizes(), (std::vector<int64_t>{2, 3, 6}));
  EXPECT_EQ(layer->Forward(at::randn({10})).sizes(), (std::vector<int64_t>{6}));
  EXPECT_EQ(layer->Forward(at::randn({0, 10})).sizes(), (std::vector<int64_t>{0, 6}));
  EXPECT_EQ(layer->Forward(at::randn({4, 20}).slice(1, 0, 20, 2)).sizes(), (std::vector<int64_t>{4, 6}));
  EXPECT_ANY_THROW(layer->Forward(at::randn({2, 9})));
}

TEST(DynamicInt8LinearTest, RefusesWhatIsNoLayer) {
  const at::Tensor q = at::zeros({4, 8}, at::kChar), scale = at::ones({4});
  const auto message = [](const Int8Weights& weights, const at::Tensor& bias) {
    return std::string(DynamicInt8Linear::Create(weights, bias, {}).status().message());
  };
  EXPECT_THAT(message({at::zeros({4, 8}), scale}, {}), HasSubstr("must be int8"));
  EXPECT_THAT(message({q, at::ones({3})}, {}), HasSubstr("weight_scale must be float [1] or [4]"));
  EXPECT_THAT(message({q, at::zeros({4})}, {}), HasSubstr("not positive and finite"));
  EXPECT_THAT(message({q, scale * std::numeric_limits<float>::quiet_NaN()}, {}), HasSubstr("not positive"));
  EXPECT_THAT(message({q, scale}, at::ones({5})), HasSubstr("bias must be float [4]"));
  EXPECT_THAT(message({at::zeros({1, 70000}, at::kChar), at::ones({1})}, {}), HasSubstr("65536"));
  EXPECT_FALSE(QuantizeWeights(at::ones({2, 2}) / 0, true).ok());
}

}  // namespace
}  // namespace quantlab::engine
