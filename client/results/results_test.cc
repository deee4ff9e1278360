#include "client/results/results.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "platform/file_lock.h"
#include "tests/fakes/fake_coordinator.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;
using ::quantlab::testing::FakeCoordinator;
using ::quantlab::testing::FakeState;
using ::quantlab::testing::MakeExperiment;
using ::quantlab::testing::ReadAll;
using ::testing::HasSubstr;

class ResultsTest : public ::testing::Test {
 protected:
  ResultsTest() : fake_(folder_ / "c.sock"), client_(Client::Create({.address = fake_.address()}).value()) {
    options_.results_dir = folder_ / "results";
    options_.report = {{"report.en.md", "# Report\n"}, {"tables/accuracy.csv", "a,b\n"}};
  }

  // One run with a metric, a log line and two artifacts.
  v1::ReportData Data(const std::string& id) {
    v1::ReportData data;
    *data.mutable_experiment() = MakeExperiment(id, {"baseline"});
    v1::RunReport* run = data.add_runs();
    *run->mutable_run() = data.experiment().runs(0);
    v1::Metric* metric = run->add_metrics();
    metric->set_name("accuracy");
    metric->set_value(0.875);
    metric->set_unit("1");
    metric->set_low(0.85);
    (*metric->mutable_labels())["split"] = "test";
    AddArtifact(run, "model/model.safetensors", std::string(5000, 'w') + id);
    AddArtifact(run, "predictions.csv", "0,1\n");
    fake_.With([&](FakeState& state) {
      v1::LogEntry entry;
      entry.set_run_id(id + "/baseline");
      entry.set_attempt(1);
      entry.set_severity(v1::SEVERITY_INFO);
      entry.set_message("hello");
      state.logs = {entry};
    });
    return data;
  }

  void AddArtifact(v1::RunReport* run, const std::string& name, const std::string& content) {
    v1::Artifact* artifact = run->add_artifacts();
    artifact->set_name(name);
    artifact->set_sha256(Sha256Hex(content));
    artifact->set_size(static_cast<int64_t>(content.size()));
    fake_.With([&](FakeState& state) { state.artifacts[artifact->sha256()] = content; });
  }

  std::string Results(const std::string& name) { return folder_ / ("results/" + name); }
  size_t downloads() {
    return fake_.With([](FakeState& s) { return s.downloads.size(); });
  }
  // Whatever is hidden in the results folder.
  int Leftovers() {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(folder_ / "results")) {
      count += entry.path().filename().string()[0] == '.' ? 1 : 0;
    }
    return count;
  }

  TempFolder folder_;
  FakeCoordinator fake_;
  std::unique_ptr<Client> client_;
  ResultsOptions options_;
};

TEST_F(ResultsTest, WritesEverythingUnderItsName) {
  const auto written = WriteResults(*client_, Data("quick-1"), options_);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->path, Results("quick"));
  EXPECT_THAT(ReadAll(Results("quick/experiment.yaml")), HasSubstr("include: [\"source/quick.yaml\"]"));
  EXPECT_EQ(ReadAll(Results("quick/source/quick.yaml")), "experiments: {}\n");
  EXPECT_EQ(ReadAll(Results("quick/report/report.en.md")), "# Report\n");
  EXPECT_EQ(ReadAll(Results("quick/report/tables/accuracy.csv")), "a,b\n");
  EXPECT_THAT(ReadAll(Results("quick/report_data.json")), HasSubstr("quick-1"));
  EXPECT_THAT(ReadAll(Results("quick/baseline/config.json")), HasSubstr("\"runName\": \"baseline\""));
  EXPECT_THAT(ReadAll(Results("quick/baseline/metrics.json")), HasSubstr("0.875"));
  EXPECT_THAT(ReadAll(Results("quick/baseline/metrics.csv")),
              HasSubstr("accuracy,0.875,1,0.84999999999999998,,0,0,split=test"));
  EXPECT_THAT(ReadAll(Results("quick/baseline/log.txt")), HasSubstr("INFO hello"));
  EXPECT_EQ(ReadAll(Results("quick/baseline/predictions.csv")), "0,1\n");
  EXPECT_EQ(ReadAll(Results("quick/baseline/model/model.safetensors")).size(), 5007u);
  EXPECT_EQ(Leftovers(), 0);
}

TEST_F(ResultsTest, AnInterruptedCallLeavesTheOldResultsAndIsContinued) {
  ASSERT_TRUE(WriteResults(*client_, Data("quick-1"), options_).ok());
  const v1::ReportData data = Data("quick-2");
  int calls = 0;
  fake_.SetFault([&](const std::string& call) {
    if (call != "DownloadArtifact" || ++calls < 2) return absl::OkStatus();
    return absl::ResourceExhaustedError("full");
  });
  EXPECT_EQ(WriteResults(*client_, data, options_).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(ReadAll(Results("quick/experiment.json")), HasSubstr("quick-1"));

  fake_.SetFault(nullptr);
  const size_t before = downloads();
  const auto written = WriteResults(*client_, data, options_);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(downloads() - before, 1u) << "the first artifact was there already";
  EXPECT_EQ(written->moved_away, Results("quick@quick-1"));
  EXPECT_THAT(ReadAll(Results("quick/experiment.json")), HasSubstr("quick-2"));
  EXPECT_EQ(Leftovers(), 0);
}

TEST_F(ResultsTest, WhatTheCoordinatorHasNoLongerIsLeftOutAndCounted) {
  const v1::ReportData data = Data("quick-1");
  fake_.With([&](FakeState& state) { state.artifacts.erase(data.runs(0).artifacts(0).sha256()); });
  auto written = WriteResults(*client_, data, options_);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->gone, 1);
  EXPECT_FALSE(fs::exists(Results("quick/baseline/model/model.safetensors")));
  EXPECT_EQ(ReadAll(Results("quick/baseline/predictions.csv")), "0,1\n");
  // What was downloaded before it went stays.
  fake_.With([&](FakeState& state) { state.artifacts.erase(data.runs(0).artifacts(1).sha256()); });
  written = WriteResults(*client_, data, options_);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->gone, 1);
  EXPECT_EQ(ReadAll(Results("quick/baseline/predictions.csv")), "0,1\n");
}

TEST_F(ResultsTest, ResultsOfAnotherExperimentAreMovedNeverLost) {
  ASSERT_TRUE(WriteResults(*client_, Data("quick-1"), options_).ok());
  ASSERT_TRUE(WriteResults(*client_, Data("quick-2"), options_).ok());
  fs::create_directory(folder_ / "results/quick@quick-2");
  const auto third = WriteResults(*client_, Data("quick-3"), options_);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(third->moved_away, Results("quick@quick-2.2"));
  EXPECT_THAT(ReadAll(Results("quick@quick-1/experiment.json")), HasSubstr("quick-1"));
  EXPECT_THAT(ReadAll(Results("quick@quick-2.2/experiment.json")), HasSubstr("quick-2"));
}

TEST_F(ResultsTest, AForeignFolderIsMovedToo) {
  folder_.Write("results/quick/thesis.txt", "mine");
  const auto written = WriteResults(*client_, Data("quick-1"), options_);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(ReadAll(Results("quick@older/thesis.txt")), "mine");
}

TEST_F(ResultsTest, TheSameExperimentIsReplacedAndKeepsWhatTheUserAdded) {
  ASSERT_TRUE(WriteResults(*client_, Data("quick-1"), options_).ok());
  folder_.Write("results/quick/notes/mine.txt", "mine");
  const size_t before = downloads();
  v1::ReportData data = Data("quick-1");
  data.mutable_runs(0)->mutable_artifacts()->RemoveLast();
  const auto written = WriteResults(*client_, data, options_);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->moved_away, "");
  EXPECT_EQ(downloads(), before) << "files that are there are linked, not fetched";
  EXPECT_EQ(ReadAll(Results("quick/notes/mine.txt")), "mine");
  EXPECT_FALSE(fs::exists(Results("quick/baseline/predictions.csv"))) << "no longer part of the results";
  EXPECT_EQ(Leftovers(), 0);
}

TEST_F(ResultsTest, ReportsInOtherFormsStayWhileTheDataAreTheSame) {
  ASSERT_TRUE(WriteResults(*client_, Data("quick-1"), options_).ok());
  options_.report = {{"report.zh.pdf", "%PDF"}};
  v1::ReportData chinese = Data("quick-1");
  chinese.mutable_experiment()->set_report_language("zh");
  ASSERT_TRUE(WriteResults(*client_, chinese, options_).ok());
  EXPECT_EQ(ReadAll(Results("quick/report/report.en.md")), "# Report\n");
  EXPECT_EQ(ReadAll(Results("quick/report/report.zh.pdf")), "%PDF");
  options_.report = {{"report.en.md", "# New\n"}};
  ASSERT_TRUE(WriteResults(*client_, Data("quick-1"), options_).ok());
  EXPECT_EQ(ReadAll(Results("quick/report/report.en.md")), "# New\n");
  EXPECT_EQ(ReadAll(Results("quick/report/report.zh.pdf")), "%PDF");

  v1::ReportData newer = Data("quick-1");
  newer.mutable_runs(0)->mutable_metrics(0)->set_value(0.5);
  ASSERT_TRUE(WriteResults(*client_, newer, options_).ok());
  EXPECT_FALSE(fs::exists(Results("quick/report/report.zh.pdf"))) << "it tells of what is no longer so";
}

TEST_F(ResultsTest, ADamagedCopyIsFetchedAgain) {
  ASSERT_TRUE(WriteResults(*client_, Data("quick-1"), options_).ok());
  folder_.Write("results/quick/baseline/predictions.csv", "9,9\n");
  ASSERT_TRUE(WriteResults(*client_, Data("quick-1"), options_).ok());
  EXPECT_EQ(ReadAll(Results("quick/baseline/predictions.csv")), "0,1\n");
}

TEST_F(ResultsTest, AReportAloneFetchesNothing) {
  options_.artifacts = Artifacts::kKeep;
  ASSERT_TRUE(WriteResults(*client_, Data("quick-1"), options_).ok());
  EXPECT_EQ(downloads(), 0u);
  EXPECT_TRUE(fs::exists(Results("quick/report/report.en.md")));
  EXPECT_FALSE(fs::exists(Results("quick/baseline/predictions.csv")));
}

TEST_F(ResultsTest, AnArtifactNamedAsOneOfOursStandsAside) {
  v1::ReportData data = Data("quick-1");
  AddArtifact(data.mutable_runs(0), "config.json", "{}");
  ASSERT_TRUE(WriteResults(*client_, data, options_).ok());
  EXPECT_THAT(ReadAll(Results("quick/baseline/config.json")), HasSubstr("runName"));
  EXPECT_EQ(ReadAll(Results("quick/baseline/artifacts/config.json")), "{}");
}

TEST_F(ResultsTest, ArtifactsWhoseNamesNeedAFolderInThePlaceOfAFileStandAside) {
  v1::ReportData data = Data("quick-1");
  AddArtifact(data.mutable_runs(0), "run.json/x", "1");
  AddArtifact(data.mutable_runs(0), "predictions.csv/x", "2");
  AddArtifact(data.mutable_runs(0), "model", "3");
  AddArtifact(data.mutable_runs(0), "artifacts/run.json", "4");
  AddArtifact(data.mutable_runs(0), "predictions.csv", "5");
  AddArtifact(data.mutable_runs(0), "predictions.csv", "6");
  const auto written = WriteResults(*client_, data, options_);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_THAT(ReadAll(Results("quick/baseline/run.json")), HasSubstr("\"id\""));
  EXPECT_EQ(ReadAll(Results("quick/baseline/artifacts/run.json/x")), "1");
  EXPECT_EQ(ReadAll(Results("quick/baseline/artifacts/predictions.csv/x")), "2");
  EXPECT_EQ(ReadAll(Results("quick/baseline/artifacts/model")), "3");
  EXPECT_EQ(ReadAll(Results("quick/baseline/artifacts/artifacts/run.json")), "4");
  EXPECT_EQ(ReadAll(Results("quick/baseline/artifacts/7_predictions.csv")), "5");
  EXPECT_EQ(ReadAll(Results("quick/baseline/artifacts/8_predictions.csv")), "6");
}

TEST_F(ResultsTest, NamesThatLeaveTheFolderAreRefused) {
  v1::ReportData data = Data("quick-1");
  data.mutable_runs(0)->mutable_artifacts(1)->set_name("../../evil");
  EXPECT_EQ(WriteResults(*client_, data, options_).status().code(), absl::StatusCode::kInvalidArgument);
  data = Data("quick-1");
  data.mutable_runs(0)->mutable_run()->set_folder("/etc");
  EXPECT_EQ(WriteResults(*client_, data, options_).status().code(), absl::StatusCode::kInvalidArgument);
  data = Data("quick-1");
  data.mutable_experiment()->set_name("../up");
  const auto written = WriteResults(*client_, data, options_);
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(written->path, Results("_.._up"));
  EXPECT_FALSE(fs::exists(folder_ / "evil"));
}

TEST_F(ResultsTest, TwoWritersOfTheSameResultsDoNotMix) {
  fs::create_directories(Results(".quick@quick-1.partial"));
  const auto lock = FileLock::Try(Results(".quick@quick-1.partial/.lock"), FileLock::Mode::kExclusive);
  ASSERT_TRUE(lock.ok() && *lock != nullptr);
  EXPECT_EQ(WriteResults(*client_, Data("quick-1"), options_).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(ResultsTest, AFailedExperimentLeavesWhatThereIs) {
  v1::ReportData data = Data("quick-1");
  data.mutable_experiment()->set_state(v1::EXPERIMENT_STATE_FAILED);
  data.mutable_runs(0)->mutable_run()->set_state(v1::RUN_STATE_FAILED);
  data.mutable_runs(0)->clear_artifacts();
  data.mutable_runs(0)->clear_metrics();
  ASSERT_TRUE(WriteResults(*client_, data, options_).ok());
  EXPECT_THAT(ReadAll(Results("quick/baseline/log.txt")), HasSubstr("hello"));
}

}  // namespace
}  // namespace quantlab::client
