// Numbers as text that reads back to the same number.
#ifndef QUANTLAB_BASE_STATISTICS_NUMBERS_H_
#define QUANTLAB_BASE_STATISTICS_NUMBERS_H_

#include <charconv>
#include <cmath>
#include <string>

namespace quantlab {

// The shortest text that reads back to `value`; "NaN", "Infinity" or "-Infinity" where it is not finite.
template <typename Float>
std::string RoundTrip(Float value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, result.ptr);
}

}  // namespace quantlab

#endif  // QUANTLAB_BASE_STATISTICS_NUMBERS_H_
