// Fills a data folder with the history of many runs, as a coordinator would have written it: experiments of
// 10 runs that have succeeded, each with an attempt, its changes of state, 20 metrics, 5 log lines and an
// artifact.
//
//   fill_history FOLDER RUNS      until the folder has so many runs; starts anew where it stopped
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/sha256.h"
#include "proto/convert.h"
#include "storage/storage.h"

namespace quantlab {
namespace {

constexpr int kRunsOfExperiment = 10;
constexpr int kExperimentsOfGroup = 20;
constexpr int kMetrics = 20;
constexpr int kLogLines = 5;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "fill_history: %s\n", status.ToString().c_str());
  std::exit(1);
}

// Of the experiment of this number; the numbers sort as the ids do.
std::string ExperimentId(int64_t number) {
  return absl::StrFormat("history-%08d", number);
}

class Filler {
 public:
  explicit Filler(Storage& storage) : storage_(storage), config_(RunConfigToJson(RunConfig())) {}

  // Where an earlier call stopped: experiments are written in order.
  int64_t CountExperiments() {
    int64_t low = 0, high = int64_t{1} << 30;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (storage_.states().GetExperiment(ExperimentId(middle)).ok()) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  void AddExperiment(int64_t number) {
    const absl::Time time = absl::FromUnixSeconds(1'700'000'000 + number * 60);
    ExperimentRecord experiment;
    experiment.id = ExperimentId(number);
    experiment.name = absl::StrCat("history", number % 100);
    experiment.request_id = experiment.id;
    experiment.submitter = absl::StrCat("submitter", number % 30);
    experiment.report_language = "en";
    experiment.create_time = time;
    experiment.files.push_back({"history.yaml", "name: history\nexperiments: {baseline: {enabled: true}}\n"});
    std::vector<RunRecord> runs;
    for (int i = 0; i < kRunsOfExperiment; ++i) runs.push_back(NewRun(experiment, i));
    Check(storage_.states().CreateExperiment(experiment, runs).status());
    for (const RunRecord& run : runs) Execute(run, time);
  }

 private:
  RunRecord NewRun(const ExperimentRecord& experiment, int number) const {
    RunRecord run;
    run.name = absl::StrCat("baseline-", number);
    run.experiment_id = experiment.id;
    run.id = MakeRunId(experiment.id, run.name);
    run.config_json = config_;
    run.device = "cpu";
    run.input_key = Sha256Hex(run.id);
    run.folder = run.name;
    run.time_limit = absl::Hours(1);
    run.state = RunState::kQueued;
    run.create_time = experiment.create_time;
    return run;
  }

  void Execute(const RunRecord& run, absl::Time time) {
    const AttemptKey attempt{run.id, 1};
    StateChange start;
    start.time = time;
    start.runs.push_back({run.id, RunState::kQueued, RunState::kRunning, "", {}});
    AttemptRecord record;
    record.key = attempt;
    record.worker_id = "history";
    record.worker_fingerprint = "history";
    record.runner_sha256 = std::string(64, '0');
    record.start_time = time;
    start.start_attempt = record;
    Check(storage_.states().Commit(start));
    Check(storage_.events().AppendEvents(attempt, Events(time)).status());
    StateChange end;
    end.time = time + absl::Seconds(50);
    end.runs.push_back({run.id, RunState::kRunning, RunState::kSucceeded, "", attempt});
    end.end_attempt.emplace();
    end.end_attempt->key = attempt;
    end.end_attempt->time = end.time;
    end.end_attempt->artifacts.push_back({"model/model.safetensors", Sha256Hex(run.id), 91'600'000});
    Check(storage_.states().Commit(end));
  }

  static std::vector<Event> Events(absl::Time time) {
    std::vector<Event> events;
    for (int i = 1; i <= kMetrics + kLogLines; ++i) {
      Event event;
      event.number = i;
      event.time = time + absl::Seconds(i);
      if (i % kLogLines == 0) {
        event.kind = LogLine{Severity::kInfo, absl::StrCat("step ", i, ": the loss has become smaller"), {}};
      } else {
        event.kind = Metric{"train_loss", 1.0 / i, "1", {{"split", "train"}}, i, {}, {}, 0};
      }
      events.push_back(event);
    }
    return events;
  }

  Storage& storage_;
  const std::string config_;
};

int Run(const std::string& folder, int64_t runs) {
  auto storage = OpenStorage(folder);
  Check(storage.status());
  Filler filler(**storage);
  const int64_t experiments = (runs + kRunsOfExperiment - 1) / kRunsOfExperiment;
  for (int64_t next = filler.CountExperiments(); next < experiments; next += kExperimentsOfGroup) {
    Check((*storage)->groups().Together([&] {
      const int64_t end = std::min<int64_t>(next + kExperimentsOfGroup, experiments);
      for (int64_t number = next; number < end; ++number) filler.AddExperiment(number);
    }));
  }
  return 0;
}

}  // namespace
}  // namespace quantlab

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: fill_history FOLDER RUNS\n");
    return 2;
  }
  return quantlab::Run(argv[1], std::atoll(argv[2]));
}
