// Holds StaticInt8Linear to a simulation in floating point and to PyTorch's quantized::linear
// (tests/golden/make_static_golden.py).
#include "worker/engine/layers/static_int8_linear.h"

#include <cmath>
#include <limits>
#include <string>

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

class StaticGoldenTest : public ::testing::Test {
 protected:
  StaticGoldenTest() {
    auto file = SafetensorsFile::Open(QUANTLAB_SOURCE_DIR "/tests/golden/static_linear.safetensors");
    EXPECT_TRUE(file.ok()) << file.status();
    tensors_ = file->GetAll().value();
    cases_ = nlohmann::json::parse(file->metadata().at("golden"))["cases"];
  }

  // Undefined where the case has none.
  at::Tensor Get(const nlohmann::json& c, const std::string& key) const {
    const auto it = tensors_.find(c["name"].get<std::string>() + "." + key);
    return it == tensors_.end() ? at::Tensor() : it->second;
  }

  std::unique_ptr<StaticInt8Linear> Layer(const nlohmann::json& c) const {
    const StaticInput input = {{c["scale"], c["zero_point"]}, Get(c, "smoothing")};
    auto layer = StaticInt8Linear::Create({Get(c, "weight_int8"), Get(c, "weight_scale")}, c["bits"],
                                          Get(c, "bias"), input);
    EXPECT_TRUE(layer.ok()) << layer.status();
    return *std::move(layer);
  }

  // What the case's output is in bytes.
  static at::Tensor ToBytes(const nlohmann::json& c, const at::Tensor& y) {
    const at::Tensor scaled = y.to(at::kDouble) / c["y_scale"].get<double>() + c["y_zero_point"].get<int>();
    return scaled.round().clamp(0, 255);
  }

  TensorMap tensors_;
  nlohmann::json cases_;
};

// No input of the file lies near the middle between two levels, so nothing but the last bits of the
// floating-point steps may differ.
TEST_F(StaticGoldenTest, EveryLayerEqualsTheSimulation) {
  ASSERT_EQ(cases_.size(), 9u);
  for (const auto& c : cases_) {
    const auto layer = Layer(c);
    const at::Tensor y = Get(c, "y");
    const double tolerance = 1e-6 * y.abs().max().item<double>();
    EXPECT_LE((layer->Forward(Get(c, "x")) - y).abs().max().item<double>(), tolerance) << c;
    EXPECT_LE((layer->ForwardAten(Get(c, "x")) - y).abs().max().item<double>(), tolerance) << c;
  }
}

TEST_F(StaticGoldenTest, OutputsInBytesAreWithinOneStepOfPyTorchs) {
  for (const auto& c : cases_) {
    const at::Tensor ours = ToBytes(c, Layer(c)->Forward(Get(c, "x")));
    const at::Tensor off = (ours - Get(c, "y_bytes").to(at::kDouble)).abs();
    EXPECT_LE(off.max().item<double>(), 1) << c;
    // PyTorch rounds twice (the bias is quantized too), so a few differ by the one step.
    EXPECT_LE((off > 0).to(at::kDouble).mean().item<double>(), 0.01) << c;
  }
}

TEST_F(StaticGoldenTest, ThreadsNeighboursAndSavingDoNotChangeABit) {
  const int threads = at::get_num_threads();
  for (const auto& c : cases_) {
    const auto layer = Layer(c);
    const at::Tensor x = Get(c, "x").repeat({14, 1});  // 154 rows: enough for blocks on two threads
    at::set_num_threads(1);
    const at::Tensor one = layer->Forward(x);
    at::set_num_threads(2);
    EXPECT_TRUE(at::equal(layer->Forward(x), one)) << c;
    EXPECT_TRUE(at::equal(layer->Forward(x.slice(0, 3, 4)), one.slice(0, 3, 4))) << c;
    EXPECT_TRUE(at::equal(layer->Forward(x.flip(0)).flip(0), one)) << c;
  }
  at::set_num_threads(threads);
}

TEST(StaticInt8LinearTest, ABrokenActivationStaysVisible) {
  const Int8Weights weights = QuantizeWeights(at::randn({6, 10}), true).value();
  at::Tensor x = at::randn({3, 10});
  x[1][4] = std::numeric_limits<float>::quiet_NaN();
  x[2][0] = std::numeric_limits<float>::infinity();
  const auto layer = StaticInt8Linear::Create(weights, 8, {}, {{0.02f, 128}, {}}).value();
  for (const at::Tensor& y : {layer->Forward(x), layer->ForwardAten(x)}) {
    EXPECT_FALSE(y[0].isnan().any().item<bool>());
    EXPECT_TRUE(y[1].isnan().all().item<bool>());
    EXPECT_TRUE(y[2].isnan().all().item<bool>());
  }
}

TEST(StaticInt8LinearTest, RefusesWhatIsNoLayer) {
  const Int8Weights weights = {at::full({4, 8}, 7, at::kChar), at::ones({4})};
  const auto message = [&](int bits, const StaticInput& input) {
    return std::string(StaticInt8Linear::Create(weights, bits, {}, input).status().message());
  };
  const ActivationParams good = {0.1f, 128};
  EXPECT_EQ(message(4, {good, {}}), "");
  EXPECT_THAT(message(3, {good, {}}), HasSubstr("do not fit 3 bits, -4 to 3"));
  EXPECT_THAT(message(9, {good, {}}), HasSubstr("weight_bits is 9; allowed: 2 to 8"));
  EXPECT_THAT(message(8, {{0, 128}, {}}), HasSubstr("input_scale is 0"));
  EXPECT_THAT(message(8, {{std::nanf(""), 128}, {}}), HasSubstr("input_scale is nan"));
  EXPECT_THAT(message(8, {{1e-40f, 128}, {}}), HasSubstr("input_scale"));
  EXPECT_THAT(message(8, {{0.1f, 256}, {}}), HasSubstr("input_zero_point is 256"));
  EXPECT_THAT(message(8, {good, at::ones({7})}), HasSubstr("input_smoothing must be float [8]"));
  EXPECT_THAT(message(8, {good, at::zeros({8})}), HasSubstr("input_smoothing holds"));
}

}  // namespace
}  // namespace quantlab::engine
