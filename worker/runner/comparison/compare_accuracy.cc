#include "worker/runner/comparison/compare_accuracy.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/statistics/holm.h"
#include "base/statistics/numbers.h"
#include "base/status_macros.h"
#include "worker/runner/evaluation.h"

namespace quantlab::runner {
namespace {

struct Answers {
  std::string variant;
  TestPredictions saved;
  size_t first = 0;  // index of the first answers of the same model
};

// The baseline's, and those of variants that answered the same texts.
absl::StatusOr<std::vector<Answers>> ReadAnswers(Attempt& attempt, const std::vector<size_t>& first_of_same) {
  std::vector<Answers> answers;
  std::map<size_t, size_t> index;  // of the answers of an input
  for (size_t i = 0; i < attempt.job().inputs.size(); ++i) {
    const ModelInput& input = attempt.job().inputs[i];
    auto saved = ReadTestPredictions(input.folder);
    if (!saved.ok() && !absl::IsNotFound(saved.status())) return saved.status();
    const bool labelled =
        saved.ok() && (saved->predictions.labels.size() + saved->predictions.values.size()) > 0;
    const bool comparable = labelled && (answers.empty() || saved->digest == answers[0].saved.digest);
    if (comparable) {
      // Where the first of the same models has no answers here, this one stands for them.
      const size_t first = index.emplace(first_of_same[i], answers.size()).first->second;
      answers.push_back({input.variant, *std::move(saved), first});
      continue;
    }
    attempt.Log(absl::StrCat(input.variant, ": no saved answers to these test examples; no paired test"));
    if (answers.empty()) return answers;  // nothing to compare with
  }
  return answers;
}

const TaskResults& ResultsFor(const Attempt& attempt) {
  return ResultsOf(TaskNamed(attempt.config().dataset.task));
}

// `second` against `first`.
absl::StatusOr<PairedResult> Test(const Attempt& attempt, const Answers& first, const Answers& second,
                                  std::optional<double> margin) {
  return ResultsFor(attempt).Compare(first.saved.predictions, second.saved.predictions, margin,
                                     attempt.config().seed);
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
    metric.labels["split"] = answers[i].saved.split;
    attempt.Record(std::move(metric));
  }
}

absl::Status RecordHolm(Attempt& attempt, const std::vector<Answers>& answers) {
  const double margin = attempt.config().evaluation.non_inferiority_margin;
  std::vector<double> different = {1}, non_inferiority = {0};  // the baseline's own, not recorded
  for (size_t i = 1; i < answers.size(); ++i) {
    QL_ASSIGN_OR_RETURN(const PairedResult test, Test(attempt, answers[0], answers[i], margin));
    different.push_back(test.p_value);
    non_inferiority.push_back(test.non_inferiority_p);
  }
  RecordFamily(attempt, ResultsFor(attempt).spec().p_holm, answers, different, {});
  RecordFamily(attempt, "non_inferiority_p_holm", answers, non_inferiority, {{"margin", RoundTrip(margin)}});
  return absl::OkStatus();
}

// `second` against `first`.
absl::Status RecordPair(Attempt& attempt, const Answers& first, const Answers& second) {
  QL_ASSIGN_OR_RETURN(const PairedResult test, Test(attempt, first, second, std::nullopt));
  const TaskSpec& task = ResultsFor(attempt).spec();
  const int64_t total = first.saved.predictions.texts();
  const std::map<std::string, std::string> labels = {
      {"variant", second.variant}, {"against", first.variant}, {"split", first.saved.split}};
  attempt.Record(
      Metric{task.difference, test.difference, "1", labels, 0, test.interval.low, test.interval.high, total});
  attempt.Record(Metric{task.p_value, test.p_value, "1", labels, 0, {}, {}, test.samples});
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
