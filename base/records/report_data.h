// The input of a report: the response of GetReportData, as domain types. The report is a pure function of
// it.
#ifndef QUANTLAB_BASE_RECORDS_REPORT_DATA_H_
#define QUANTLAB_BASE_RECORDS_REPORT_DATA_H_

#include <optional>
#include <string>
#include <vector>

#include "base/config/run_config.h"
#include "base/records/event.h"
#include "base/records/records.h"

namespace quantlab {

struct RunReport {
  RunRecord run;  // config_json is empty; `config` has it parsed
  RunConfig config;
  std::optional<AttemptRecord> attempt;  // the one that produced the result
  std::vector<AttemptRecord> attempts;
  std::vector<Metric> metrics;
  std::vector<Layer> layers;
  std::vector<Artifact> artifacts;
  Environment environment;
  std::vector<Caveat> caveats;
};

struct ReportData {
  int version = 1;
  ExperimentRecord experiment;
  std::vector<RunReport> runs;
  std::string coordinator_version;
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_REPORT_DATA_H_
