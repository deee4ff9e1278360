// Holds FakeQuantLinear to PyTorch's gradients (tests/golden/make_fake_quant_golden.py) and to LSQ's
// formulas.
#include "worker/engine/methods/fake_quant_linear.h"

#include <cmath>
#include <string>
#include <vector>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "worker/engine/tensors/safetensors.h"

namespace quantlab::engine {
namespace {

// A layer whose input is quantized by `params`, with parameters that want gradients.
FakeQuantLinear MakeLayer(const at::Tensor& weight, const at::Tensor& bias, const ActivationParams& params,
                          const FakeQuantOptions& options) {
  LayerCalibration calibration;
  const float zero_point = static_cast<float>(params.zero_point);
  calibration.range = {params.scale * -zero_point, params.scale * (255 - zero_point)};
  calibration.input.params = params;
  FakeQuantLinear layer(LinearFp32(weight.clone(), bias.defined() ? bias.clone() : bias), calibration,
                        options);
  layer.SetObserving(false);
  for (const auto& [name, parameter] : layer.parameters()) parameter.set_requires_grad(true);
  return layer;
}

::testing::AssertionResult Near(const at::Tensor& ours, const at::Tensor& theirs, double tolerance = 1e-5) {
  if (!ours.defined()) return ::testing::AssertionFailure() << "no gradient";
  if (ours.sizes() != theirs.sizes()) return ::testing::AssertionFailure() << "shape " << ours.sizes();
  const double off = (ours.detach() - theirs).abs().max().item<double>();
  const double largest = theirs.abs().max().item<double>();
  if (off <= tolerance * largest) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "off by " << off << " of " << largest << "\n"
                                       << ours << "\n"
                                       << theirs;
}

class FakeQuantGoldenTest : public ::testing::Test {
 protected:
  FakeQuantGoldenTest() {
    auto file = SafetensorsFile::Open(QUANTLAB_SOURCE_DIR "/tests/golden/fake_quant.safetensors");
    EXPECT_TRUE(file.ok()) << file.status();
    tensors_ = file->GetAll().value();
    const auto golden = nlohmann::json::parse(file->metadata().at("golden"));
    cases_ = golden["cases"];
    input_ = {golden["input_scale"], golden["input_zero_point"]};
  }

  at::Tensor Get(const nlohmann::json& c, const std::string& key) const {
    return tensors_.at(c["name"].get<std::string>() + "." + key);
  }

  FakeQuantLinear Layer(const nlohmann::json& c) const {
    FakeQuantOptions options;
    options.weight_bits = c["bits"];
    options.per_channel = c["per_channel"];
    options.learned_steps = c["learned"];
    return MakeLayer(Get(c, "weight"), Get(c, "bias"), input_, options);
  }

  // Gradients of the golden loss, by parameter; "x" is the input's.
  std::map<std::string, at::Tensor> Gradients(const nlohmann::json& c, const FakeQuantLinear& layer) const {
    const at::Tensor x = Get(c, "x").clone().set_requires_grad(true);
    layer.Forward(x).backward(Get(c, "upstream"));
    std::map<std::string, at::Tensor> gradients = {{"x", x.grad()}};
    for (const auto& [name, parameter] : layer.parameters()) gradients[name] = parameter.grad();
    return gradients;
  }

  TensorMap tensors_;
  nlohmann::json cases_;
  ActivationParams input_;
};

TEST_F(FakeQuantGoldenTest, OutputsAndGradientsEqualPyTorchs) {
  ASSERT_EQ(cases_.size(), 12u);
  for (const auto& c : cases_) {
    const FakeQuantLinear layer = Layer(c);
    EXPECT_TRUE(Near(layer.Forward(Get(c, "x")), Get(c, "y"))) << c;
    const auto gradients = Gradients(c, layer);
    for (const std::string name : {"x", "weight", "bias"}) {
      EXPECT_TRUE(Near(gradients.at(name), Get(c, "d_" + name))) << name << " " << c;
    }
  }
}

// A step s is the parameter t with s = s_0 exp(rate t), so its gradient is that of s times rate s; LSQ scales
// that of s by 1 / sqrt(N Q_P), where N values share s.
TEST_F(FakeQuantGoldenTest, LearnedStepsGetPyTorchsGradientsTimesLsqsScale) {
  for (const auto& c : cases_) {
    if (!c["learned"]) continue;
    const FakeQuantLinear layer = Layer(c);
    const auto gradients = Gradients(c, layer);
    const at::Tensor step = Get(c, "weight_step");
    const int64_t sharing = Get(c, "weight").numel() / step.numel();
    const double top = std::exp2(c["bits"].get<int>() - 1) - 1;
    const at::Tensor weight_step =
        Get(c, "d_weight_step") * step * kLearnedStepRate / std::sqrt(sharing * top);
    EXPECT_TRUE(Near(gradients.at("weight_step"), weight_step)) << c;
    const double in = static_cast<double>(layer.in_features());
    const at::Tensor input_step =
        Get(c, "d_input_step") * input_.scale * kLearnedStepRate / std::sqrt(in * 255);
    EXPECT_TRUE(Near(gradients.at("input_step"), input_step)) << c;
  }
}

TEST_F(FakeQuantGoldenTest, TheConvertedLayerComputesWhatWasSimulated) {
  for (const auto& c : cases_) {
    const auto converted = Layer(c).Convert();
    ASSERT_TRUE(converted.ok()) << converted.status();
    EXPECT_TRUE(Near((*converted)->Forward(Get(c, "x")), Get(c, "y"))) << c;
  }
}

TEST(LsqTest, FirstStepsAndScalesAreThePapers) {
  const at::Tensor weight = at::tensor({1.0f, -2.0f, 3.0f, 0.0f, 0.5f, 0.5f, -0.5f, -0.5f}).reshape({2, 4});
  // Q_P = 7: 2 * 1.5 / sqrt(7) and 2 * 0.5 / sqrt(7); of all eight values, 2 * 1 / sqrt(7).
  EXPECT_TRUE(Near(LsqInitialStep(weight, true, 4), at::tensor({1.1338934f, 0.3779645f}), 1e-6));
  EXPECT_TRUE(Near(LsqInitialStep(weight, false, 4), at::tensor({0.7559289f}), 1e-6));
  EXPECT_DOUBLE_EQ(LsqGradientScale(100, 4), 0.05);
  EXPECT_NEAR(LsqGradientScale(384, 127), 0.004528272, 1e-9);
  EXPECT_GT(LsqInitialStep(at::zeros({1, 4}), true, 8).item<float>(), 0) << "a channel of zeros";
}

// Esser 2020, eq. 3, with s = 0.5, 3 bits (-4 to 3), and a loss that is the sum of the quantized weights:
//   v / s             -6    -3.8   -1.2   0.4    1.3   2.8   18
//   by s, each        -4    -0.2    0.2  -0.4   -0.3   0.2    3      sum -1.5
//   by v, each         0     1      1     1      1     1      0
TEST(LsqTest, GradientsOfAWorkedExampleAreThePapers) {
  const at::Tensor weight = at::tensor({-3.0f, -1.9f, -0.6f, 0.2f, 0.65f, 1.4f, 9.0f}).reshape({1, 7});
  for (const bool per_channel : {true, false}) {
    FakeQuantOptions options;
    options.weight_bits = 3;
    options.per_channel = per_channel;
    options.learned_steps = true;
    const FakeQuantLinear layer = MakeLayer(weight, {}, {1, 0}, options);
    const auto parameters = layer.parameters();
    const double first = LsqInitialStep(weight, per_channel, 3).item<double>();
    {
      const at::NoGradGuard no_grad;
      parameters.at("weight_step").fill_(std::log(0.5 / first) / kLearnedStepRate);
    }
    const at::Tensor y = layer.Forward(at::ones({1, 7}));
    EXPECT_NEAR(y.item<double>(), 0.5 * (-4 - 4 - 1 + 0 + 1 + 3 + 3), 1e-5);
    y.backward();
    const double scale = kLearnedStepRate * 0.5 / std::sqrt(7.0 * 3.0);
    EXPECT_NEAR(parameters.at("weight_step").grad().item<double>(), -1.5 * scale, 1e-4 * scale);
    EXPECT_TRUE(Near(parameters.at("weight").grad(),
                     at::tensor({0.f, 1.f, 1.f, 1.f, 1.f, 1.f, 0.f}).reshape({1, 7})));
  }
}

TEST(FakeQuantLinearTest, TheInputsRangeFollowsOnlyWhileObservingInTraining) {
  FakeQuantOptions options;
  options.averaging_constant = 1;  // the last input's range
  FakeQuantLinear layer = MakeLayer(at::ones({1, 1}), {}, {1.0f / 64, 0}, options);
  const at::Tensor x = at::full({1, 1}, 100.0f);
  const double clipped = 255.0 / 64 * 254 / 255;  // the weight 1 becomes 127 of 127.5 steps
  EXPECT_NEAR(layer.Forward(x).item<double>(), clipped, 1e-3);
  layer.SetObserving(true);
  {
    const at::NoGradGuard no_grad;  // evaluation
    EXPECT_NEAR(layer.Forward(x).item<double>(), clipped, 1e-3);
  }
  EXPECT_NEAR(layer.Forward(x).item<double>(), 100, 0.5);
  layer.SetObserving(false);
  EXPECT_NEAR(layer.Forward(x * 2).item<double>(), 100, 0.5);
}

}  // namespace
}  // namespace quantlab::engine
