#include "worker/agent/program/worker_metrics.h"

#include <dlfcn.h>
#include <fstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class WorkerMetricsTest : public testing::Test {
 protected:
  WorkerMetricsTest() { EXPECT_TRUE(cache_.Open().ok()); }

  std::string Text(WorkerMetrics& metrics) { return MetricsText(metrics.Collect()); }

  TempFolder folder_;
  ArtifactCache cache_{folder_.path() + "/cache", 1000, nullptr};
  OutageLog outage_{LogScope()};
  WorkerMetrics metrics_{{"1.2.3", folder_.path(), {"cpu", "abacus"}, 1}, &cache_, &outage_, nullptr};
};

TEST_F(WorkerMetricsTest, KnownSeriesAreThereFromTheStart) {
  const std::string text = Text(metrics_);
  for (const char* series :
       {"quantlab_worker_attempts{phase=\"preparing\"} 0", "quantlab_worker_attempts{phase=\"running\"} 0",
        "quantlab_worker_device_attempts{device=\"cpu\"} 0",
        "quantlab_worker_device_attempts{device=\"abacus\"} 0",
        "quantlab_worker_attempts_ended_total{outcome=\"succeeded\"} 0",
        "quantlab_worker_attempts_ended_total{outcome=\"timed_out\"} 0",
        "quantlab_worker_attempt_duration_seconds_count 0", "quantlab_worker_faults_in_a_row 0",
        "quantlab_worker_connected 1", "quantlab_worker_disconnections_total 0",
        "quantlab_worker_accepts_runs 1", "quantlab_worker_spool_bytes 0", "quantlab_worker_cache_bytes 0",
        "quantlab_worker_cache_limit_bytes 1000", "quantlab_worker_runner_resident_bytes 0",
        "quantlab_build_info{version=\"1.2.3\"} 1"}) {
    EXPECT_THAT(text, HasSubstr(series));
  }
  EXPECT_THAT(text, Not(HasSubstr("_gpu_temperature_celsius{")));
}

TEST_F(WorkerMetricsTest, ShowsAnAttemptWhileItLives) {
  auto spool = Spool::Open(folder_.path());
  ASSERT_TRUE(spool.ok()) << spool.status();
  v1::Event event;
  event.mutable_progress()->set_phase("training");
  ASSERT_TRUE((*spool)->Append(event).ok());
  ASSERT_TRUE((*spool)->Append(event).ok());
  (*spool)->Acknowledge(1);
  auto status = metrics_.Begin("abacus");
  status->SetSpool(spool->get());
  EXPECT_THAT(Text(metrics_), HasSubstr("quantlab_worker_attempts{phase=\"preparing\"} 1"));
  status->SetPhase(AttemptPhase::kRunning);
  status->SetRunner(getpid());
  std::string text = Text(metrics_);
  EXPECT_THAT(text, HasSubstr("quantlab_worker_attempts{phase=\"running\"} 1"));
  EXPECT_THAT(text, HasSubstr("quantlab_worker_device_attempts{device=\"abacus\"} 1"));
  EXPECT_THAT(text, HasSubstr("quantlab_worker_spool_backlog_events 1"));
  EXPECT_THAT(text, Not(HasSubstr("quantlab_worker_spool_bytes 0")));
  EXPECT_THAT(text, Not(HasSubstr("quantlab_worker_runner_resident_bytes 0")));
  status->SetSpool(nullptr);
  status.reset();
  text = Text(metrics_);
  EXPECT_THAT(text, HasSubstr("quantlab_worker_attempts{phase=\"running\"} 0"));
  EXPECT_THAT(text, HasSubstr("quantlab_worker_spool_bytes 0"));
  EXPECT_THAT(text, HasSubstr("quantlab_worker_runner_resident_bytes 0"));
}

TEST_F(WorkerMetricsTest, CountsEndsAndFaultsInARow) {
  metrics_.End({v1::RUN_STATE_FAILED, {}, /*worker_fault=*/true}, absl::Seconds(3));
  metrics_.End({v1::RUN_STATE_FAILED, {}, /*worker_fault=*/true}, absl::Seconds(4));
  EXPECT_THAT(Text(metrics_), HasSubstr("quantlab_worker_faults_in_a_row 2"));
  metrics_.End({v1::RUN_STATE_SUCCEEDED, {}}, absl::Seconds(5));
  const std::string text = Text(metrics_);
  EXPECT_THAT(text, HasSubstr("quantlab_worker_faults_in_a_row 0"));
  EXPECT_THAT(text, HasSubstr("quantlab_worker_attempts_ended_total{outcome=\"failed\"} 2"));
  EXPECT_THAT(text, HasSubstr("quantlab_worker_attempts_ended_total{outcome=\"succeeded\"} 1"));
  EXPECT_THAT(text, HasSubstr("quantlab_worker_attempt_duration_seconds_sum 12"));
}

TEST_F(WorkerMetricsTest, ShowsOutagesTheCacheAndAFullDisk) {
  outage_.Failed(absl::UnavailableError("away"));
  outage_.Failed(absl::UnavailableError("away"));
  std::ofstream(folder_.path() + "/cache/0123") << std::string(70, 'x');
  std::ofstream(folder_.path() + "/cache/partial/4567") << std::string(7, 'x');
  std::string text = Text(metrics_);
  EXPECT_THAT(text, HasSubstr("quantlab_worker_connected 0"));
  EXPECT_THAT(text, HasSubstr("quantlab_worker_disconnections_total 1"));
  EXPECT_THAT(text, HasSubstr("quantlab_worker_cache_bytes 77"));
  EXPECT_THAT(text, HasSubstr("quantlab_worker_cache_files 2"));
  outage_.Answered();
  EXPECT_THAT(Text(metrics_), HasSubstr("quantlab_worker_connected 1"));
  WorkerMetrics full({"1", folder_.path(), {"cpu"}, int64_t{1} << 60}, &cache_, &outage_, nullptr);
  EXPECT_THAT(Text(full), HasSubstr("quantlab_worker_accepts_runs 0"));
}

TEST_F(WorkerMetricsTest, ShowsWhatEachGpuReports) {
  const std::unique_ptr<GpuProbe> gpus = GpuProbe::Open(QUANTLAB_FAKE_NVML);
  ASSERT_NE(gpus, nullptr);
  WorkerMetrics metrics({"1", folder_.path(), {"abacus"}, 1}, &cache_, &outage_, gpus.get());
  const std::string text = Text(metrics);
  for (const char* series : {"quantlab_worker_gpu_temperature_celsius{gpu=\"0\"} 61",
                             "quantlab_worker_gpu_utilization_ratio{gpu=\"0\"} 0.87",
                             "quantlab_worker_gpu_power_watts{gpu=\"0\"} 312.5",
                             "quantlab_worker_gpu_memory_used_bytes{gpu=\"1\"} 30000000000",
                             "quantlab_worker_gpu_memory_size_bytes{gpu=\"1\"} 80000000000"}) {
    EXPECT_THAT(text, HasSubstr(series));
  }
  EXPECT_THAT(text, Not(HasSubstr("celsius{gpu=\"1\"}")));
  EXPECT_THAT(text, Not(HasSubstr("gpu=\"2\"")));
}

TEST_F(WorkerMetricsTest, AGpuThatNoLongerAnswersKeepsNoValues) {
  const std::unique_ptr<GpuProbe> gpus = GpuProbe::Open(QUANTLAB_FAKE_NVML);
  ASSERT_NE(gpus, nullptr);
  // The library that the probe has loaded.
  void* const library = dlopen(QUANTLAB_FAKE_NVML, RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(library, nullptr);
  const auto lose = reinterpret_cast<void (*)(int)>(dlsym(library, "quantlab_fake_nvml_lose"));
  ASSERT_NE(lose, nullptr);
  WorkerMetrics metrics({"1", folder_.path(), {"abacus"}, 1}, &cache_, &outage_, gpus.get());
  EXPECT_THAT(Text(metrics), HasSubstr("celsius{gpu=\"0\"} 61"));
  lose(1);
  EXPECT_THAT(Text(metrics), Not(HasSubstr("gpu=")));
  EXPECT_THAT(Text(metrics), Not(HasSubstr("gpu=")));
  lose(0);
  EXPECT_THAT(Text(metrics), HasSubstr("celsius{gpu=\"0\"} 61"));
  dlclose(library);
}

TEST(GpuProbeTest, AMachineWithoutTheLibraryHasNoProbe) {
  EXPECT_EQ(GpuProbe::Open("libquantlab-no-such-library.so.1"), nullptr);
  EXPECT_EQ(GpuProbe::Open("libc.so.6"), nullptr);
}

}  // namespace
}  // namespace quantlab::agent
