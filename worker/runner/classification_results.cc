// One class for each text: accuracy and its companions, McNemar's test.
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/config/metric_spec.h"
#include "base/messages/messages.h"
#include "base/statistics/numbers.h"
#include "base/statistics/paired_margin.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "worker/runner/task_results.h"

namespace quantlab::runner {
namespace {

void RecordScores(Attempt& attempt, const statistics::ClassScores& scores, const std::string& average,
                  const std::string& split, int64_t samples) {
  const std::pair<const char*, double> values[] = {
      {"precision", scores.precision}, {"recall", scores.recall}, {"f1_score", scores.f1}};
  for (const auto& [name, value] : values) {
    Metric metric = QualityMetric(name, value, split, samples);
    metric.labels["average"] = average;
    attempt.Record(std::move(metric));
  }
}

void RecordAgreement(Attempt& attempt, const Predictions& first, const Predictions& second,
                     const std::string& split) {
  const int64_t total = second.texts();
  int64_t same = 0;
  for (size_t i = 0; i < first.predicted.size(); ++i) same += first.predicted[i] == second.predicted[i];
  Metric agreement =
      QualityMetric("agreement", static_cast<double>(same) / static_cast<double>(total), split, total);
  const statistics::Interval wilson = statistics::WilsonInterval(same, total);
  agreement.low = wilson.low;
  agreement.high = wilson.high;
  attempt.Record(std::move(agreement));
}

// Counts the texts whose class changed, by direction.
void RecordFlips(Attempt& attempt, const Predictions& first, const Predictions& second,
                 const std::string& split) {
  std::map<std::string, int64_t> flips = {
      {"right_to_wrong", 0}, {"wrong_to_right", 0}, {"wrong_to_wrong", 0}};
  for (size_t i = 0; i < first.predicted.size(); ++i) {
    const int before = first.predicted[i], after = second.predicted[i], label = second.labels[i];
    if (before == after) continue;
    ++flips[before == label ? "right_to_wrong" : after == label ? "wrong_to_right" : "wrong_to_wrong"];
  }
  for (const auto& [direction, count] : flips) {
    Metric metric = QualityMetric("label_flips", static_cast<double>(count), split, second.texts());
    metric.labels["direction"] = direction;
    attempt.Record(std::move(metric));
  }
}

class Results final : public TaskResults {
 public:
  const TaskSpec& spec() const override { return engine::ClassificationTask().spec(); }

  Predictions Answer(const engine::Logits& logits, const engine::LabelledTexts& texts) const override {
    Predictions predictions;
    predictions.labels = texts.labels;
    for (const std::vector<float>& row : logits) predictions.predicted.push_back(engine::Argmax(row));
    return predictions;
  }

  absl::Status RecordQuality(Attempt& attempt, const Predictions& predictions, const std::string& split,
                             int outputs) const override {
    QL_ASSIGN_OR_RETURN(const statistics::Classification scores,
                        statistics::ScoreClassification(predictions.labels, predictions.predicted, outputs));
    const statistics::Interval interval = statistics::WilsonInterval(scores.correct, scores.total);
    Metric accuracy = QualityMetric("accuracy", scores.accuracy, split, scores.total);
    accuracy.low = interval.low;
    accuracy.high = interval.high;
    attempt.Record(std::move(accuracy));
    if (attempt.config().kind == RunKind::kBaseline && split == "test" && interval.high < 1.0 / outputs) {
      attempt.Warn("below_chance", messages::kBelowChance(scores.accuracy, outputs));
    }
    if (scores.binary) RecordScores(attempt, *scores.binary, "binary", split, scores.total);
    RecordScores(attempt, scores.macro, "macro", split, scores.total);
    for (const MetricSpec& metric : AllMetrics()) {
      if (metric.of_answers == nullptr) continue;
      const double value = metric.of_answers({predictions.labels, predictions.predicted, outputs});
      Metric recorded = QualityMetric(metric.name, value, split, scores.total);
      recorded.unit = metric.unit;
      attempt.Record(std::move(recorded));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<PairedResult> Compare(const Predictions& first, const Predictions& second,
                                       std::optional<double> margin, uint64_t /*seed*/) const override {
    QL_ASSIGN_OR_RETURN(const statistics::McNemar test,
                        statistics::CompareModels(first.labels, first.predicted, second.predicted));
    const int64_t total = first.texts();
    PairedResult result;
    result.difference = static_cast<double>(test.only_second - test.only_first) / static_cast<double>(total);
    result.interval = statistics::PairedDifferenceInterval(test.only_first, test.only_second, total);
    result.p_value = test.p_value;
    result.samples = test.only_first + test.only_second;
    if (margin) {
      result.non_inferiority_p = NonInferiorityPValue({test.only_first, test.only_second, total}, *margin);
    }
    return result;
  }

  void RecordChanges(Attempt& attempt, const Predictions& first, const Predictions& second,
                     const std::string& split) const override {
    RecordAgreement(attempt, first, second, split);
    RecordFlips(attempt, first, second, split);
  }

  std::string CsvHeader(const engine::Dataset& dataset) const override {
    std::string header = "label,predicted";
    for (const std::string& label : dataset.labels) {
      absl::StrAppend(&header, ",", CsvField("logit_" + label));
    }
    return header;
  }

  std::string CsvRow(const Predictions& predictions, const engine::Logits& logits, size_t text,
                     const engine::Dataset& dataset) const override {
    std::string row = absl::StrCat(CsvField(dataset.labels[predictions.labels[text]]), ",",
                                   CsvField(dataset.labels[predictions.predicted[text]]));
    for (const float logit : logits[text]) absl::StrAppend(&row, ",", RoundTrip(logit));
    return row;
  }
};

}  // namespace

const TaskResults& ClassificationResults() {
  static const Results* const results = new Results;
  return *results;
}

}  // namespace quantlab::runner
