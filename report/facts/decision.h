// Which variants meet a user's constraints, with what confidence, and the best of them for one goal.
//
// A pure function of the facts. What is unknown is not met: not measured, timed unreliably, or measured
// without the interval that would show it. Controls and variants whose model is another's are not considered.
#ifndef QUANTLAB_REPORT_FACTS_DECISION_H_
#define QUANTLAB_REPORT_FACTS_DECISION_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/report_options.h"
#include "report/facts/facts.h"
#include "report/facts/verdict.h"

namespace quantlab::report {

struct Constraints {
  // Accuracy that may be lost against the baseline on the same texts, as a share: 0.005 for 0.5 points.
  std::optional<double> accuracy_drop;
  std::optional<double> p90;     // seconds of a batch
  std::optional<double> size;    // bytes of the saved model
  std::optional<double> memory;  // bytes at the peak of a fresh process
  // The batch that `p90` and the goal of speed mean; 0: the smallest batch that was timed, and of those with
  // that batch size the longest texts.
  InputShape shape;

  bool any() const { return accuracy_drop || p90 || size || memory; }
};

// As an experiment file says them.
Constraints ConstraintsOf(const DecisionOptions& options);
// "speed", "size", "memory", "accuracy"; kSpeed for any other word.
Goal GoalNamed(absl::string_view word);

enum class Quantity { kAccuracyDrop, kP90, kSize, kMemory };

enum class Outcome {
  kMet,
  kUnproven,  // the measured value meets the limit, but not with the confidence that is required
  kFailed,    // the measured value exceeds the limit
  kUnknown,   // there is no value to judge
};

// One-sided error with which a constraint may be called met: that of the 95 % intervals' one end.
inline constexpr double kDecisionError = 0.025;

// One constraint, held against one variant.
struct Check {
  Quantity quantity = Quantity::kSize;
  Outcome outcome = Outcome::kUnknown;
  double limit = 0;
  std::optional<double> value;  // as measured, in the unit of the limit; the highest of several seeds
  std::optional<double> bound;  // that it does not exceed with 97.5 % confidence; absent where it is exact
  // Of the accuracy, that the limit holds: one minus the p of the one-sided test against it, which is the
  // one whose 95 % interval was measured; the least over seeds, corrected after Holm for `tests` variants.
  std::optional<double> confidence;
  int tests = 0, seeds = 1;
  bool unreliable = false;  // unknown because the A/A check failed
};

struct VariantDecision {
  const VariantFacts* variant = nullptr;
  std::vector<Check> checks;   // of the constraints that were given, in the order of Quantity
  bool feasible = false;       // something was measured of it, and every constraint is met
  std::optional<Result> goal;  // by which it is ranked: speedup, bytes, or difference in accuracy
};

struct Decision {
  Constraints constraints;
  Goal goal = Goal::kSpeed;
  std::optional<InputShape> shape;        // absent where nothing was timed, or not at the shape asked for
  bool reliable = true;                   // whether its timings are
  std::vector<VariantDecision> variants;  // in the order of the facts
  // Indices of `variants`, each feasible and with a goal: the one to choose, that with the best measured
  // value, and all that cannot be told apart from that one (itself included).
  std::optional<size_t> best, leading;
  std::vector<size_t> equal;
};

// Borrows from `facts`. The first comparison's measurements count. Equally good are variants whose intervals
// overlap (speed, accuracy), or whose bytes are the same; among them PreferenceRank() decides.
Decision Decide(const Facts& facts, const Constraints& constraints, Goal goal);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_DECISION_H_
