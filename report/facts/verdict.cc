#include "report/facts/verdict.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quantlab::report {
namespace {

struct Span {
  double low, high;
};

Span SpanOf(const Result& result) {
  const double reach = 2 * result.deviation.value_or(0);
  return {result.low.value_or(result.value - reach), result.high.value_or(result.value + reach)};
}

constexpr double kUnknown = -std::numeric_limits<double>::infinity();

double Value(const Result* result, double sign) {
  return result == nullptr || !std::isfinite(result->value) ? kUnknown : sign * result->value;
}

// The quantities of Dominates(), higher is better; the same number for every variant.
std::vector<double> MoreIsBetter(const Facts& facts, const VariantFacts& variant) {
  std::vector<double> values = {Value(variant.accuracy.has_value() ? &*variant.accuracy : nullptr, 1),
                                Value(FirstSize(variant), -1), Value(FirstPeak(variant), -1)};
  if (facts.comparisons.empty()) return values;
  for (const InputShape& shape : facts.ShapesWithSpeedup(0)) {
    if (!facts.comparisons[0].Reliable(shape)) continue;
    const Result* const speedup = SpeedupOf(variant, 0, shape);
    // Speedups are relative to FP32.
    values.push_back(speedup == nullptr && variant.baseline ? 1 : Value(speedup, 1));
  }
  return values;
}

// Ranks a variant by its accuracy verdict, best first. Of those without a significant loss, the ones that are
// not shown to stay within the margin follow the others.
int AccuracyRank(const VariantFacts& variant, const VariantFacts* baseline) {
  if (variant.baseline) return 0;
  switch (Judge(variant, baseline)) {
    case Verdict::kBetter:
      return 0;
    case Verdict::kNoDifference:
      return variant.non_inferior.has_value() && variant.non_inferior->value < 1 ? 1 : 0;
    case Verdict::kMixed:
    case Verdict::kUntested:
      return 2;
    case Verdict::kWorse:
      break;
  }
  return 3;
}

}  // namespace

Verdict Judge(const VariantFacts& variant, const VariantFacts* baseline) {
  if (!variant.p_value.has_value()) return Verdict::kUntested;
  if (variant.significant_seeds == 0) return Verdict::kNoDifference;
  if (variant.significant_seeds < variant.p_value->seeds) return Verdict::kMixed;
  const auto paired = DifferenceOf(variant, baseline);
  const double difference = paired.has_value() ? paired->value : 0;
  return difference < 0 ? Verdict::kWorse : difference > 0 ? Verdict::kBetter : Verdict::kNoDifference;
}

bool IsSignificant(const PairFacts& pair) {
  return pair.difference.has_value() && pair.difference->value != 0 && pair.holm_p.has_value() &&
         pair.holm_p->seeds == 1 && pair.holm_p->value < kSignificance;
}

bool SurelyAbove(const Result& ratio, double bound) {
  if (ratio.deviation.has_value()) return ratio.value - 2 * *ratio.deviation > bound;
  return ratio.low.has_value() && *ratio.low > bound;
}

bool SurelyBelow(const Result& ratio, double bound) {
  if (ratio.deviation.has_value()) return ratio.value + 2 * *ratio.deviation < bound;
  return ratio.high.has_value() && *ratio.high < bound;
}

bool Overlap(const Result& a, const Result& b) {
  const Span first = SpanOf(a), second = SpanOf(b);
  return first.low <= second.high && second.low <= first.high;
}

bool ExcludesZero(const Result& difference) {
  return difference.low.has_value() && difference.high.has_value() &&
         (*difference.low > 0 || *difference.high < 0);
}

std::optional<Result> DifferenceOf(const VariantFacts& variant, const VariantFacts* baseline) {
  if (variant.difference.has_value()) return variant.difference;
  if (baseline == nullptr || !variant.accuracy.has_value() || !baseline->accuracy.has_value()) {
    return std::nullopt;
  }
  Result result;
  result.value = variant.accuracy->value - baseline->accuracy->value;
  return result;
}

bool IsControl(const VariantFacts& variant) {
  return variant.spec != nullptr && !variant.spec->control_of.empty();
}

const Result* FirstSize(const VariantFacts& variant) {
  return variant.measured.empty() || !variant.measured[0].size.has_value() ? nullptr
                                                                           : &*variant.measured[0].size;
}

const Result* FirstPeak(const VariantFacts& variant) {
  if (variant.measured.empty()) return nullptr;
  const auto it = variant.measured[0].memory.find("peak");
  return it == variant.measured[0].memory.end() ? nullptr : &it->second;
}

bool IsCandidate(const VariantFacts& variant) {
  const bool measured = variant.accuracy.has_value() || FirstSize(variant) != nullptr ||
                        FirstPeak(variant) != nullptr ||
                        (!variant.measured.empty() && !variant.measured[0].by_shape.empty());
  return measured && !IsControl(variant) && variant.same_as.empty();
}

Quantities KnownQuantities(const Facts& facts) {
  Quantities known;
  for (const VariantFacts& variant : facts.variants) {
    if (!IsCandidate(variant)) continue;
    known.accuracy = known.accuracy || variant.accuracy.has_value();
    known.size = known.size || FirstSize(variant) != nullptr;
    known.memory = known.memory || FirstPeak(variant) != nullptr;
  }
  if (facts.comparisons.empty()) return known;
  for (const InputShape& shape : facts.ShapesWithSpeedup(0)) {
    known.speed = known.speed || facts.comparisons[0].Reliable(shape);
  }
  return known;
}

bool Dominates(const Facts& facts, const VariantFacts& one, const VariantFacts& other) {
  const std::vector<double> first = MoreIsBetter(facts, one), second = MoreIsBetter(facts, other);
  bool better = false;
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i] < second[i]) return false;
    better = better || first[i] > second[i];
  }
  return better;
}

std::vector<const VariantFacts*> ParetoSet(const Facts& facts) {
  std::vector<const VariantFacts*> set;
  for (const VariantFacts& variant : facts.variants) {
    if (!IsCandidate(variant)) continue;
    const bool dominated = std::any_of(
        facts.variants.begin(), facts.variants.end(),
        [&](const VariantFacts& other) { return IsCandidate(other) && Dominates(facts, other, variant); });
    if (!dominated) set.push_back(&variant);
  }
  return set;
}

InputShape HeadlineShape(const Facts& facts) {
  InputShape found;
  for (const VariantFacts& variant : facts.variants) {
    if (variant.measured.empty()) continue;
    for (const auto& [shape, timing] : variant.measured[0].by_shape) {
      const bool better =
          found.batch_size == 0 || shape.batch_size < found.batch_size ||
          (shape.batch_size == found.batch_size && shape.sequence_length > found.sequence_length);
      if (better) found = shape;
    }
  }
  return found;
}

std::tuple<bool, int, std::ptrdiff_t> PreferenceRank(const Facts& facts,
                                                     const std::vector<const VariantFacts*>& set,
                                                     const VariantFacts& variant) {
  const bool dominated = std::find(set.begin(), set.end(), &variant) == set.end();
  // Variants in the facts are in the order of methods.
  return {dominated, AccuracyRank(variant, facts.baseline()), &variant - facts.variants.data()};
}

}  // namespace quantlab::report
