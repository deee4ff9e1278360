#include "report/facts/quality.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/config/metric_spec.h"
#include "report/facts/format.h"
#include "report/facts/phrases.h"

namespace quantlab::report {

std::string QualityName(Language language, const TaskSpec& task) {
  return language == Language::kEnglish ? task.quality_name : task.quality_name_zh;
}

std::string QualityTitle(Language language, const TaskSpec& task) {
  const MetricSpec* const metric = FindMetric(task.quality);
  if (metric == nullptr) return QualityName(language, task);
  return language == Language::kEnglish ? metric->title : metric->title_zh;
}

Text QualityText(const TaskSpec& task) {
  return {task.quality_name, task.quality_name_zh};
}

std::string Better(Language language, const TaskSpec& task) {
  return language == Language::kEnglish ? task.better : task.better_zh;
}

std::string Worse(Language language, const TaskSpec& task) {
  return language == Language::kEnglish ? task.worse : task.worse_zh;
}

NumberFormat QualityFormat(const TaskSpec& task) {
  return task.numeric ? FormatCorrelation : FormatShare;
}

NumberFormat DifferenceFormat(const TaskSpec& task) {
  return task.numeric ? FormatCorrelationDifference : FormatPointsBare;
}

std::string FormatDifference(const TaskSpec& task, double difference, Language language, double threshold) {
  return task.numeric ? FormatCorrelationDifference(difference)
                      : FormatPoints(difference, language, threshold);
}

std::string FormatLoss(const TaskSpec& task, double width, Language language) {
  return task.numeric ? FormatCorrelation(std::abs(width)) : FormatMargin(width, language);
}

std::string DifferenceTitle(Language language, const TaskSpec& task) {
  if (task.numeric) return Say(language, "Difference", "与基线之差");
  return Say(language, "Difference, points", "准确率差（百分点）");
}

Text DifferenceAxis(const TaskSpec& task) {
  return {
      absl::StrCat(task.quality_name, " relative to FP32", task.numeric ? "" : ", percentage points"),
      FillChinese(task.numeric ? "相对 FP32 的$0之差" : "相对 FP32 的$0（百分点）", {task.quality_name_zh})};
}

std::string DifferenceWithSpread(Language language, const TaskSpec& task, const Result& difference) {
  return absl::StrCat(FormatDifference(task, difference.value, language),
                      Brackets(language, SpreadOf(language, difference, DifferenceFormat(task))));
}

std::string QualityWithSpread(Language language, const TaskSpec& task, const Result& quality) {
  return absl::StrCat(QualityFormat(task)(quality.value),
                      Brackets(language, SpreadOf(language, quality, QualityFormat(task))));
}

double QualityScale(const TaskSpec& task) {
  return task.numeric ? 1 : 100;
}

const std::optional<Result>& SecondQuality(const VariantFacts& variant) {
  return variant.task->numeric ? variant.spearman : variant.f1;
}

Text SecondQualityTitle(const TaskSpec& task) {
  return task.numeric ? Text{"Spearman correlation", "Spearman 相关系数"} : Text{"F1 score", "F1 分数"};
}

}  // namespace quantlab::report
