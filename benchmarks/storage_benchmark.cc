// How many changes of state and how many events a second the storage makes durable, each acknowledged
// only after a full synchronization of the disk.
//
//   storage_benchmark --benchmark_counters_tabular=true
//
// The data folder is made below $QUANTLAB_BENCH_FOLDER, else $TMPDIR, else /tmp: put it on the disk that is
// meant. Times are wall time; `commits` is how many transactions a second the calls shared.
#include <atomic>
#include <benchmark/benchmark.h>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/storage.h"

namespace quantlab {
namespace {

constexpr int kMaxThreads = 64;

[[noreturn]] void Fail(const std::string& why) {
  std::fprintf(stderr, "storage_benchmark: %s\n", why.c_str());
  std::exit(1);
}

void Check(const absl::Status& status) {
  if (!status.ok()) Fail(status.ToString());
}

std::string RunOf(int thread) {
  return absl::StrCat("bench/run", thread);
}

// One storage for all threads of a benchmark, with a run for each of them.
class Bench {
 public:
  Bench() {
    const char* base = std::getenv("QUANTLAB_BENCH_FOLDER");
    if (base == nullptr) base = std::getenv("TMPDIR");
    folder_ = absl::StrCat(base == nullptr ? "/tmp" : base, "/quantlab-bench-XXXXXX");
    if (mkdtemp(folder_.data()) == nullptr) Fail("cannot make a folder");
    StorageOptions options;
    options.database.database.observe_commit = [this](absl::Duration, int) { ++commits_; };
    auto storage = OpenStorage(folder_, options);
    Check(storage.status());
    storage_ = *std::move(storage);
    CreateRuns();
  }
  ~Bench() {
    storage_.reset();
    std::filesystem::remove_all(folder_);
  }

  Storage& storage() { return *storage_; }
  int64_t commits() const { return commits_; }

 private:
  void CreateRuns() {
    ExperimentRecord experiment;
    experiment.id = "bench";
    std::vector<RunRecord> runs;
    for (int i = 0; i < kMaxThreads; ++i) {
      RunRecord run;
      run.id = RunOf(i);
      run.name = absl::StrCat("run", i);
      run.state = RunState::kQueued;
      runs.push_back(run);
    }
    Check(storage_->states().CreateExperiment(experiment, runs).status());
  }

  std::string folder_;
  std::atomic<int64_t> commits_ = 0;
  std::unique_ptr<Storage> storage_;
};

std::unique_ptr<Bench> bench;

void SetUpBench(const benchmark::State&) {
  bench = std::make_unique<Bench>();
}

void TearDownBench(const benchmark::State&) {
  bench.reset();
}

void CountCommits(benchmark::State& state) {
  if (state.thread_index() != 0) return;
  state.counters["commits"] =
      benchmark::Counter(static_cast<double>(bench->commits()), benchmark::Counter::kIsRate);
}

// The commit that leases a run, or the one that gives it back.
StateChange LeaseOrReturn(int thread, int64_t step) {
  const bool lease = step % 2 == 0;
  const AttemptKey attempt{RunOf(thread), step / 2 + 1};
  StateChange change;
  change.time = absl::FromUnixSeconds(1'700'000'000 + step);
  change.runs.resize(1);
  change.runs[0].run_id = attempt.run_id;
  change.runs[0].from = lease ? RunState::kQueued : RunState::kRunning;
  change.runs[0].to = lease ? RunState::kRunning : RunState::kQueued;
  if (lease) {
    change.start_attempt.emplace().key = attempt;
    change.start_attempt->worker_id = "worker";
  } else {
    change.end_attempt.emplace().key = attempt;
    change.end_attempt->outcome = RunState::kLost;
    change.end_attempt->time = change.time;
  }
  return change;
}

void StateCommits(benchmark::State& state) {
  int64_t step = 0;
  for (auto _ : state) {
    Check(bench->storage().states().Commit(LeaseOrReturn(state.thread_index(), step++)));
  }
  state.SetItemsProcessed(state.iterations());
  CountCommits(state);
}

std::vector<Event> MetricsFrom(int64_t first, int64_t count) {
  std::vector<Event> events;
  for (int64_t i = first; i < first + count; ++i) {
    const double loss = 1.0 / static_cast<double>(i);
    events.push_back({i, absl::FromUnixSeconds(1'700'000'000 + i),
                      Metric{"train_loss", loss, "1", {{"split", "train"}}, i, {}, {}, 0}});
  }
  return events;
}

void Events(benchmark::State& state) {
  const AttemptKey attempt{RunOf(state.thread_index()), 1};
  const int64_t batch = state.range(0);
  Check(bench->storage().states().Commit(LeaseOrReturn(state.thread_index(), 0)));
  int64_t next = 1;
  for (auto _ : state) {
    Check(bench->storage().events().AppendEvents(attempt, MetricsFrom(next, batch)).status());
    next += batch;
  }
  state.SetItemsProcessed(state.iterations() * batch);
  CountCommits(state);
}

void Configure(benchmark::internal::Benchmark* benchmark) {
  benchmark->Setup(SetUpBench)->Teardown(TearDownBench)->UseRealTime()->MinTime(2);
  for (const int threads : {1, 8, kMaxThreads}) benchmark->Threads(threads);
}

BENCHMARK(StateCommits)->Apply(Configure);
BENCHMARK(Events)->ArgName("batch")->Arg(1)->Arg(100)->Apply(Configure);

}  // namespace
}  // namespace quantlab

BENCHMARK_MAIN();
