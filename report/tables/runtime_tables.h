// The variants in other runtimes, as tables; without rows where no other runtime was timed.
#ifndef QUANTLAB_REPORT_TABLES_RUNTIME_TABLES_H_
#define QUANTLAB_REPORT_TABLES_RUNTIME_TABLES_H_

#include "report/facts/facts.h"
#include "report/facts/language.h"
#include "report/tables/table.h"

namespace quantlab::report {

// One row per comparison, variant and shape of input: the speedup in each runtime over the best FP32 of any.
Table RuntimesTable(Language language, const Facts& facts);
// One row for each of those: times, version and the check of the logits.
Table RuntimeTimesTable(Language language, const Facts& facts);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TABLES_RUNTIME_TABLES_H_
