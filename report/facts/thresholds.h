// The values at which a verdict changes. What is written of a number must not round onto them.
#ifndef QUANTLAB_REPORT_FACTS_THRESHOLDS_H_
#define QUANTLAB_REPORT_FACTS_THRESHOLDS_H_

namespace quantlab::report {

// Widest excursion of an A/A interval from 1 with which timings are called reliable, in comparisons from
// before there were several processes; for later ones see base/statistics/aa_check.h.
inline constexpr double kAaTolerance = 0.03;
// Paired tests below this call a difference significant.
inline constexpr double kSignificance = 0.05;

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_THRESHOLDS_H_
