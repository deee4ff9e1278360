#include "server/service/metrics.h"

#include <algorithm>
#include <map>
#include <utility>

#include <google/protobuf/descriptor.h>

#include "absl/strings/ascii.h"
#include "base/config/device.h"
#include "monitoring/metric_registry.h"
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

const std::vector<double>& BatchBuckets() {  // writes
  static const auto* const buckets = new std::vector<double>{1, 2, 4, 8, 16, 32, 64, 128, 256};
  return *buckets;
}

// Devices that this version does not know share one label, so that no worker can add others.
constexpr char kOtherDevice[] = "other";

std::string DeviceLabel(const std::string& device) {
  return FindDeviceKind(device) == nullptr ? kOtherDevice : device;
}

std::vector<std::string> DeviceLabels() {
  std::vector<std::string> labels = DeviceKindNames();
  labels.push_back(kOtherDevice);
  return labels;
}

const char* RetryLabel(RetriedBy by) {
  return by == RetriedBy::kUser ? "user" : "coordinator";
}

const char* TransferLabel(Transfer direction) {
  return direction == Transfer::kSent ? "sent" : "received";
}

constexpr WorkerState kWorkerStates[] = {WorkerState::kIdle, WorkerState::kBusy, WorkerState::kGone};

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

struct Metrics::State : MetricRegistry {
  Gauges& queue_depth = NewGauge("quantlab_queue_depth", "Runs that wait for a worker, by device.");
  Gauges& queue_age = NewGauge("quantlab_queue_oldest_age_seconds",
                               "How long the run that has waited longest for a device has been in the queue; "
                               "0 when none waits.");
  Gauges& runs = NewGauge("quantlab_runs", "Runs of experiments that have not ended, by state.");
  Gauges& workers = NewGauge("quantlab_workers", "Workers that are known, by state.");
  Gauges& device_workers =
      NewGauge("quantlab_device_workers", "Connected workers that offer a device, by device.");
  Gauges& held_workers =
      NewGauge("quantlab_held_workers", "Workers that get no runs for now, because of faults of their own.");
  Gauges& waiting = NewGauge("quantlab_waiting_syncs", "Calls of idle workers that wait for a run.");
  Counters& runs_ended = NewCounter("quantlab_runs_ended_total", "Runs that ended, by how.");
  Counters& runs_reused = NewCounter("quantlab_runs_reused_total",
                                     "Runs that reused a result computed before from the same inputs.");
  Counters& retries = NewCounter("quantlab_run_retries_total", "Runs that were queued again, by whom.");
  Counters& leases_expired =
      NewCounter("quantlab_leases_expired_total", "Attempts whose worker did not renew their lease in time.");
  Histograms& queue_wait =
      NewHistogram("quantlab_queue_wait_seconds", "Time of a run in the queue until a worker took it.");
  Histograms& run_duration =
      NewHistogram("quantlab_run_duration_seconds", "Duration of attempts, by how they ended.");
  Histograms& rpc_duration = NewHistogram(
      "quantlab_rpc_duration_seconds",
      "Duration of calls by method; Sync, WatchExperiment and transfers of artifacts last by design.");
  Counters& rpcs = NewCounter("quantlab_rpcs_total", "Calls that ended, by method and status code.");
  Histograms& commit_duration =
      NewHistogram("quantlab_commit_duration_seconds", "Time until a change of state was durable.");
  Counters& commit_failures = NewCounter("quantlab_commit_failures_total",
                                         "Changes of state that storage refused or could not write.");
  Counters& events = NewCounter("quantlab_events_total", "Events that workers reported.");
  Histograms& event_lag = NewHistogram(
      "quantlab_event_lag_seconds",
      "Time from an event on its worker until it was stored; 0 where the worker's clock is ahead.");
  Counters& artifact_traffic = NewCounter("quantlab_artifact_transfer_bytes_total",
                                          "Bytes of artifacts that went over the network, by direction.");
  Gauges& artifacts = NewGauge("quantlab_artifacts", "Files in the artifact store.");
  Gauges& artifact_bytes = NewGauge("quantlab_artifact_bytes", "Bytes of the files in the artifact store.");
  Gauges& incoming_bytes =
      NewGauge("quantlab_artifact_incoming_bytes", "Bytes of uploads that are not complete.");
  Gauges& database_bytes = NewGauge("quantlab_database_bytes", "Bytes of the database, by file.");
  Gauges& free_bytes =
      NewGauge("quantlab_data_free_bytes", "Bytes that are free on the data folder's file system.");
  Gauges& total_bytes = NewGauge("quantlab_data_size_bytes", "Size of the data folder's file system.");
  Histograms& transaction_duration =
      NewHistogram("quantlab_database_transaction_seconds", "Duration of the database's transactions.");
  Histograms& transaction_writes =
      NewHistogram("quantlab_database_transaction_writes", "Writes that shared one transaction.");
  Histograms& checkpoint_duration =
      NewHistogram("quantlab_database_checkpoint_seconds",
                   "Duration of checkpoints, which copy the write-ahead log into the database.");
  Gauges& build = NewGauge("quantlab_build_info", "Always 1; the version is in the label.");

  void ZeroRuns() {
    runs_reused.Add({});
    leases_expired.Add({});
    queue_wait.Add({}, SlowBuckets());
    for (const RetriedBy by : {RetriedBy::kCoordinator, RetriedBy::kUser})
      retries.Add({{"by", RetryLabel(by)}});
    for (const RunState state : AllRunStates()) {
      if (!IsEnded(state)) continue;
      runs_ended.Add({{"state", StateLabel(state)}});
      if (state != RunState::kSkipped) run_duration.Add({{"outcome", StateLabel(state)}}, SlowBuckets());
    }
  }

  void ZeroCallsAndStorage() {
    for (const std::string& rpc : RpcNames()) {
      rpc_duration.Add({{"method", rpc}}, FastBuckets());
      rpcs.Add({{"method", rpc}, {"code", "OK"}});
    }
    for (const Transfer direction : {Transfer::kReceived, Transfer::kSent})
      artifact_traffic.Add({{"direction", TransferLabel(direction)}});
    events.Add({});
    event_lag.Add({}, SlowBuckets());
    commit_duration.Add({}, FastBuckets());
    commit_failures.Add({});
    transaction_duration.Add({}, FastBuckets());
    transaction_writes.Add({}, BatchBuckets());
    checkpoint_duration.Add({}, FastBuckets());
  }

  void SetQueues(const CoordinatorStats& stats) {
    std::map<std::string, DeviceQueue> queues;
    std::map<std::string, int> offers;
    for (const auto& [device, queue] : stats.queues) {
      DeviceQueue& shown = queues[DeviceLabel(device)];
      shown.queued += queue.queued;
      shown.oldest = std::max(shown.oldest, queue.oldest);
    }
    for (const auto& [device, count] : stats.device_workers) offers[DeviceLabel(device)] += count;
    for (const std::string& device : DeviceLabels()) {
      queue_depth.Add({{"device", device}}).Set(queues[device].queued);
      queue_age.Add({{"device", device}}).Set(absl::ToDoubleSeconds(queues[device].oldest));
      device_workers.Add({{"device", device}}).Set(offers[device]);
    }
  }

  void SetStates(const CoordinatorStats& stats) {
    waiting.Add({}).Set(stats.waiting_syncs);
    held_workers.Add({}).Set(stats.held_workers);
    for (const RunState state : AllRunStates()) {
      if (IsEnded(state)) continue;
      const auto it = stats.active_runs.find(state);
      runs.Add({{"state", StateLabel(state)}}).Set(it == stats.active_runs.end() ? 0 : it->second);
    }
    for (const WorkerState state : kWorkerStates) {
      const auto it = stats.workers.find(state);
      workers.Add({{"state", WorkerStateLabel(state)}}).Set(it == stats.workers.end() ? 0 : it->second);
    }
  }

  void SetSizes(const DataFolderSize& data) {
    artifacts.Add({}).Set(static_cast<double>(data.artifacts));
    artifact_bytes.Add({}).Set(static_cast<double>(data.artifact_bytes));
    incoming_bytes.Add({}).Set(static_cast<double>(data.incoming_bytes));
    database_bytes.Add({{"file", "main"}}).Set(static_cast<double>(data.database_bytes));
    database_bytes.Add({{"file", "wal"}}).Set(static_cast<double>(data.wal_bytes));
    free_bytes.Add({}).Set(static_cast<double>(data.free_bytes));
    total_bytes.Add({}).Set(static_cast<double>(data.total_bytes));
  }
};

Metrics::Metrics(const std::string& version) : state_(std::make_unique<State>()) {
  state_->ZeroRuns();
  state_->ZeroCallsAndStorage();
  state_->build.Add({{"version", version}}).Set(1);
}

Metrics::~Metrics() = default;

std::vector<prometheus::MetricFamily> Metrics::Collect(const CoordinatorStats& stats,
                                                       const DataFolderSize& data) {
  state_->SetQueues(stats);
  state_->SetStates(stats);
  state_->SetSizes(data);
  return state_->registry.Collect();
}

void Metrics::OnRpc(const std::string& method, absl::StatusCode code, absl::Duration took) {
  state_->rpc_duration.Add({{"method", method}}, FastBuckets()).Observe(absl::ToDoubleSeconds(took));
  state_->rpcs.Add({{"method", method}, {"code", CodeLabel(code)}}).Increment();
}

void Metrics::OnEvents(const std::vector<Event>& events, absl::Time now) {
  state_->events.Add({}).Increment(static_cast<double>(events.size()));
  prometheus::Histogram& lag = state_->event_lag.Add({}, SlowBuckets());
  for (const Event& event : events) {
    lag.Observe(std::max(absl::ToDoubleSeconds(now - event.time), 0.0));
  }
}

void Metrics::OnArtifactBytes(Transfer direction, int64_t bytes) {
  state_->artifact_traffic.Add({{"direction", TransferLabel(direction)}})
      .Increment(static_cast<double>(bytes));
}

void Metrics::OnQueueWait(absl::Duration waited) {
  state_->queue_wait.Add({}, SlowBuckets()).Observe(absl::ToDoubleSeconds(waited));
}

void Metrics::OnAttemptEnd(RunState outcome, absl::Duration took) {
  state_->run_duration.Add({{"outcome", StateLabel(outcome)}}, SlowBuckets())
      .Observe(absl::ToDoubleSeconds(took));
}

void Metrics::OnLeaseExpired() {
  state_->leases_expired.Add({}).Increment();
}

void Metrics::OnRunEnd(RunState state, bool reused) {
  state_->runs_ended.Add({{"state", StateLabel(state)}}).Increment();
  if (reused) state_->runs_reused.Add({}).Increment();
}

void Metrics::OnRetry(RetriedBy by) {
  state_->retries.Add({{"by", RetryLabel(by)}}).Increment();
}

void Metrics::OnCommit(absl::Duration took, bool ok) {
  state_->commit_duration.Add({}, FastBuckets()).Observe(absl::ToDoubleSeconds(took));
  if (!ok) state_->commit_failures.Add({}).Increment();
}

void Metrics::OnTransaction(absl::Duration took, int writes) {
  state_->transaction_duration.Add({}, FastBuckets()).Observe(absl::ToDoubleSeconds(took));
  state_->transaction_writes.Add({}, BatchBuckets()).Observe(writes);
}

void Metrics::OnCheckpoint(absl::Duration took) {
  state_->checkpoint_duration.Add({}, FastBuckets()).Observe(absl::ToDoubleSeconds(took));
}

}  // namespace quantlab
