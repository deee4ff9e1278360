#include "report/facts/metric_pool.h"

#include <algorithm>

namespace quantlab::report {
namespace {

// A label that the metric lacks also matches.
bool Carries(const Metric& metric, const Labels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    const auto it = metric.labels.find(label.first);
    return it == metric.labels.end() || it->second == label.second;
  });
}

// Whether a comparison's metric is about the variant: one of its runs, or the variant as a whole.
bool SpeaksOf(const Metric& metric, const VariantFacts& variant) {
  if (const auto run = Label(metric, "run")) {
    return std::any_of(variant.runs.begin(), variant.runs.end(),
                       [&](const RunReport* report) { return report->run.name == *run; });
  }
  const auto name = Label(metric, "variant");
  if (!name.has_value()) return false;
  return *name == variant.name ||
         std::any_of(variant.runs.begin(), variant.runs.end(),
                     [&](const RunReport* report) { return report->run.name == *name; });
}

}  // namespace

std::optional<std::string> Label(const Metric& metric, const std::string& name) {
  const auto it = metric.labels.find(name);
  if (it == metric.labels.end()) return std::nullopt;
  return it->second;
}

MetricPool::MetricPool(const ReportData& data) {
  for (const RunReport& run : data.runs) {
    if (run.run.state != RunState::kSucceeded) continue;
    for (const Metric& metric : run.metrics) {
      if (metric.step > 0) continue;
      by_name_[{&run, metric.name}].push_back(entries_.size());
      entries_.push_back({&run, &metric});
    }
  }
}

const std::vector<size_t>& MetricPool::Named(const RunReport* run, const std::string& name) const {
  static const auto* const none = new std::vector<size_t>();
  const auto it = by_name_.find({run, name});
  return it == by_name_.end() ? *none : it->second;
}

template <typename Predicate>
std::vector<Metric> MetricPool::Take(const RunReport* run, const std::string& name, Predicate wanted,
                                     size_t at_most) {
  std::vector<Metric> values;
  for (const size_t index : Named(run, name)) {
    Entry& entry = entries_[index];
    if (values.size() == at_most) break;
    if (entry.shown || !wanted(*entry.metric)) continue;
    entry.shown = true;
    values.push_back(*entry.metric);
  }
  return values;
}

std::vector<Metric> MetricPool::Own(const VariantFacts& variant, const std::string& name,
                                    const Labels& labels) {
  std::vector<Metric> values;
  for (const RunReport* run : variant.runs) {
    const std::vector<Metric> found = OfRun(run, name, labels);
    values.insert(values.end(), found.begin(), found.end());
  }
  return values;
}

std::vector<Metric> MetricPool::Compared(const RunReport* comparison, const VariantFacts& variant,
                                         const std::string& name, const Labels& labels) {
  return Take(
      comparison, name,
      [&](const Metric& metric) { return Carries(metric, labels) && SpeaksOf(metric, variant); },
      variant.runs.size());
}

std::vector<Metric> MetricPool::OfRun(const RunReport* run, const std::string& name, const Labels& labels) {
  return Take(
      run, name, [&](const Metric& metric) { return Carries(metric, labels); }, 1);
}

std::set<std::string> MetricPool::Values(const RunReport* comparison, const VariantFacts* variant,
                                         const std::string& name, const std::string& label) const {
  std::set<std::string> values;
  for (const size_t index : Named(comparison, name)) {
    const Metric& metric = *entries_[index].metric;
    if (variant != nullptr && !SpeaksOf(metric, *variant)) continue;
    if (const auto value = Label(metric, label)) values.insert(*value);
  }
  return values;
}

std::vector<Metric> MetricPool::AllOf(const RunReport* run, const std::string& name, const Labels& labels) {
  return Take(
      run, name, [&](const Metric& metric) { return Carries(metric, labels); }, entries_.size());
}

std::vector<Metric> MetricPool::Pairs(const RunReport* comparison, const std::string& name,
                                      const std::string& baseline) {
  return Take(
      comparison, name,
      [&](const Metric& metric) {
        const auto against = Label(metric, "against");
        return against.has_value() && *against != baseline && Label(metric, "variant").has_value();
      },
      entries_.size());
}

std::vector<OtherMetric> MetricPool::Rest() const {
  std::vector<OtherMetric> rest;
  for (const Entry& entry : entries_) {
    if (!entry.shown) rest.push_back({entry.run, *entry.metric});
  }
  return rest;
}

}  // namespace quantlab::report
