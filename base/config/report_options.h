// What an experiment file says of its report: the constraints of a decision, and the cover page. Neither
// changes a result; both are read from the files of the experiment wherever a report is made.
#ifndef QUANTLAB_BASE_CONFIG_REPORT_OPTIONS_H_
#define QUANTLAB_BASE_CONFIG_REPORT_OPTIONS_H_

#include <optional>
#include <string>

namespace quantlab {

// In the units of the file. An absent limit is none.
struct DecisionOptions {
  std::optional<double> max_accuracy_drop;  // percentage points
  std::optional<double> max_p90_ms;         // of a batch
  std::optional<double> max_size_mb;        // 10^6 bytes
  std::optional<double> max_memory_mb;      // 10^6 bytes
  std::string goal = "speed";               // speed, size, memory, accuracy
  int batch_size = 0, sequence_length = 0;  // of the batch that is meant; 0: see report::Constraints::shape
};

// Each as it is to stand on the page; empty ones are left out.
struct CoverOptions {
  std::string course, title, author, student_id, class_name, teacher, school, date;
};

struct ReportOptions {
  std::optional<DecisionOptions> decide;
  std::optional<CoverOptions> cover;
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CONFIG_REPORT_OPTIONS_H_
