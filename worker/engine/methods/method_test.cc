// The conformance suite of quantization methods: what every one of them must do, on small random
// models of every family.
#include "worker/engine/methods/method.h"

#include <filesystem>
#include <fstream>
#include <limits>

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/files.h"
#include "base/messages/messages.h"
#include "base/testing/temp_folder.h"
#include "worker/engine/calibration/layer_inputs.h"
#include "worker/engine/families/families.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/models/checkpoint.h"
#include "worker/engine/models/random_encoder.h"
#include "worker/engine/models/saved_model.h"
#include "worker/engine/train/checkpoints.h"

namespace quantlab::engine {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

struct Variant {
  std::string name;
  std::string method;
  Params params;
  bool independent;       // of the batch
  double allowed = 0.35;  // largest error of a logit, as a share of the largest logit
  Device device;
  std::string family = "bert";
};

// Few texts: what is tested does not depend on how many.
Params Small(const MethodSpec& spec) {
  Params params;
  for (const ParamSpec& param : spec.params) {
    if (param.name == "calibration_texts") params[param.name] = int64_t{12};
    if (param.name == "sensitivity_texts") params[param.name] = int64_t{6};
  }
  return params;
}

// Choices that several methods take from the same code are tried with one of them.
bool TriedElsewhere(const MethodSpec& spec, const ParamSpec& param) {
  const bool shared = param.name == "observer" || param.name == "smooth_quant" ||
                      param.name == "bias_correction" || param.name == "embeddings" ||
                      param.name == "weight_granularity";
  return shared && spec.name != "static_quantization";
}

// Every method with its defaults, and with each other value of its choices.
std::vector<Variant> VariantsOnCpu() {
  std::vector<Variant> variants;
  for (const MethodSpec& spec : AllMethods()) {
    variants.push_back({spec.name, spec.name, Small(spec), true});
    for (const ParamSpec& param : spec.params) {
      if (TriedElsewhere(spec, param)) continue;
      std::vector<ParamValue> values(param.allowed.begin(), param.allowed.end());
      if (param.type == ParamType::kBool) values = {true, false};
      for (const ParamValue& value : values) {
        if (value == param.default_value) continue;
        const std::string text = ParamToString(value);
        Params params = Small(spec);
        params[param.name] = value;
        variants.push_back({spec.name + "_" + param.name + "_" + text, spec.name, params,
                            !(param.name == "granularity" && text == "per_tensor")});
        // Four bits, and nothing that makes up for it.
        if (param.name == "algorithm" && text == "rtn") variants.back().allowed = 0.45;
      }
    }
  }
  return variants;
}

// The other families with each method's defaults: what its choices do is no matter of the family.
std::vector<Variant> VariantsOfFamilies() {
  std::vector<Variant> variants;
  for (const ModelFamily& family : AllModelFamilies()) {
    if (family.name == Variant().family) continue;
    for (const MethodSpec& spec : AllMethods()) {
      Variant variant{absl::StrCat(spec.name, "_of_", absl::StrReplaceAll(family.name, {{"-", "_"}})),
                      spec.name, Small(spec), true};
      variant.family = family.name;
      // Four bits by default; with these random weights, which are not redundant as trained ones are,
      // rounding goes further in some families than in others.
      if (spec.name == "weight_only") variant.allowed = 0.6;
      variants.push_back(std::move(variant));
    }
  }
  return variants;
}

// BERT with every choice on every device that is here, the other families on the CPU.
std::vector<Variant> AllVariants() {
  std::vector<Variant> variants = VariantsOfFamilies();
  for (const Device& device : AvailableDevices()) {
    for (Variant variant : VariantsOnCpu()) {
      variant.device = device;
      if (!device.is_cpu()) variant.name += "_on_" + device.kind();
      variants.push_back(std::move(variant));
    }
  }
  return variants;
}

class MethodConformanceTest : public ::testing::TestWithParam<Variant> {
 protected:
  MethodConformanceTest() {
    at::set_num_threads(1);  // so small a model is slower with more
    model_ = MakeModel();
    texts_ = RandomTexts(model_->config(), 9, 20, 2);
    // What the model itself says is what is right, so that training has something to hold on to.
    train_ = Labelled(40, 3);
    validation_ = Labelled(24, 4);
  }
  ~MethodConformanceTest() override { at::set_num_threads(threads_); }

  static std::unique_ptr<Encoder> MakeModel() {
    auto model = MakeRandomEncoder(SmallEncoderConfig(GetParam().family), 1).value();
    EXPECT_TRUE(model->To(TorchDevice(GetParam().device)).ok());
    return model;
  }

  LabelledTexts Labelled(int count, uint64_t seed) {
    LabelledTexts labelled{RandomTexts(model_->config(), count, 20, seed), {}, {}};
    const at::Tensor classes = LogitsOf(*model_, labelled.texts).argmax(1);
    for (int i = 0; i < count; ++i) labelled.labels.push_back(classes[i].item<int>());
    return labelled;
  }

  // Gives the method the texts that it says it reads, and no others.
  absl::StatusOr<QuantizationResult> Apply(QuantizationContext context = {}) {
    return ApplyWith(GetParam().params, std::move(context));
  }
  absl::StatusOr<QuantizationResult> ApplyWith(const Params& params, QuantizationContext context) {
    if (inputs().training_texts) context.train = &train_;
    if (inputs().validation_texts) context.validation = &validation_;
    context.seed = 5;
    context.training.batch_size = 8;
    context.training.learning_rate = 1e-4;
    context.evaluation.min_duration_seconds = 0;
    context.evaluation.min_samples = 5;
    // Times as they should be; measured ones would not be the same twice.
    context.layer_seconds = [](const Linear& layer, int64_t rows) {
      const double work = static_cast<double>(layer.in_features() * layer.out_features() * rows);
      return work * (layer.kind() == "int8_static" ? 1 : layer.kind() == LinearFp32::kKind ? 4 : 2);
    };
    // Texts this small are slower on two threads than on one.
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    auto result = MakeQuantizationMethod(GetParam().method).value()->Apply(*model_, params, context);
    at::set_num_threads(threads);
    return result;
  }

  const MethodSpec& spec() const { return *FindMethod(GetParam().method); }
  MethodInputs inputs() const { return spec().inputs(ResolveParams(spec(), GetParam().params).value()); }

  void Save(const QuantizationPlan& plan) {
    WriteSmallVocabulary(folder_ + "/vocabulary");
    const auto status = SaveModel(*model_, plan, folder_ + "/vocabulary", folder_ + "/model");
    ASSERT_TRUE(status.ok()) << status;
  }

  const int threads_ = at::get_num_threads();
  const TempFolder temp_;
  const std::string& folder_ = temp_.path();
  std::unique_ptr<Encoder> model_;
  std::vector<TokenizedText> texts_;
  LabelledTexts train_, validation_;
};

TEST_P(MethodConformanceTest, StaysCloseToTheModelItCameFrom) {
  const at::Tensor before = LogitsOf(*model_, texts_);
  const auto result = Apply();
  ASSERT_TRUE(result.ok()) << result.status();
  const at::Tensor after = LogitsOf(*model_, texts_);
  EXPECT_FALSE(at::equal(before, after)) << "nothing was quantized";
  EXPECT_LT((before - after).abs().max().item<float>(),
            GetParam().allowed * before.abs().max().item<float>());
}

TEST_P(MethodConformanceTest, RefusesToGoWithoutTheTextsThatItReads) {
  if (inputs().training_texts) {
    train_ = {};
    EXPECT_EQ(Apply().status().code(), absl::StatusCode::kFailedPrecondition);
    train_ = Labelled(40, 3);
  }
  if (inputs().validation_texts) {
    validation_ = {};
    const absl::Status status = Apply().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("dataset.validation_size"));
  }
}

TEST_P(MethodConformanceTest, PlansEveryLayerAndSaysWhatRuns) {
  const auto result = Apply();
  ASSERT_TRUE(result.ok()) << result.status();
  const std::vector<Layer> layers = DescribeLayers(*model_, 16);
  ASSERT_EQ(layers.size(), 3u * 6 + 2 + (model_->config().embedding_size == 0 ? 0 : 1));
  EXPECT_EQ(result->plan.layers.size(), layers.size());
  EXPECT_EQ(result->plan.method, GetParam().method);
  double share = 0;
  for (const Layer& layer : layers) {
    const LayerPlan* plan = result->plan.Find(layer.name);
    ASSERT_NE(plan, nullptr) << layer.name;
    EXPECT_EQ(layer.requested, plan->requested.empty() ? plan->kind : plan->requested);
    EXPECT_FALSE(layer.kernel.empty());
    EXPECT_TRUE(layer.requested == layer.effective || !layer.reason.empty()) << layer.name;
    EXPECT_TRUE(plan->kind == LinearFp32::kKind || layer.bytes < layer.bytes_fp32) << layer.name;
    EXPECT_TRUE(spec().quantizes || plan->kind == LinearFp32::kKind) << layer.name;
    EXPECT_FALSE(layer.role.empty()) << layer.name;
    share += layer.macs_share;
  }
  EXPECT_NEAR(share, 1.0, 1e-9);
  EXPECT_EQ(result->plan.family, GetParam().family);
}

// What a method trains and then quantizes is compared with its own weights.
TEST_P(MethodConformanceTest, AModelThatWasTrainedIsHandedOverBeforeItIsQuantized) {
  std::unique_ptr<Encoder> trained;
  QuantizationContext context;
  context.keep_trained = [&](std::unique_ptr<Encoder> model) { trained = std::move(model); };
  Params params = GetParam().params;
  // Moves the weights by more than rounding does.
  if (GetParam().method == "qat") params["learning_rate"] = 0.01;
  ASSERT_TRUE(ApplyWith(params, context).ok());
  ASSERT_EQ(trained != nullptr, GetParam().method == "qat");
  if (trained == nullptr) return;
  const auto own = MeasureLayerNoise(*trained, *model_, texts_, 4),
             before = MeasureLayerNoise(*MakeModel(), *model_, texts_, 4);
  ASSERT_TRUE(own.ok()) << own.status();
  double gained = 0;
  for (const auto& [layer, sqnr] : own->sqnr_db) gained += sqnr - before->sqnr_db.at(layer);
  EXPECT_GT(gained, 0) << "training moved the weights, which is not noise";
}

// A method that trains, stopped in the middle of it and continued by another process.
TEST_P(MethodConformanceTest, AnInterruptedTrainingContinuesToTheSameModelBitForBit) {
  if (!GetParam().device.is_cpu()) GTEST_SKIP() << "bit for bit on a CPU";
  const auto apply = [&](const std::string& resume_from, int64_t stop_after, std::string* written) {
    model_ = MakeModel();
    Checkpoints::Options options;
    options.folder = folder_ + "/checkpoints";
    options.interval_seconds = std::numeric_limits<double>::infinity();
    options.resume_from = resume_from;
    options.on_written = [&](const std::string& name) { *written = options.folder + "/" + name; };
    bool resumed = false;
    options.on_resumed = [&](const TrainingState&) { resumed = true; };
    options.on_refused = [](const absl::Status& why) { ADD_FAILURE() << why; };
    Checkpoints checkpoints(options);
    QuantizationContext context;
    context.checkpoints = &checkpoints;
    context.progress = [&](const Message& phase, int64_t done, int64_t, const std::string&) {
      return phase.code != messages::kTraining().code || done < stop_after;
    };
    const absl::StatusOr<QuantizationResult> result = Apply(context);
    EXPECT_EQ(resumed, !resume_from.empty());
    if (result.ok()) Save(result->plan);
    return result.status();
  };
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  std::string file;
  if (!absl::IsCancelled(apply("", 3, &file))) {
    EXPECT_FALSE(GetParam().method == "qat" || GetParam().method == "fp32_continued");
    return;  // it does not train
  }
  ASSERT_FALSE(file.empty());
  const std::string saved = folder_ + "/model/model.safetensors";
  ASSERT_TRUE(apply(file, kNever, &file).ok());
  const std::string continued = ReadFile(saved, 1 << 30).value();
  fs::remove_all(folder_ + "/model");
  fs::remove_all(folder_ + "/vocabulary");
  ASSERT_TRUE(apply("", kNever, &file).ok());
  EXPECT_EQ(ReadFile(saved, 1 << 30).value() == continued, true);
}

TEST_P(MethodConformanceTest, LargestInputsOfLayersAreThoseOfTheFp32Model) {
  ASSERT_TRUE(Apply().ok());
  const auto fp32 = MakeModel();
  const auto noise = MeasureLayerNoise(*fp32, *model_, texts_, 4);
  ASSERT_TRUE(noise.ok()) << noise.status();
  std::map<std::string, std::vector<at::Tensor>> inputs;
  ASSERT_TRUE(VisitLayerInputs(*fp32, texts_, 4, [&](const std::string& layer, const at::Tensor& x) {
                inputs[layer].push_back(x.flatten().to(at::kDouble).cpu());
              }).ok());
  for (const auto& [layer, peak] : noise->input_peak) {
    const at::Tensor all = at::cat(inputs.at(layer));
    EXPECT_NEAR(peak, (all.abs().max() / all.square().mean().sqrt()).item<double>(), 1e-6 * peak) << layer;
  }
  EXPECT_GE(noise->input_peak.size(), noise->sqnr_db.size());
}

TEST_P(MethodConformanceTest, SavedAndLoadedGivesTheSameBits) {
  const auto result = Apply();
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_NO_FATAL_FAILURE(Save(result->plan));
  const auto loaded = LoadModel(folder_ + "/model");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_TRUE(loaded->model->To(TorchDevice(GetParam().device)).ok());
  EXPECT_TRUE(at::equal(LogitsOf(*loaded->model, texts_), LogitsOf(*model_, texts_)));
  ASSERT_TRUE(loaded->plan.has_value());
  EXPECT_EQ(PlanToJson(*loaded->plan), PlanToJson(result->plan));
  const auto size = SizeOfModel(folder_ + "/model");
  ASSERT_TRUE(size.ok());
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder_ + "/model"))
    bytes += static_cast<int64_t>(entry.file_size());
  EXPECT_EQ(size->total, bytes);
}

TEST_P(MethodConformanceTest, TheSameAgainIsTheSameToTheBit) {
  const auto first = Apply();
  ASSERT_TRUE(first.ok());
  const at::Tensor logits = LogitsOf(*model_, texts_);
  model_ = MakeModel();
  const auto second = Apply();
  ASSERT_TRUE(second.ok());
  EXPECT_TRUE(at::equal(LogitsOf(*model_, texts_), logits));
  EXPECT_EQ(PlanToJson(first->plan), PlanToJson(second->plan));
}

TEST_P(MethodConformanceTest, ATextDoesNotDependOnItsBatch) {
  ASSERT_TRUE(Apply().ok());
  at::set_num_threads(3);
  const at::Tensor together = LogitsOf(*model_, texts_);
  std::vector<TokenizedText> reversed(texts_.rbegin(), texts_.rend());
  // LibTorch's own FP32 product may round otherwise for other numbers of rows, and so may a GPU's; everything
  // else is exact.
  const bool on_gpu = !GetParam().device.is_cpu();
  bool rounds = on_gpu;
  for (const Layer& layer : DescribeLayers(*model_, 16)) rounds |= layer.effective == LinearFp32::kKind;
  const float tolerance = rounds ? 0.02f * together.abs().max().item<float>() : 0.0f;
  const auto alike = [tolerance](const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<float>() <= tolerance;
  };
  bool same = alike(LogitsOf(*model_, reversed).flip(0), together);
  for (size_t i = 0; i < texts_.size(); ++i) {
    same &= alike(LogitsOf(*model_, {texts_[i]})[0], together[static_cast<int64_t>(i)]);
  }
  // Where a method is allowed to depend on it, it must be seen to: else the option does nothing. On a GPU the
  // tolerance may hide it.
  EXPECT_TRUE(same == GetParam().independent || (on_gpu && !GetParam().independent));
}

// Stricter than logits, where rounding hides most of what is only in the last bit: with layers that do not
// depend on the batch, no input of any layer does, whichever thread computes it.
TEST(BatchIndependenceTest, NoBitOfAnyLayersInputDependsOnTheBatch) {
  const int threads = at::get_num_threads();
  at::set_num_threads(3);
  for (const int length : {20, 46}) {
    const auto model = MakeRandomEncoder(SmallEncoderConfig(), 1).value();
    ASSERT_TRUE((*MakeQuantizationMethod("dynamic_quantization"))->Apply(*model, {}, {}).ok());
    const auto texts = RandomTexts(SmallEncoderConfig(), 24, length, 2);
    std::map<std::string, at::Tensor> together;
    const auto keep = [&](const std::string& layer, const at::Tensor& x) { together[layer] = x.clone(); };
    ASSERT_TRUE(VisitLayerInputs(*model, texts, 24, keep).ok());
    const auto compare = [&](const std::string& layer, const at::Tensor& x) {
      for (int64_t row = 0; row < x.size(0); ++row) {
        const at::Tensor same = (together[layer] == x[row]).all(1);
        EXPECT_TRUE(same.any().item<bool>()) << layer << ", row " << row;
      }
    };
    for (const TokenizedText& text : texts) ASSERT_TRUE(VisitLayerInputs(*model, {text}, 1, compare).ok());
  }
  at::set_num_threads(threads);
}

TEST_P(MethodConformanceTest, StopsBetweenLayers) {
  int64_t last = 0;
  QuantizationContext context;
  context.progress = [&last](const Message&, int64_t, int64_t, const std::string&) { return ++last < 2; };
  const auto result = Apply(context);
  EXPECT_TRUE(absl::IsCancelled(result.status())) << result.status();
  EXPECT_EQ(last, 2) << "asked again after it was told to stop";
}

TEST_P(MethodConformanceTest, RefusesBadParametersByName) {
  const auto method = MakeQuantizationMethod(GetParam().method).value();
  Params params = GetParam().params;
  params["no_such_thing"] = true;
  const auto unknown = method->Apply(*model_, params, {});
  EXPECT_TRUE(absl::IsInvalidArgument(unknown.status()));
  EXPECT_THAT(std::string(unknown.status().message()), HasSubstr("no_such_thing"));
  const ParamSpec& first = method->spec().params.front();
  const auto wrong = method->Apply(*model_, {{first.name, std::string("no such value")}}, {});
  EXPECT_TRUE(absl::IsInvalidArgument(wrong.status()));
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr(first.name));
}

TEST_P(MethodConformanceTest, RefusesAModelThatIsQuantizedAlready) {
  if (!spec().quantizes) GTEST_SKIP() << "leaves an FP32 model";
  ASSERT_TRUE(Apply().ok());
  const auto again = Apply();
  EXPECT_TRUE(absl::IsInvalidArgument(again.status()));
  EXPECT_THAT(std::string(again.status().message()), HasSubstr(DescribeLayers(*model_, 1).front().name));
}

INSTANTIATE_TEST_SUITE_P(AllMethods, MethodConformanceTest, ::testing::ValuesIn(AllVariants()),
                         [](const auto& info) { return info.param.name; });

TEST(MethodRegistryTest, HasOneOfEachSpec) {
  const auto methods = AllQuantizationMethods();
  ASSERT_EQ(methods.size(), AllMethods().size());
  for (size_t i = 0; i < methods.size(); ++i) EXPECT_EQ(&methods[i]->spec(), &AllMethods()[i]);
  EXPECT_TRUE(absl::IsNotFound(MakeQuantizationMethod("magic").status()));
}

// What a folder may lie about.
class BrokenFolderTest : public ::testing::Test {
 protected:
  BrokenFolderTest() {
    auto model = MakeRandomEncoder(SmallEncoderConfig(), 1).value();
    const auto result = MakeQuantizationMethod("dynamic_quantization").value()->Apply(*model, {}, {}).value();
    WriteSmallVocabulary(folder_);
    EXPECT_TRUE(SaveModel(*model, result.plan, folder_, folder_).ok());
    plan_ = ReadFile(folder_ + "/plan.json", 1 << 20).value();
  }

  // Loads with `from` in plan.json replaced by `to`.
  absl::Status LoadWith(const std::string& from, const std::string& to) {
    std::string text = plan_;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    std::ofstream(folder_ + "/plan.json") << text;
    return LoadModel(folder_).status();
  }

  const TempFolder temp_;
  const std::string& folder_ = temp_.path();
  std::string plan_;
};

TEST_F(BrokenFolderTest, IsRefusedByName) {
  const struct {
    const char *from, *to, *message;
  } cases[] = {
      {"\"version\": 2", "\"version\": 3", "newer"},
      {"\"model_family\": \"bert\"", "\"model_family\": \"gpt\"", "allowed: bert, distilbert"},
      {"\"model_family\": \"bert\"", "\"model_family\": \"electra\"", "of the family bert"},
      {"\"int8_dynamic\"", "\"int5\"", "int5"},
      {"\"in_features\": 40", "\"in_features\": -1", "in_features"},
      {"\"in_features\": 40", "\"in_features\": 41", "config.json"},
      {"\"granularity\": \"per_token\",\n   \"weight", "\"granularity\": \"per_text\",\n   \"weight",
       "per_text"},
      {"\"activation_dtype\": \"fp32\"", "\"activation_dtype\": \"fp8\"", "fp8"},
      {"\"reduce_range\": false,\n   \"tensors\"", "\"reduce_range\": 1,\n   \"tensors\"", "reduce_range"},
      {"query.weight_int8\"", "query.weight_int9\"", "weight_int9"},
      {"\"weight_granularity\": \"per_channel\",\n   \"reduce",
       "\"weight_granularity\": \"per_tensor\",\n   \"reduce", "weight_scale"},
      {"\"bert.encoder.layer.0.attention.self.query\"", "\"bert.encoder.layer.9.attention.self.query\"",
       "not in it"},
      {"\"bert.encoder.layer.0.attention.self.query\"", "\"bert.encoder.layer.0.attention.self.key\"",
       "twice"},
      {"{", "[", "JSON"},
  };
  for (const auto& c : cases) {
    const absl::Status status = LoadWith(c.from, c.to);
    EXPECT_FALSE(status.ok()) << c.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.to;
  }
}

TEST_F(BrokenFolderTest, ATruncatedPlanIsRefused) {
  for (size_t length : {size_t{0}, size_t{1}, plan_.size() / 2, plan_.size() - 3}) {
    std::ofstream(folder_ + "/plan.json") << plan_.substr(0, length);
    EXPECT_FALSE(LoadModel(folder_).ok()) << length;
  }
}

TEST_F(BrokenFolderTest, WithoutItsPlanTheTensorsDoNotFit) {
  fs::remove(folder_ + "/plan.json");
  EXPECT_FALSE(LoadModel(folder_).ok());
}

TEST_F(BrokenFolderTest, ALayerThatTheModelLacksIsRefused) {
  const auto status =
      LoadWith("\"layers\": [", R"("layers": [{"name": "extra", "kind": "fp32", "in_features": 1,
      "out_features": 1, "tensors": {}},)");
  EXPECT_THAT(std::string(status.message()), HasSubstr("extra"));
}

TEST(SavedModelTest, Fp32ModelsSurviveToo) {
  const TempFolder folder;
  const auto model = MakeRandomEncoder(SmallEncoderConfig(), 4).value();
  WriteSmallVocabulary(folder / "vocabulary");
  ASSERT_TRUE(SaveModel(*model, std::nullopt, folder / "vocabulary", folder / "model").ok());
  const auto loaded = LoadModel(folder / "model");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_FALSE(loaded->plan.has_value());
  const auto texts = RandomTexts(SmallEncoderConfig(), 4, 20, 2);
  EXPECT_TRUE(at::equal(LogitsOf(*loaded->model, texts), LogitsOf(*model, texts)));
  for (const Layer& layer : DescribeLayers(*model, 8)) EXPECT_EQ(layer.effective, "fp32");
}

}  // namespace
}  // namespace quantlab::engine
