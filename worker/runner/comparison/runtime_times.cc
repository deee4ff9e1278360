#include "worker/runner/comparison/runtime_times.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/config/runtime_names.h"
#include "base/messages/runtimes.h"
#include "base/status_macros.h"

namespace quantlab::runner {
namespace {

// The second time of the reference in every block; it is no model of its own.
constexpr size_t kTwin = 1;

std::map<std::string, std::string> LabelsOf(const InputShape& shape, const std::string& variant,
                                            const std::string& runtime) {
  return {{"batch_size", absl::StrCat(shape.batch_size)},
          {"sequence_length", absl::StrCat(shape.sequence_length)},
          {"variant", variant},
          {"runtime", runtime}};
}

Metric Quantile(const char* quantile, double value, const std::optional<statistics::Interval>& interval,
                std::map<std::string, std::string> labels, int64_t samples) {
  labels["quantile"] = quantile;
  Metric metric{"runtime_time", value, "s", std::move(labels), 0, {}, {}, samples};
  if (interval.has_value()) {
    metric.low = interval->low;
    metric.high = interval->high;
  }
  return metric;
}

}  // namespace

RuntimeTimes::RuntimeTimes(Attempt& attempt, std::vector<ComparedRuntime> runtimes, std::vector<size_t> own,
                           const std::vector<size_t>& first_of_same, std::string folder)
    : attempt_(attempt),
      runtimes_(std::move(runtimes)),
      own_(std::move(own)),
      first_of_same_(first_of_same),
      folder_(std::move(folder)) {
  for (size_t r = 0; r < runtimes_.size(); ++r) {
    for (const ComparedRuntime::Model& model : runtimes_[r].models) {
      active_.push_back(models_.size());
      models_.push_back({r, model.input, model.folder, model.format});
    }
  }
}

absl::StatusOr<std::string> RuntimeTimes::WritePlan() const {
  if (active_.empty()) return std::string();
  RuntimePlan plan;
  std::optional<size_t> last;
  for (const size_t m : active_) {
    const ComparedRuntime& runtime = runtimes_[models_[m].runtime];
    if (last != models_[m].runtime) plan.push_back({runtime.name, runtime.argv, {}});
    last = models_[m].runtime;
    plan.back().models.push_back({models_[m].folder, models_[m].format});
  }
  const std::string path = folder_ + "/plan.json";
  QL_RETURN_IF_ERROR(WriteRuntimePlan(plan, path));
  return path;
}

void RuntimeTimes::Take(std::vector<ShapeTimes>& shapes) {
  std::map<size_t, std::string> failed;  // by index of models_
  const auto lasting = [&](int64_t index) {
    const size_t position = static_cast<size_t>(index) - own_.size();
    return active_[position];
  };
  for (ShapeTimes& times : shapes) {
    for (engine::BenchSample& sample : times.samples) {
      if (sample.model < static_cast<int64_t>(own_.size())) continue;
      sample.model = static_cast<int64_t>(own_.size() + lasting(sample.model));
    }
    for (const auto& [index, why] : times.failed) {
      if (index >= static_cast<int64_t>(own_.size())) failed.emplace(lasting(index), why);
    }
  }
  LeaveOut(failed);
}

// A runtime all of whose models failed is named once.
void RuntimeTimes::LeaveOut(const std::map<size_t, std::string>& failed) {
  for (size_t r = 0; r < runtimes_.size(); ++r) {
    std::vector<size_t> here, gone;
    for (const size_t m : active_) {
      if (models_[m].runtime == r) here.push_back(m);
    }
    std::copy_if(here.begin(), here.end(), std::back_inserter(gone),
                 [&](size_t m) { return failed.count(m) > 0; });
    const std::string& title = runtimes_[r].identity.title;
    if (!gone.empty() && gone.size() == here.size()) {
      attempt_.Warn("runtime_left_out", messages::kRuntimeFailed(title, failed.at(gone.front())));
      continue;
    }
    for (const size_t m : gone) {
      attempt_.Warn(
          "runtime_left_out",
          messages::kRuntimeCannotRun(attempt_.job().inputs[models_[m].input].variant, title, failed.at(m)));
    }
  }
  std::erase_if(active_, [&](size_t m) { return failed.count(m) > 0; });
}

void RuntimeTimes::Record(const InputShape& shape, const std::vector<ShapeTimes>& processes) const {
  if (active_.empty()) return;
  std::vector<size_t> timed;  // indices
  for (size_t i = 0; i < own_.size(); ++i) {
    if (i != kTwin) timed.push_back(i);
  }
  for (const size_t m : active_) timed.push_back(own_.size() + m);
  std::vector<std::string> names;
  std::vector<size_t> fp32;  // positions in `timed` of the baseline
  for (size_t position = 0; position < timed.size(); ++position) {
    names.push_back(VariantOf(timed[position]));
    if (InputOf(timed[position]) == 0) fp32.push_back(position);
  }
  std::vector<engine::ProcessTimes> times;
  for (const ShapeTimes& process : processes) {
    const engine::ProcessTimes all = engine::TimesOf(process.samples, size());
    engine::ProcessTimes& chosen = times.emplace_back();
    for (const size_t index : timed) chosen.push_back(all[index]);
  }
  const size_t best = engine::FastestOf(fp32, times);
  const std::vector<engine::BenchTimes> results =
      engine::CompareWith(best, names, times, attempt_.config().seed);
  for (size_t position = 0; position < timed.size(); ++position) {
    RecordModel(shape, timed[position], timed[best], results[position]);
  }
}

void RuntimeTimes::RecordModel(const InputShape& shape, size_t index, size_t best,
                               const engine::BenchTimes& times) const {
  const std::vector<ModelInput>& inputs = attempt_.job().inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (first_of_same_[i] != InputOf(index)) continue;
    const auto labels = LabelsOf(shape, inputs[i].variant, RuntimeOf(index));
    const int64_t samples = times.summary.samples;
    attempt_.Record(Quantile("p50", times.summary.p50, times.p50_interval, labels, samples));
    attempt_.Record(Quantile("p90", times.summary.p90, times.p90_interval, labels, samples));
    Metric speedup{"runtime_speedup", times.speedup, "1", labels, 0, {}, {}, samples};
    speedup.labels["reference"] = RuntimeOf(best);
    if (index != best) {
      speedup.low = times.speedup_interval.low;
      speedup.high = times.speedup_interval.high;
    }
    attempt_.Record(std::move(speedup));
  }
}

size_t RuntimeTimes::InputOf(size_t index) const {
  return index < own_.size() ? own_[index] : models_[index - own_.size()].input;
}

std::string RuntimeTimes::RuntimeOf(size_t index) const {
  return index < own_.size() ? kOwnRuntime : runtimes_[models_[index - own_.size()].runtime].name;
}

std::string RuntimeTimes::VariantOf(size_t index) const {
  return attempt_.job().inputs[InputOf(index)].variant;
}

}  // namespace quantlab::runner
