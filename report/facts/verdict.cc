#include "report/facts/verdict.h"

namespace quantlab::report {
namespace {

struct Span {
  double low, high;
};

Span SpanOf(const Result& result) {
  const double reach = 2 * result.deviation.value_or(0);
  return {result.low.value_or(result.value - reach), result.high.value_or(result.value + reach)};
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

}  // namespace quantlab::report
