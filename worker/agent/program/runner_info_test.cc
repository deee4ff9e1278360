#include "worker/agent/program/runner_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/process.h"

namespace quantlab::agent {
namespace {

using ::testing::HasSubstr;

TEST(RunnerInfoTest, ReadsWhatTheRunnerSays) {
  const auto info = ParseRunnerInfo(
      R"({"version":1,"devices":["cpu","cuda"],"methods":[{"name":"m","version":2}],"fingerprint":"f",
          "facts":{"torch":"2.13.0","cores":2,"avx2":true},"later":[]})");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->devices_size(), 2);
  EXPECT_EQ(info->methods(0).version(), 2);
  EXPECT_EQ(info->facts().at("cores"), "2");
  EXPECT_EQ(info->facts().at("torch"), "2.13.0");
}

TEST(RunnerInfoTest, SaysWhatIsMissing) {
  for (const auto& [json, what] : std::vector<std::pair<std::string, std::string>>{
           {"", "not a JSON object"},
           {"[1]", "not a JSON object"},
           {"{}", "'devices' is missing"},
           {R"({"devices":[],"methods":[],"fingerprint":""})", "'devices' is not a list of devices"},
           {R"({"devices":[1],"methods":[],"fingerprint":""})", "no text"},
           {R"({"devices":["cpu"],"methods":[{"name":"m"}],"fingerprint":""})", "no name and version"},
           {R"({"devices":["cpu"],"methods":[],"fingerprint":5})", "'fingerprint' is no text"},
           {R"({"devices":["cpu"],"methods":[],"fingerprint":"f","facts":[]})", "'facts' is not a map"}}) {
    EXPECT_THAT(std::string(ParseRunnerInfo(json).status().message()), HasSubstr(what)) << json;
  }
}

TEST(RunnerInfoTest, RestrictsDevicesToThoseThatAreThere) {
  v1::WorkerInfo info;
  info.add_devices("cpu");
  EXPECT_TRUE(RestrictDevices({}, info).ok());
  EXPECT_TRUE(RestrictDevices({"cpu"}, info).ok());
  EXPECT_THAT(std::string(RestrictDevices({"cuda"}, info).message()),
              HasSubstr("offers only cpu; it needs an NVIDIA GPU"));
  EXPECT_THAT(std::string(RestrictDevices({"tpu"}, info).message()), HasSubstr("allowed: cpu, cuda"));
}

TEST(RunnerInfoTest, RunnersThatDoNotWorkAreSaidToBeSo) {
  const auto launcher = MakeProcessLauncher();
  EXPECT_THAT(std::string(AskRunner(*launcher, "/nowhere/quant-runner", -1).status().message()),
              HasSubstr("--runner PATH"));
  EXPECT_TRUE(absl::IsFailedPrecondition(AskRunner(*launcher, "/bin/false", -1).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(AskRunner(*launcher, "/bin/echo", -1).status()));
}

}  // namespace
}  // namespace quantlab::agent
