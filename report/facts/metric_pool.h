// The final metrics of an experiment, from which each fact takes its own, so that what no table shows is
// known.
#ifndef QUANTLAB_REPORT_FACTS_METRIC_POOL_H_
#define QUANTLAB_REPORT_FACTS_METRIC_POOL_H_

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/records.h"
#include "report/facts/facts.h"

namespace quantlab::report {

using Labels = std::map<std::string, std::string>;

// The value of one label; nothing where the metric lacks it.
std::optional<std::string> Label(const Metric& metric, const std::string& name);

// Each metric is handed out once. Those of runs that did not succeed are none: what a run reported before it
// failed is no result.
// Borrows the report data. Threads: one at a time.
class MetricPool {
 public:
  explicit MetricPool(const ReportData& data);

  // Of the runs of a variant itself, one value per run.
  std::vector<Metric> Own(const VariantFacts& variant, const std::string& name, const Labels& labels);

  // Of a comparison, about a variant: one value per seed, or one for all.
  std::vector<Metric> Compared(const RunReport* comparison, const VariantFacts& variant,
                               const std::string& name, const Labels& labels);

  // The first value of a run itself.
  std::vector<Metric> OfRun(const RunReport* run, const std::string& name, const Labels& labels);

  // Values that a label has among a comparison's metrics of one name about a variant (or about nobody).
  std::set<std::string> Values(const RunReport* comparison, const VariantFacts* variant,
                               const std::string& name, const std::string& label) const;

  // All values of a run under one name.
  std::vector<Metric> AllOf(const RunReport* run, const std::string& name, const Labels& labels = {});

  // Those of a comparison that set one variant against another, not against `baseline`.
  std::vector<Metric> Pairs(const RunReport* comparison, const std::string& name,
                            const std::string& baseline);

  // What nobody has taken.
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
