#include "monitoring/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "monitoring/http_get_testing.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

HttpResponse Get(Exporter& exporter, const std::string& path) {
  return exporter.Answer({path, "", "localhost", ""});
}

MetricFamilies OneGauge() {
  prometheus::ClientMetric metric;
  metric.gauge.value = 3;
  return {{"some_gauge", "Help.", prometheus::MetricType::Gauge, {metric}}};
}

TEST(ExporterTest, AServiceIsReadyOnlyWhenItSaysSo) {
  Exporter exporter;
  EXPECT_EQ(Get(exporter, "/healthz").status, 200);
  EXPECT_EQ(Get(exporter, "/readyz").status, 503);
  exporter.SetReadiness([] { return absl::OkStatus(); });
  EXPECT_EQ(Get(exporter, "/readyz").status, 200);
  exporter.SetReadiness([] { return absl::UnavailableError("stopping"); });
  EXPECT_EQ(Get(exporter, "/readyz").status, 503);
  EXPECT_EQ(Get(exporter, "/readyz").body, "stopping\n");
  EXPECT_EQ(Get(exporter, "/healthz").status, 200);
}

TEST(ExporterTest, MetricsAreThoseOfTheCollectorAndOfTheProcess) {
  Exporter exporter;
  EXPECT_THAT(Get(exporter, "/metrics").body, HasSubstr("process_open_fds "));
  exporter.SetMetrics(OneGauge);
  const HttpResponse response = Get(exporter, "/metrics");
  EXPECT_THAT(response.content_type, StartsWith("text/plain; version=0.0.4"));
  EXPECT_THAT(response.body, HasSubstr("# TYPE some_gauge gauge\nsome_gauge 3\n"));
  EXPECT_THAT(response.body, HasSubstr("process_cpu_seconds_total "));
}

TEST(ExporterTest, OtherPathsAreThoseOfItsOwner) {
  Exporter exporter;
  EXPECT_EQ(Get(exporter, "/api").status, 404);
  exporter.SetPages([](const HttpRequest& request) { return HttpResponse{200, "text/plain", request.path}; });
  EXPECT_EQ(Get(exporter, "/api").body, "/api");
  EXPECT_EQ(Get(exporter, "/healthz").body, "ok\n");
}

TEST(ExporterTest, ListensOnLoopbackAlone) {
  EXPECT_EQ(*ParseMetricsListen("off"), std::nullopt);
  EXPECT_EQ((*ParseMetricsListen("127.0.0.1:9464"))->ToString(), "127.0.0.1:9464");
  EXPECT_EQ((*ParseMetricsListen("localhost:0"))->ToString(), "127.0.0.1:0");
  EXPECT_EQ((*ParseMetricsListen("[::1]:80"))->ToString(), "[::1]:80");
  for (const char* refused :
       {"", "9464", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "unix:/tmp/a", "127.0.0.1:70000"}) {
    EXPECT_EQ(ParseMetricsListen(refused).status().code(), absl::StatusCode::kInvalidArgument) << refused;
  }
}

TEST(ExporterTest, ServesOverHttpUntilItIsStopped) {
  Exporter exporter;
  Address address;
  address.host = "127.0.0.1";
  ASSERT_TRUE(exporter.Serve(address).ok());
  const Address served = exporter.endpoint()->address();
  EXPECT_THAT(*HttpGet(served, "/healthz"), HasSubstr("\r\n\r\nok\n"));
  exporter.Stop();
  EXPECT_FALSE(HttpGet(served, "/healthz").ok());
}

}  // namespace
}  // namespace quantlab
