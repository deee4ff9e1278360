#include "worker/agent/program/worker_metrics.h"

#include <map>
#include <sys/statvfs.h>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/records/run_state.h"
#include "monitoring/metric_registry.h"
#include "monitoring/process_usage.h"

namespace quantlab::agent {
namespace {

const std::vector<double>& Buckets() {  // seconds
  static const auto* const buckets =
      new std::vector<double>{1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400};
  return *buckets;
}

constexpr AttemptPhase kPhases[] = {AttemptPhase::kPreparing, AttemptPhase::kRunning,
                                    AttemptPhase::kDelivering};

const char* PhaseLabel(AttemptPhase phase) {
  switch (phase) {
    case AttemptPhase::kPreparing:
      return "preparing";
    case AttemptPhase::kRunning:
      return "running";
    case AttemptPhase::kDelivering:
      return "delivering";
  }
  return "delivering";
}

// "succeeded", as the coordinator's metrics name it.
std::string OutcomeLabel(v1::RunState state) {
  return absl::AsciiStrToLower(v1::RunState_Name(state).substr(sizeof("RUN_STATE_") - 1));
}

}  // namespace

struct WorkerMetrics::State : MetricRegistry {
  Gauges& attempts = NewGauge("quantlab_worker_attempts", "Attempts of this worker now, by phase.");
  Gauges& device_attempts = NewGauge("quantlab_worker_device_attempts",
                                     "Attempts whose runner runs now, by the device that they use.");
  Counters& ended = NewCounter("quantlab_worker_attempts_ended_total", "Attempts that ended, by how.");
  Histograms& duration = NewHistogram("quantlab_worker_attempt_duration_seconds",
                                      "Duration of attempts until their runner had ended.");
  Gauges& faults =
      NewGauge("quantlab_worker_faults_in_a_row",
               "Attempts in a row that ended by a fault of this worker; the coordinator holds it "
               "back while there are any.");
  Gauges& accepts = NewGauge("quantlab_worker_accepts_runs",
                             "1, or 0 while the data folder's disk is too full to take a run.");
  Gauges& connected = NewGauge("quantlab_worker_connected", "1, or 0 while the coordinator does not answer.");
  Counters& disconnections =
      NewCounter("quantlab_worker_disconnections_total", "Times that the coordinator stopped answering.");
  Gauges& spool_bytes = NewGauge("quantlab_worker_spool_bytes", "Bytes of the event spools.");
  Gauges& backlog_bytes = NewGauge("quantlab_worker_spool_backlog_bytes",
                                   "Bytes of events that the coordinator has not acknowledged.");
  Gauges& backlog_events =
      NewGauge("quantlab_worker_spool_backlog_events", "Events that the coordinator has not acknowledged.");
  Gauges& cache_bytes = NewGauge("quantlab_worker_cache_bytes", "Bytes of the artifact cache.");
  Gauges& cache_limit = NewGauge("quantlab_worker_cache_limit_bytes", "Limit of the artifact cache.");
  Gauges& cache_files = NewGauge("quantlab_worker_cache_files", "Files in the artifact cache.");
  Gauges& free_bytes =
      NewGauge("quantlab_worker_data_free_bytes", "Bytes that are free on the data folder's file system.");
  Gauges& size_bytes = NewGauge("quantlab_worker_data_size_bytes", "Size of the data folder's file system.");
  Counters& runner_cpu =
      NewCounter("quantlab_worker_runner_cpu_seconds_total",
                 "CPU time of runners, with the processes that they started and that have ended.");
  Gauges& runner_memory =
      NewGauge("quantlab_worker_runner_resident_bytes", "Memory of the running runners that is in RAM.");
  Gauges& processors = NewGauge("quantlab_worker_processors", "Processors that this worker may use.");
  Gauges& gpu_temperature =
      NewGauge("quantlab_worker_gpu_temperature_celsius", "Temperature of a GPU of this machine.");
  Gauges& gpu_memory_used = NewGauge("quantlab_worker_gpu_memory_used_bytes",
                                     "Memory of a GPU that any process of this machine uses.");
  Gauges& gpu_memory_size = NewGauge("quantlab_worker_gpu_memory_size_bytes", "Memory of a GPU.");
  Gauges& gpu_utilization = NewGauge("quantlab_worker_gpu_utilization_ratio",
                                     "Part of the last moment in which a GPU executed anything, 0 to 1.");
  Gauges& gpu_power = NewGauge("quantlab_worker_gpu_power_watts", "Power that a GPU draws.");
  Gauges& build = NewGauge("quantlab_build_info", "Always 1; the version is in the label.");

  // By process: the CPU time that is in runner_cpu already.
  std::map<pid_t, double> counted_cpu;
  // An empty reading for each GPU that has answered the last time, by index.
  std::map<int, GpuReading> gpus;

  // Sets the memory of the runners, and adds the CPU time that they used since the last call.
  void SetRunners(const std::vector<AttemptSnapshot>& attempts) {
    std::map<pid_t, double> seen;
    double memory = 0;
    for (const AttemptSnapshot& attempt : attempts) {
      if (attempt.runner == 0) continue;
      const auto usage = ReadProcessUsage(attempt.runner);
      if (!usage.ok()) continue;
      memory += static_cast<double>(usage->resident_bytes);
      const double cpu = usage->cpu_seconds + usage->children_cpu_seconds;
      const auto before = counted_cpu.find(attempt.runner);
      // A process id may be used again by a later runner, whose time begins anew.
      const double counted = before != counted_cpu.end() && before->second <= cpu ? before->second : 0;
      runner_cpu.Add({}).Increment(cpu - counted);
      seen[attempt.runner] = cpu;
    }
    counted_cpu = std::move(seen);
    runner_memory.Add({}).Set(memory);
  }
};

WorkerMetrics::WorkerMetrics(WorkerMetricsOptions options, const ArtifactCache* cache,
                             const OutageLog* outage, const GpuProbe* gpus)
    : options_(std::move(options)),
      cache_(cache),
      outage_(outage),
      gpus_(gpus),
      state_(std::make_unique<State>()) {
  for (const RunState state : AllRunStates()) {
    if (!IsEnded(state) || state == RunState::kSkipped) continue;
    state_->ended.Add({{"outcome", absl::AsciiStrToLower(RunStateName(state))}});
  }
  state_->duration.Add({}, Buckets());
  state_->disconnections.Add({});
  state_->build.Add({{"version", options_.version}}).Set(1);
  state_->processors.Add({}).Set(std::thread::hardware_concurrency());
}

WorkerMetrics::~WorkerMetrics() = default;

std::shared_ptr<AttemptStatus> WorkerMetrics::Begin(const std::string& device) {
  auto status = std::make_shared<AttemptStatus>(device);
  MutexLock lock(mutex_);
  attempts_.push_back(status);
  return status;
}

void WorkerMetrics::End(const Outcome& outcome, absl::Duration took) {
  state_->ended.Add({{"outcome", OutcomeLabel(outcome.state)}}).Increment();
  state_->duration.Add({}, Buckets()).Observe(absl::ToDoubleSeconds(took));
  MutexLock lock(mutex_);
  faults_in_a_row_ = outcome.worker_fault ? faults_in_a_row_ + 1 : 0;
}

std::vector<AttemptSnapshot> WorkerMetrics::Attempts() {
  std::vector<std::shared_ptr<AttemptStatus>> living;
  {
    MutexLock lock(mutex_);
    std::vector<std::weak_ptr<AttemptStatus>> kept;
    for (const auto& attempt : attempts_) {
      if (auto status = attempt.lock()) {
        kept.push_back(attempt);
        living.push_back(std::move(status));
      }
    }
    attempts_ = std::move(kept);
  }
  std::vector<AttemptSnapshot> snapshots;
  for (const auto& status : living) snapshots.push_back(status->Get());
  return snapshots;
}

void WorkerMetrics::SetAttempts() {
  std::map<AttemptPhase, int> phases;
  std::map<std::string, int> devices;
  AttemptSnapshot sum;
  const std::vector<AttemptSnapshot> attempts = Attempts();
  for (const AttemptSnapshot& attempt : attempts) {
    ++phases[attempt.phase];
    if (attempt.phase == AttemptPhase::kRunning) ++devices[attempt.device];
    sum.spool_bytes += attempt.spool_bytes;
    sum.backlog_bytes += attempt.backlog_bytes;
    sum.backlog_events += attempt.backlog_events;
  }
  for (const AttemptPhase phase : kPhases)
    state_->attempts.Add({{"phase", PhaseLabel(phase)}}).Set(phases[phase]);
  for (const std::string& device : options_.devices)
    state_->device_attempts.Add({{"device", device}}).Set(devices[device]);
  state_->spool_bytes.Add({}).Set(static_cast<double>(sum.spool_bytes));
  state_->backlog_bytes.Add({}).Set(static_cast<double>(sum.backlog_bytes));
  state_->backlog_events.Add({}).Set(static_cast<double>(sum.backlog_events));
  MutexLock lock(mutex_);
  state_->SetRunners(attempts);
  state_->faults.Add({}).Set(faults_in_a_row_);
}

void WorkerMetrics::SetWorker() {
  state_->connected.Add({}).Set(outage_->away() ? 0 : 1);
  prometheus::Counter& disconnections = state_->disconnections.Add({});
  const auto outages = static_cast<double>(outage_->outages());
  {
    MutexLock lock(mutex_);
    disconnections.Increment(outages - disconnections.Value());
  }
  const ArtifactCache::Usage cache = cache_->MeasureUsage();
  state_->cache_bytes.Add({}).Set(static_cast<double>(cache.bytes));
  state_->cache_files.Add({}).Set(static_cast<double>(cache.files));
  state_->cache_limit.Add({}).Set(static_cast<double>(cache.limit_bytes));
  struct statvfs disk;
  if (statvfs(options_.data_folder.c_str(), &disk) != 0) return;
  const auto free = static_cast<int64_t>(disk.f_bavail * disk.f_frsize);
  state_->free_bytes.Add({}).Set(static_cast<double>(free));
  state_->size_bytes.Add({}).Set(static_cast<double>(disk.f_blocks * disk.f_frsize));
  state_->accepts.Add({}).Set(free < options_.min_free_bytes ? 0 : 1);
}

void WorkerMetrics::SetGpus() {
  if (gpus_ == nullptr) return;
  const std::vector<GpuReading> answers = gpus_->Read();
  const auto set = [](State::Gauges& gauges, int gpu, std::optional<double> value) {
    prometheus::Gauge& gauge = gauges.Add({{"gpu", absl::StrCat(gpu)}});
    if (value) {
      gauge.Set(*value);
    } else {
      gauges.Remove(&gauge);
    }
  };
  MutexLock lock(mutex_);
  // A GPU that no longer answers must not keep its last values.
  std::map<int, GpuReading> readings = std::exchange(state_->gpus, {});
  for (const GpuReading& answer : answers) {
    readings[answer.index] = answer;
    state_->gpus[answer.index] = {};
  }
  for (const auto& [gpu, reading] : readings) {
    set(state_->gpu_temperature, gpu, reading.temperature_celsius);
    set(state_->gpu_utilization, gpu, reading.utilization);
    set(state_->gpu_power, gpu, reading.power_watts);
    set(state_->gpu_memory_used, gpu, reading.memory_used_bytes);
    set(state_->gpu_memory_size, gpu, reading.memory_size_bytes);
  }
}

MetricFamilies WorkerMetrics::Collect() {
  SetAttempts();
  SetWorker();
  SetGpus();
  return state_->registry.Collect();
}

}  // namespace quantlab::agent
