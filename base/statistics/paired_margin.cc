#include "base/statistics/paired_margin.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace quantlab {
namespace {

// The share of texts that only the second model gets right is tried at steps of the root of their expected
// number: small ones while single texts change the probability, then each longer than the one before.
constexpr double kRootStep = 0.05, kFineRoots = 25, kGrowth = 1.03;
constexpr int kRefinements = 30;
// Ties of the score are tables as extreme as the observed one.
constexpr double kTie = 1e-9;
// Standard deviations of the counts beyond which nothing is added up.
constexpr double kReach = 8;

// The share of texts that only the second model gets right, most likely under a loss of exactly `margin`.
double LikelyShare(const PairedAnswers& answers, double margin) {
  const double n = static_cast<double>(answers.total), lost = static_cast<double>(answers.only_first),
               gained = static_cast<double>(answers.only_second);
  const double a = 2 * n, b = (2 * n - lost + gained) * margin - lost - gained,
               c = -gained * margin * (1 - margin);
  return (std::sqrt(std::max(0.0, b * b - 4 * a * c)) - b) / (2 * a);
}

// The tables whose score is at least the observed one, and their probability.
class Region {
 public:
  Region(const PairedAnswers& observed, double margin)
      : total_(observed.total), margin_(margin), log_factorial_(observed.total + 1) {
    for (int64_t i = 0; i <= total_; ++i) {
      log_factorial_[i] = i == 0 ? 0 : log_factorial_[i - 1] + std::log(static_cast<double>(i));
    }
    const double least = NonInferiorityScore(observed, margin) - kTie;
    // The score falls with the texts lost and rises with those gained.
    int64_t lost = -1;
    most_lost_.resize(total_ + 1);
    for (int64_t gained = 0; gained <= total_; ++gained) {
      while (lost + 1 <= total_ - gained &&
             NonInferiorityScore({lost + 1, gained, total_}, margin) >= least) {
        ++lost;
      }
      most_lost_[gained] = std::min(lost, total_ - gained);
    }
  }

  // Where the second model alone is right with probability `share`, and the first with that and the margin.
  double Probability(double share) const {
    const double n = static_cast<double>(total_);
    const double reach = kReach * std::sqrt(n * share * (1 - share)) + kReach;
    const auto first = static_cast<int64_t>(std::max(0.0, std::floor(n * share - reach)));
    const auto last = static_cast<int64_t>(std::min(n, std::ceil(n * share + reach)));
    const double lost_share = std::min(1.0, (share + margin_) / (1 - share));
    double sum = 0;
    Tail tail;
    for (int64_t gained = first; gained <= last; ++gained) {
      sum += Binomial(gained, total_, share) * AtMost(most_lost_[gained], total_ - gained, lost_share, tail);
    }
    return sum;
  }

 private:
  double Binomial(int64_t k, int64_t n, double p) const {
    if (k < 0 || k > n) return 0;
    if (p <= 0) return k == 0 ? 1 : 0;
    if (p >= 1) return k == n ? 1 : 0;
    return std::exp(log_factorial_[n] - log_factorial_[k] - log_factorial_[n - k] +
                    static_cast<double>(k) * std::log(p) + static_cast<double>(n - k) * std::log1p(-p));
  }

  // The probability of at most `upto` of `of`.
  struct Tail {
    int64_t upto = -1, of = -1;
    double probability = 0;
  };

  // The probability of at most k of n, from that of one n more where `tail` has it.
  double AtMost(int64_t k, int64_t n, double p, Tail& tail) const {
    const double mean = static_cast<double>(n) * p, reach = kReach * std::sqrt(mean * (1 - p)) + kReach;
    const bool known = tail.of == n + 1;
    tail.of = -1;
    if (static_cast<double>(k) < mean - reach) return 0;
    if (static_cast<double>(k) > mean + reach) return 1;
    if (known) {
      tail.probability += p * Binomial(tail.upto, n, p);
    } else {
      tail.upto = static_cast<int64_t>(std::max(0.0, std::floor(mean - reach))) - 1;
      tail.probability = 0;
    }
    while (tail.upto < k) tail.probability += Binomial(++tail.upto, n, p);
    while (tail.upto > k) tail.probability -= Binomial(tail.upto--, n, p);
    tail.of = n;
    return std::clamp(tail.probability, 0.0, 1.0);
  }

  const int64_t total_;
  const double margin_;
  std::vector<double> log_factorial_;
  std::vector<int64_t> most_lost_;  // by texts gained; -1: none
};

}  // namespace

double NonInferiorityScore(const PairedAnswers& answers, double margin) {
  const double n = static_cast<double>(answers.total);
  const double gain = static_cast<double>(answers.only_second - answers.only_first);
  const double variance = n * (2 * LikelyShare(answers, margin) + margin * (1 - margin));
  return variance > 0 ? (gain + n * margin) / std::sqrt(variance) : 0;
}

double NonInferiorityPValue(const PairedAnswers& answers, double margin) {
  // No more than all texts can be lost.
  if (margin >= 1) return answers.only_first < answers.total ? 0 : 1;
  const Region region(answers, margin);
  const double n = static_cast<double>(answers.total), most = std::sqrt(n * (1 - margin) / 2);
  const auto probability = [&](double root) { return region.Probability(root * root / n); };
  double best = 0, greatest = -1, step = kRootStep, width = step;
  for (double root = 0;; root = std::min(most, root + step)) {
    if (root > kFineRoots) step *= kGrowth;
    if (const double p = probability(root); p > greatest) {
      greatest = p;
      best = root;
      width = step;
    }
    if (root >= most) break;
  }
  double low = std::max(0.0, best - width), high = std::min(most, best + width);
  for (int i = 0; i < kRefinements; ++i) {
    const double third = (high - low) / 3;
    const double left = probability(low + third), right = probability(high - third);
    greatest = std::max({greatest, left, right});
    if (left < right) {
      low += third;
    } else {
      high -= third;
    }
  }
  return std::min(1.0, greatest);
}

}  // namespace quantlab
