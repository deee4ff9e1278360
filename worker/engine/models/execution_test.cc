// The execution plan is held to the layer-by-layer path, and to the promises of Encoder.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "worker/engine/families/families.h"
#include "worker/engine/kernels/bf16_attention.h"
#include "worker/engine/layers/dynamic_int8_linear.h"
#include "worker/engine/layers/static_int8_linear.h"
#include "worker/engine/models/model_testing.h"
#include "worker/engine/models/random_encoder.h"
#include "worker/engine/plan/encoder_plan.h"

namespace quantlab::engine {
namespace {

using testing::ThreadsScope;

std::unique_ptr<Linear> Dynamic(const LinearFp32& layer, bool per_token) {
  DynamicInt8Options options;
  options.per_token = per_token;
  return *DynamicInt8Linear::Create(*QuantizeWeights(layer.weight(), /*per_channel=*/true), layer.bias(),
                                    options);
}

// An input range that clips some values of these models, so that clamping is tried too.
std::unique_ptr<Linear> Static(const LinearFp32& layer, float scale, bool smooth) {
  StaticInput input{{scale, 117}, {}};
  if (smooth) input.smoothing = at::linspace(0.8, 1.2, layer.in_features());
  return *StaticInt8Linear::Create(*QuantizeWeights(layer.weight(), /*per_channel=*/true), 8, layer.bias(),
                                   input);
}

// Layers of `kind`; "mixed": every kind, none of them in the same place in all blocks.
std::unique_ptr<Encoder> RandomModel(const EncoderConfig& config, const std::string& kind) {
  std::unique_ptr<Encoder> model = *MakeRandomEncoder(config, 5);
  int index = 0;
  model->ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
    const LinearFp32& layer = AsFp32(*slot);
    const int turn = kind == "mixed" ? index++ % 5 : -1;
    // What the three read must be quantized alike to be projected together.
    const float scale = info.role == layer_role::kFfnOut ? 0.05f : 0.02f;
    if (kind == "dynamic" || turn == 1) {
      slot = Dynamic(layer, true);
    } else if (kind == "per_tensor" || turn == 2) {
      slot = Dynamic(layer, false);
    } else if (kind == "static" || turn == 3) {
      slot = Static(layer, scale, false);
    } else if (kind == "smooth" || turn == 4) {
      slot = Static(layer, scale, true);
    }
  });
  return model;
}

const std::vector<std::string>& Kinds() {
  static const auto* const kinds =
      new std::vector<std::string>{"fp32", "dynamic", "per_tensor", "static", "smooth", "mixed"};
  return *kinds;
}

// Largest difference as a share of the largest logit. Of FP32: the order of sums. Otherwise a value at the
// border of two bytes may fall on either side, which moves it by a step of its quantization; and the scores
// of these models are so large that the eight bits of BF16 move their softmax (the real encoder, below, is
// held to FP32).
double Allowed(const std::string& kind) {
  if (kind == "fp32") return 1e-5;
  return HasBf16Attention() ? 0.1 : 0.03;
}

double Difference(const Encoder& model, const std::vector<TokenizedText>& texts) {
  const at::Tensor planned = LogitsOf(model, texts);
  const LayerByLayerScope reference;
  const at::Tensor expected = LogitsOf(model, texts);
  return (planned - expected).abs().max().item<double>() / expected.abs().max().item<double>();
}

TEST(ExecutionTest, ThePlanComputesWhatTheLayersCompute) {
  const ThreadsScope threads(1);
  for (const ModelFamily& family : AllModelFamilies()) {
    const EncoderConfig config = SmallEncoderConfig(family.name);
    const std::vector<TokenizedText> texts = RandomTexts(config, 9, 40, 3);
    for (const std::string& kind : Kinds()) {
      const double difference = Difference(*RandomModel(config, kind), texts);
      EXPECT_LE(difference, Allowed(kind)) << family.name << ", " << kind;
    }
  }
}

TEST(ExecutionTest, EveryActivationIsThatOfTheLayers) {
  const ThreadsScope threads(1);
  EncoderConfig config = SmallEncoderConfig();
  for (int i = 0; i <= static_cast<int>(Activation::kLinear); ++i) {
    config.hidden_act = static_cast<Activation>(i);
    const std::vector<TokenizedText> texts = RandomTexts(config, 3, 20, 3);
    for (const char* kind : {"fp32", "dynamic"}) {
      EXPECT_LE(Difference(*RandomModel(config, kind), texts), Allowed(kind)) << i << ", " << kind;
    }
  }
}

PackedBatch Pack(const Encoder& model, const std::vector<TokenizedText>& texts) {
  std::vector<const TokenizedText*> all;
  for (const TokenizedText& text : texts) all.push_back(&text);
  return *PackTexts(model.config(), all);
}

TEST(ExecutionTest, APassFromTheChangedBlockGivesTheBitsOfAWholeOne) {
  const ThreadsScope threads(1);
  const at::NoGradGuard no_grad;
  for (const ModelFamily& family : AllModelFamilies()) {
    const EncoderConfig config = SmallEncoderConfig(family.name);
    const std::unique_ptr<Encoder> model = *MakeRandomEncoder(config, 5);
    const PackedBatch batch = Pack(*model, RandomTexts(config, 5, 40, 3));
    BlockStates states;
    const at::Tensor before = *model->Forward(batch, {&states, nullptr, -1});
    EXPECT_TRUE(at::equal(before, *model->Forward(batch)));
    ASSERT_EQ(static_cast<int64_t>(states.inputs.size()), config.num_hidden_layers + 1);
    std::vector<LayerInfo> layers;
    model->ForEachLinear([&](const LayerInfo& info, const Linear&) { layers.push_back(info); });
    for (const LayerInfo& changed : layers) {
      std::unique_ptr<Linear> original;
      const auto swap = [&](std::unique_ptr<Linear> layer) {
        model->ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
          if (info.name != changed.name) return;
          if (layer == nullptr) layer = Dynamic(AsFp32(*slot), true);
          original = std::exchange(slot, std::move(layer));
        });
      };
      swap(nullptr);
      const int64_t after_all =
          changed.role == layer_role::kEmbeddingProjection ? -1 : config.num_hidden_layers;
      const at::Tensor whole = *model->Forward(batch);
      const at::Tensor rest = *model->Forward(batch, {nullptr, &states, changed.block.value_or(after_all)});
      EXPECT_TRUE(at::equal(rest, whole)) << changed.name;
      EXPECT_FALSE(at::equal(whole, before)) << changed.name;
      swap(std::move(original));
    }
  }
}

TEST(ExecutionTest, APassWithoutAPlanKeepsNothingAndComputesTheWhole) {
  const ThreadsScope threads(1);
  const at::NoGradGuard no_grad;
  const LayerByLayerScope reference;
  const std::unique_ptr<Encoder> model = *MakeRandomEncoder(SmallEncoderConfig(), 5);
  const PackedBatch batch = Pack(*model, RandomTexts(model->config(), 5, 40, 3));
  BlockStates states;
  const at::Tensor logits = *model->Forward(batch, {&states, nullptr, -1});
  EXPECT_TRUE(states.inputs.empty());
  EXPECT_TRUE(at::equal(logits, *model->Forward(batch, {nullptr, &states, 1})));
}

TEST(ExecutionTest, ATextDoesNotDependOnItsNeighbours) {
  const ThreadsScope threads(1);
  const EncoderConfig config = SmallEncoderConfig();
  const std::vector<TokenizedText> texts = RandomTexts(config, 11, 40, 8);
  for (const char* kind : {"dynamic", "static", "smooth"}) {
    const auto model = RandomModel(config, kind);
    const at::Tensor together = LogitsOf(*model, texts);
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_TRUE(at::equal(LogitsOf(*model, {texts[i]}), together.narrow(0, static_cast<int64_t>(i), 1)))
          << kind << ", text " << i;
    }
  }
}

TEST(ExecutionTest, ThreadsChangeNothing) {
  const EncoderConfig config = SmallEncoderConfig();
  const std::vector<TokenizedText> texts = RandomTexts(config, 7, 40, 8);
  const auto model = RandomModel(config, "dynamic");
  for (const size_t count : {size_t{1}, size_t{7}}) {  // few rows, and blocks of rows
    const std::vector<TokenizedText> some(texts.begin(), texts.begin() + static_cast<int64_t>(count));
    at::Tensor alone;
    {
      const ThreadsScope threads(1);
      alone = LogitsOf(*model, some);
    }
    const ThreadsScope threads(3);
    EXPECT_TRUE(at::equal(LogitsOf(*model, some), alone)) << count << " texts";
  }
}

TEST(ExecutionTest, GradientsFlowAsLayerByLayer) {
  const ThreadsScope threads(1);
  const EncoderConfig config = SmallEncoderConfig();
  const auto model = RandomModel(config, "fp32");
  model->SetRequiresGrad(true);
  const std::vector<TokenizedText> texts = RandomTexts(config, 2, 10, 8);
  const auto logits = model->Forward(*PackTexts(config, {&texts[0], &texts[1]}));
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_TRUE(logits->requires_grad());
}

TEST(ExecutionTest, ThePlanSeesNewLayers) {
  const ThreadsScope threads(1);
  const EncoderConfig config = SmallEncoderConfig();
  const std::vector<TokenizedText> texts = RandomTexts(config, 3, 20, 8);
  const auto model = RandomModel(config, "fp32");
  const at::Tensor before = LogitsOf(*model, texts);
  model->ForEachLinear(
      [&](const LayerInfo&, std::unique_ptr<Linear>& slot) { slot = Dynamic(AsFp32(*slot), true); });
  EXPECT_FALSE(at::equal(LogitsOf(*model, texts), before));
  EXPECT_TRUE(at::equal(LogitsOf(*model, texts), LogitsOf(*RandomModel(config, "dynamic"), texts)));
}

// In INT8 a difference in the last bit moves some bytes to the other side of a border, each of which moves
// more in the next layer: after a few layers the rounding errors of both ways are independent of each other.
// So both are held to FP32, from which they must be equally far.
TEST(ExecutionTest, TheRealEncoderGivesItsLogits) {
  QL_REQUIRE_MINILM(folder);
  const ThreadsScope threads(1);
  const auto load = [&folder] { return *testing::LoadGoldenMiniLm(folder); };
  const auto fp32 = load();
  const std::vector<TokenizedText> texts = RandomTexts(fp32->config(), 24, 128, 2);
  EXPECT_LE(Difference(*fp32, texts), Allowed("fp32"));
  const auto int8 = load();
  int8->ForEachLinear(
      [&](const LayerInfo&, std::unique_ptr<Linear>& slot) { slot = Dynamic(AsFp32(*slot), true); });
  const at::Tensor exact = LogitsOf(*fp32, texts), planned = LogitsOf(*int8, texts);
  const LayerByLayerScope reference;
  const at::Tensor by_layer = LogitsOf(*int8, texts);
  const double plan_error = (planned - exact).norm().item<double>();
  const double layer_error = (by_layer - exact).norm().item<double>();
  RecordProperty("plan_error_over_layer_error", std::to_string(plan_error / layer_error));
  EXPECT_LE(plan_error, 1.5 * layer_error);
  EXPECT_LE((planned - by_layer).norm().item<double>(), 2.5 * layer_error);
}

}  // namespace
}  // namespace quantlab::engine
