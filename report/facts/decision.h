// Determines the variants that meet a user's constraints, the confidence, and the best of them for one goal.
//
// A pure function of the facts. A constraint is not met if its quantity is unknown: not measured, timed
// unreliably, or measured without an interval. Controls and variants with another's model are not considered.
#ifndef QUANTLAB_REPORT_FACTS_DECISION_H_
#define QUANTLAB_REPORT_FACTS_DECISION_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/config/report_options.h"
#include "report/facts/facts.h"
#include "report/facts/verdict.h"

namespace quantlab::report {

struct Constraints {
  // Maximum loss of the task's quality relative to the baseline on the same texts. Of accuracy, a share:
  // 0.005 for 0.5 points.
  std::optional<double> accuracy_drop;
  std::optional<double> p90;     // seconds of a batch
  std::optional<double> size;    // bytes of the saved model
  std::optional<double> memory;  // bytes at the peak of a fresh process
  // The batch for `p90` and the speed goal; 0: the smallest timed batch, and the longest texts with that
  // batch size.
  InputShape shape;

  bool any() const { return accuracy_drop || p90 || size || memory; }
};

// The constraints in an experiment file.
Constraints ConstraintsOf(const DecisionOptions& options);
// "speed", "size", "memory", "accuracy"; kSpeed for any other word.
Goal GoalNamed(absl::string_view word);

enum class Quantity { kAccuracyDrop, kP90, kSize, kMemory };

enum class Outcome {
  kMet,
  kUnproven,  // the measured value meets the limit, but not with the required confidence
  kFailed,    // the measured value exceeds the limit
  kUnknown,   // there is no value
};

// One-sided error level for a met constraint: that of one end of a 95 % interval.
inline constexpr double kDecisionError = 0.025;

// One constraint, checked for one variant.
struct Check {
  Quantity quantity = Quantity::kSize;
  Outcome outcome = Outcome::kUnknown;
  double limit = 0;
  std::optional<double> value;  // as measured, in the unit of the limit; the highest of several seeds
  std::optional<double> bound;  // upper bound with 97.5 % confidence; absent for exact values
  // For accuracy, the confidence that the limit holds: one minus the p of the one-sided test that corresponds
  // to the measured 95 % interval; the minimum over seeds, with Holm's correction for `tests` variants.
  std::optional<double> confidence;
  int tests = 0, seeds = 1;
  bool unreliable = false;  // unknown because the A/A check failed
};

struct VariantDecision {
  const VariantFacts* variant = nullptr;
  std::vector<Check> checks;   // of the given constraints, in the order of Quantity
  bool feasible = false;       // it has measurements, and every constraint is met
  std::optional<Result> goal;  // the ranked quantity: speedup, bytes, or difference in accuracy
};

struct Decision {
  Constraints constraints;
  Goal goal = Goal::kSpeed;
  const TaskSpec* task = &AllTasks().front();
  std::optional<InputShape> shape;        // absent if nothing was timed, or not at the requested shape
  bool reliable = true;                   // whether its timings are
  std::vector<VariantDecision> variants;  // in the order of the facts
  // Indices of `variants`, each feasible and with a goal: the recommended one, the one with the best measured
  // value, and all that cannot be distinguished from the latter (including itself).
  std::optional<size_t> best, leading;
  std::vector<size_t> equal;
};

// Borrows from `facts`. Uses the measurements of the first comparison. Variants are equally good if their
// intervals overlap (speed, accuracy) or their bytes are equal; PreferenceRank() then decides.
Decision Decide(const Facts& facts, const Constraints& constraints, Goal goal);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_DECISION_H_
