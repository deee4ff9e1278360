// GPTQ on the real encoder and real reviews: against rounding to nearest, on the calibration inputs of every
// layer and on held-out texts. Fine-tunes briefly first, which is most of its minutes.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "worker/engine/calibration/layer_inputs.h"
#include "worker/engine/data/dataset.h"
#include "worker/engine/methods/method.h"
#include "worker/engine/models/checkpoint.h"
#include "worker/engine/models/model_testing.h"
#include "worker/engine/text/tokenizer.h"
#include "worker/engine/train/evaluate.h"
#include "worker/engine/train/trainer.h"

namespace quantlab::engine {
namespace {

namespace fs = std::filesystem;
using Model = std::unique_ptr<Encoder>;

constexpr uint64_t kSeed = 42;
constexpr int kMaxLength = 128, kBatch = 32;
constexpr int64_t kCalibrationTexts = 128;

LabelledTexts Tokenized(const Tokenizer& tokenizer, const std::vector<Example>& examples) {
  LabelledTexts texts;
  for (const Example& example : examples) {
    texts.texts.push_back({tokenizer.Encode(example.text, kMaxLength), {}});
    texts.labels.push_back(example.label);
  }
  return texts;
}

Dataset Reviews(const std::string& folder) {
  DatasetConfig config;
  config.filter_column = "source";
  config.filter_value = "imdb";
  config.labels = {"negative", "positive"};
  config.split_seed = 7;
  config.train_size = 1200;
  config.test_size = 1000;
  config.validation_size = -1;
  return LoadDataset(config, folder).value();
}

void FineTune(Encoder& model, const LabelledTexts& texts) {
  TrainingOptions options;
  options.config.batch_size = 16;
  options.config.learning_rate = 1e-4;
  options.config.dropout = false;
  options.seed = kSeed;
  const auto summary = Train(model, texts, MakeTrainingSchedule(texts, options.config, kSeed), options);
  ASSERT_TRUE(summary.ok()) << summary.status();
}

Model Copy(const Encoder& model) {
  TensorMap tensors;
  for (const auto& [name, tensor] : model.StateTensors()) tensors[name] = tensor.clone();
  return MakeEncoder(model.config(), Weights(std::move(tensors), "a copy")).value();
}

struct HeldOut {
  double loss = 0, accuracy = 0, divergence = 0;  // divergence: mean KL from the FP32 model's answers
};

at::Tensor LogProbabilities(Encoder& model, const LabelledTexts& texts) {
  const auto logits = PredictLogits(model, texts.texts, kBatch).value();
  at::Tensor table = at::empty({static_cast<int64_t>(logits.size()), 2}, at::kDouble);
  for (size_t i = 0; i < logits.size(); ++i) {
    for (int c = 0; c < 2; ++c) table[static_cast<int64_t>(i)][c] = logits[i][c];
  }
  return at::log_softmax(table, 1);
}

HeldOut Score(const at::Tensor& answers, const at::Tensor& fp32, const LabelledTexts& texts) {
  const std::vector<int64_t> classes(texts.labels.begin(), texts.labels.end());
  const at::Tensor labels = at::tensor(classes, at::kLong);
  HeldOut score;
  score.loss = -answers.gather(1, labels.unsqueeze(1)).mean().item<double>();
  score.accuracy = (answers.argmax(1) == labels).to(at::kDouble).mean().item<double>();
  score.divergence = (fp32.exp() * (fp32 - answers)).sum(1).mean().item<double>();
  return score;
}

void Print(const char* name, const HeldOut& score) {
  std::printf("%-28s held-out loss %.5f  accuracy %.4f  KL from FP32 %.6f\n", name, score.loss,
              score.accuracy, score.divergence);
  std::fflush(stdout);  // minutes lie between the lines
}

class GptqRealTest : public ::testing::Test {
 protected:
  void SetUp() override {
    QL_REQUIRE_MINILM(encoder);
    const std::string reviews = (fs::path(encoder).parent_path() / "imdb").string();
    if (!fs::exists(reviews)) GTEST_SKIP() << "needs the reviews: " << reviews << " is not there";
    const Dataset data = Reviews(reviews);
    const auto tokenizer = Tokenizer::Load(encoder).value();
    train_ = Tokenized(*tokenizer, data.train);
    test_ = Tokenized(*tokenizer, data.test);
    CheckpointOptions options;
    options.labels = data.labels;
    options.build.seed = kSeed;
    fp32_ = LoadCheckpoint(encoder, options).value();
    ASSERT_NO_FATAL_FAILURE(FineTune(*fp32_, train_));
    answers_ = LogProbabilities(*fp32_, test_);
    Print("FP32", Score(answers_, answers_, test_));
  }

  // A quantized copy of the model.
  Model Quantized(const Params& params) {
    Model model = Copy(*fp32_);
    QuantizationContext context;
    context.train = &train_;
    context.seed = kSeed;
    const auto result = MakeQuantizationMethod("weight_only").value()->Apply(*model, params, context);
    EXPECT_TRUE(result.ok()) << result.status();
    return model;
  }

  HeldOut Measure(const char* name, Encoder& model) {
    const HeldOut score = Score(LogProbabilities(model, test_), answers_, test_);
    Print(name, score);
    return score;
  }

  LabelledTexts train_, test_;
  Model fp32_;
  at::Tensor answers_;  // of the FP32 model: log probabilities [texts, 2]
};

TEST_F(GptqRealTest, Int4BeatsRoundToNearestInEveryLayerAndOnHeldOutTexts) {
  const Model nearest = Quantized({{"algorithm", std::string("rtn")}}), gptq = Quantized({});
  const LabelledTexts calibration = SampleTexts(train_, kCalibrationTexts, kSeed);
  const auto before = MeasureLayerNoise(*fp32_, *nearest, calibration.texts, kBatch).value().sqnr_db;
  const auto after = MeasureLayerNoise(*fp32_, *gptq, calibration.texts, kBatch).value().sqnr_db;
  ASSERT_EQ(before.size(), 6u * 6 + 2);
  for (const auto& [layer, sqnr] : before) {
    std::printf("%-48s SQNR %6.2f dB to nearest, %6.2f dB by GPTQ\n", layer.c_str(), sqnr, after.at(layer));
    EXPECT_GT(after.at(layer), sqnr) << layer;
  }
  const HeldOut nearest_score = Measure("INT4, groups of 64, nearest", *nearest);
  const HeldOut gptq_score = Measure("INT4, groups of 64, GPTQ", *gptq);
  EXPECT_LT(gptq_score.loss, nearest_score.loss);
  EXPECT_LT(gptq_score.divergence, nearest_score.divergence);
}

}  // namespace
}  // namespace quantlab::engine
