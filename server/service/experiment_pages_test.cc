#include "server/service/experiment_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/records/event.h"
#include "proto/convert.h"
#include "server/service/testing/service_harness.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class ExperimentPagesTest : public ServiceTest {
 protected:
  HttpResponse Get(const std::string& path, const std::string& query = "", const std::string& token = "",
                   const std::string& host = "127.0.0.1:9464", bool needs_token = false) {
    ExperimentPages pages(&*access_, &storage_->states(), &storage_->events(), needs_token);
    return pages.Answer({path, query, host, token.empty() ? "" : "Bearer " + token});
  }
  Json Rows(const std::string& path, const std::string& query = "") {
    const HttpResponse response = Get(path, query);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.content_type, "application/json");
    return Json::parse(response.body);
  }

  // An experiment whose baseline runs and has reported two final metrics and a curve.
  std::string Running() {
    const std::string id = Submitted();
    const v1::AttemptRef attempt = Taken("w");
    std::vector<Event> events;
    const auto add = [&](const std::string& name, double value,
                         std::map<std::string, std::string> labels) -> Metric& {
      Metric metric;
      metric.name = name;
      metric.value = value;
      metric.unit = "1";
      metric.labels = std::move(labels);
      events.push_back({static_cast<int64_t>(events.size()) + 1, clock_.Now(), std::move(metric)});
      return std::get<Metric>(events.back().kind);
    };
    Metric& accuracy = add("accuracy", 0.75, {{"split", "test"}});
    accuracy.low = 0.7;
    accuracy.high = 0.8;
    accuracy.samples = 80;
    add("accuracy", 0.5, {{"split", "validation"}});
    add("speedup", 1.5,
        {{"variant", "int8"},
         {"run", "dynamic_quantization"},
         {"batch_size", "8"},
         {"sequence_length", "128"}});
    for (int step = 1; step <= kSteps; ++step) add("train_loss", 1.0 / step, {}).step = step;
    for (size_t first = 0; first < events.size(); first += 500) {
      const std::vector<Event> batch(events.begin() + first,
                                     events.begin() + std::min(first + 500, events.size()));
      EXPECT_TRUE(coordinator_->ReportEvents(*FromProto(attempt), batch).ok());
    }
    return id;
  }
  static constexpr int kSteps = 2400;
};

TEST_F(ExperimentPagesTest, ListsExperimentsAndTheirRuns) {
  const std::string id = Running();
  const Json experiments = Rows("/api/v1/experiments");
  ASSERT_EQ(experiments.size(), 1u);
  EXPECT_EQ(experiments[0]["id"], id);
  EXPECT_EQ(experiments[0]["state"], "ACTIVE");
  const Json runs = Rows(absl::StrCat("/api/v1/experiments/", id, "/runs"));
  ASSERT_GE(runs.size(), 2u);
  EXPECT_EQ(runs[0]["run"], "baseline");
  EXPECT_EQ(runs[0]["state"], "RUNNING");
  EXPECT_EQ(runs[0]["device"], "cpu");
  EXPECT_EQ(runs[0]["attempts"], 1);
  EXPECT_TRUE(runs[0]["duration"].is_null());
  EXPECT_TRUE(runs[0]["start_time"].is_number());
}

TEST_F(ExperimentPagesTest, MetricsAreSelectedByNameAndLabels) {
  const std::string path = absl::StrCat("/api/v1/experiments/", Running(), "/metrics");
  EXPECT_EQ(Rows(path, "name=accuracy").size(), 2u);
  const Json rows = Rows(path, "name=accuracy&split=test&final=1");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["run"], "baseline");
  EXPECT_EQ(rows[0]["value"], 0.75);
  EXPECT_EQ(rows[0]["low"], 0.7);
  EXPECT_EQ(rows[0]["high"], 0.8);
  EXPECT_EQ(rows[0]["samples"], 80);
  EXPECT_EQ(rows[0]["split"], "test");
  EXPECT_EQ(Rows(path, "name=accuracy&split=nothing").size(), 0u);
  EXPECT_EQ(Rows(path, "name=train_loss&final=1").size(), 0u);
  EXPECT_EQ(Get(path, "split=test").status, 400);
}

TEST_F(ExperimentPagesTest, WhatTheComparisonMeasuredBelongsToTheMeasuredVariant) {
  const Json rows = Rows(absl::StrCat("/api/v1/experiments/", Running(), "/metrics"), "name=speedup");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["run"], "dynamic_quantization");
  EXPECT_EQ(rows[0]["variant"], "int8");
  EXPECT_EQ(rows[0]["batch_size"], "8");
  EXPECT_EQ(rows[0]["label"], "int8, 8×128");
  EXPECT_TRUE(rows[0]["low"].is_null());
}

TEST_F(ExperimentPagesTest, LongCurvesAreThinnedAndKeepTheirEnds) {
  const Json rows = Rows(absl::StrCat("/api/v1/experiments/", Running(), "/metrics"), "name=train_loss");
  EXPECT_LE(rows.size(), 1000u);
  EXPECT_GE(rows.size(), 500u);
  EXPECT_EQ(rows.front()["step"], 1);
  EXPECT_EQ(rows.back()["step"], kSteps);
}

TEST_F(ExperimentPagesTest, UnknownPagesAndExperimentsAreNotFound) {
  for (const char* path :
       {"/", "/api/v1", "/api/v1/experiments/", "/api/v1/experiments/none/runs",
        "/api/v1/experiments/none/other", "/api/v1/experiments/a/b/runs", "/api/v1/experiments//runs",
        "/api/v1/experimentsx/runs", "/api/v1/experiments/runs"}) {
    EXPECT_EQ(Get(path).status, 404) << path;
  }
  EXPECT_EQ(Get("/api/v1/experiments/none/metrics", "name=accuracy").status, 404);
}

TEST_F(ExperimentPagesTest, WithoutTokensOnlyThisMachineMayRead) {
  EXPECT_EQ(Get("/api/v1/experiments", "", "", "localhost:9464").status, 200);
  // A dashboard without a token sends an empty one; one that is wrong is refused here too.
  EXPECT_EQ(Get("/api/v1/experiments", "", " ").status, 200);
  EXPECT_EQ(Get("/api/v1/experiments", "", "made-up").status, 401);
  // A web page whose name resolves to loopback.
  EXPECT_EQ(Get("/api/v1/experiments", "", "", "attacker.example:9464").status, 403);
  EXPECT_EQ(Get("/api/v1/experiments", "", "", "").status, 403);
}

TEST_F(ExperimentPagesTest, WhereTokensAreNeededTheRoleDecides) {
  const auto get = [this](const std::string& token) {
    return Get("/api/v1/experiments", "", token, "coordinator.example", /*needs_token=*/true).status;
  };
  EXPECT_EQ(get(""), 401);
  EXPECT_EQ(get("made-up"), 401);
  EXPECT_EQ(get(" "), 401);
  for (const auto& [role, status] : {std::pair(Role::kViewer, 200), std::pair(Role::kSubmitter, 200),
                                     std::pair(Role::kAdmin, 200), std::pair(Role::kWorker, 403)}) {
    const auto created = identities_->Create(absl::StrCat("somebody-", RoleName(role)), role, absl::Hours(1));
    ASSERT_TRUE(created.ok()) << created.status();
    EXPECT_EQ(get(created->token), status) << RoleName(role);
    ASSERT_TRUE(identities_->Revoke(created->record.name).ok());
    EXPECT_EQ(get(created->token), 401) << RoleName(role);
  }
  const HttpResponse refused = Get("/api/v1/experiments", "", "made-up", "localhost", true);
  EXPECT_TRUE(Json::parse(refused.body).contains("error"));
}

}  // namespace
}  // namespace quantlab
