// ExperimentService: translation, error codes and limits.
#include "server/service/experiment_service.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "server/service/submission.h"
#include "server/service/testing/service_harness.h"

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Stub = v1::ExperimentService::Stub;

class ExperimentServiceTest : public ServiceTest {
 protected:
  absl::StatusCode CodeOf(const v1::SubmitExperimentRequest& request) {
    v1::SubmitExperimentResponse response;
    return Submit(request, &response).code();
  }
};

TEST_F(ExperimentServiceTest, AFileBecomesAnExperimentWithItsRuns) {
  v1::SubmitExperimentResponse response;
  ASSERT_TRUE(Submit(NewRequest("r"), &response).ok());
  EXPECT_TRUE(response.created());
  const v1::Experiment& experiment = response.experiment();
  EXPECT_EQ(experiment.name(), "try");
  EXPECT_EQ(experiment.submitter(), "someone");
  EXPECT_EQ(experiment.create_time().seconds(), absl::ToUnixSeconds(clock_.Now()));
  ASSERT_EQ(experiment.runs_size(), 2);
  EXPECT_EQ(experiment.runs(0).id(), absl::StrCat(experiment.id(), "/baseline"));
  EXPECT_EQ(experiment.runs(0).state(), v1::RUN_STATE_QUEUED);
  EXPECT_EQ(experiment.runs(1).state(), v1::RUN_STATE_PENDING);
}

TEST_F(ExperimentServiceTest, ValidationStoresNothing) {
  v1::SubmitExperimentRequest request = NewRequest("");
  request.set_validate_only(true);
  v1::SubmitExperimentResponse response;
  ASSERT_TRUE(Submit(request, &response).ok());
  EXPECT_EQ(response.experiment().runs(1).id(), "dynamic_quantization");
  v1::ListExperimentsResponse list;
  ASSERT_TRUE(Call(*experiments_, &Stub::ListExperiments, v1::ListExperimentsRequest(), &list).ok());
  EXPECT_EQ(list.experiments_size(), 0);
}

TEST_F(ExperimentServiceTest, TheSameRequestAgainReturnsTheSameExperiment) {
  v1::SubmitExperimentResponse first, again;
  ASSERT_TRUE(Submit(NewRequest("r"), &first).ok());
  ASSERT_TRUE(Submit(NewRequest("r"), &again).ok());
  EXPECT_FALSE(again.created());
  EXPECT_EQ(again.experiment().id(), first.experiment().id());
}

TEST_F(ExperimentServiceTest, ARequestIdThatComesAgainWithOtherContentIsRefused) {
  Submitted("r");
  v1::SubmitExperimentRequest other_file = NewRequest("r"), other_only = NewRequest("r"),
                              other_reuse = NewRequest("r");
  other_file.mutable_files(0)->mutable_content()->append("# changed\n");
  other_only.add_only("baseline");
  other_reuse.set_no_reuse(true);
  for (const v1::SubmitExperimentRequest& request : {other_file, other_only, other_reuse}) {
    v1::SubmitExperimentResponse response;
    const absl::Status status = Submit(request, &response);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(status), "REQUEST_ID_REUSED");
  }
}

TEST_F(ExperimentServiceTest, ExperimentsOfBeforeAreComparedByTheirFiles) {
  const v1::SubmitExperimentRequest request = NewRequest("r");
  ExperimentRecord known;
  known.id = "try-1";
  known.files = {{request.files(0).name(), request.files(0).content()}};
  EXPECT_TRUE(CheckSameRequest(known, request).ok());
  known.files[0].content += "# changed\n";
  EXPECT_EQ(ReasonOf(CheckSameRequest(known, request)), "REQUEST_ID_REUSED");
}

TEST_F(ExperimentServiceTest, LimitsOfARequestAreChecked) {
  v1::SubmitExperimentRequest request = NewRequest("");
  EXPECT_EQ(CodeOf(request), absl::StatusCode::kInvalidArgument) << "no request_id";
  request = NewRequest(std::string(kMaxRequestIdBytes + 1, 'r'));
  EXPECT_EQ(CodeOf(request), absl::StatusCode::kInvalidArgument);
  request = NewRequest("r");
  request.set_submitter(std::string(kMaxSubmitterBytes + 1, 's'));
  EXPECT_EQ(CodeOf(request), absl::StatusCode::kInvalidArgument);
  request = NewRequest("r");
  request.add_only(std::string(kMaxOnlyNameBytes + 1, 'o'));
  EXPECT_EQ(CodeOf(request), absl::StatusCode::kInvalidArgument);
  request = NewRequest("r");
  for (int i = 0; i <= kMaxOnlyNames; ++i) request.add_only("baseline");
  EXPECT_EQ(CodeOf(request), absl::StatusCode::kInvalidArgument);
  request = NewRequest("r");
  request.mutable_files(0)->set_name(std::string(1 << 20, 'n'));
  EXPECT_EQ(CodeOf(request), absl::StatusCode::kInvalidArgument);
}

TEST_F(ExperimentServiceTest, AMistakeInTheFileIsNamedWithItsLine) {
  v1::SubmitExperimentRequest request = NewRequest("r");
  request.mutable_files(0)->mutable_content()->append("trainin: {epochs: 1}\n");
  v1::SubmitExperimentResponse response;
  const absl::Status status = Submit(request, &response);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "EXPERIMENT_INVALID");
  EXPECT_THAT(std::string(status.message()), HasSubstr("try.yaml:3:1"));
}

// 157 kB that once took 3.6 GB: a long scalar, repeated by aliases.
TEST_F(ExperimentServiceTest, AnAliasBombIsRefusedAndTheServiceGoesOn) {
  v1::SubmitExperimentRequest request = NewRequest("bomb");
  std::string text = absl::StrCat("a: &a '", std::string(100'000, 'x'), "'\nb: [*a");
  for (int i = 0; i < 19'000; ++i) text += ",*a";
  request.mutable_files(0)->set_content(text + "]\n");
  v1::SubmitExperimentResponse response;
  const absl::Status status = Submit(request, &response);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("counting what aliases repeat"));
  EXPECT_FALSE(Submitted("r").empty());
}

TEST_F(ExperimentServiceTest, WhatDoesNotExistIsNotFound) {
  const std::string id = Submitted();
  v1::GetExperimentRequest get;
  get.set_id("nobody");
  v1::Experiment experiment;
  EXPECT_EQ(Call(*experiments_, &Stub::GetExperiment, get, &experiment).code(), absl::StatusCode::kNotFound);
  v1::ListLogsRequest logs;
  logs.set_experiment_id(id);
  logs.set_run("nobody");
  v1::ListLogsResponse lines;
  EXPECT_EQ(Call(*experiments_, &Stub::ListLogs, logs, &lines).code(), absl::StatusCode::kNotFound);
  v1::ListMetricsRequest metrics;
  metrics.set_experiment_id(id);
  metrics.set_run("nobody");
  v1::ListMetricsResponse values;
  EXPECT_EQ(Call(*experiments_, &Stub::ListMetrics, metrics, &values).code(), absl::StatusCode::kNotFound);
  v1::ExplainRunRequest explain;
  explain.set_run_id(id + "/nobody");
  v1::ExplainRunResponse reasons;
  EXPECT_EQ(Call(*experiments_, &Stub::ExplainRun, explain, &reasons).code(), absl::StatusCode::kNotFound);
  v1::CancelExperimentRequest cancel;
  cancel.set_id(id);
  cancel.set_run("nobody");
  EXPECT_EQ(Call(*experiments_, &Stub::CancelExperiment, cancel, &experiment).code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ExperimentServiceTest, PageSizesAndTokensAreChecked) {
  const std::string id = Submitted();
  v1::ListExperimentsRequest list;
  v1::ListExperimentsResponse experiments;
  for (const int size : {-1, 1001}) {
    list.set_page_size(size);
    EXPECT_EQ(Call(*experiments_, &Stub::ListExperiments, list, &experiments).code(),
              absl::StatusCode::kInvalidArgument);
  }
  list.set_page_size(1);
  list.set_page_token("made up");
  EXPECT_EQ(Call(*experiments_, &Stub::ListExperiments, list, &experiments).code(),
            absl::StatusCode::kInvalidArgument);
  v1::ListMetricsRequest metrics;
  metrics.set_experiment_id(id);
  metrics.set_page_token("made up");
  v1::ListMetricsResponse values;
  const absl::Status status = Call(*experiments_, &Stub::ListMetrics, metrics, &values);
  EXPECT_EQ(ReasonOf(status), "BAD_PAGE_TOKEN");
}

TEST_F(ExperimentServiceTest, ListsEndPagesWithoutLeavingOutOrRepeating) {
  for (int i = 0; i < 45; ++i) Submitted(absl::StrCat("r", i));
  v1::ListExperimentsRequest list;
  list.set_page_size(30);
  std::set<std::string> seen;
  std::vector<int> sizes;
  do {
    v1::ListExperimentsResponse page;
    ASSERT_TRUE(Call(*experiments_, &Stub::ListExperiments, list, &page).ok());
    for (const v1::Experiment& experiment : page.experiments()) seen.insert(experiment.id());
    sizes.push_back(page.experiments_size());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_THAT(sizes, ElementsAre(30, 15));
  EXPECT_EQ(seen.size(), 45u);
}

TEST_F(ExperimentServiceTest, ALongReasonForACancelIsRefused) {
  v1::CancelExperimentRequest cancel;
  cancel.set_id(Submitted());
  cancel.set_reason(std::string(1001, 'r'));
  v1::Experiment experiment;
  EXPECT_EQ(Call(*experiments_, &Stub::CancelExperiment, cancel, &experiment).code(),
            absl::StatusCode::kInvalidArgument);
  cancel.set_reason("enough");
  ASSERT_TRUE(Call(*experiments_, &Stub::CancelExperiment, cancel, &experiment).ok());
  EXPECT_EQ(experiment.state(), v1::EXPERIMENT_STATE_CANCELLED);
  EXPECT_EQ(experiment.runs(0).message(), "cancelled: enough");
}

TEST_F(ExperimentServiceTest, NothingToRetryIsAFailedPrecondition) {
  v1::RetryExperimentRequest retry;
  retry.set_id(Submitted());
  v1::Experiment experiment;
  EXPECT_EQ(Call(*experiments_, &Stub::RetryExperiment, retry, &experiment).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(ExperimentServiceTest, ExplanationsTellTheStateAndTheReason) {
  v1::ExplainRunRequest explain;
  explain.set_run_id(Submitted() + "/baseline");
  v1::ExplainRunResponse response;
  ASSERT_TRUE(Call(*experiments_, &Stub::ExplainRun, explain, &response).ok());
  EXPECT_EQ(response.state(), v1::RUN_STATE_QUEUED);
  EXPECT_THAT(response.reasons(), ElementsAre(HasSubstr("no worker is connected")));
}

TEST_F(ExperimentServiceTest, MethodsAndCatalogueAreListedWhole) {
  v1::ListMethodsResponse methods;
  ASSERT_TRUE(Call(*experiments_, &Stub::ListMethods, v1::ListMethodsRequest(), &methods).ok());
  EXPECT_EQ(static_cast<size_t>(methods.methods_size()), AllMethods().size());
  v1::ListCatalogResponse catalog;
  ASSERT_TRUE(Call(*experiments_, &Stub::ListCatalog, v1::ListCatalogRequest(), &catalog).ok());
  EXPECT_GT(catalog.entries_size(), 0);
}

TEST_F(ExperimentServiceTest, AWatchEndsWithTheExperimentAndRefusesNegativeNumbers) {
  const std::string id = Submitted();
  v1::CancelExperimentRequest cancel;
  cancel.set_id(id);
  v1::Experiment experiment;
  ASSERT_TRUE(Call(*experiments_, &Stub::CancelExperiment, cancel, &experiment).ok());
  const auto watch = [&](int64_t after, int* changes) {
    grpc::ClientContext context;
    v1::WatchExperimentRequest request;
    request.set_id(id);
    request.set_after_sequence(after);
    const auto reader = experiments_->WatchExperiment(&context, request);
    v1::WatchExperimentResponse change;
    while (reader->Read(&change)) ++*changes;
    return FromGrpcStatus(reader->Finish());
  };
  int changes = 0;
  EXPECT_TRUE(watch(0, &changes).ok());
  EXPECT_EQ(changes, 6);  // two runs created, one queued, two cancelled; the experiment
  EXPECT_EQ(watch(-1, &changes).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace quantlab
