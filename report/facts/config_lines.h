// A run's configuration as readable lines, from which a digest is computed.
#ifndef QUANTLAB_REPORT_FACTS_CONFIG_LINES_H_
#define QUANTLAB_REPORT_FACTS_CONFIG_LINES_H_

#include <string>
#include <utility>
#include <vector>

#include "base/config/run_config.h"

namespace quantlab::report {

// Every setting that determines the result, in a fixed order: ("dataset.max_length", "256"). The names of the
// experiment, the run and the variant are not included.
std::vector<std::pair<std::string, std::string>> ConfigLines(const RunConfig& config);

// SHA-256 over ConfigLines() as "key=value\n": `cut -d, -f3,4 tables/configuration.csv` has the same lines.
std::string ConfigDigest(const RunConfig& config);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_CONFIG_LINES_H_
