// The parts of an experiment file that only its report uses: `decide` and `report.cover`.
#ifndef QUANTLAB_YAML_REPORT_OPTIONS_H_
#define QUANTLAB_YAML_REPORT_OPTIONS_H_

#include <vector>

#include "base/config/report_options.h"
#include "base/records/records.h"
#include "yaml/fields.h"

namespace quantlab {

// Of the map `decide`, and of the map `cover` within `report`; null where the file has none. Problems go to
// `diagnostics`.
DecisionOptions ReadDecision(const YamlNode* decide, Diagnostics& diagnostics);
CoverOptions ReadCover(const YamlNode* cover, Diagnostics& diagnostics);

// Of the stored files of an experiment, which the coordinator checked when it was submitted. What cannot be
// read, by whatever version, is as if it were not there.
ReportOptions ReportOptionsOf(const std::vector<SourceFile>& files);

}  // namespace quantlab

#endif  // QUANTLAB_YAML_REPORT_OPTIONS_H_
