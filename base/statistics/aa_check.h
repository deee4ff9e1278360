// The A/A check: what a model timed against itself says about the other timings of the same blocks.
#ifndef QUANTLAB_BASE_STATISTICS_AA_CHECK_H_
#define QUANTLAB_BASE_STATISTICS_AA_CHECK_H_

#include <cmath>

namespace quantlab {

// Largest half-width of the interval of the A/A ratio with which timings resolve enough.
inline constexpr double kAaHalfWidth = 0.01;
// Smallest distance of the A/A ratio from 1 that counts as a bias, where its interval excludes 1.
inline constexpr double kAaBias = 0.005;

// Judged apart: more blocks make an interval narrow, and do not remove a bias.
struct AaCheckResult {
  bool narrow = false;
  bool unbiased = false;

  bool reliable() const { return narrow && unbiased; }
};

// Of the ratio of the two times, about 1, and its 95 % interval. NaN is neither narrow nor unbiased.
inline AaCheckResult CheckAa(double ratio, double low, double high) {
  return {(high - low) / 2 <= kAaHalfWidth, (low <= 1 && high >= 1) || std::abs(ratio - 1) < kAaBias};
}

}  // namespace quantlab

#endif  // QUANTLAB_BASE_STATISTICS_AA_CHECK_H_
