#include "worker/engine/train/checkpoints.h"

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/testing/temp_folder.h"
#include "worker/engine/models/model_testing.h"
#include "worker/engine/train/trainer.h"

namespace quantlab::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kSteps = 12;
constexpr double kNever = std::numeric_limits<double>::infinity();

LabelledTexts Texts(int count) {
  LabelledTexts data;
  for (int t = 0; t < count; ++t) {
    TokenizedText text{{1}, {}};
    const auto seed = static_cast<uint64_t>(t) * 1000;
    for (uint64_t i = 0; i < 3 + testing::SplitMix64(seed) % 10; ++i) {
      text.ids.push_back(static_cast<int32_t>(2 + testing::SplitMix64(seed + i + 1) % 90));
    }
    data.texts.push_back(text);
    data.labels.push_back(t % 3);
  }
  return data;
}

// What one process does: trains the same model on the same texts, and is asked to stop after some steps.
struct Process {
  explicit Process(const std::string& folder) {
    options.folder = folder;
    options.interval_seconds = kNever;
    options.executed_by = "this machine";
    options.attempt = 1;
    options.on_written = [this](const std::string& name) { written.push_back(name); };
    options.on_resumed = [this](const TrainingState& state) { resumed = state; };
    options.on_refused = [this](const absl::Status& why) { refused = why; };
    options.on_failed = [this](const absl::Status& why) { failed = why; };
    training.config.learning_rate = 1e-3;
    training.config.epochs = 3;
    training.config.batch_size = 8;
    training.seed = 7;
  }

  absl::Status Run(int64_t stop_after = kSteps + 1) {
    const testing::ThreadsScope threads(1);
    model = testing::FormulaModel(testing::SmallConfig());
    const LabelledTexts data = Texts(32);
    Checkpoints checkpoints(options);
    training.checkpoints = &checkpoints;
    training.on_step = [&](const TrainingStep& step) {
      losses.push_back(step.loss);
      if (!step.repeated) ++made;
      return step.step < stop_after;
    };
    auto result = Train(*model, data, MakeTrainingSchedule(data, training.config, training.seed), training);
    if (result.ok()) summary = *result;
    if (write_final) checkpoints.WriteFinal();
    return result.status();
  }

  std::string last_file() const { return absl::StrCat(options.folder, "/", written.back()); }

  Checkpoints::Options options;
  TrainingOptions training;
  bool write_final = false;
  std::unique_ptr<Encoder> model;
  TrainingSummary summary;
  std::vector<double> losses;
  int64_t made = 0;  // steps, without those of earlier processes
  std::vector<std::string> written;
  std::optional<TrainingState> resumed;
  absl::Status refused, failed;
};

void ExpectSameResult(const Process& one, const Process& other) {
  const TensorMap weights = other.model->StateTensors();
  for (const auto& [name, tensor] : one.model->StateTensors()) {
    EXPECT_TRUE(at::equal(tensor, weights.at(name))) << name;
  }
  EXPECT_EQ(one.losses, other.losses);
  EXPECT_EQ(one.summary.epoch_losses, other.summary.epoch_losses);
  EXPECT_EQ(one.summary.steps, other.summary.steps);
}

class CheckpointsTest : public ::testing::Test {
 protected:
  // The file of a training that was stopped after `steps`.
  std::string StoppedAfter(int64_t steps) {
    Process process(temp_ / "first");
    EXPECT_EQ(process.Run(steps).code(), absl::StatusCode::kCancelled);
    EXPECT_THAT(process.written, SizeIs(1));
    return process.last_file();
  }

  // A training that cannot use this file.
  void ExpectRefused(const std::string& file, const std::string& reason) {
    Process undisturbed(temp_ / "undisturbed"), process(temp_ / "second");
    ASSERT_TRUE(undisturbed.Run().ok());
    process.options.resume_from = file;
    ASSERT_TRUE(process.Run().ok());
    EXPECT_FALSE(process.resumed.has_value());
    EXPECT_THAT(process.refused.ToString(), HasSubstr(reason));
    ExpectSameResult(process, undisturbed);
  }

  const TempFolder temp_;
};

TEST_F(CheckpointsTest, AContinuedTrainingGivesTheSameWeightsBitForBit) {
  for (const std::string dtype : {"fp32", "bf16"}) {
    Process undisturbed(temp_ / "undisturbed");
    undisturbed.training.config.dtype = dtype;
    ASSERT_TRUE(undisturbed.Run().ok());
    EXPECT_THAT(undisturbed.written, IsEmpty());
    for (const int64_t stop : {int64_t{1}, int64_t{5}, kSteps - 1}) {
      SCOPED_TRACE(absl::StrCat(dtype, " stopped after ", stop));
      Process first(temp_ / absl::StrCat(dtype, stop)), second(temp_ / absl::StrCat(dtype, stop, "b"));
      first.training.config.dtype = second.training.config.dtype = dtype;
      ASSERT_EQ(first.Run(stop).code(), absl::StatusCode::kCancelled);
      EXPECT_THAT(first.losses, SizeIs(stop));
      second.options.resume_from = first.last_file();
      ASSERT_TRUE(second.Run().ok());
      ASSERT_TRUE(second.resumed.has_value()) << second.refused;
      EXPECT_THAT(second.resumed->steps, SizeIs(stop));
      EXPECT_EQ(second.made, kSteps - stop);
      ExpectSameResult(second, undisturbed);
    }
  }
}

TEST_F(CheckpointsTest, DropoutIsWhatTheStateOfTheGeneratorsIsFor) {
  // Without it a continued training differs: the test above does not pass by chance.
  const std::string file = StoppedAfter(5);
  TrainingState state = *ReadTrainingState(file);
  const at::Tensor begun = state.tensors.at("random/cpu");
  Process other(temp_ / "other");
  other.training.seed = 7;
  ASSERT_EQ(other.Run(6).code(), absl::StatusCode::kCancelled);
  state.tensors["random/cpu"] = ReadTrainingState(other.last_file())->tensors.at("random/cpu");
  ASSERT_FALSE(at::equal(begun, state.tensors.at("random/cpu")));
  ASSERT_TRUE(WriteTrainingState(file, state).ok());
  Process undisturbed(temp_ / "undisturbed"), second(temp_ / "second");
  ASSERT_TRUE(undisturbed.Run().ok());
  second.options.resume_from = file;
  ASSERT_TRUE(second.Run().ok());
  EXPECT_NE(second.losses, undisturbed.losses);
}

TEST_F(CheckpointsTest, IsContinuedSeveralTimes) {
  Process undisturbed(temp_ / "undisturbed");
  ASSERT_TRUE(undisturbed.Run().ok());
  std::string file = StoppedAfter(2);
  for (const int64_t stop : {4, 9}) {
    Process process(temp_ / absl::StrCat("until", stop));
    process.options.resume_from = file;
    process.options.attempt = stop;
    ASSERT_EQ(process.Run(stop).code(), absl::StatusCode::kCancelled);
    file = process.last_file();
    EXPECT_EQ(ReadTrainingState(file)->attempt, stop);
  }
  Process last(temp_ / "last");
  last.options.resume_from = file;
  ASSERT_TRUE(last.Run().ok());
  ExpectSameResult(last, undisturbed);
}

TEST_F(CheckpointsTest, SecondsAreThoseOfAllProcesses) {
  const std::string file = StoppedAfter(5);
  TrainingState state = *ReadTrainingState(file);
  EXPECT_GT(state.seconds, 0);
  state.seconds = 1000;
  ASSERT_TRUE(WriteTrainingState(file, state).ok());
  Process second(temp_ / "second");
  second.options.resume_from = file;
  ASSERT_TRUE(second.Run().ok());
  EXPECT_GT(second.summary.seconds, 1000);
  EXPECT_LT(second.summary.seconds, 1500);
}

TEST_F(CheckpointsTest, NamesTheFingerprintsThatComputedTheSteps) {
  std::string file = StoppedAfter(2);
  EXPECT_THAT(ReadTrainingState(file)->executed_by, ElementsAre("this machine"));
  for (const std::string machine : {"another", "this machine"}) {
    Process process(temp_ / machine);
    process.options.resume_from = file;
    process.options.executed_by = machine;
    ASSERT_EQ(process.Run(machine == "another" ? 5 : 8).code(), absl::StatusCode::kCancelled);
    file = process.last_file();
  }
  EXPECT_THAT(ReadTrainingState(file)->executed_by, ElementsAre("this machine", "another"));
}

TEST_F(CheckpointsTest, AfterTheLastStepNothingIsTrainedAgain) {
  Process first(temp_ / "first"), second(temp_ / "second");
  first.write_final = true;
  ASSERT_TRUE(first.Run().ok());
  ASSERT_THAT(first.written, ElementsAre("step-000000000012.safetensors"));
  EXPECT_EQ(ReadTrainingState(first.last_file())->tensors.count("first_moment/classifier.weight"), 0u);
  second.options.resume_from = first.last_file();
  ASSERT_TRUE(second.Run().ok());
  EXPECT_THAT(second.resumed->steps, SizeIs(kSteps));
  EXPECT_EQ(second.made, 0);
  ExpectSameResult(second, first);
}

TEST_F(CheckpointsTest, WritesOnScheduleAndKeepsTheNewestTwoFiles) {
  Process process(temp_ / "files");
  process.options.interval_seconds = 0;  // after every step
  process.write_final = true;            // has been written as the last of them
  ASSERT_TRUE(process.Run().ok());
  EXPECT_THAT(process.written, SizeIs(kSteps));
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(temp_ / "files")) left.push_back(entry.path().filename());
  EXPECT_THAT(left, ::testing::UnorderedElementsAre("step-000000000011.safetensors",
                                                    "step-000000000012.safetensors"));
  Process undisturbed(temp_ / "undisturbed");
  ASSERT_TRUE(undisturbed.Run().ok());
  ExpectSameResult(process, undisturbed);
}

TEST_F(CheckpointsTest, OtherInputsAreRefused) {
  const std::string file = StoppedAfter(5);
  const auto refused = [&](const std::function<void(Process&)>& change) {
    Process process(temp_ / "second");
    process.options.resume_from = file;
    change(process);
    EXPECT_TRUE(process.Run().ok());
    EXPECT_THAT(process.losses, SizeIs(kSteps));
    return !process.resumed.has_value() && absl::IsFailedPrecondition(process.refused);
  };
  EXPECT_FALSE(refused([](Process&) {}));
  EXPECT_TRUE(refused([](Process& process) { process.training.seed = 8; }));
  EXPECT_TRUE(refused([](Process& process) { process.training.config.learning_rate = 2e-3; }));
  EXPECT_TRUE(refused([](Process& process) { process.training.config.dropout = false; }));
  EXPECT_TRUE(refused([](Process& process) { process.training.loss_key = "another loss"; }));
}

TEST_F(CheckpointsTest, ADamagedFileIsRefusedAndTrainingBeginsAtTheStart) {
  const std::string file = StoppedAfter(5);
  const auto size = fs::file_size(file);
  fs::resize_file(file, size - 100);
  ExpectRefused(file, "truncated");
  fs::resize_file(file, 3);
  ExpectRefused(file, file);
  std::ofstream(file) << std::string(4096, '\xff');
  ExpectRefused(file, file);
  ExpectRefused(temp_ / "nowhere", "nowhere");
}

TEST_F(CheckpointsTest, AFileThatLacksSomethingIsRefusedWithItsName) {
  const std::string file = StoppedAfter(5);
  const TrainingState state = *ReadTrainingState(file);
  const auto refuse = [&](const std::string& tensor, const std::optional<at::Tensor>& instead) {
    TrainingState changed = state;
    for (auto& [name, value] : changed.tensors) value = value.clone();  // they look into the file
    ASSERT_EQ(changed.tensors.erase(tensor), 1u) << tensor;
    if (instead) changed.tensors[tensor] = *instead;
    const std::string other = temp_ / "changed";
    ASSERT_TRUE(WriteTrainingState(other, changed).ok());
    ExpectRefused(other, tensor);
  };
  refuse("parameter/classifier.weight", std::nullopt);
  refuse("first_moment/classifier.bias", at::ones({4}));
  refuse("random/cpu", std::nullopt);
  refuse("random/cpu", at::ones({16}, at::dtype(at::kByte)));
}

TEST_F(CheckpointsTest, AnotherKindOfFileIsRefused) {
  const std::string file = temp_ / "model.safetensors";
  ASSERT_TRUE(WriteSafetensors(file, {{"weight", at::ones({2})}}).ok());
  ExpectRefused(file, "not the state of a training");
}

TEST_F(CheckpointsTest, TrainingGoesOnWhereNothingCanBeWritten) {
  temp_.Write("file", "");
  Process process(temp_ / "file/folder");
  process.options.interval_seconds = 0;
  ASSERT_TRUE(process.Run().ok());
  EXPECT_FALSE(process.failed.ok());
  EXPECT_THAT(process.written, IsEmpty());
}

TEST_F(CheckpointsTest, WithoutAFolderATrainingContinuesAndWritesNothing) {
  Process process("");
  process.options.resume_from = StoppedAfter(2);
  process.options.interval_seconds = 0;
  EXPECT_EQ(process.Run(5).code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(process.resumed.has_value()) << process.refused;
  EXPECT_THAT(process.written, IsEmpty());
  EXPECT_TRUE(process.failed.ok()) << process.failed;
}

TEST_F(CheckpointsTest, AnImpossibleTimeIsRefused) {
  const std::string file = StoppedAfter(2);
  TrainingState state = *ReadTrainingState(file);
  for (auto& [name, value] : state.tensors) value = value.clone();  // they look into the file
  for (const double seconds : {-1.0, 1e300, std::numeric_limits<double>::infinity()}) {
    state.seconds = seconds;
    ASSERT_TRUE(WriteTrainingState(file, state).ok());
    EXPECT_EQ(ReadTrainingState(file).status().code(), absl::StatusCode::kInvalidArgument) << seconds;
  }
}

TEST_F(CheckpointsTest, WritingTakesAtMostAHundredthOfTheTime) {
  Process process(temp_ / "files");
  process.options.interval_seconds = 1e-9;
  ASSERT_TRUE(process.Run().ok());
  // Twelve steps of this model take less than a hundred times what the first file took.
  EXPECT_THAT(process.written, SizeIs(1));
}

}  // namespace
}  // namespace quantlab::engine
