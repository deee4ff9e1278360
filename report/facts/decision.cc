#include "report/facts/decision.h"

#include <algorithm>
#include <cmath>

#include "base/statistics/holm.h"
#include "base/statistics/paired_margin.h"

namespace quantlab::report {
namespace {

constexpr double kTwoSided95 = 1.959963984540054;

double NormalTail(double z) {
  return 0.5 * std::erfc(z / std::sqrt(2.0));
}

// The p of "the accuracy drops by `margin` or more": exact where the answers were counted, else by the normal
// distribution that the interval stands for. Absent without either.
std::optional<double> NonInferiorityP(const SeedDifference& difference, double margin) {
  if (difference.answers.has_value()) return NonInferiorityPValue(*difference.answers, std::max(0.0, margin));
  if (!difference.low.has_value() || !difference.high.has_value()) return std::nullopt;
  const double centre = (*difference.low + *difference.high) / 2;
  const double error = (*difference.high - *difference.low) / (2 * kTwoSided95);
  if (!std::isfinite(centre) || !std::isfinite(error)) return std::nullopt;
  if (error <= 0) return centre > -margin ? 0.0 : 1.0;
  return NormalTail((centre + margin) / error);
}

// What is known of a variant's loss of accuracy: the worst of its seeds.
struct Drop {
  std::optional<double> value, bound, p;
  int seeds = 1;
};

Drop DropOf(const VariantFacts& variant, const VariantFacts* baseline, double margin) {
  Drop drop;
  if (variant.baseline) return {0.0, std::nullopt, 0.0, 1};
  if (variant.seed_differences.empty()) {
    if (const auto unpaired = DifferenceOf(variant, baseline)) drop.value = -unpaired->value;
    return drop;
  }
  drop.seeds = static_cast<int>(variant.seed_differences.size());
  double bound = -1, p = 0;
  bool every = variant.seed_differences.size() == variant.runs.size();
  for (const SeedDifference& difference : variant.seed_differences) {
    drop.value = std::max(drop.value.value_or(-1), -difference.value);
    const auto of_seed = NonInferiorityP(difference, margin);
    every = every && of_seed.has_value();
    if (!of_seed.has_value()) continue;
    bound = std::max(bound, -difference.low.value_or(difference.value));
    p = std::max(p, *of_seed);
  }
  // A seed without a result is unknown, and so is what it would have lost.
  if (every) {
    drop.bound = bound;
    drop.p = p;
  }
  return drop;
}

Check CheckOf(Quantity quantity, double limit) {
  Check check;
  check.quantity = quantity;
  check.limit = limit;
  return check;
}

Check AccuracyCheck(const Drop& drop, const Constraints& constraints) {
  Check check = CheckOf(Quantity::kAccuracyDrop, *constraints.accuracy_drop);
  check.value = drop.value;
  check.bound = drop.bound;
  check.seeds = drop.seeds;
  if (!drop.value.has_value() || !std::isfinite(*drop.value)) return check;
  check.outcome = *drop.value > check.limit ? Outcome::kFailed : Outcome::kUnproven;
  return check;
}

// Of a value with a span: `exact` where it does not vary.
void HoldAgainstLimit(const Result* measured, bool exact, Check& check) {
  if (measured == nullptr || !std::isfinite(measured->value)) return;
  check.value = measured->value;
  check.seeds = measured->seeds;
  if (measured->deviation.value_or(0) > 0) {
    check.bound = measured->value + 2 * *measured->deviation;
  } else if (measured->high.has_value()) {
    check.bound = *measured->high;
  }
  if (*check.value > check.limit) {
    check.outcome = Outcome::kFailed;
  } else if (check.bound.has_value()) {
    check.outcome = *check.bound <= check.limit ? Outcome::kMet : Outcome::kUnproven;
  } else {
    check.outcome = exact ? Outcome::kMet : Outcome::kUnproven;
  }
}

const Timing* TimingOf(const VariantFacts& variant, const std::optional<InputShape>& shape) {
  if (!shape.has_value() || variant.measured.empty()) return nullptr;
  const auto it = variant.measured[0].by_shape.find(*shape);
  return it == variant.measured[0].by_shape.end() ? nullptr : &it->second;
}

Check P90Check(const VariantFacts& variant, const Decision& decision) {
  Check check = CheckOf(Quantity::kP90, *decision.constraints.p90);
  const Timing* const timing = TimingOf(variant, decision.shape);
  if (timing == nullptr || !timing->p90.has_value()) return check;
  if (!decision.reliable) {
    check.unreliable = true;
    return check;
  }
  HoldAgainstLimit(&*timing->p90, /*exact=*/false, check);
  return check;
}

Check BytesCheck(Quantity quantity, double limit, const Result* measured) {
  Check check = CheckOf(quantity, limit);
  HoldAgainstLimit(measured, /*exact=*/true, check);
  return check;
}

std::vector<Check> ChecksOf(const VariantFacts& variant, const VariantFacts* baseline,
                            const Decision& decision) {
  const Constraints& asked = decision.constraints;
  std::vector<Check> checks;
  if (asked.accuracy_drop) {
    checks.push_back(AccuracyCheck(DropOf(variant, baseline, *asked.accuracy_drop), asked));
  }
  if (asked.p90) checks.push_back(P90Check(variant, decision));
  if (asked.size) checks.push_back(BytesCheck(Quantity::kSize, *asked.size, FirstSize(variant)));
  if (asked.memory) checks.push_back(BytesCheck(Quantity::kMemory, *asked.memory, FirstPeak(variant)));
  return checks;
}

// Completes the checks of accuracy by the corrected tests. The baseline loses nothing, by definition.
void CorrectAccuracy(const VariantFacts* baseline, Decision& decision) {
  if (!decision.constraints.accuracy_drop) return;
  std::vector<Check*> tested;
  std::vector<double> p_values;
  for (VariantDecision& one : decision.variants) {
    Check& check = one.checks[0];
    if (one.variant->baseline) {
      check.outcome = Outcome::kMet;
      continue;
    }
    const Drop drop = DropOf(*one.variant, baseline, check.limit);
    if (!drop.p.has_value()) continue;
    tested.push_back(&check);
    p_values.push_back(*drop.p);
  }
  const std::vector<double> corrected = HolmAdjust(p_values);
  for (size_t i = 0; i < tested.size(); ++i) {
    tested[i]->confidence = 1 - corrected[i];
    tested[i]->tests = static_cast<int>(tested.size());
    const bool shown = tested[i]->outcome == Outcome::kUnproven && corrected[i] < kDecisionError;
    if (shown) tested[i]->outcome = Outcome::kMet;
  }
}

// The shape that is meant, among those at which the first comparison timed anything.
std::optional<InputShape> ShapeMeant(const Facts& facts, const InputShape& asked) {
  std::optional<InputShape> found;
  for (const VariantFacts& variant : facts.variants) {
    if (variant.measured.empty()) continue;
    for (const auto& [shape, timing] : variant.measured[0].by_shape) {
      if (asked.batch_size != 0 && shape.batch_size != asked.batch_size) continue;
      if (asked.sequence_length != 0 && shape.sequence_length != asked.sequence_length) continue;
      const bool better =
          !found.has_value() || shape.batch_size < found->batch_size ||
          (shape.batch_size == found->batch_size && shape.sequence_length > found->sequence_length);
      if (better) found = shape;
    }
  }
  return found;
}

std::optional<Result> GoalOf(const VariantFacts& variant, const VariantFacts* baseline,
                             const Decision& decision) {
  const auto copy = [](const Result* result) {
    return result == nullptr ? std::nullopt : std::optional<Result>(*result);
  };
  Result one;  // what the baseline has against itself
  switch (decision.goal) {
    case Goal::kSpeed: {
      if (!decision.shape.has_value() || !decision.reliable) return std::nullopt;
      const Timing* const timing = TimingOf(variant, decision.shape);
      one.value = 1;
      if (variant.baseline) return timing == nullptr ? std::nullopt : std::optional<Result>(one);
      return copy(SpeedupOf(variant, 0, *decision.shape));
    }
    case Goal::kSize:
      return copy(FirstSize(variant));
    case Goal::kMemory:
      return copy(FirstPeak(variant));
    case Goal::kAccuracy:
      break;
  }
  if (variant.baseline) return variant.accuracy.has_value() ? std::optional<Result>(one) : std::nullopt;
  return DifferenceOf(variant, baseline);
}

void Choose(const Facts& facts, Decision& decision) {
  const bool least = decision.goal == Goal::kSize || decision.goal == Goal::kMemory;
  const auto value = [&](size_t i) { return (least ? -1 : 1) * decision.variants[i].goal->value; };
  std::vector<size_t> ranked;
  for (size_t i = 0; i < decision.variants.size(); ++i) {
    const VariantDecision& one = decision.variants[i];
    if (one.feasible && one.goal.has_value() && std::isfinite(one.goal->value)) ranked.push_back(i);
  }
  if (ranked.empty()) return;
  const size_t leading = *std::max_element(ranked.begin(), ranked.end(),
                                           [&](size_t a, size_t b) { return value(a) < value(b); });
  decision.leading = leading;
  for (const size_t i : ranked) {
    const bool equal =
        least ? value(i) == value(leading)
              : i == leading || Overlap(*decision.variants[i].goal, *decision.variants[leading].goal);
    if (equal) decision.equal.push_back(i);
  }
  const std::vector<const VariantFacts*> set = ParetoSet(facts);
  const auto rank = [&](size_t i) { return PreferenceRank(facts, set, *decision.variants[i].variant); };
  decision.best = *std::min_element(decision.equal.begin(), decision.equal.end(),
                                    [&](size_t a, size_t b) { return rank(a) < rank(b); });
}

}  // namespace

Constraints ConstraintsOf(const DecisionOptions& options) {
  const auto scaled = [](const std::optional<double>& limit, double unit) {
    return limit.has_value() ? std::optional<double>(*limit * unit) : std::nullopt;
  };
  Constraints constraints;
  constraints.accuracy_drop = scaled(options.max_accuracy_drop, 0.01);
  constraints.p90 = scaled(options.max_p90_ms, 1e-3);
  constraints.size = scaled(options.max_size_mb, 1e6);
  constraints.memory = scaled(options.max_memory_mb, 1e6);
  constraints.shape = {options.batch_size, options.sequence_length};
  return constraints;
}

Goal GoalNamed(absl::string_view word) {
  if (word == "size") return Goal::kSize;
  if (word == "memory") return Goal::kMemory;
  return word == "accuracy" ? Goal::kAccuracy : Goal::kSpeed;
}

Decision Decide(const Facts& facts, const Constraints& constraints, Goal goal) {
  Decision decision;
  decision.constraints = constraints;
  decision.goal = goal;
  decision.task = &facts.task();
  decision.shape = ShapeMeant(facts, constraints.shape);
  if (decision.shape.has_value()) decision.reliable = facts.comparisons[0].Reliable(*decision.shape);
  const VariantFacts* const baseline = facts.baseline();
  for (const VariantFacts& variant : facts.variants) {
    if (IsControl(variant) || !variant.same_as.empty()) continue;
    decision.variants.push_back(
        {&variant, ChecksOf(variant, baseline, decision), false, GoalOf(variant, baseline, decision)});
  }
  CorrectAccuracy(baseline, decision);
  for (VariantDecision& one : decision.variants) {
    one.feasible = IsCandidate(*one.variant) &&
                   std::all_of(one.checks.begin(), one.checks.end(),
                               [](const Check& check) { return check.outcome == Outcome::kMet; });
  }
  Choose(facts, decision);
  return decision;
}

}  // namespace quantlab::report
