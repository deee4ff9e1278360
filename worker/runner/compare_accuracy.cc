#include "worker/runner/compare_accuracy.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/holm.h"
#include "base/status_macros.h"
#include "worker/engine/measure/statistics.h"
#include "worker/runner/evaluation.h"

namespace quantlab::runner {
namespace {

struct Answers {
  std::string variant;
  TestPredictions predictions;
};

// The baseline's, and those of variants that answered the same texts.
absl::StatusOr<std::vector<Answers>> ReadAnswers(Attempt& attempt) {
  std::vector<Answers> answers;
  for (const ModelInput& input : attempt.job().inputs) {
    auto predictions = ReadTestPredictions(input.folder);
    if (!predictions.ok() && !absl::IsNotFound(predictions.status())) return predictions.status();
    const bool comparable = predictions.ok() && !predictions->labels.empty() &&
                            (answers.empty() || predictions->digest == answers[0].predictions.digest);
    if (comparable) {
      answers.push_back({input.variant, *std::move(predictions)});
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

absl::Status RecordHolm(Attempt& attempt, const std::vector<Answers>& answers) {
  std::vector<double> p_values;
  for (size_t i = 1; i < answers.size(); ++i) {
    QL_ASSIGN_OR_RETURN(const auto test, Test(answers[0].predictions, answers[i].predictions));
    p_values.push_back(test.p_value);
  }
  const std::vector<double> adjusted = HolmAdjust(p_values);
  for (size_t i = 0; i < adjusted.size(); ++i) {
    attempt.Record(Metric{"mcnemar_p_holm",
                          adjusted[i],
                          "1",
                          {{"variant", answers[i + 1].variant}, {"split", answers[i + 1].predictions.split}},
                          0,
                          {},
                          {},
                          static_cast<int64_t>(adjusted.size())});
  }
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

absl::Status CompareAccuracy(Attempt& attempt) {
  QL_ASSIGN_OR_RETURN(const std::vector<Answers> answers, ReadAnswers(attempt));
  if (answers.size() < 2) return absl::OkStatus();
  QL_RETURN_IF_ERROR(RecordHolm(attempt, answers));
  if (answers.size() - 1 > kMaxPairedVariants) {
    attempt.Log(absl::StrCat("more than ", kMaxPairedVariants,
                             " variants: they are tested against the baseline only, not in pairs"));
    return absl::OkStatus();
  }
  for (size_t i = 1; i < answers.size(); ++i) {
    for (size_t j = i + 1; j < answers.size(); ++j) {
      QL_RETURN_IF_ERROR(RecordPair(attempt, answers[i], answers[j]));
    }
  }
  return absl::OkStatus();
}

}  // namespace quantlab::runner
