// How the quality by which variants are judged is named and written: that of the task (base/config/task.h).
// Of a classification it is the accuracy, a share; of a regression Pearson's correlation, a plain number.
#ifndef QUANTLAB_REPORT_FACTS_QUALITY_H_
#define QUANTLAB_REPORT_FACTS_QUALITY_H_

#include <string>

#include "base/config/task.h"
#include "report/facts/facts.h"
#include "report/facts/language.h"

namespace quantlab::report {

// "accuracy", within a sentence; "Accuracy", as a title.
std::string QualityName(Language language, const TaskSpec& task);
std::string QualityTitle(Language language, const TaskSpec& task);
Text QualityText(const TaskSpec& task);  // QualityName in both languages

// "more accurate", "less accurate".
std::string Better(Language language, const TaskSpec& task);
std::string Worse(Language language, const TaskSpec& task);

// Writes the quality: "89.30%", "0.8930".
using NumberFormat = std::string (*)(double);
NumberFormat QualityFormat(const TaskSpec& task);
// Writes a difference of qualities without its unit: "-0.30", "-0.0030".
NumberFormat DifferenceFormat(const TaskSpec& task);
// With its unit: "-0.30 points", "-0.0030". `threshold`: as for FormatPoints.
std::string FormatDifference(const TaskSpec& task, double difference, Language language,
                             double threshold = 0);
// The width of a margin or a loss, without a sign: "1.00 points", "0.0100".
std::string FormatLoss(const TaskSpec& task, double width, Language language);
// The title of a column of differences: "Difference, points", "Difference".
std::string DifferenceTitle(Language language, const TaskSpec& task);

// The axis of differences: "accuracy relative to FP32, percentage points".
Text DifferenceAxis(const TaskSpec& task);

// "-0.30 points (95% interval …)".
std::string DifferenceWithSpread(Language language, const TaskSpec& task, const Result& difference);

// "89.30% (95% interval …)".
std::string QualityWithSpread(Language language, const TaskSpec& task, const Result& quality);

// Figures show the quality times this: 100 for a share, as a percentage; 1 for a correlation.
double QualityScale(const TaskSpec& task);

// A second quality that figures show beside the first: F1, or Spearman's correlation.
const std::optional<Result>& SecondQuality(const VariantFacts& variant);
Text SecondQualityTitle(const TaskSpec& task);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_QUALITY_H_
