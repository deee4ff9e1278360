#include "worker/engine/measure/timings.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace quantlab::engine {
namespace {

BenchTimes Compare(std::string name, size_t reference, size_t model,
                   const std::vector<ProcessTimes>& processes, uint64_t seed) {
  statistics::Groups seconds, ratios;
  std::vector<double> all;
  for (const ProcessTimes& process : processes) {
    seconds.push_back(process[model]);
    all.insert(all.end(), process[model].begin(), process[model].end());
    std::vector<double>& ratio = ratios.emplace_back();
    for (size_t block = 0; block < process[model].size(); ++block) {
      ratio.push_back(process[reference][block] / process[model][block]);
    }
  }
  BenchTimes times;
  times.name = std::move(name);
  times.summary = statistics::Summarize(all);
  const auto interval = [&](double q) -> std::optional<statistics::Interval> {
    if (processes.size() == 1 && !statistics::QuantileInterval(all, q)) return std::nullopt;
    return statistics::GroupedQuantileInterval(seconds, q, seed);
  };
  times.p50_interval = interval(0.5);
  times.p90_interval = interval(0.9);
  if (times.summary.p99) times.p99_interval = interval(0.99);
  const statistics::Estimate speedup = statistics::GroupedMedianRatio(ratios, seed);
  times.speedup = speedup.value;
  times.speedup_interval = speedup.interval;
  return times;
}

double Drift(const std::vector<ProcessTimes>& processes) {
  std::vector<double> medians;
  for (const ProcessTimes& process : processes) medians.push_back(statistics::Median(process[0]));
  const auto [low, high] = std::minmax_element(medians.begin(), medians.end());
  return *low > 0 ? *high / *low - 1 : 0;
}

}  // namespace

ProcessTimes TimesOf(const std::vector<BenchSample>& samples, size_t models) {
  ProcessTimes times(models);
  for (const BenchSample& sample : samples) times[sample.model].push_back(sample.seconds);
  return times;
}

BenchResult AnalyzeProcesses(const std::vector<std::string>& names,
                             const std::vector<ProcessTimes>& processes, uint64_t seed) {
  BenchResult result;
  result.processes = static_cast<int64_t>(processes.size());
  for (const ProcessTimes& process : processes) result.blocks += static_cast<int64_t>(process[0].size());
  result.reference = Compare(names[0], 0, 0, processes, seed);
  result.twin = Compare(names[1], 0, 1, processes, seed);
  for (size_t m = 2; m < names.size(); ++m) {
    result.entries.push_back(Compare(names[m], 0, m, processes, seed + m));
  }
  result.check =
      CheckAa(result.twin.speedup, result.twin.speedup_interval.low, result.twin.speedup_interval.high);
  result.drift = Drift(processes);
  return result;
}

std::vector<BenchTimes> CompareWith(size_t reference, const std::vector<std::string>& names,
                                    const std::vector<ProcessTimes>& processes, uint64_t seed) {
  std::vector<BenchTimes> all;
  for (size_t m = 0; m < names.size(); ++m) {
    all.push_back(Compare(names[m], reference, m, processes, seed + m));
  }
  return all;
}

size_t FastestOf(const std::vector<size_t>& candidates, const std::vector<ProcessTimes>& processes) {
  const auto time = [&](size_t model) {
    double logarithms = 0;
    for (const ProcessTimes& process : processes) {
      logarithms += std::log(statistics::Median(process[model]));
    }
    return logarithms;
  };
  return *std::min_element(candidates.begin(), candidates.end(),
                           [&](size_t a, size_t b) { return time(a) < time(b); });
}

}  // namespace quantlab::engine
