// The final metrics of an experiment. Each fact takes its metrics from the pool, so that those which no table
// shows can be listed.
#ifndef QUANTLAB_REPORT_FACTS_METRIC_POOL_H_
#define QUANTLAB_REPORT_FACTS_METRIC_POOL_H_

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/records/records.h"
#include "report/facts/facts.h"

namespace quantlab::report {

using Labels = std::map<std::string, std::string>;

// The value of one label; nullopt if the metric lacks it.
std::optional<std::string> Label(const Metric& metric, const std::string& name);

// Each metric is handed out once. Metrics of runs that did not succeed are excluded: values reported before a
// failure are not results.
// Borrows the report data. Threads: one at a time.
class MetricPool {
 public:
  explicit MetricPool(const ReportData& data);

  // From the runs of a variant, one value per run.
  std::vector<Metric> Own(const VariantFacts& variant, const std::string& name, const Labels& labels);

  // From a comparison, about a variant: one value per seed, or one for all.
  std::vector<Metric> Compared(const RunReport* comparison, const VariantFacts& variant,
                               const std::string& name, const Labels& labels);

  // The first value of a run itself.
  std::vector<Metric> OfRun(const RunReport* run, const std::string& name, const Labels& labels);

  // Values of a label among a comparison's metrics of one name about a variant (or about none).
  std::set<std::string> Values(const RunReport* comparison, const VariantFacts* variant,
                               const std::string& name, const std::string& label) const;

  // All values of a run under one name.
  std::vector<Metric> AllOf(const RunReport* run, const std::string& name, const Labels& labels = {});

  // Metrics of a comparison that compare a variant with another one, not with `baseline`.
  std::vector<Metric> Pairs(const RunReport* comparison, const std::string& name,
                            const std::string& baseline);

  // Metrics that have not been taken.
  std::vector<OtherMetric> Rest() const;

 private:
  struct Entry {
    const RunReport* run;
    const Metric* metric;
    bool shown = false;  // some table has shown it
  };

  const std::vector<size_t>& Named(const RunReport* run, const std::string& name) const;
  template <typename Predicate>
  std::vector<Metric> Take(const RunReport* run, const std::string& name, Predicate wanted, size_t at_most);

  std::vector<Entry> entries_;
  std::map<std::pair<const RunReport*, std::string>, std::vector<size_t>> by_name_;  // indices of entries_
};

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_METRIC_POOL_H_
