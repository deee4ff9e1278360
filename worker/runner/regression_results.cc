// One number for each text: Pearson's and Spearman's correlation, the paired bootstrap.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/correlation.h"
#include "base/messages/task.h"
#include "base/numbers.h"
#include "base/status_macros.h"
#include "worker/engine/measure/paired_bootstrap.h"
#include "worker/runner/task_results.h"

namespace quantlab::runner {
namespace {

bool AllEqual(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; });
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
