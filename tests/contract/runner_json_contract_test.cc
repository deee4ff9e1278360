// job.json and event lines have two readers and two writers: protobuf in the agent, and the runner's own
// code, which cannot link protobuf. The files in tests/golden/contract hold both to one meaning.
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/config/settings.h"
#include "base/files.h"
#include "codec/event_json.h"
#include "proto/convert.h"
#include "worker/runner/job_json.h"

namespace quantlab {
namespace {

std::string Golden(const std::string& name) {
  auto text = ReadFile(absl::StrCat(QUANTLAB_SOURCE_DIR, "/tests/golden/contract/", name), 1 << 20);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *text : "";
}

std::vector<std::string> GoldenLines(const std::string& name) {
  return absl::StrSplit(Golden(name), '\n', absl::SkipEmpty());
}

// A text of the mapping in the form that this protobuf prints: releases differ in spaces, escapes and digits.
template <typename Message>
std::string Canonical(const std::string& json) {
  Message message;
  const absl::Status status = FromJson(json, &message);
  EXPECT_TRUE(status.ok()) << json << ": " << status;
  return ToJson(message);
}

TEST(JobContractTest, ProtobufLosesNothingOfTheGoldenJob) {
  const auto job = JobFromJson(Golden("job_full.json"));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(JobToJson(*job), Canonical<v1::Job>(Golden("job_full.json")));
  // What readers of other languages count on.
  for (const char* text : {R"("seed":"18446744073709551615")", R"("splitSeed":"9223372036854775808")",
                           R"("size":"9007199254740993")", R"("kind":"RUN_KIND_QUANTIZATION")",
                           R"("intValue":"-9223372036854775808")", R"("boolValue":false)",
                           R"("doubleValue":0.30000000000000004)", R"("latencyBatchSizes":[1,8])"}) {
    EXPECT_THAT(JobToJson(*job), ::testing::HasSubstr(text));
  }
}

// Original names, numbers for strings and strings for numbers, an enum's number, nulls, unknown fields.
TEST(JobContractTest, EveryFormOfTheMappingMeansTheSame) {
  const auto full = JobFromJson(Golden("job_full.json"));
  const auto lenient = JobFromJson(Golden("job_lenient.json"));
  ASSERT_TRUE(full.ok()) << full.status();
  ASSERT_TRUE(lenient.ok()) << lenient.status();
  EXPECT_EQ(JobToJson(*lenient), JobToJson(*full));
}

TEST(JobContractTest, RunnerReadsWhatProtobufReads) {
  for (const char* name : {"job_full.json", "job_lenient.json", "job_minimal.json"}) {
    const auto protobuf = JobFromJson(Golden(name));
    const auto runner = runner::ParseJob(Golden(name));
    ASSERT_TRUE(protobuf.ok()) << name << ": " << protobuf.status();
    ASSERT_TRUE(runner.ok()) << name << ": " << runner.status();
    // JobToJson writes every field (proto/convert_test.cc).
    EXPECT_EQ(JobToJson(*runner), JobToJson(*protobuf)) << name;
    EXPECT_EQ(runner->config.method.params, protobuf->config.method.params) << name;
  }
}

TEST(JobContractTest, BothRefuseWhatIsNoJob) {
  const std::vector<std::string> jobs = GoldenLines("bad_jobs.jsonl");
  ASSERT_GE(jobs.size(), 20u);
  for (const std::string& job : jobs) {
    v1::Job message;
    EXPECT_EQ(FromJson(job, &message).code(), absl::StatusCode::kInvalidArgument) << "protobuf: " << job;
    EXPECT_EQ(runner::ParseJob(job).status().code(), absl::StatusCode::kInvalidArgument) << "runner: " << job;
  }
}

// ---- settings
// ----------------------------------------------------------------------------------------------

// A job of `kind` that every reader takes, with the settings at their defaults.
Job GoodJob(RunKind kind) {
  Job job;
  job.config.experiment_id = "e";
  job.config.run_name = job.config.variant = "r";
  job.config.kind = kind;
  job.model_folder = job.dataset_folder = job.output_folder = "/folder";
  if (kind == RunKind::kComparison) job.inputs = {{"baseline", "baseline", "", "/folder"}};
  return job;
}

template <typename Section>
Section& SectionOf(Job& job) {
  if constexpr (std::is_same_v<Section, DatasetConfig>) return job.config.dataset;
  if constexpr (std::is_same_v<Section, TrainingConfig>) return job.config.training;
  if constexpr (std::is_same_v<Section, EvaluationConfig>) return job.config.evaluation;
}

// A value of the setting's range that is not its default.
SettingValue AnotherValue(const SettingSpec& spec) {
  const double low = spec.min.value_or(0), high = spec.max.value_or(1);
  switch (spec.type) {
    case ParamType::kBool:
      return {!std::get<bool>(spec.default_value[0])};
    case ParamType::kInt:
      return {static_cast<int64_t>(high) - 1};
    case ParamType::kDouble:
      return {low + (high - low) * 0.375};
    case ParamType::kString:
      return {spec.allowed.empty() ? "some text" : spec.allowed.back()};
  }
  return {};
}

template <typename Section>
class SettingsContractTest : public ::testing::Test {};
using Sections = ::testing::Types<DatasetConfig, TrainingConfig, EvaluationConfig>;
TYPED_TEST_SUITE(SettingsContractTest, Sections);

TYPED_TEST(SettingsContractTest, EverySettingReachesTheRunner) {
  for (const Setting<TypeParam>& setting : SettingsOf<TypeParam>()) {
    const SettingValue value = AnotherValue(setting.spec);
    ASSERT_NE(value, setting.spec.default_value) << setting.spec.path();
    Job job = GoodJob(RunKind::kComparison);
    ASSERT_TRUE(SetSetting(setting, value, &SectionOf<TypeParam>(job)).ok()) << setting.spec.path();
    auto protobuf = JobFromJson(JobToJson(job));
    auto runner = runner::ParseJob(JobToJson(job));
    ASSERT_TRUE(protobuf.ok()) << protobuf.status();
    ASSERT_TRUE(runner.ok()) << runner.status();
    EXPECT_EQ(GetSetting(setting, SectionOf<TypeParam>(*protobuf)), value) << setting.spec.path();
    EXPECT_EQ(GetSetting(setting, SectionOf<TypeParam>(*runner)), value) << setting.spec.path();
  }
}

// Whether protobuf's conversion and the runner take the number; they must agree.
template <typename Section>
bool IsTaken(const Setting<Section>& setting, double number) {
  const bool times = absl::StartsWith(setting.spec.key, "latency.");
  Job job = GoodJob(times ? RunKind::kComparison : RunKind::kBaseline);
  const ParamValue value =
      setting.spec.type == ParamType::kInt ? ParamValue(static_cast<int64_t>(number)) : ParamValue(number);
  EXPECT_TRUE(SetSetting(setting, {value}, &SectionOf<Section>(job)).ok());
  const auto protobuf = JobFromJson(JobToJson(job));
  const auto runner = runner::ParseJob(JobToJson(job));
  const bool taken = runner.ok() && runner::CheckJob(*runner).ok();
  // Zero is an absent field, which a message may have where its section is not used.
  if (number != 0) EXPECT_EQ(protobuf.ok(), taken) << setting.spec.path() << " " << number;
  return taken;
}

TYPED_TEST(SettingsContractTest, ARangeOfTheTableIsTheRangeOfJobs) {
  for (const Setting<TypeParam>& setting : SettingsOf<TypeParam>()) {
    const SettingSpec& spec = setting.spec;
    // Stored experiments may have seeds beyond the range of new ones.
    if (!spec.min || spec.key == "split_seed") continue;
    EXPECT_FALSE(IsTaken(setting, *spec.min - 1)) << spec.path();
    EXPECT_TRUE(IsTaken(setting, *spec.min)) << spec.path();
    EXPECT_TRUE(IsTaken(setting, *spec.max)) << spec.path();
    EXPECT_FALSE(IsTaken(setting, *spec.max + 1)) << spec.path();
  }
}

std::string RunnerText(const RunnerEvent& event) {
  if (const auto* finished = std::get_if<RunnerFinished>(&event)) return RunnerEventToJson(*finished);
  return RunnerEventToJson(std::get<EventKind>(event));
}

TEST(EventContractTest, ProtobufLosesNothingOfTheGoldenEvents) {
  for (const std::string& line : GoldenLines("runner_events.jsonl")) {
    const auto event = RunnerEventFromJson(line);
    ASSERT_TRUE(event.ok()) << line << ": " << event.status();
    EXPECT_EQ(ToJson(ToProto(*event)), Canonical<v1::RunnerEvent>(line));
  }
}

TEST(EventContractTest, ProtobufUnderstandsWhatTheRunnerWrites) {
  std::set<size_t> kinds;
  for (const std::string& line : GoldenLines("runner_events.jsonl")) {
    const auto event = RunnerEventFromJson(line);
    ASSERT_TRUE(event.ok()) << line << ": " << event.status();
    if (const auto* kind = std::get_if<EventKind>(&*event)) kinds.insert(kind->index());
    const std::string written = RunnerText(*event);
    EXPECT_EQ(written.find('\n'), std::string::npos) << written;
    EXPECT_EQ(Canonical<v1::RunnerEvent>(written), Canonical<v1::RunnerEvent>(line)) << written;
  }
  EXPECT_EQ(kinds.size(), std::variant_size_v<EventKind>) << "a kind of event has no golden line";
}

TEST(EventContractTest, BrokenTextFromTheRunnerIsStillAnEvent) {
  const auto read =
      RunnerEventFromJson(RunnerText(EventKind(LogLine{Severity::kInfo, "a\xff\xc3(\xed\xa0\x80z"})));
  ASSERT_TRUE(read.ok()) << read.status();
  const auto& line = std::get<LogLine>(std::get<EventKind>(*read));
  EXPECT_THAT(line.message, ::testing::StartsWith("a\xEF\xBF\xBD"));
  EXPECT_THAT(line.message, ::testing::EndsWith("z"));
}

}  // namespace
}  // namespace quantlab
