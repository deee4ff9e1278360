// Whether one model is shown to lose less accuracy against another than a margin, on the same texts. Pure
// arithmetic; used by the runner and by reports.
#ifndef QUANTLAB_BASE_STATISTICS_PAIRED_MARGIN_H_
#define QUANTLAB_BASE_STATISTICS_PAIRED_MARGIN_H_

#include <cstdint>

namespace quantlab {

// Answers of two models to the same texts.
struct PairedAnswers {
  int64_t only_first = 0;   // texts that only the first model gets right
  int64_t only_second = 0;  // texts that only the second model gets right
  int64_t total = 0;        // all texts; at least 1, and at least the other two together
};

// One-sided: an upper limit of 2.5 % of error, as the lower end of a two-sided 95 % interval has.
inline constexpr double kNonInferiorityError = 0.025;

// The score statistic of "the second model's accuracy is lower by exactly `margin`", positive where less was
// lost. margin: a share, 0 <= margin < 1. Source: Tango 1998, Statistics in Medicine 17; Nam 1997.
double NonInferiorityScore(const PairedAnswers& answers, double margin);

// The p-value of "the second model's accuracy is lower by `margin` or more": the greatest probability, over
// every share of texts on which the models may differ, of a score as great as the one observed. Exact, so
// that the error rate stays within the nominal one where few answers differ, too. Takes O(total) time.
// Source: the unconditional test of Barnard 1945 on Tango's score; Hsueh, Liu & Chen 2001, Biometrics 57.
double NonInferiorityPValue(const PairedAnswers& answers, double margin);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_STATISTICS_PAIRED_MARGIN_H_
