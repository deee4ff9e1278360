#include "worker/engine/measure/bench.h"

#include <set>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/measure/environment.h"
#include "worker/engine/measure/mkldnn_linear.h"
#include "worker/engine/measure/side_by_side.h"
#include "worker/engine/methods/method.h"
#include "worker/engine/models/random_encoder.h"
#include "worker/engine/models/saved_model.h"

namespace quantlab::engine {
namespace {

class RunBenchTest : public ::testing::Test {
 protected:
  RunBenchTest() : model_(MakeRandomEncoder(SmallEncoderConfig(), 1).value()) {
    options_.sequence_length = 8;
    options_.warmup_iterations = 2;
    options_.min_samples = 5;
    options_.min_duration_seconds = 0;
    // Every reading of the clock is one second later: each sample takes exactly that.
    options_.now = [this] { return clock_ += 1; };
  }

  std::unique_ptr<Encoder> model_;
  BenchOptions options_;
  double clock_ = 0;
};

TEST_F(RunBenchTest, MeasuresAtLeastTheSamplesAndTheDuration) {
  auto result = RunBench({"fp32", model_.get()}, {{"same", model_.get()}}, options_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->result.reference.summary.samples, 5);
  EXPECT_EQ(result->result.entries[0].summary.samples, 5);
  EXPECT_EQ(result->samples.size(), 15u);
  options_.min_duration_seconds = 9;
  result = RunBench({"fp32", model_.get()}, {}, options_);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->result.reference.summary.samples, 9);
}

TEST_F(RunBenchTest, GoesOnUntilTheAaIntervalIsNarrowAndNoLonger) {
  // Time runs ever faster: within each block the model that comes later looks slower.
  double step = 1;
  options_.now = [&] { return clock_ += (step *= 1.3); };
  auto run = RunBench({"fp32", model_.get()}, {}, options_);
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->result.blocks, 5);
  EXPECT_FALSE(run->result.check.narrow);
  options_.until_narrow = true;
  run = RunBench({"fp32", model_.get()}, {}, options_);
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->result.blocks, 5 * kMaxExtension);
  EXPECT_FALSE(run->result.check.reliable());
  options_.now = [this] { return clock_ += 1; };
  run = RunBench({"fp32", model_.get()}, {}, options_);
  EXPECT_EQ(run->result.blocks, 5);
  EXPECT_TRUE(run->result.check.reliable());
}

TEST_F(RunBenchTest, SamplesHaveTheirOrderAndTheirTime) {
  const auto run = RunBench({"fp32", model_.get()}, {{"same", model_.get()}}, options_);
  ASSERT_TRUE(run.ok());
  for (size_t i = 0; i < run->samples.size(); ++i) {
    const BenchSample& sample = run->samples[i];
    EXPECT_EQ(sample.block, static_cast<int64_t>(i / 3));
    EXPECT_EQ(sample.position, static_cast<int64_t>(i % 3));
    EXPECT_EQ(sample.seconds, 1);
    if (i > 0) EXPECT_NEAR(sample.start - run->samples[i - 1].start, 2, 1e-3);
  }
}

TEST_F(RunBenchTest, RefusesTextsThatTheModelCannotTake) {
  options_.sequence_length = 49;
  EXPECT_TRUE(absl::IsInvalidArgument(RunBench({"fp32", model_.get()}, {}, options_).status()));
}

// Takes 0.5 s for every pass, and fails at the one of number `fails_at`.
class FakeRemote final : public RemoteModel {
 public:
  explicit FakeRemote(int fails_at = -1) : fails_at_(fails_at) {}

  absl::Status WarmUp(const std::vector<TokenizedText>& texts, int passes) override {
    texts_ = texts;
    warm_ups_ += passes;
    return fails_at_ == 0 ? absl::InternalError("cannot start") : absl::OkStatus();
  }
  absl::StatusOr<double> Time() override {
    if (++passes_ == fails_at_) return absl::InternalError("died");
    return 0.5;
  }

  std::vector<TokenizedText> texts_;
  int warm_ups_ = 0, passes_ = 0;

 private:
  const int fails_at_;
};

TEST_F(RunBenchTest, RemoteModelsTakePartInEveryBlock) {
  int settled = 0;
  options_.settle = [&] { ++settled; };
  FakeRemote first, second;
  const auto run = RunBench({"fp32", model_.get()}, {{"same", model_.get()}}, options_, {&first, &second});
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_TRUE(run->failed.empty());
  EXPECT_EQ(run->samples.size(), 25u);
  EXPECT_EQ(run->result.entries.size(), 1u) << "of this engine alone";
  EXPECT_EQ(first.warm_ups_, 2);
  EXPECT_EQ(first.passes_, 7) << "two blocks of the warm-up and five that count";
  ASSERT_EQ(first.texts_.size(), 1u);
  EXPECT_EQ(first.texts_[0].ids.size(), 8u);
  std::set<int64_t> positions;
  for (const BenchSample& sample : run->samples) {
    if (sample.model == 3) positions.insert(sample.position);
    EXPECT_EQ(sample.seconds, sample.model < 3 ? 1 : 0.5);
  }
  EXPECT_GT(positions.size(), 1u) << "the order changes from block to block";
  EXPECT_GT(settled, 7);
}

TEST_F(RunBenchTest, ARemoteModelThatFailsIsLeftOutAndTheOthersGoOn) {
  options_.settle = [] {};
  FakeRemote good, bad(5), absent(0);
  const auto run = RunBench({"fp32", model_.get()}, {}, options_, {&bad, &good, &absent});
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ(run->failed.size(), 2u);
  EXPECT_EQ(run->failed.at(2).message(), "died");
  EXPECT_EQ(run->failed.at(4).message(), "cannot start");
  for (const BenchSample& sample : run->samples) EXPECT_TRUE(sample.model != 2 && sample.model != 4);
  EXPECT_EQ(TimesOf(run->samples, 5)[3].size(), 5u);
}

TEST_F(RunBenchTest, WithoutRemoteModelsNothingSettles) {
  options_.settle = [] { ADD_FAILURE(); };
  EXPECT_TRUE(RunBench({"fp32", model_.get()}, {{"same", model_.get()}}, options_).ok());
}

TEST(MakeBenchTextsTest, SameSeedSameTexts) {
  const EncoderConfig config = SmallEncoderConfig();
  const auto first = MakeBenchTexts(config, 3, 7, 5), again = MakeBenchTexts(config, 3, 7, 5);
  ASSERT_EQ(first.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(first[i].ids, again[i].ids);
  EXPECT_NE(first[0].ids, MakeBenchTexts(config, 3, 7, 6)[0].ids);
}

TEST(MkldnnLinearTest, ComputesWhatThePlainLayerComputes) {
  const auto model = MakeRandomEncoder(SmallEncoderConfig(), 1).value();
  const auto texts = RandomTexts(SmallEncoderConfig(), 4, 16, 3);
  const at::Tensor plain = LogitsOf(*model, texts);
  const absl::Status status = UseMkldnnLinears(*model, 4, 16);
  if (absl::IsUnimplemented(status)) GTEST_SKIP() << status;
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_LT((LogitsOf(*model, texts) - plain).abs().max().item<float>(), 1e-4);
  for (const Layer& layer : DescribeLayers(*model, 16)) EXPECT_EQ(layer.kernel, MkldnnLinear::kKernel);
}

TEST(SideBySideTest, WantsTheBaselineFirst) {
  const TempFolder temp;
  const std::string& folder = temp.path();
  WriteSmallVocabulary(folder);
  auto model = MakeRandomEncoder(SmallEncoderConfig(), 1).value();
  ASSERT_TRUE(SaveModel(*model, std::nullopt, folder, folder + "/fp32").ok());
  const auto result = MakeQuantizationMethod("dynamic_quantization").value()->Apply(*model, {}, {}).value();
  ASSERT_TRUE(SaveModel(*model, result.plan, folder, folder + "/int8").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(SideBySide::Load({{"int8", folder + "/int8"}}, Device()).status()));
  EXPECT_FALSE(SideBySide::Load({}, Device()).ok());
  const auto models = SideBySide::Load({{"fp32", folder + "/fp32"}, {"int8", folder + "/int8"}}, Device());
  ASSERT_TRUE(models.ok()) << models.status();
  BenchOptions options;
  options.sequence_length = 8;
  options.min_samples = 5;
  options.min_duration_seconds = 0;
  const auto times = (*models)->Run(options);
  ASSERT_TRUE(times.ok()) << times.status();
  EXPECT_EQ(times->bench.result.entries.size(), 1u);
  EXPECT_GT(times->bench.result.entries[0].speedup, 0);
  EXPECT_FALSE(times->fp32_path.empty());
  EXPECT_EQ(times->trial.empty(), times->other_fp32_path.empty());
  // A later process takes the path that was chosen.
  const auto again = (*models)->Run(options, times->fp32_path);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->fp32_path, times->fp32_path);
  EXPECT_TRUE(again->trial.empty() && again->other_fp32_path.empty());
}

TEST(EnvironmentTest, TheFingerprintChangesWithWhatChangesResults) {
  const Environment one = DescribeEnvironment(Device(), 1), again = DescribeEnvironment(Device(), 1);
  EXPECT_EQ(one.fingerprint, again.fingerprint);
  EXPECT_EQ(one.fingerprint.size(), 16u);
  EXPECT_EQ(one.facts.count("gpu_memory_bytes"), 0u) << "the CPU's is memory_bytes";
  EXPECT_NE(one.fingerprint, DescribeEnvironment(Device(), 2).fingerprint);
  for (const char* fact :
       {"cpu_model", "cpu_flags", "torch", "threads", "runner_sha256", "os", "int8_kernels"}) {
    EXPECT_FALSE(one.facts.at(fact).empty()) << fact;
  }
}

TEST(EnvironmentTest, ADeviceThatIsNotThereIsRefusedWithTheReason) {
  EXPECT_TRUE(CheckDevice(Device()).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(CheckDevice(Device("tpu"))));
  if (AvailableDevices().size() > 1) GTEST_SKIP() << "there is a GPU";
  for (const char* text : {"cuda", "cuda:0"}) {
    const absl::Status status = CheckDevice(*Device::Parse(text));
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("device cuda is requested"));
  }
}

TEST(EnvironmentTest, EveryKindOfDeviceHasItsBackend) {
  for (const DeviceKind& kind : AllDeviceKinds()) {
    const Device device(kind.name);
    EXPECT_FALSE(absl::IsInvalidArgument(CheckDevice(device))) << kind.name;
    EXPECT_EQ(TorchDevice(device).str(), kind.name);
  }
  EXPECT_EQ(TorchDevice(*Device::Parse("cuda:1")), at::Device("cuda:1"));
}

TEST(EnvironmentTest, AnIndexBeyondTheDevicesThatAreThereIsRefused) {
  for (const Device& available : AvailableDevices()) {
    EXPECT_TRUE(CheckDevice(*Device::Parse(available.kind() + ":0")).ok());
    const absl::Status status = CheckDevice(*Device::Parse(available.kind() + ":999"));
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("the last is " + available.kind() + ":"));
  }
}

}  // namespace
}  // namespace quantlab::engine
