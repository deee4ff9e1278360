// job.json and event lines have two readers and two writers: protobuf in the agent, and the runner's own
// code, which cannot link protobuf. The files in tests/golden/contract hold both to one meaning.
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
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
