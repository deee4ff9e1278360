// Decisions by constraints: each rule by an example, and all of them against a reference that tries
// everything.
#include "report/facts/decision.h"

#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/facts/testing/variants.h"

namespace quantlab::report {
namespace {

using testing::ElementsAre;

constexpr InputShape kSmall = {1, 128}, kLarge = {8, 128};

VariantFacts Measured(const std::string& name) {
  return MeasuredVariant(name, {kSmall, kLarge});
}

VariantFacts Baseline() {
  VariantFacts variant = Measured("baseline");
  variant.baseline = true;
  variant.method.clear();
  variant.difference.reset();
  variant.seed_differences.clear();
  for (auto& [shape, timing] : variant.measured[0].by_shape) {
    timing.speedup.reset();
    timing.p90 = Between(0.020, 0.0199, 0.0204);
  }
  variant.measured[0].size = Value(90e6);
  return variant;
}

Facts Of(std::vector<VariantFacts> variants) {
  Facts facts;
  facts.variants = std::move(variants);
  facts.comparisons.resize(1);
  return facts;
}

Constraints All() {
  Constraints constraints;
  constraints.accuracy_drop = 0.005;
  constraints.p90 = 0.012;
  constraints.size = 60e6;
  constraints.memory = 300e6;
  return constraints;
}

std::vector<Outcome> OutcomesOf(const VariantDecision& variant) {
  std::vector<Outcome> outcomes;
  for (const Check& check : variant.checks) outcomes.push_back(check.outcome);
  return outcomes;
}

// Of the only variant besides the baseline.
std::vector<Outcome> Outcomes(const VariantFacts& variant) {
  return OutcomesOf(Decide(Of({Baseline(), variant}), All(), Goal::kSpeed).variants[1]);
}

TEST(DecideTest, TheOneThatMeetsEverythingIsBest) {
  const Facts facts = Of({Baseline(), Measured("q")});
  const Decision decision = Decide(facts, All(), Goal::kSpeed);
  EXPECT_FALSE(decision.variants[0].feasible);
  EXPECT_THAT(OutcomesOf(decision.variants[0]),
              ElementsAre(Outcome::kMet, Outcome::kFailed, Outcome::kFailed, Outcome::kMet));
  EXPECT_TRUE(decision.variants[1].feasible);
  EXPECT_EQ(decision.best, 1u);
  EXPECT_EQ(decision.shape, kSmall);
}

TEST(DecideTest, UnknownIsNotMet) {
  VariantFacts variant = Measured("q");
  variant.difference.reset();
  variant.seed_differences.clear();
  variant.accuracy.reset();
  variant.measured[0].by_shape.clear();
  variant.measured[0].size.reset();
  EXPECT_THAT(Outcomes(variant),
              ElementsAre(Outcome::kUnknown, Outcome::kUnknown, Outcome::kUnknown, Outcome::kMet));
}

TEST(DecideTest, WithoutAnIntervalNothingIsShown) {
  VariantFacts variant = Measured("q");
  variant.seed_differences = {{42, -0.001, {}, {}}};
  variant.measured[0].by_shape[kSmall].p90 = Value(0.010);
  EXPECT_THAT(Outcomes(variant),
              ElementsAre(Outcome::kUnproven, Outcome::kUnproven, Outcome::kMet, Outcome::kMet));
}

TEST(DecideTest, AnIntervalThatCrossesTheLimitShowsNothing) {
  VariantFacts variant = Measured("q");
  variant.seed_differences = {{42, -0.004, -0.006, -0.002}};
  variant.measured[0].by_shape[kSmall].p90 = Between(0.0119, 0.0118, 0.0121);
  EXPECT_THAT(Outcomes(variant),
              ElementsAre(Outcome::kUnproven, Outcome::kUnproven, Outcome::kMet, Outcome::kMet));
}

TEST(DecideTest, ALimitIsMetByWhatEqualsIt) {
  VariantFacts variant = Measured("q");
  variant.measured[0].size = Value(60e6);
  variant.measured[0].by_shape[kSmall].p90 = Between(0.0119, 0.0118, 0.012);
  EXPECT_THAT(Outcomes(variant), ElementsAre(Outcome::kMet, Outcome::kMet, Outcome::kMet, Outcome::kMet));
}

TEST(DecideTest, TheTestIsTheOneOfTheInterval) {
  // Where the low end of the 95 % interval is the margin, the one-sided p is 2.5 %.
  VariantFacts variant = Measured("q");
  variant.seed_differences = {{42, -0.001, -0.005, 0.003}};
  const Decision decision = Decide(Of({Baseline(), variant}), All(), Goal::kSpeed);
  EXPECT_NEAR(*decision.variants[1].checks[0].confidence, 0.975, 1e-9);
}

TEST(DecideTest, MoreVariantsNeedMoreEvidence) {
  VariantFacts variant = Measured("q");
  variant.seed_differences = {{42, -0.001, -0.0045, 0.0025}};  // alone p = 0.013
  EXPECT_EQ(Outcomes(variant)[0], Outcome::kMet);
  VariantFacts other = variant;
  other.name = "r";
  const Decision decision = Decide(Of({Baseline(), variant, other}), All(), Goal::kSpeed);
  EXPECT_EQ(decision.variants[1].checks[0].outcome, Outcome::kUnproven);
  EXPECT_EQ(decision.variants[1].checks[0].tests, 2);
}

TEST(DecideTest, EverySeedMustMeetTheLimit) {
  VariantFacts variant = Measured("q");
  variant.runs = {&AnyRun(), &AnyRun()};
  variant.seed_differences.push_back({43, -0.004, -0.006, -0.002});
  EXPECT_EQ(Outcomes(variant)[0], Outcome::kUnproven);
  variant.seed_differences[1] = {43, -0.006, -0.008, -0.004};
  EXPECT_EQ(Outcomes(variant)[0], Outcome::kFailed);
  variant.seed_differences[1] = variant.seed_differences[0];
  EXPECT_EQ(Outcomes(variant)[0], Outcome::kMet);
  // A seed that failed might have lost anything.
  variant.runs.push_back(&AnyRun());
  EXPECT_EQ(Outcomes(variant)[0], Outcome::kUnproven);
}

TEST(DecideTest, OfEqualsTheOneShownToStayWithinTheMarginGoesFirst) {
  VariantFacts earlier = Measured("q"), later = Measured("r");
  earlier.p_value = later.p_value = Value(0.3);
  earlier.non_inferior = Value(0);
  later.non_inferior = Value(1);
  later.measured[0].size = Value(49e6);
  later.measured[0].memory["peak"] = Value(251e6);  // so that both are in the Pareto set
  const Facts facts = Of({Baseline(), earlier, later});
  EXPECT_EQ(Decide(facts, {}, Goal::kSpeed).best, 2u);
}

TEST(DecideTest, UnreliableTimingsAreUnknown) {
  Facts facts = Of({Baseline(), Measured("q")});
  facts.comparisons[0].checks[kSmall] = {Between(1.1, 1.05, 1.15), false};
  Decision decision = Decide(facts, All(), Goal::kSpeed);
  EXPECT_EQ(decision.variants[1].checks[1].outcome, Outcome::kUnknown);
  EXPECT_TRUE(decision.variants[1].checks[1].unreliable);
  EXPECT_FALSE(decision.best.has_value());
  Constraints larger = All();
  larger.shape = {8, 0};
  decision = Decide(facts, larger, Goal::kSpeed);
  EXPECT_EQ(decision.shape, kLarge);
  EXPECT_EQ(decision.best, 1u);
}

TEST(DecideTest, AShapeThatWasNotTimedIsUnknown) {
  Constraints constraints = All();
  constraints.shape = {2, 0};
  const Facts facts = Of({Baseline(), Measured("q")});
  const Decision decision = Decide(facts, constraints, Goal::kSize);
  EXPECT_FALSE(decision.shape.has_value());
  EXPECT_EQ(decision.variants[1].checks[1].outcome, Outcome::kUnknown);
}

TEST(DecideTest, OfSeveralLengthsTheLongestIsMeant) {
  VariantFacts variant = Measured("q");
  variant.measured[0].by_shape[{1, 256}] = variant.measured[0].by_shape[kSmall];
  const Facts facts = Of({Baseline(), variant});
  EXPECT_EQ(Decide(facts, All(), Goal::kSpeed).shape, (InputShape{1, 256}));
}

TEST(DecideTest, WhatIsNotSurelyFasterThanFp32DoesNotReplaceIt) {
  VariantFacts variant = Measured("q");
  variant.measured[0].by_shape[kSmall].speedup = Between(1.01, 0.98, 1.04);
  variant.measured[0].size = Value(90e6);
  // In another quantity it is worse, so that neither dominates.
  variant.measured[0].memory["peak"] = Value(260e6);
  const Decision decision = Decide(Of({Baseline(), variant}), {}, Goal::kSpeed);
  EXPECT_THAT(decision.equal, ElementsAre(0u, 1u));
  EXPECT_EQ(decision.leading, 1u);
  EXPECT_EQ(decision.best, 0u);
}

TEST(DecideTest, ControlsAndSecondNamesOfAModelAreNotConsidered) {
  VariantFacts control = Measured("fp32_continued"), again = Measured("again");
  control.spec = FindMethod("fp32_continued");
  again.same_as = "q";
  const Facts facts = Of({Baseline(), Measured("q"), control, again});
  EXPECT_EQ(Decide(facts, {}, Goal::kSpeed).variants.size(), 2u);
}

// The reference: what the header says, in the most literal way.

double Phi(double z) {
  return (1 + std::erf(z / std::sqrt(2.0))) / 2;
}

// The score of each outcome and its probability, one by one: the greatest sum over the shares of texts on
// which the models may differ. What base/statistics/paired_margin.h does by another road.
double LiteralExactP(const PairedAnswers& seen, double margin) {
  constexpr int kShares = 200;
  const double score = NonInferiorityScore(seen, margin);
  std::vector<PairedAnswers> as_great;
  for (int64_t first = 0; first <= seen.total; ++first) {
    for (int64_t second = 0; first + second <= seen.total; ++second) {
      const PairedAnswers outcome = {first, second, seen.total};
      if (NonInferiorityScore(outcome, margin) >= score - 1e-9) as_great.push_back(outcome);
    }
  }
  const auto n = static_cast<double>(seen.total);
  double greatest = 0;
  for (int step = 0; step <= kShares; ++step) {
    // Only the first model is right on `lost` of the texts, only the second on `won`.
    const double won = (1 - margin) / 2 * step / kShares, lost = won + margin;
    double sum = 0;
    for (const PairedAnswers& outcome : as_great) {
      const auto a = static_cast<double>(outcome.only_first), b = static_cast<double>(outcome.only_second);
      const double both = 1 - won - lost;
      if ((lost <= 0 && a > 0) || (won <= 0 && b > 0) || (both <= 0 && n > a + b)) continue;
      const auto power = [](double base, double times) { return times == 0 ? 0 : times * std::log(base); };
      sum += std::exp(std::lgamma(n + 1) - std::lgamma(a + 1) - std::lgamma(b + 1) -
                      std::lgamma(n - a - b + 1) + power(lost, a) + power(won, b) + power(both, n - a - b));
    }
    greatest = std::max(greatest, sum);
  }
  return std::min(1.0, greatest);
}

std::optional<double> LiteralP(const VariantFacts& variant, double margin) {
  if (variant.seed_differences.size() != variant.runs.size()) return std::nullopt;
  double worst = 0;
  for (const SeedDifference& seed : variant.seed_differences) {
    if (!seed.low || !seed.high) return std::nullopt;
    const double z =
        ((*seed.low + *seed.high) / 2 + margin) / ((*seed.high - *seed.low) / 2) * 1.959963984540054;
    worst = std::max(worst, 1 - Phi(z));
  }
  return worst;
}

// Holm by its definition: the largest, over tests at least as significant, of p times those not more so.
double LiteralHolm(double p, const std::vector<double>& all) {
  double adjusted = 0;
  for (const double other : all) {
    if (other > p) continue;
    const auto remaining = std::count_if(all.begin(), all.end(), [&](double q) { return q >= other; });
    adjusted = std::max(adjusted, std::min(1.0, other * static_cast<double>(remaining)));
  }
  return adjusted;
}

bool LiterallyFeasible(const Facts& facts, const VariantFacts& variant, const Constraints& asked) {
  if (asked.accuracy_drop && !variant.baseline) {
    std::vector<double> all;
    for (const VariantFacts& other : facts.variants) {
      if (other.baseline || !other.same_as.empty()) continue;
      if (const auto p = LiteralP(other, *asked.accuracy_drop)) all.push_back(*p);
    }
    const auto p = LiteralP(variant, *asked.accuracy_drop);
    if (!p || LiteralHolm(*p, all) >= 0.025) return false;
    for (const SeedDifference& seed : variant.seed_differences) {
      if (-seed.value > *asked.accuracy_drop) return false;
    }
  }
  const auto& measured = variant.measured[0];
  if (asked.p90) {
    const auto it = measured.by_shape.find(kSmall);
    if (it == measured.by_shape.end() || !facts.comparisons[0].Reliable(kSmall)) return false;
    if (!it->second.p90 || !it->second.p90->high || *it->second.p90->high > *asked.p90) return false;
  }
  if (asked.size && (!measured.size || measured.size->value > *asked.size)) return false;
  const auto peak = measured.memory.find("peak");
  return !asked.memory || (peak != measured.memory.end() && peak->second.value <= *asked.memory);
}

// More is better; none where it cannot be ranked.
std::optional<Result> LiteralGoal(const Facts& facts, const VariantFacts& variant, Goal goal) {
  const auto& measured = variant.measured[0];
  if (goal == Goal::kSize) return measured.size ? std::optional(Value(-measured.size->value)) : std::nullopt;
  if (goal == Goal::kMemory) {
    const auto peak = measured.memory.find("peak");
    return peak == measured.memory.end() ? std::nullopt : std::optional(Value(-peak->second.value));
  }
  if (goal == Goal::kAccuracy) return variant.baseline ? Value(0) : variant.difference;
  if (!facts.comparisons[0].Reliable(kSmall) || measured.by_shape.count(kSmall) == 0) return std::nullopt;
  return variant.baseline ? Value(1) : measured.by_shape.at(kSmall).speedup;
}

class RandomFacts {
 public:
  explicit RandomFacts(uint64_t seed) : engine_(seed) {}

  Facts Make() {
    std::vector<VariantFacts> variants = {Baseline()};
    const int count = Pick(1, 7);
    for (int i = 0; i < count; ++i) variants.push_back(Variant(std::to_string(i)));
    Facts facts = Of(std::move(variants));
    if (Chance(0.2)) facts.comparisons[0].checks[kSmall] = {Between(1.1, 1.05, 1.15), false};
    return facts;
  }

  Constraints Ask() {
    Constraints asked;
    if (Chance(0.6)) asked.accuracy_drop = Uniform(0, 0.02);
    if (Chance(0.6)) asked.p90 = Uniform(0.008, 0.022);
    if (Chance(0.6)) asked.size = 10e6 * Pick(3, 9);
    if (Chance(0.6)) asked.memory = 50e6 * Pick(3, 6);
    asked.shape = kSmall;
    return asked;
  }

  Goal PickGoal() { return static_cast<Goal>(Pick(0, 3)); }

 private:
  bool Chance(double p) { return Uniform(0, 1) < p; }
  double Uniform(double low, double high) { return std::uniform_real_distribution<>(low, high)(engine_); }
  int Pick(int low, int high) { return std::uniform_int_distribution<>(low, high)(engine_); }

  VariantFacts Variant(const std::string& name) {
    VariantFacts variant = Measured(name);
    variant.seed_differences.clear();
    variant.runs.resize(static_cast<size_t>(Pick(1, 3)), &AnyRun());
    const auto seeds = Chance(0.9) ? variant.runs.size() : variant.runs.size() - 1;
    for (size_t i = 0; i < seeds; ++i) variant.seed_differences.push_back(Seed(i));
    if (seeds > 0) {
      variant.difference =
          Between(variant.seed_differences[0].value, variant.seed_differences[0].value - 0.003,
                  variant.seed_differences[0].value + 0.003);
    }
    auto& measured = variant.measured[0];
    // Few values, so that ties and limits that are met exactly occur.
    measured.size = Value(10e6 * Pick(3, 9));
    measured.memory["peak"] = Value(50e6 * Pick(3, 6));
    if (Chance(0.1)) measured.size.reset();
    if (Chance(0.1)) measured.memory.clear();
    Timing& timing = measured.by_shape[kSmall];
    const double p90 = Uniform(0.008, 0.022);
    timing.p90 = Chance(0.9) ? Between(p90, p90 * 0.98, p90 * 1.03) : Value(p90);
    const double speedup = 0.02 / p90;
    timing.speedup = Between(speedup, speedup * 0.9, speedup * 1.1);
    if (Chance(0.1)) measured.by_shape.erase(kSmall);
    return variant;
  }

  SeedDifference Seed(size_t number) {
    const double value = Uniform(-0.02, 0.01), half = Uniform(0.0005, 0.01);
    if (Chance(0.05)) return {number, value, {}, {}};
    return {number, value, value - half, value + half};
  }

  std::mt19937_64 engine_;
};

class DecideProperty : public testing::TestWithParam<uint64_t> {};

TEST_P(DecideProperty, AgreesWithTryingEverything) {
  RandomFacts random(GetParam());
  int feasible = 0, chosen = 0;
  for (int round = 0; round < 500; ++round) {
    const Facts facts = random.Make();
    const Constraints asked = random.Ask();
    const Goal goal = random.PickGoal();
    const Decision decision = Decide(facts, asked, goal);
    ASSERT_EQ(decision.variants.size(), facts.variants.size());
    std::optional<double> highest;
    for (size_t i = 0; i < facts.variants.size(); ++i) {
      const bool expected = LiterallyFeasible(facts, facts.variants[i], asked);
      ASSERT_EQ(decision.variants[i].feasible, expected) << "round " << round << ", variant " << i;
      feasible += expected;
      const auto value = LiteralGoal(facts, facts.variants[i], goal);
      if (expected && value) highest = std::max(highest.value_or(value->value), value->value);
    }
    ASSERT_EQ(decision.best.has_value(), highest.has_value()) << "round " << round;
    if (!highest) continue;
    ++chosen;
    const auto best = LiteralGoal(facts, facts.variants[*decision.best], goal);
    const auto leading = LiteralGoal(facts, facts.variants[*decision.leading], goal);
    EXPECT_EQ(leading->value, *highest) << "round " << round;
    EXPECT_TRUE(Overlap(*best, *leading)) << "round " << round;
    // None of those that are as good should go before it.
    const auto set = ParetoSet(facts);
    for (const size_t i : decision.equal) {
      EXPECT_LE(PreferenceRank(facts, set, facts.variants[*decision.best]),
                PreferenceRank(facts, set, facts.variants[i]));
    }
  }
  // Both outcomes occurred, or nothing was tested.
  EXPECT_GT(feasible, 100);
  EXPECT_GT(chosen, 100);
}

// Counted answers are tested exactly: held against adding up every outcome.
TEST(DecideTest, CountedAnswersAgreeWithAddingUpEveryOutcome) {
  std::mt19937_64 engine(7);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine);
  };
  int met = 0, unmet = 0;
  for (int round = 0; round < 40; ++round) {
    std::vector<VariantFacts> variants = {Baseline()};
    Constraints asked;
    asked.accuracy_drop = 0.01 * static_cast<double>(pick(2, 30));
    std::vector<double> all;
    for (int64_t i = 0, count = pick(1, 3); i < count; ++i) {
      const int64_t lost = pick(0, 3), total = pick(18, 28);
      const PairedAnswers answers = {lost, pick(0, 3), total};
      const double value =
          static_cast<double>(answers.only_second - answers.only_first) / static_cast<double>(total);
      variants.push_back(Measured(std::to_string(i)));
      variants.back().seed_differences = {{42, value, value - 0.1, value + 0.1, answers}};
      all.push_back(LiteralExactP(answers, *asked.accuracy_drop));
    }
    const Facts facts = Of(std::move(variants));
    const Decision decision = Decide(facts, asked, Goal::kSize);
    for (size_t i = 0; i < all.size(); ++i) {
      const double corrected = LiteralHolm(all[i], all);
      if (std::abs(corrected - 0.025) < 1e-3) continue;  // within the error of the steps
      const bool within = -facts.variants[i + 1].seed_differences[0].value <= *asked.accuracy_drop;
      const bool expected = within && corrected < 0.025;
      EXPECT_EQ(decision.variants[i + 1].feasible, expected) << "round " << round << ", variant " << i;
      ++(expected ? met : unmet);
    }
  }
  EXPECT_GT(met, 10);
  EXPECT_GT(unmet, 10);
}

INSTANTIATE_TEST_SUITE_P(Seeds, DecideProperty, testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace quantlab::report
