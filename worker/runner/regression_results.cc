// One number for each text: Pearson's and Spearman's correlation, the paired bootstrap.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/messages/task.h"
#include "base/statistics/correlation.h"
#include "base/statistics/numbers.h"
#include "base/status_macros.h"
#include "worker/engine/measure/paired_bootstrap.h"
#include "worker/engine/measure/statistics.h"
#include "worker/runner/task_results.h"

namespace quantlab::runner {
namespace {

bool AllEqual(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; });
}

// Texts with neighbouring labels, and what is predicted for them.
struct LabelGroup {
  double label = 0, median = 0, p10 = 0, p90 = 0;  // the mean label; quantiles of the predictions
  int64_t texts = 0;
};

constexpr size_t kMostGroups = 10, kLeastTexts = 5;

// The texts sorted by label, in groups of equal size but for those with the same label, which stay together.
std::vector<LabelGroup> GroupsByLabel(const std::vector<double>& labels, const std::vector<double>& outputs) {
  std::vector<size_t> order(labels.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return labels[a] < labels[b]; });
  const size_t count = std::clamp<size_t>(order.size() / kLeastTexts, 1, kMostGroups);
  std::vector<LabelGroup> groups;
  size_t begin = 0;
  for (size_t i = 1; i <= count; ++i) {
    size_t end = order.size() * i / count;
    if (end <= begin) continue;
    while (end < order.size() && labels[order[end]] == labels[order[end - 1]]) ++end;
    LabelGroup group;
    std::vector<double> predicted;
    for (size_t j = begin; j < end; ++j) {
      group.label += labels[order[j]] / static_cast<double>(end - begin);
      predicted.push_back(outputs[order[j]]);
    }
    group.median = statistics::Quantile(predicted, 0.5);
    group.p10 = statistics::Quantile(predicted, 0.1);
    group.p90 = statistics::Quantile(predicted, 0.9);
    group.texts = static_cast<int64_t>(end - begin);
    groups.push_back(group);
    begin = end;
  }
  return groups;
}

void RecordGroups(Attempt& attempt, const Predictions& predictions, const std::string& split) {
  const std::vector<LabelGroup> groups = GroupsByLabel(predictions.values, predictions.outputs);
  for (size_t i = 0; i < groups.size(); ++i) {
    const LabelGroup& group = groups[i];
    for (const auto& [name, value] : {std::pair("label", group.label), std::pair("median", group.median),
                                      std::pair("p10", group.p10), std::pair("p90", group.p90)}) {
      Metric metric = QualityMetric("prediction_by_label", value, split, group.texts);
      metric.labels["group"] = std::to_string(i + 1);
      metric.labels["measure"] = name;
      attempt.Record(std::move(metric));
    }
  }
}

class Results final : public TaskResults {
 public:
  const TaskSpec& spec() const override { return engine::RegressionTask().spec(); }

  Predictions Answer(const engine::Logits& logits, const engine::LabelledTexts& texts) const override {
    Predictions predictions;
    predictions.values = texts.values;
    for (const std::vector<float>& row : logits) predictions.outputs.push_back(row[0]);
    return predictions;
  }

  absl::Status RecordQuality(Attempt& attempt, const Predictions& predictions, const std::string& split,
                             int /*outputs*/) const override {
    const auto& [labels, predicted, values, outputs] = predictions;
    if (values.empty() || values.size() != outputs.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(split, ": ", values.size(), " numbers, but ", outputs.size(), " predictions"));
    }
    if (AllEqual(outputs)) attempt.Warn("constant_predictions", messages::kConstantPredictions(outputs[0]));
    const int64_t total = predictions.texts();
    Metric pearson = QualityMetric("pearson", PearsonCorrelation(values, outputs), split, total);
    const auto [low, high] = PearsonInterval(pearson.value, total);
    pearson.low = low;
    pearson.high = high;
    attempt.Record(std::move(pearson));
    attempt.Record(QualityMetric("spearman", SpearmanCorrelation(values, outputs), split, total));
    attempt.Record(QualityMetric("mean_squared_error", MeanSquaredError(values, outputs), split, total));
    if (split == "test") RecordGroups(attempt, predictions, split);
    return absl::OkStatus();
  }

  absl::StatusOr<PairedResult> Compare(const Predictions& first, const Predictions& second,
                                       std::optional<double> margin, uint64_t seed) const override {
    QL_ASSIGN_OR_RETURN(const statistics::PairedCorrelations compared,
                        statistics::CompareCorrelations(first.values, first.outputs, second.outputs,
                                                        margin.value_or(0), seed));
    return PairedResult{compared.difference, compared.interval, compared.p_value, first.texts(),
                        compared.non_inferiority_p};
  }

  // Numbers change with every rounding: how far they moved is the root of the mean squared difference.
  void RecordChanges(Attempt& attempt, const Predictions& first, const Predictions& second,
                     const std::string& split) const override {
    if (first.outputs.size() != second.outputs.size()) return;
    attempt.Record(QualityMetric("output_shift", std::sqrt(MeanSquaredError(first.outputs, second.outputs)),
                                 split, second.texts()));
  }

  std::string CsvHeader(const engine::Dataset& /*dataset*/) const override { return "label,predicted"; }

  std::string CsvRow(const Predictions& predictions, const engine::Logits& /*logits*/, size_t text,
                     const engine::Dataset& /*dataset*/) const override {
    return absl::StrCat(RoundTrip(predictions.values[text]), ",",
                        RoundTrip(static_cast<float>(predictions.outputs[text])));
  }
};

}  // namespace

const TaskResults& RegressionResults() {
  static const Results* const results = new Results;
  return *results;
}

}  // namespace quantlab::runner
