#include "tests/fakes/fake_coordinator.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <grpcpp/server_builder.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/sha256.h"
#include "proto/status_bridge.h"

namespace quantlab::testing {
namespace {

grpc::Status NotFound(const std::string& what) {
  return {grpc::StatusCode::NOT_FOUND, what + " is unknown"};
}

// The fault that this call should meet, if any.
grpc::Status Enter(FakeState& state) {
  ++state.calls;
  if (state.failures.empty()) return grpc::Status::OK;
  const absl::Status failure = state.failures.front();
  state.failures.erase(state.failures.begin());
  return ToGrpcStatus(failure);
}

template <typename Item, typename Add>
std::string Page(const std::vector<Item>& all, const std::string& token, int page_size, const Add& add) {
  size_t at = 0;
  if (!token.empty() && !absl::SimpleAtoi(token, &at)) at = all.size();
  const size_t end = std::min(all.size(), at + static_cast<size_t>(page_size));
  for (; at < end; ++at) add(all[at]);
  return end < all.size() ? absl::StrCat(end) : "";
}

int64_t TakeCut(std::vector<int64_t>& cuts) {
  if (cuts.empty()) return -1;
  const int64_t cut = cuts.front();
  cuts.erase(cuts.begin());
  return cut;
}

}  // namespace

class FakeCoordinator::Experiments : public v1::ExperimentService::Service {
 public:
  explicit Experiments(FakeCoordinator& fake) : fake_(fake) {}

  grpc::Status SubmitExperiment(grpc::ServerContext*, const v1::SubmitExperimentRequest* request,
                                v1::SubmitExperimentResponse* response) override {
    return fake_.With([&](FakeState& state) {
      state.submits.push_back(*request);
      if (grpc::Status status = Enter(state); !status.ok()) return status;
      *response = state.validation;
      if (!request->validate_only() && !state.experiments.empty()) {
        *response->mutable_experiment() = state.experiments.front();
        response->set_created(true);
      }
      return grpc::Status::OK;
    });
  }

  grpc::Status GetExperiment(grpc::ServerContext*, const v1::GetExperimentRequest* request,
                             v1::Experiment* response) override {
    return fake_.With([&](FakeState& state) {
      if (grpc::Status status = Enter(state); !status.ok()) return status;
      return Find(state, request->id(), response);
    });
  }

  grpc::Status ListExperiments(grpc::ServerContext*, const v1::ListExperimentsRequest* request,
                               v1::ListExperimentsResponse* response) override {
    return fake_.With([&](FakeState& state) {
      if (grpc::Status status = Enter(state); !status.ok()) return status;
      const int size = std::min(request->page_size() > 0 ? request->page_size() : 50, state.page_size);
      response->set_next_page_token(Page(state.experiments, request->page_token(), size,
                                         [&](const v1::Experiment& e) { *response->add_experiments() = e; }));
      return grpc::Status::OK;
    });
  }

  grpc::Status WatchExperiment(grpc::ServerContext* context, const v1::WatchExperimentRequest* request,
                               grpc::ServerWriter<v1::WatchExperimentResponse>* writer) override {
    std::vector<v1::WatchExperimentResponse> changes;
    int limit = -1;
    const grpc::Status entered = fake_.With([&](FakeState& state) {
      state.watches.push_back(*request);
      changes = state.changes;
      std::swap(limit, state.break_watch_after);
      return Enter(state);
    });
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
    return fake_.With([&](FakeState& state) {
      state.cancels.push_back(*request);
      if (grpc::Status status = Enter(state); !status.ok()) return status;
      return Find(state, request->id(), response);
    });
  }

  grpc::Status RetryExperiment(grpc::ServerContext*, const v1::RetryExperimentRequest* request,
                               v1::Experiment* response) override {
    return fake_.With([&](FakeState& state) {
      ++state.retries;
      if (grpc::Status status = Enter(state); !status.ok()) return status;
      return Find(state, request->id(), response);
    });
  }

  grpc::Status ListLogs(grpc::ServerContext*, const v1::ListLogsRequest* request,
                        v1::ListLogsResponse* response) override {
    return fake_.With([&](FakeState& state) {
      if (grpc::Status status = Enter(state); !status.ok()) return status;
      std::vector<v1::LogEntry> entries;
      const std::string run_id = request->experiment_id() + "/" + request->run();
      for (const v1::LogEntry& entry : state.logs) {
        if (request->run().empty() || entry.run_id() == run_id) entries.push_back(entry);
      }
      response->set_next_page_token(Page(entries, request->page_token(), state.page_size,
                                         [&](const v1::LogEntry& e) { *response->add_entries() = e; }));
      return grpc::Status::OK;
    });
  }

  grpc::Status ListMetrics(grpc::ServerContext*, const v1::ListMetricsRequest* request,
                           v1::ListMetricsResponse* response) override {
    return fake_.With([&](FakeState& state) {
      if (grpc::Status status = Enter(state); !status.ok()) return status;
      response->set_next_page_token(Page(state.metrics, request->page_token(), state.page_size,
                                         [&](const v1::MetricEntry& e) { *response->add_metrics() = e; }));
      return grpc::Status::OK;
    });
  }

  grpc::Status ExplainRun(grpc::ServerContext*, const v1::ExplainRunRequest* request,
                          v1::ExplainRunResponse* response) override {
    return fake_.With([&](FakeState& state) {
      if (grpc::Status status = Enter(state); !status.ok()) return status;
      response->set_state(v1::RUN_STATE_PENDING);
      response->add_reasons("waits for baseline (RUNNING)");
      return grpc::Status::OK;
    });
  }

  grpc::Status GetReportData(grpc::ServerContext*, const v1::GetReportDataRequest* request,
                             v1::ReportData* response) override {
    return fake_.With([&](FakeState& state) {
      if (grpc::Status status = Enter(state); !status.ok()) return status;
      const auto found = state.reports.find(request->experiment_id());
      if (found == state.reports.end()) return NotFound(request->experiment_id());
      *response = found->second;
      return grpc::Status::OK;
    });
  }

 private:
  static grpc::Status Find(const FakeState& state, const std::string& id, v1::Experiment* response) {
    for (const v1::Experiment& experiment : state.experiments) {
      if (experiment.id() != id) continue;
      *response = experiment;
      return grpc::Status::OK;
    }
    return NotFound(id);
  }

  FakeCoordinator& fake_;
};

class FakeCoordinator::Artifacts : public v1::ArtifactService::Service {
 public:
  explicit Artifacts(FakeCoordinator& fake) : fake_(fake) {}

  grpc::Status StatArtifacts(grpc::ServerContext*, const v1::StatArtifactsRequest* request,
                             v1::StatArtifactsResponse* response) override {
    return fake_.With([&](FakeState& state) {
      if (grpc::Status status = Enter(state); !status.ok()) return status;
      for (const std::string& sha256 : request->sha256()) {
        v1::ArtifactStat* stat = response->add_artifacts();
        stat->set_sha256(sha256);
        stat->set_present(state.artifacts.count(sha256) > 0);
        stat->set_size(static_cast<int64_t>(stat->present() ? state.artifacts[sha256].size()
                                                            : state.partial[sha256].size()));
      }
      return grpc::Status::OK;
    });
  }

  grpc::Status UploadArtifact(grpc::ServerContext*, grpc::ServerReader<v1::UploadArtifactRequest>* reader,
                              v1::UploadArtifactResponse* response) override {
    v1::UploadArtifactRequest request;
    std::string sha256, content;
    int64_t size = 0, cut = -1;
    for (bool first = true; reader->Read(&request); first = false) {
      if (first) {
        sha256 = request.sha256();
        size = request.size();
        v1::UploadArtifactRequest head = request;
        head.clear_data();
        fake_.With([&](FakeState& state) {
          state.uploads.push_back(head);
          cut = TakeCut(state.cut_uploads_after);
          content = state.partial[sha256].substr(0, request.offset());
        });
      }
      content += request.data();
      if (cut >= 0 && static_cast<int64_t>(content.size()) > cut) {
        content.resize(cut);
        fake_.With([&](FakeState& state) { state.partial[sha256] = content; });
        return {grpc::StatusCode::UNAVAILABLE, "broken"};
      }
    }
    if (Sha256Hex(content) != sha256 || static_cast<int64_t>(content.size()) != size) {
      fake_.With([&](FakeState& state) { state.partial.erase(sha256); });
      return {grpc::StatusCode::DATA_LOSS, "the digest is wrong"};
    }
    fake_.With([&](FakeState& state) { state.artifacts[sha256] = content; });
    response->set_size(size);
    return grpc::Status::OK;
  }

  grpc::Status DownloadArtifact(grpc::ServerContext*, const v1::DownloadArtifactRequest* request,
                                grpc::ServerWriter<v1::DownloadArtifactResponse>* writer) override {
    std::string content;
    int64_t cut = -1;
    const grpc::Status status = fake_.With([&](FakeState& state) {
      state.downloads.push_back(*request);
      if (grpc::Status entered = Enter(state); !entered.ok()) return entered;
      const auto found = state.artifacts.find(request->sha256());
      if (found == state.artifacts.end()) return NotFound(request->sha256());
      content = found->second;
      cut = TakeCut(state.cut_downloads_after);
      if (state.damage_downloads && !content.empty()) content.back() ^= 1;
      return grpc::Status::OK;
    });
    if (!status.ok()) return status;
    v1::DownloadArtifactResponse response;
    response.set_size(static_cast<int64_t>(content.size()));
    constexpr size_t kChunk = 1000;
    int64_t sent = 0;
    for (size_t at = request->offset(); at < content.size(); at += kChunk) {
      if (cut >= 0 && sent >= cut) return {grpc::StatusCode::UNAVAILABLE, "broken"};
      response.set_data(content.substr(at, kChunk));
      writer->Write(response);
      sent += static_cast<int64_t>(response.data().size());
      response.Clear();
    }
    return grpc::Status::OK;
  }

 private:
  FakeCoordinator& fake_;
};

class FakeCoordinator::Workers : public v1::WorkerService::Service {
 public:
  explicit Workers(FakeCoordinator& fake) : fake_(fake) {}

  grpc::Status ListWorkers(grpc::ServerContext*, const v1::ListWorkersRequest*,
                           v1::ListWorkersResponse* response) override {
    return fake_.With([&](FakeState& state) {
      *response = state.workers;
      return Enter(state);
    });
  }

 private:
  FakeCoordinator& fake_;
};

FakeCoordinator::FakeCoordinator(const std::string& socket_path)
    : socket_path_(socket_path),
      experiments_(std::make_unique<Experiments>(*this)),
      artifacts_(std::make_unique<Artifacts>(*this)),
      workers_(std::make_unique<Workers>(*this)) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
  builder.RegisterService(experiments_.get());
  builder.RegisterService(artifacts_.get());
  builder.RegisterService(workers_.get());
  server_ = builder.BuildAndStart();
}

FakeCoordinator::~FakeCoordinator() {
  server_->Shutdown(std::chrono::system_clock::now());
}

v1::Experiment MakeExperiment(const std::string& id, const std::vector<std::string>& runs) {
  v1::Experiment experiment;
  experiment.set_id(id);
  experiment.set_name(id.substr(0, id.rfind('-')));
  experiment.set_state(v1::EXPERIMENT_STATE_SUCCEEDED);
  experiment.set_report_language("both");
  experiment.mutable_create_time()->set_seconds(1'700'000'000);
  experiment.mutable_end_time()->set_seconds(1'700'000'060);
  v1::SourceFile* file = experiment.add_files();
  file->set_name("quick.yaml");
  file->set_content("experiments: {}\n");
  for (const std::string& name : runs) {
    v1::Run* run = experiment.add_runs();
    run->set_id(absl::StrCat(id, "/", name));
    run->set_folder(name);
    run->set_state(v1::RUN_STATE_SUCCEEDED);
    run->set_attempts(1);
    run->mutable_config()->set_experiment_id(id);
    run->mutable_config()->set_run_name(name);
    run->mutable_config()->set_variant(name);
    run->mutable_config()->set_kind(name == "baseline" ? v1::RUN_KIND_BASELINE : v1::RUN_KIND_QUANTIZATION);
    run->mutable_config()->set_device("cpu");
  }
  return experiment;
}

v1::WatchExperimentResponse RunChange(int64_t sequence, const std::string& run_id, v1::RunState state) {
  v1::WatchExperimentResponse change;
  change.set_sequence(sequence);
  change.set_run_id(run_id);
  change.set_run_state(state);
  change.mutable_time()->set_seconds(1'700'000'000 + sequence);
  return change;
}

v1::WatchExperimentResponse EndChange(int64_t sequence, v1::ExperimentState state) {
  v1::WatchExperimentResponse change;
  change.set_sequence(sequence);
  change.set_experiment_state(state);
  change.mutable_time()->set_seconds(1'700'000'000 + sequence);
  return change;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace quantlab::testing
