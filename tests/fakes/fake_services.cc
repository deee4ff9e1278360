#include "tests/fakes/fake_services.h"

#include <algorithm>

#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/messages/message_catalogue.h"
#include "proto/convert.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/artifact.grpc.pb.h"
#include "quantlab/v1/experiment.grpc.pb.h"
#include "quantlab/v1/worker.grpc.pb.h"

namespace quantlab::testing {
namespace {

absl::Status NotFound(const std::string& what) {
  return absl::NotFoundError(what + " is unknown");
}

absl::Status FindExperiment(const FakeState& state, const std::string& id, v1::Experiment* response) {
  for (const v1::Experiment& experiment : state.experiments) {
    if (experiment.id() != id) continue;
    *response = experiment;
    return absl::OkStatus();
  }
  return NotFound(id);
}

template <typename Item, typename Add>
std::string Page(const std::vector<Item>& all, const std::string& token, int page_size, const Add& add) {
  size_t at = 0;
  if (!token.empty() && !absl::SimpleAtoi(token, &at)) at = all.size();
  const size_t end = std::min(all.size(), at + static_cast<size_t>(page_size));
  for (; at < end; ++at) add(all[at]);
  return end < all.size() ? absl::StrCat(end) : "";
}

class Experiments : public v1::ExperimentService::Service {
 public:
  explicit Experiments(FakeCoordinator* fake) : fake_(fake) {}

  grpc::Status SubmitExperiment(grpc::ServerContext*, const v1::SubmitExperimentRequest* request,
                                v1::SubmitExperimentResponse* response) override {
    fake_->With([&](FakeState& state) { state.submits.push_back(*request); });
    return Answer("SubmitExperiment", [&](FakeState& state) {
      *response = state.validation;
      if (!request->validate_only() && !state.experiments.empty()) {
        *response->mutable_experiment() = state.experiments.front();
        response->set_created(true);
      }
      return absl::OkStatus();
    });
  }

  grpc::Status GetExperiment(grpc::ServerContext*, const v1::GetExperimentRequest* request,
                             v1::Experiment* response) override {
    return Answer("GetExperiment",
                  [&](FakeState& state) { return FindExperiment(state, request->id(), response); });
  }

  grpc::Status ListExperiments(grpc::ServerContext*, const v1::ListExperimentsRequest* request,
                               v1::ListExperimentsResponse* response) override {
    return Answer("ListExperiments", [&](FakeState& state) {
      const int size = std::min(request->page_size() > 0 ? request->page_size() : 50, state.page_size);
      response->set_next_page_token(Page(state.experiments, request->page_token(), size,
                                         [&](const v1::Experiment& e) { *response->add_experiments() = e; }));
      return absl::OkStatus();
    });
  }

  grpc::Status WatchExperiment(grpc::ServerContext* context, const v1::WatchExperimentRequest* request,
                               grpc::ServerWriter<v1::WatchExperimentResponse>* writer) override {
    std::vector<v1::WatchExperimentResponse> changes;
    int limit = -1;
    fake_->With([&](FakeState& state) {
      state.watches.push_back(*request);
      changes = state.changes;
      std::swap(limit, state.break_watch_after);
    });
    const grpc::Status entered = Answer("WatchExperiment", [](FakeState&) { return absl::OkStatus(); });
    if (!entered.ok()) return entered;
    int sent = 0;
    for (const v1::WatchExperimentResponse& change : changes) {
      if (change.sequence() <= request->after_sequence()) continue;
      if (sent++ == limit) return {grpc::StatusCode::UNAVAILABLE, "broken"};
      writer->Write(change);
    }
    if (!changes.empty() && changes.back().has_experiment_state()) return grpc::Status::OK;
    while (!context->IsCancelled()) absl::SleepFor(absl::Milliseconds(5));
    return grpc::Status::CANCELLED;
  }

  grpc::Status CancelExperiment(grpc::ServerContext*, const v1::CancelExperimentRequest* request,
                                v1::Experiment* response) override {
    fake_->With([&](FakeState& state) { state.cancels.push_back(*request); });
    return Answer("CancelExperiment",
                  [&](FakeState& state) { return FindExperiment(state, request->id(), response); });
  }

  grpc::Status RetryExperiment(grpc::ServerContext*, const v1::RetryExperimentRequest* request,
                               v1::Experiment* response) override {
    fake_->With([](FakeState& state) { ++state.retries; });
    return Answer("RetryExperiment",
                  [&](FakeState& state) { return FindExperiment(state, request->id(), response); });
  }

  grpc::Status ListLogs(grpc::ServerContext*, const v1::ListLogsRequest* request,
                        v1::ListLogsResponse* response) override {
    return Answer("ListLogs", [&](FakeState& state) {
      std::vector<v1::LogEntry> entries;
      const std::string run_id = request->experiment_id() + "/" + request->run();
      for (const v1::LogEntry& entry : state.logs) {
        if (request->run().empty() || entry.run_id() == run_id) entries.push_back(entry);
      }
      response->set_next_page_token(Page(entries, request->page_token(), state.page_size,
                                         [&](const v1::LogEntry& e) { *response->add_entries() = e; }));
      return absl::OkStatus();
    });
  }

  grpc::Status ListMetrics(grpc::ServerContext*, const v1::ListMetricsRequest* request,
                           v1::ListMetricsResponse* response) override {
    return Answer("ListMetrics", [&](FakeState& state) {
      response->set_next_page_token(Page(state.metrics, request->page_token(), state.page_size,
                                         [&](const v1::MetricEntry& e) { *response->add_metrics() = e; }));
      return absl::OkStatus();
    });
  }

  grpc::Status ExplainRun(grpc::ServerContext*, const v1::ExplainRunRequest*,
                          v1::ExplainRunResponse* response) override {
    return Answer("ExplainRun", [&](FakeState&) {
      response->set_state(v1::RUN_STATE_PENDING);
      response->add_reasons("waits for baseline (RUNNING)");
      return absl::OkStatus();
    });
  }

  grpc::Status GetReportData(grpc::ServerContext*, const v1::GetReportDataRequest* request,
                             v1::ReportData* response) override {
    return Answer("GetReportData", [&](FakeState& state) {
      const auto found = state.reports.find(request->experiment_id());
      if (found == state.reports.end()) return NotFound(request->experiment_id());
      *response = found->second;
      return absl::OkStatus();
    });
  }

 private:
  template <typename Function>
  grpc::Status Answer(const std::string& call, Function answer) {
    return ToGrpcStatus(fake_->Answer(call, answer));
  }

  FakeCoordinator* const fake_;
};

class Artifacts : public v1::ArtifactService::Service {
 public:
  explicit Artifacts(FakeCoordinator* fake) : fake_(fake) {}

  grpc::Status StatArtifacts(grpc::ServerContext*, const v1::StatArtifactsRequest* request,
                             v1::StatArtifactsResponse* response) override {
    const auto stats = fake_->AnswerStatArtifacts({request->sha256().begin(), request->sha256().end()});
    if (stats.ok()) *response->mutable_artifacts() = {stats->begin(), stats->end()};
    return ToGrpcStatus(stats.status());
  }

  grpc::Status UploadArtifact(grpc::ServerContext*, grpc::ServerReader<v1::UploadArtifactRequest>* reader,
                              v1::UploadArtifactResponse* response) override {
    v1::UploadArtifactRequest first, chunk;
    if (!reader->Read(&first)) return {grpc::StatusCode::INVALID_ARGUMENT, "empty stream"};
    std::string data = first.data();
    while (reader->Read(&chunk)) data += chunk.data();
    const auto durable = fake_->AnswerUploadArtifact(first, data);
    if (durable.ok()) response->set_size(*durable);
    return ToGrpcStatus(durable.status());
  }

  grpc::Status DownloadArtifact(grpc::ServerContext*, const v1::DownloadArtifactRequest* request,
                                grpc::ServerWriter<v1::DownloadArtifactResponse>* writer) override {
    v1::DownloadArtifactResponse chunk;
    fake_->With([&](FakeState& state) {
      const auto found = state.artifacts.find(request->sha256());
      if (found != state.artifacts.end()) chunk.set_size(static_cast<int64_t>(found->second.size()));
    });
    return ToGrpcStatus(fake_->AnswerDownloadArtifact(*request, [&](const std::string& data) {
      chunk.set_data(data);
      const bool sent = writer->Write(chunk);
      chunk.Clear();  // the size stands in the first message
      return sent ? absl::OkStatus() : absl::CancelledError("gone");
    }));
  }

 private:
  FakeCoordinator* const fake_;
};

class Workers : public v1::WorkerService::Service {
 public:
  explicit Workers(FakeCoordinator* fake) : fake_(fake) {}

  grpc::Status ListWorkers(grpc::ServerContext*, const v1::ListWorkersRequest*,
                           v1::ListWorkersResponse* response) override {
    return ToGrpcStatus(fake_->Answer("ListWorkers", [&](FakeState& state) {
      *response = state.workers;
      return absl::OkStatus();
    }));
  }

  grpc::Status SetWorkerMode(grpc::ServerContext*, const v1::SetWorkerModeRequest* request,
                             v1::WorkerStatus* response) override {
    return ToGrpcStatus(fake_->Answer("SetWorkerMode", [&](FakeState& state) -> absl::Status {
      for (v1::WorkerStatus& worker : *state.workers.mutable_workers()) {
        if (worker.worker().id() != request->worker_id()) continue;
        worker.set_mode(request->mode());
        *worker.mutable_mode_reason() = ToProto(TextMessage(request->reason()));
        worker.set_mode_by("carol");
        *response = worker;
        return absl::OkStatus();
      }
      return absl::NotFoundError("no such worker");
    }));
  }

  grpc::Status Sync(grpc::ServerContext* context, const v1::SyncRequest* request,
                    v1::SyncResponse* response) override {
    // A caller that was killed must not hold up the end of the test.
    const auto answer = fake_->AnswerSync(*request, [context] { return context->IsCancelled(); });
    if (answer.ok()) *response = *answer;
    return ToGrpcStatus(answer.status());
  }

  grpc::Status ReportEvents(grpc::ServerContext*, const v1::ReportEventsRequest* request,
                            v1::ReportEventsResponse* response) override {
    const auto through = fake_->AnswerReportEvents(*request);
    if (through.ok()) response->set_acknowledged_through(*through);
    return ToGrpcStatus(through.status());
  }

  grpc::Status FinishAttempt(grpc::ServerContext*, const v1::FinishAttemptRequest* request,
                             v1::FinishAttemptResponse*) override {
    return ToGrpcStatus(fake_->AnswerFinishAttempt(*request));
  }

 private:
  FakeCoordinator* const fake_;
};

}  // namespace

FakeServices::FakeServices(FakeCoordinator* fake, const std::string& address)
    : experiments_(std::make_unique<Experiments>(fake)),
      artifacts_(std::make_unique<Artifacts>(fake)),
      workers_(std::make_unique<Workers>(fake)) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  for (grpc::Service* service : {experiments_.get(), artifacts_.get(), workers_.get()})
    builder.RegisterService(service);
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr) << "cannot serve on " << address;
}

FakeServices::~FakeServices() {
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
}

}  // namespace quantlab::testing
