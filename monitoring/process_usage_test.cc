#include "monitoring/process_usage.h"

#include <ctime>
#include <map>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

namespace quantlab {
namespace {

TEST(ProcessUsageTest, ReadsThisProcess) {
  // Some CPU time to be found.
  volatile double sum = 0;
  for (int i = 0; i < 50'000'000; ++i) sum = sum + i;
  const auto usage = ReadProcessUsage(getpid());
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_GT(usage->cpu_seconds, 0);
  EXPECT_LT(usage->cpu_seconds, 600);
  EXPECT_GT(usage->resident_bytes, 1 << 20);
  EXPECT_GE(usage->virtual_bytes, usage->resident_bytes);
  EXPECT_EQ(usage->threads, 1);
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_NEAR(usage->start_seconds, now, 600);
}

TEST(ProcessUsageTest, AProcessThatIsGoneIsAnError) {
  EXPECT_FALSE(ReadProcessUsage(1 << 30).ok());
}

TEST(ProcessUsageTest, MetricsHaveTheNamesOfPrometheusClients) {
  std::map<std::string, double> values;
  for (const auto& family : ProcessMetrics()) {
    ASSERT_EQ(family.metric.size(), 1u) << family.name;
    values[family.name] = family.type == prometheus::MetricType::Counter ? family.metric[0].counter.value
                                                                         : family.metric[0].gauge.value;
  }
  EXPECT_GE(values.at("process_open_fds"), 3);
  EXPECT_GE(values.at("process_max_fds"), values.at("process_open_fds"));
  EXPECT_GT(values.at("process_resident_memory_bytes"), 0);
  EXPECT_TRUE(values.count("process_cpu_seconds_total"));
  EXPECT_TRUE(values.count("process_start_time_seconds"));
}

}  // namespace
}  // namespace quantlab
