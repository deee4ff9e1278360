// How often the statistics of a report err, by simulation: whether 95 % intervals of speedups hold the truth
// 95 % of the time, whether the A/A check finds what it should, and whether the test of non-inferiority is
// wrong no more often than it says. Prints tables; the numbers in docs/en/experimental-design.md come from
// it.
//
//   cmake -DQUANTLAB_BUILD_BENCHMARKS=ON … && bin/error_rates [samples, 4000]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "base/statistics/aa_check.h"
#include "base/statistics/paired_margin.h"
#include "worker/engine/measure/statistics.h"

namespace quantlab {
namespace {

using statistics::Groups;

// Of the logarithm of a ratio: neighbouring blocks correlate, and processes differ by `between`. A tenth of
// the blocks is disturbed.
struct Noise {
  double block = 0.03, correlation = 0, between = 0;
};

// The ratios of two models to one reference: they share its noise, as the A/A ratio and a speedup do.
struct Measured {
  Groups twin, other;
};

Measured Measure(int processes, int blocks, const Noise& noise, std::mt19937_64& random) {
  std::normal_distribution<double> normal(0, std::sqrt(0.5));
  std::uniform_real_distribution<double> uniform;
  Measured measured;
  for (int p = 0; p < processes; ++p) {
    double level[3], state[3];
    for (int m = 0; m < 3; ++m) {
      level[m] = noise.between * normal(random);
      state[m] = normal(random);
    }
    std::vector<double>&twin = measured.twin.emplace_back(), &other = measured.other.emplace_back();
    for (int b = 0; b < blocks; ++b) {
      const double scale = noise.block * (uniform(random) < 0.1 ? 3 : 1);
      const auto time = [&](int m) { return level[m] + scale * state[m]; };
      twin.push_back(std::exp(time(0) - time(1)));
      other.push_back(std::exp(time(0) - time(2)));
      for (double& value : state) {
        value =
            noise.correlation * value + std::sqrt(1 - noise.correlation * noise.correlation) * normal(random);
      }
    }
  }
  return measured;
}

bool Holds(const statistics::Interval& interval, double value) {
  return interval.low <= value && value <= interval.high;
}

// Processes until the A/A interval is narrow, as the comparison adds them.
struct Estimates {
  statistics::Estimate twin, other;
};
Estimates UntilNarrow(int processes, int blocks, const Noise& noise, std::mt19937_64& random) {
  Measured all;
  Estimates estimates;
  for (int round = 0; round < 3; ++round) {
    const Measured more = Measure(processes, blocks, noise, random);
    all.twin.insert(all.twin.end(), more.twin.begin(), more.twin.end());
    all.other.insert(all.other.end(), more.other.begin(), more.other.end());
    estimates = {statistics::GroupedMedianRatio(all.twin, 1), statistics::GroupedMedianRatio(all.other, 1)};
    const statistics::Estimate& twin = estimates.twin;
    if (CheckAa(twin.value, twin.interval.low, twin.interval.high).narrow) break;
  }
  return estimates;
}

void PrintCoverage(int samples) {
  std::printf("\nShare of 95 %% intervals of a speedup that hold the truth (%d measurements each)\n",
              samples);
  std::printf("%11s %8s | %10s %10s %10s %10s\n", "correlation", "between", "30 blocks,", "1 process,",
              "5 x 6", "until A/A");
  std::printf("%11s %8s | %10s %10s %10s %10s\n", "", "", "one by one", "of blocks", "processes",
              "is narrow");
  for (const Noise& noise : {Noise{}, Noise{0.03, 0.2, 0}, Noise{0.03, 0.4, 0}, Noise{0.03, 0.2, 0.01},
                             Noise{0.03, 0.4, 0.01}, Noise{0.01, 0.2, 0.003}}) {
    std::mt19937_64 random(1);
    int alone = 0, moving = 0, grouped = 0, extended = 0;
    for (int i = 0; i < samples; ++i) {
      const Groups one = Measure(1, 30, noise, random).other;
      alone += Holds(statistics::BootstrapMedianInterval(one[0], 1, 500), 1);
      moving += Holds(statistics::GroupedQuantileInterval(one, 0.5, 1, 500), 1);
      grouped += Holds(statistics::GroupedMedianRatio(Measure(5, 6, noise, random).other, 1).interval, 1);
      extended += Holds(UntilNarrow(5, 6, noise, random).other.interval, 1);
    }
    const double n = samples / 100.0;
    std::printf("%11.1f %8.3f | %9.1f%% %9.1f%% %9.1f%% %9.1f%%\n", noise.correlation, noise.between,
                alone / n, moving / n, grouped / n, extended / n);
  }
}

void PrintAaCheck(int samples) {
  std::printf("\nThe A/A check, processes of 6 blocks with correlation 0.2, until its interval is narrow\n");
  std::printf("%12s %6s | %8s %8s\n", "block noise", "bias", "narrow", "passed");
  for (const double block : {0.01, 0.02, 0.03, 0.06}) {
    for (const double bias : {0.0, 0.02}) {
      std::mt19937_64 random(2);
      int narrow = 0, passed = 0;
      for (int i = 0; i < samples; ++i) {
        const statistics::Estimate estimate = UntilNarrow(5, 6, {block, 0.2, block / 10}, random).twin;
        const double shift = 1 + bias;
        const AaCheckResult check =
            CheckAa(estimate.value * shift, estimate.interval.low * shift, estimate.interval.high * shift);
        narrow += check.narrow;
        passed += check.reliable();
      }
      std::printf("%12.2f %6.2f | %7.1f%% %7.1f%%\n", block, bias, 100.0 * narrow / samples,
                  100.0 * passed / samples);
    }
  }
}

// The test that earlier versions used: the low end of Agresti and Min's interval above minus the margin.
bool ByInterval(const PairedAnswers& answers, double margin) {
  return statistics::PairedDifferenceInterval(answers.only_first, answers.only_second, answers.total).low >
         -margin;
}

void PrintNonInferiority(int samples) {
  std::printf("\nCalled not inferior at a true loss of exactly the margin of 1 point (nominal 2.5 %%)\n");
  std::printf("%6s %10s | %12s %12s\n", "texts", "differing", "by interval", "exact");
  for (const int64_t texts : {400, 1600}) {
    for (const double differing : {0.01, 0.02, 0.06}) {
      std::mt19937_64 random(3);
      const double lost = (differing + 0.01) / 2, gained = (differing - 0.01) / 2;
      std::binomial_distribution<int64_t> draw_lost(texts, lost);
      int interval = 0, exact = 0;
      std::vector<std::vector<int>> known(texts + 1);  // 0: not computed, 1: shown, 2: not shown
      for (int i = 0; i < 10 * samples; ++i) {
        PairedAnswers answers{draw_lost(random), 0, texts};
        if (gained > 1e-12) {
          answers.only_second =
              std::binomial_distribution<int64_t>(texts - answers.only_first, gained / (1 - lost))(random);
        }
        interval += ByInterval(answers, 0.01);
        std::vector<int>& row = known[answers.only_first];
        row.resize(std::max<size_t>(row.size(), answers.only_second + 1));
        int& verdict = row[answers.only_second];
        if (verdict == 0) verdict = NonInferiorityPValue(answers, 0.01) <= kNonInferiorityError ? 1 : 2;
        exact += verdict == 1;
      }
      std::printf("%6lld %9.0f%% | %11.2f%% %11.2f%%\n", static_cast<long long>(texts), 100 * differing,
                  10.0 * interval / samples, 10.0 * exact / samples);
    }
  }
}

}  // namespace
}  // namespace quantlab

int main(int argc, char** argv) {
  const int samples = argc > 1 ? std::max(100, std::atoi(argv[1])) : 4000;
  quantlab::PrintCoverage(samples);
  quantlab::PrintAaCheck(samples);
  quantlab::PrintNonInferiority(samples);
  return 0;
}
