#include "worker/runner/comparison/compare_speed.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/config/metric_spec.h"
#include "base/config/runtime_names.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/statistics/numbers.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "worker/engine/measure/bench.h"
#include "worker/runner/comparison/runtime_times.h"
#include "worker/runner/comparison/timing_child.h"

namespace quantlab::runner {
namespace {

using Labels = std::map<std::string, std::string>;

// Blocks of one process, at least: fewer have no median to speak of.
constexpr int kMinBlocks = 3;

double Rounded(double value, int digits) {
  const double scale = std::pow(10, digits);
  return std::round(value * scale) / scale;
}

Labels LabelsOf(const InputShape& shape) {
  return {{"batch_size", absl::StrCat(shape.batch_size)},
          {"sequence_length", absl::StrCat(shape.sequence_length)}};
}

// One shape and what the processes measured of it.
struct TimedShape {
  InputShape shape;
  std::vector<ShapeTimes> processes;
  engine::BenchResult result;  // of all of them
};

class SpeedComparison {
 public:
  SpeedComparison(Attempt& attempt, const std::string& runner, const std::vector<InputShape>& shapes,
                  const std::vector<size_t>& first_of_same, RuntimesToTime runtimes)
      : attempt_(attempt),
        runner_(runner),
        first_of_same_(first_of_same),
        timed_(TimedInputs(first_of_same)),
        runtimes_(attempt, std::move(runtimes.runtimes), OwnModels(timed_), first_of_same_,
                  std::move(runtimes.folder)) {
    for (const InputShape& shape : shapes) shapes_.push_back({shape, {}, {}});
    names_ = {Input(0).variant};
    for (const size_t i : timed_) names_.push_back(Input(i).variant);
  }

  absl::Status Run() {
    QL_RETURN_IF_ERROR(Measure());
    for (const TimedShape& timed : shapes_) {
      Record(timed);
      runtimes_.Record(timed.shape, timed.processes);
    }
    return attempt_.WriteArtifact("samples.csv", Csv());
  }

 private:
  static std::vector<size_t> TimedInputs(const std::vector<size_t>& first_of_same) {
    std::vector<size_t> timed;
    for (size_t i = 0; i < first_of_same.size(); ++i) {
      if (first_of_same[i] == i) timed.push_back(i);
    }
    return timed;
  }

  // With the twin of the reference.
  static std::vector<size_t> OwnModels(std::vector<size_t> timed) {
    timed.insert(timed.begin(), 0);
    return timed;
  }

  const ModelInput& Input(size_t i) const { return attempt_.job().inputs[i]; }
  const EvaluationConfig& evaluation() const { return attempt_.config().evaluation; }

  absl::Status Measure() {
    const int processes = std::max(1, evaluation().processes);
    std::vector<TimedShape*> open;
    for (TimedShape& timed : shapes_) open.push_back(&timed);
    // A single process extends its own measurement, so that the interval stays that of one process.
    const int rounds = processes == 1 ? 1 : engine::kMaxExtension;
    for (int round = 0; round < rounds && !open.empty(); ++round) {
      for (int i = 0; i < processes; ++i) {
        const int64_t done = int64_t{round} * processes + i;
        if (!attempt_.Report(messages::kMeasuringTimes(), done, int64_t{round + 1} * processes, "process")) {
          return absl::CancelledError("stopped between two processes of the measurement");
        }
        QL_RETURN_IF_ERROR(MeasureProcess(open, processes, static_cast<uint64_t>(done)));
      }
      for (TimedShape* timed : open) Analyze(*timed);
      std::erase_if(open, [](const TimedShape* timed) { return timed->result.check.narrow; });
    }
    return absl::OkStatus();
  }

  absl::Status MeasureProcess(const std::vector<TimedShape*>& open, int processes, uint64_t number) {
    TimingRequest request;
    for (const size_t i : timed_) request.models.push_back(Input(i).folder);
    request.device = attempt_.device();
    request.threads = attempt_.config().threads;
    for (const TimedShape* timed : open) {
      request.inputs.push_back(
          {timed->shape, timed->processes.empty() ? "" : timed->processes.front().fp32_path});
    }
    request.warmup_iterations = evaluation().warmup_iterations;
    request.min_samples = std::max(kMinBlocks, (evaluation().min_samples + processes - 1) / processes);
    request.min_duration_seconds = evaluation().min_duration_seconds / processes;
    request.until_narrow = processes == 1;
    // Other texts and other orders within blocks in each process, fixed by the run's seed.
    request.seed = attempt_.config().seed + number;
    QL_ASSIGN_OR_RETURN(request.runtimes, runtimes_.WritePlan());
    QL_ASSIGN_OR_RETURN(
        std::vector<ShapeTimes> times,
        MeasureTimesInChild(runner_, request, runtimes_.active(), [this] { return attempt_.ShouldStop(); }));
    runtimes_.Take(times);
    for (size_t s = 0; s < open.size(); ++s) open[s]->processes.push_back(std::move(times[s]));
    return absl::OkStatus();
  }

  void Analyze(TimedShape& timed) const {
    std::vector<engine::ProcessTimes> processes;
    for (const ShapeTimes& times : timed.processes) {
      processes.push_back(engine::TimesOf(times.samples, runtimes_.size()));
    }
    timed.result = engine::AnalyzeProcesses(names_, processes, attempt_.config().seed);
  }

  void Record(const TimedShape& timed) const {
    ExplainReference(timed);
    ExplainTimes(timed);
    const engine::BenchResult& result = timed.result;
    for (size_t i = 0; i < attempt_.job().inputs.size(); ++i) {
      const size_t at =
          static_cast<size_t>(std::find(timed_.begin(), timed_.end(), first_of_same_[i]) - timed_.begin());
      RecordTimes(Input(i), at == 0 ? result.reference : result.entries[at - 1], timed.shape);
    }
  }

  void RecordTimes(const ModelInput& input, const engine::BenchTimes& times, const InputShape& shape) const {
    Labels labels = LabelsOf(shape);
    labels["variant"] = input.variant;
    const auto quantile = [&](const char* name, double value,
                              const std::optional<statistics::Interval>& interval) {
      Metric metric = {"inference_time", value, "s", labels, 0, {}, {}, times.summary.samples};
      metric.labels["quantile"] = name;
      if (interval.has_value()) {
        metric.low = interval->low;
        metric.high = interval->high;
      }
      attempt_.Record(std::move(metric));
    };
    quantile("p50", times.summary.p50, times.p50_interval);
    quantile("p90", times.summary.p90, times.p90_interval);
    if (times.summary.p99) quantile("p99", *times.summary.p99, times.p99_interval);
    attempt_.Record(Metric{"throughput",
                           shape.batch_size / times.summary.p50,
                           FindMetric("throughput")->unit,
                           labels,
                           0,
                           {},
                           {},
                           times.summary.samples});
    if (input.method.empty()) return;
    attempt_.Record(Metric{"speedup", times.speedup, "1", labels, 0, times.speedup_interval.low,
                           times.speedup_interval.high, times.summary.samples});
  }

  void ExplainReference(const TimedShape& timed) const {
    const ShapeTimes& first = timed.processes.front();
    if (!first.other_fp32_path.empty()) {
      const Message message = messages::kFp32Path(MessageOfShape(timed.shape), first.fp32_path,
                                                  first.other_fp32_path, Rounded(first.other_fp32_ratio, 2));
      attempt_.Send(Caveat{"fp32_path", English(message), message});
    }
    const engine::BenchTimes& twin = timed.result.twin;
    Labels labels = LabelsOf(timed.shape);
    labels["processes"] = absl::StrCat(timed.result.processes);
    attempt_.Record(Metric{"aa_ratio", twin.speedup, "1", std::move(labels), 0, twin.speedup_interval.low,
                           twin.speedup_interval.high, twin.summary.samples});
  }

  void ExplainTimes(const TimedShape& timed) const {
    const engine::BenchResult& result = timed.result;
    const statistics::Interval& aa = result.twin.speedup_interval;
    const Message shape = MessageOfShape(timed.shape);
    if (!result.check.narrow) {
      attempt_.Warn("aa_check_failed",
                    messages::kTimingsImprecise(shape, (aa.high - aa.low) / 2, kAaHalfWidth, result.processes,
                                                result.blocks));
    }
    if (!result.check.unbiased) {
      attempt_.Warn("aa_check_failed",
                    messages::kTimingsBiased(shape, Rounded(aa.low, 3), Rounded(aa.high, 3)));
    }
    std::vector<engine::MachineUse> uses;
    for (const ShapeTimes& times : timed.processes) uses.push_back(times.use);
    const std::vector<Message> why = engine::WhyNotRepeatable(engine::Together(uses), result.drift);
    if (!why.empty()) attempt_.Warn("absolute_times", messages::kAbsoluteTimes(shape, why));
  }

  // Every forward pass that was timed, in order of time within a process.
  std::string Csv() const {
    std::string csv =
        "batch_size,sequence_length,process,phase,block,position,variant,start,seconds,runtime\n";
    std::vector<CsvModel> models = {{"reference", kOwnRuntime}, {"reference_again", kOwnRuntime}};
    for (size_t i = 2; i < runtimes_.size(); ++i) {
      models.push_back({runtimes_.VariantOf(i), runtimes_.RuntimeOf(i)});
    }
    for (const TimedShape& timed : shapes_) {
      for (size_t process = 0; process < timed.processes.size(); ++process) {
        const ShapeTimes& times = timed.processes[process];
        const std::string where =
            absl::StrCat(timed.shape.batch_size, ",", timed.shape.sequence_length, ",", process, ",");
        const std::string plain = "at::linear";
        const std::string other = times.fp32_path == plain ? times.other_fp32_path : times.fp32_path;
        Append(times.trial, where + "fp32_path",
               {{plain, kOwnRuntime}, {plain + " again", kOwnRuntime}, {other, kOwnRuntime}}, csv);
        Append(times.samples, where + "measured", models, csv);
      }
    }
    return csv;
  }

  struct CsvModel {
    std::string name, runtime;
  };
  static void Append(const std::vector<engine::BenchSample>& samples, const std::string& where,
                     const std::vector<CsvModel>& models, std::string& csv) {
    for (const engine::BenchSample& sample : samples) {
      absl::StrAppend(&csv, where, ",", sample.block, ",", sample.position, ",",
                      CsvField(models[sample.model].name), ",", absl::StrFormat("%.6f", sample.start), ",",
                      RoundTrip(sample.seconds), ",", models[sample.model].runtime, "\n");
    }
  }

  Attempt& attempt_;
  const std::string runner_;
  const std::vector<size_t> first_of_same_;
  const std::vector<size_t> timed_;  // indices of the inputs that are timed
  RuntimeTimes runtimes_;
  std::vector<TimedShape> shapes_;
  std::vector<std::string> names_;  // of the reference, its twin and the others
};

}  // namespace

Message MessageOfShape(const InputShape& shape) {
  return messages::kTimedShape(shape.batch_size, shape.sequence_length);
}

absl::Status CompareSpeed(Attempt& attempt, const std::string& runner, const std::vector<InputShape>& shapes,
                          const std::vector<size_t>& first_of_same, RuntimesToTime runtimes) {
  return SpeedComparison(attempt, runner, shapes, first_of_same, std::move(runtimes)).Run();
}

}  // namespace quantlab::runner
