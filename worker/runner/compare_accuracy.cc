#include "worker/runner/compare_accuracy.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/holm.h"
#include "base/numbers.h"
#include "base/paired_margin.h"
#include "base/status_macros.h"
#include "worker/engine/measure/statistics.h"
#include "worker/runner/evaluation.h"

namespace quantlab::runner {
namespace {

struct Answers {
  std::string variant;
  TestPredictions predictions;
  size_t first = 0;  // index of the first answers of the same model
};

// The baseline's, and those of variants that answered the same texts.
absl::StatusOr<std::vector<Answers>> ReadAnswers(Attempt& attempt, const std::vector<size_t>& first_of_same) {
  std::vector<Answers> answers;
  std::map<size_t, size_t> index;  // of the answers of an input
  for (size_t i = 0; i < attempt.job().inputs.size(); ++i) {
    const ModelInput& input = attempt.job().inputs[i];
    auto predictions = ReadTestPredictions(input.folder);
    if (!predictions.ok() && !absl::IsNotFound(predictions.status())) return predictions.status();
    const bool comparable = predictions.ok() && !predictions->labels.empty() &&
                            (answers.empty() || predictions->digest == answers[0].predictions.digest);
    if (comparable) {
      // Where the first of the same models has no answers here, this one stands for them.
      const size_t first = index.emplace(first_of_same[i], answers.size()).first->second;
      answers.push_back({input.variant, *std::move(predictions), first});
      continue;
    }
    attempt.Log(absl::StrCat(input.variant, ": no saved answers to these test texts; no paired test"));
    if (answers.empty()) return answers;  // nothing to compare with
  }
  return answers;
}

absl::StatusOr<statistics::McNemar> Test(const TestPredictions& first, const TestPredictions& second) {
  return statistics::CompareModels(first.labels, first.predicted, second.predicted);
}

// One value of a family of tests, of each variant; `name` is corrected after Holm.
void RecordFamily(Attempt& attempt, const std::string& name, const std::vector<Answers>& answers,
                  const std::vector<double>& p_values, const std::map<std::string, std::string>& labels) {
  // The same model again is no further hypothesis, and FP32 again is none at all.
  std::vector<size_t> tested;
  std::vector<double> values;
  for (size_t i = 1; i < answers.size(); ++i) {
    if (answers[i].first != i) continue;
    tested.push_back(i);
    values.push_back(p_values[i]);
  }
  const std::vector<double> adjusted = HolmAdjust(values);
  for (size_t i = 1; i < answers.size(); ++i) {
    const auto at = std::find(tested.begin(), tested.end(), answers[i].first);
    const double value = at == tested.end() ? p_values[i] : adjusted[at - tested.begin()];
    Metric metric{name, value, "1", labels, 0, {}, {}, static_cast<int64_t>(adjusted.size())};
    metric.labels["variant"] = answers[i].variant;
    metric.labels["split"] = answers[i].predictions.split;
    attempt.Record(std::move(metric));
  }
}

absl::Status RecordHolm(Attempt& attempt, const std::vector<Answers>& answers) {
  const double margin = attempt.config().evaluation.non_inferiority_margin;
  const auto total = static_cast<int64_t>(answers[0].predictions.labels.size());
  std::vector<double> mcnemar = {1}, non_inferiority = {0};  // the baseline's own, not recorded
  for (size_t i = 1; i < answers.size(); ++i) {
    QL_ASSIGN_OR_RETURN(const auto test, Test(answers[0].predictions, answers[i].predictions));
    mcnemar.push_back(test.p_value);
    non_inferiority.push_back(NonInferiorityPValue({test.only_first, test.only_second, total}, margin));
  }
  RecordFamily(attempt, "mcnemar_p_holm", answers, mcnemar, {});
  RecordFamily(attempt, "non_inferiority_p_holm", answers, non_inferiority, {{"margin", RoundTrip(margin)}});
  return absl::OkStatus();
}

// `second` against `first`.
absl::Status RecordPair(Attempt& attempt, const Answers& first, const Answers& second) {
  QL_ASSIGN_OR_RETURN(const auto test, Test(first.predictions, second.predictions));
  const int64_t total = static_cast<int64_t>(first.predictions.labels.size());
  const auto interval = statistics::PairedDifferenceInterval(test.only_first, test.only_second, total);
  const std::map<std::string, std::string> labels = {
      {"variant", second.variant}, {"against", first.variant}, {"split", first.predictions.split}};
  attempt.Record(Metric{"accuracy_difference",
                        static_cast<double>(test.only_second - test.only_first) / static_cast<double>(total),
                        "1", labels, 0, interval.low, interval.high, total});
  attempt.Record(
      Metric{"mcnemar_p_value", test.p_value, "1", labels, 0, {}, {}, test.only_first + test.only_second});
  return absl::OkStatus();
}

}  // namespace

absl::Status CompareAccuracy(Attempt& attempt, const std::vector<size_t>& first_of_same) {
  QL_ASSIGN_OR_RETURN(const std::vector<Answers> answers, ReadAnswers(attempt, first_of_same));
  if (answers.size() < 2) return absl::OkStatus();
  QL_RETURN_IF_ERROR(RecordHolm(attempt, answers));
  if (answers.size() - 1 > kMaxPairedVariants) {
    attempt.Log(absl::StrCat("more than ", kMaxPairedVariants,
                             " variants: they are tested against the baseline only, not in pairs"));
    return absl::OkStatus();
  }
  for (size_t i = 1; i < answers.size(); ++i) {
    for (size_t j = i + 1; j < answers.size(); ++j) {
      if (answers[i].first != i || answers[j].first != j) continue;
      QL_RETURN_IF_ERROR(RecordPair(attempt, answers[i], answers[j]));
    }
  }
  return absl::OkStatus();
}

}  // namespace quantlab::runner
