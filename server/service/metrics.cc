#include "server/service/metrics.h"

#include <map>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "quantlab/v1/admin.pb.h"
#include "quantlab/v1/artifact.pb.h"
#include "quantlab/v1/experiment.pb.h"
#include "quantlab/v1/storage.pb.h"
#include "quantlab/v1/worker.pb.h"

namespace quantlab {
namespace {

const std::vector<double>& FastBuckets() {  // seconds
  static const auto* const buckets = new std::vector<double>{
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  return *buckets;
}

const std::vector<double>& SlowBuckets() {  // seconds
  static const auto* const buckets = new std::vector<double>{0.1, 0.5, 1,    5,    10,   30,    60,    120,
                                                             300, 600, 1800, 3600, 7200, 14400, 43200, 86400};
  return *buckets;
}

std::string StateLabel(RunState state) {
  return absl::AsciiStrToLower(std::string(RunStateName(state)));
}

const char* WorkerStateLabel(WorkerState state) {
  switch (state) {
    case WorkerState::kIdle:
      return "idle";
    case WorkerState::kBusy:
      return "busy";
    case WorkerState::kGone:
      return "gone";
  }
  return "gone";
}

// "RESOURCE_EXHAUSTED": the absl code's name.
std::string CodeLabel(absl::StatusCode code) {
  return absl::StatusCodeToString(code);
}

}  // namespace

const std::vector<std::string>& RpcNames() {
  static const auto* const names = [] {
    auto* all = new std::vector<std::string>();
    for (const google::protobuf::FileDescriptor* file :
         {v1::SubmitExperimentRequest::descriptor()->file(), v1::SyncRequest::descriptor()->file(),
          v1::StatArtifactsRequest::descriptor()->file(), v1::CreateIdentityRequest::descriptor()->file(),
          v1::CollectGarbageRequest::descriptor()->file()}) {
      for (int s = 0; s < file->service_count(); ++s) {
        for (int m = 0; m < file->service(s)->method_count(); ++m)
          all->push_back(file->service(s)->method(m)->name());
      }
    }
    return all;
  }();
  return *names;
}

struct Metrics::State {
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();

  prometheus::Family<prometheus::Gauge>& queue_depth = prometheus::BuildGauge()
                                                           .Name("quantlab_queue_depth")
                                                           .Help("Runs that wait for a worker.")
                                                           .Register(*registry);
  prometheus::Family<prometheus::Gauge>& queue_age =
      prometheus::BuildGauge()
          .Name("quantlab_queue_oldest_age_seconds")
          .Help("How long the run that has waited longest has been in the queue; 0 when it is empty.")
          .Register(*registry);
  prometheus::Family<prometheus::Gauge>& runs =
      prometheus::BuildGauge()
          .Name("quantlab_runs")
          .Help("Runs of experiments that have not ended, by state.")
          .Register(*registry);
  prometheus::Family<prometheus::Gauge>& workers = prometheus::BuildGauge()
                                                       .Name("quantlab_workers")
                                                       .Help("Workers that are known, by state.")
                                                       .Register(*registry);
  prometheus::Family<prometheus::Gauge>& waiting = prometheus::BuildGauge()
                                                       .Name("quantlab_waiting_syncs")
                                                       .Help("Calls of idle workers that wait for a run.")
                                                       .Register(*registry);
  prometheus::Family<prometheus::Counter>& runs_ended = prometheus::BuildCounter()
                                                            .Name("quantlab_runs_ended_total")
                                                            .Help("Runs that ended, by how.")
                                                            .Register(*registry);
  prometheus::Family<prometheus::Counter>& runs_reused =
      prometheus::BuildCounter()
          .Name("quantlab_runs_reused_total")
          .Help("Runs that took over a result computed before from the same inputs.")
          .Register(*registry);
  prometheus::Family<prometheus::Histogram>& queue_wait =
      prometheus::BuildHistogram()
          .Name("quantlab_queue_wait_seconds")
          .Help("Time of a run in the queue until a worker took it.")
          .Register(*registry);
  prometheus::Family<prometheus::Histogram>& run_duration =
      prometheus::BuildHistogram()
          .Name("quantlab_run_duration_seconds")
          .Help("Duration of attempts, by how they ended.")
          .Register(*registry);
  prometheus::Family<prometheus::Histogram>& rpc_duration =
      prometheus::BuildHistogram()
          .Name("quantlab_rpc_duration_seconds")
          .Help("Duration of calls by method; Sync and WatchExperiment wait by design.")
          .Register(*registry);
  prometheus::Family<prometheus::Counter>& rpcs = prometheus::BuildCounter()
                                                      .Name("quantlab_rpcs_total")
                                                      .Help("Calls that ended, by method and status code.")
                                                      .Register(*registry);
  prometheus::Family<prometheus::Histogram>& commit_duration =
      prometheus::BuildHistogram()
          .Name("quantlab_commit_duration_seconds")
          .Help("Time until a change of state was durable.")
          .Register(*registry);
  prometheus::Family<prometheus::Counter>& commit_failures =
      prometheus::BuildCounter()
          .Name("quantlab_commit_failures_total")
          .Help("Changes of state that storage refused or could not write.")
          .Register(*registry);
  prometheus::Family<prometheus::Counter>& events = prometheus::BuildCounter()
                                                        .Name("quantlab_events_total")
                                                        .Help("Events that workers reported.")
                                                        .Register(*registry);
  prometheus::Family<prometheus::Gauge>& build = prometheus::BuildGauge()
                                                     .Name("quantlab_build_info")
                                                     .Help("Always 1; the version is in the label.")
                                                     .Register(*registry);

  void Zero() {
    queue_depth.Add({}).Set(0);
    queue_age.Add({}).Set(0);
    waiting.Add({}).Set(0);
    runs_reused.Add({});
    commit_failures.Add({});
    events.Add({});
    queue_wait.Add({}, SlowBuckets());
    commit_duration.Add({}, FastBuckets());
    for (const RunState state : AllRunStates()) {
      if (!IsEnded(state)) runs.Add({{"state", StateLabel(state)}});
      if (!IsEnded(state)) continue;
      runs_ended.Add({{"state", StateLabel(state)}});
      if (state != RunState::kSkipped) run_duration.Add({{"outcome", StateLabel(state)}}, SlowBuckets());
    }
    for (const WorkerState state : {WorkerState::kIdle, WorkerState::kBusy, WorkerState::kGone}) {
      workers.Add({{"state", WorkerStateLabel(state)}});
    }
    for (const std::string& rpc : RpcNames()) {
      rpc_duration.Add({{"method", rpc}}, FastBuckets());
      rpcs.Add({{"method", rpc}, {"code", "OK"}});
    }
  }

  void Set(const CoordinatorStats& stats) {
    queue_depth.Add({}).Set(stats.queued);
    queue_age.Add({}).Set(absl::ToDoubleSeconds(stats.oldest_queued));
    waiting.Add({}).Set(stats.waiting_syncs);
    for (const RunState state : AllRunStates()) {
      if (IsEnded(state)) continue;
      const auto it = stats.active_runs.find(state);
      runs.Add({{"state", StateLabel(state)}}).Set(it == stats.active_runs.end() ? 0 : it->second);
    }
    for (const WorkerState state : {WorkerState::kIdle, WorkerState::kBusy, WorkerState::kGone}) {
      const auto it = stats.workers.find(state);
      workers.Add({{"state", WorkerStateLabel(state)}}).Set(it == stats.workers.end() ? 0 : it->second);
    }
  }

  // Called at each scrape; gauges are set just before they are read.
  struct Scrape : prometheus::Collectable {
    State* state = nullptr;
    std::function<CoordinatorStats()> stats;
    std::vector<prometheus::MetricFamily> Collect() const override {
      state->Set(stats());
      return state->registry->Collect();
    }
  };
  std::shared_ptr<Scrape> scrape = std::make_shared<Scrape>();
  std::unique_ptr<prometheus::Exposer> exposer;  // last: stops before the rest goes
};

Metrics::Metrics(const std::string& version) : state_(std::make_unique<State>()) {
  state_->Zero();
  state_->build.Add({{"version", version}}).Set(1);
  state_->scrape->state = state_.get();
}

Metrics::~Metrics() = default;

absl::Status Metrics::Serve(const std::string& address, std::function<CoordinatorStats()> stats) {
  state_->scrape->stats = std::move(stats);
  // The one border at which prometheus-cpp's exceptions stop.
  try {
    // A connection without a whole request occupies one of the threads until its time is over.
    state_->exposer = std::make_unique<prometheus::Exposer>(std::vector<std::string>{
        "listening_ports", address, "num_threads", "16", "request_timeout_ms", "2000"});
  } catch (const std::exception& e) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address, ": ", e.what(),
                                               "; choose another with --metrics-listen, or off"));
  }
  state_->exposer->RegisterCollectable(state_->scrape);
  return absl::OkStatus();
}

void Metrics::StopServing() {
  state_->exposer.reset();
}

std::string Metrics::Text(const CoordinatorStats& stats) {
  state_->Set(stats);
  return prometheus::TextSerializer().Serialize(state_->registry->Collect());
}

void Metrics::OnRpc(const std::string& method, absl::StatusCode code, absl::Duration took) {
  state_->rpc_duration.Add({{"method", method}}, FastBuckets()).Observe(absl::ToDoubleSeconds(took));
  state_->rpcs.Add({{"method", method}, {"code", CodeLabel(code)}}).Increment();
}

void Metrics::OnEvents(int64_t count) {
  state_->events.Add({}).Increment(static_cast<double>(count));
}

void Metrics::OnQueueWait(absl::Duration waited) {
  state_->queue_wait.Add({}, SlowBuckets()).Observe(absl::ToDoubleSeconds(waited));
}

void Metrics::OnAttemptEnd(RunState outcome, absl::Duration took) {
  state_->run_duration.Add({{"outcome", StateLabel(outcome)}}, SlowBuckets())
      .Observe(absl::ToDoubleSeconds(took));
}

void Metrics::OnRunEnd(RunState state, bool reused) {
  state_->runs_ended.Add({{"state", StateLabel(state)}}).Increment();
  if (reused) state_->runs_reused.Add({}).Increment();
}

void Metrics::OnCommit(absl::Duration took, bool ok) {
  state_->commit_duration.Add({}, FastBuckets()).Observe(absl::ToDoubleSeconds(took));
  if (!ok) state_->commit_failures.Add({}).Increment();
}

}  // namespace quantlab
