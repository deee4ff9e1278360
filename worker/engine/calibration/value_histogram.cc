#include "worker/engine/calibration/value_histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace quantlab::engine {
namespace {

// A range is not considered if it clips more than one of so many values. Where all values are far from 0, one
// that clips them all would do best: all in one level before and after.
constexpr int64_t kMostClipped = 10;
constexpr double kLevels = static_cast<double>(kQuantizedLevels);
// Values for which it pays to wake another thread.
constexpr int64_t kGrain = 1 << 16;

// Counts x[0..n) into counts[0..bins). Positions first, a block at a time: that loop vectorises.
void CountBlocks(const float* x, int64_t n, const ValueHistogram& h, int64_t* counts) {
  constexpr int64_t kBlock = 512;
  int32_t positions[kBlock];
  const float low = h.low, range = h.high - h.low;
  const float bins = static_cast<float>(h.bins()), last = static_cast<float>(h.bins() - 1);
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t size = std::min(kBlock, n - begin);
    for (int64_t i = 0; i < size; ++i) {
      const float position = (x[begin + i] - low) * bins / range;
      positions[i] = static_cast<int32_t>(std::min(last, std::max(0.0f, position)));
    }
    for (int64_t i = 0; i < size; ++i) ++counts[positions[i]];
  }
}

// sums[i] = values[0] + … + values[i - 1]; one longer than values.
template <typename T>
std::vector<T> PrefixSums(const std::vector<T>& values) {
  std::vector<T> sums(values.size() + 1, T{0});
  for (size_t i = 0; i < values.size(); ++i) sums[i + 1] = sums[i] + values[i];
  return sums;
}

// Integral of the squared distance from a level's centre.
double SquaredDistance(double begin, double end) {
  return (end * end * end - begin * begin * begin) / 3;
}

// Squared error of quantizing to the range of bins [first, last], in squares of a bin's width.
double SquaredError(const ValueHistogram& h, int64_t first, int64_t last) {
  const double step = static_cast<double>(last - first + 1) / kLevels;
  const double inner = SquaredDistance(-step / 2, step / 2);
  const auto level = [&](double x) { return std::clamp(std::floor(x / step), 0.0, kLevels - 1); };
  double sum = 0;
  for (int64_t i = 0; i < h.bins(); ++i) {
    if (h.counts[i] == 0) continue;
    const double begin = static_cast<double>(i - first), end = begin + 1;
    const double level_begin = level(begin), level_end = level(end);
    // From the bin's begin to the end of its level, whole levels, from the begin of the last to its end.
    // Within one level the count of whole ones is -1, which corrects the other two.
    const double error = SquaredDistance(begin - (level_begin + 0.5) * step, step / 2) +
                         (level_end - level_begin - 1) * inner +
                         SquaredDistance(-step / 2, end - (level_end + 0.5) * step);
    sum += static_cast<double>(h.counts[i]) * error;
  }
  return sum;
}

double LogTerm(double p) {
  return p > 0 ? p * std::log(p) : 0.0;
}

// Divergences of the ranges of bins of one histogram, from sums over bins that are computed once.
class DivergenceSearch {
 public:
  explicit DivergenceSearch(const ValueHistogram& h) : bins_(h.counts) {
    // What is nearest to 0 is small after quantization however wide the range, but there is much of it.
    const size_t half = bins_.size() / 2;
    bins_[half - 1] = bins_[half - 2];
    bins_[half] = bins_[half + 1];
    std::vector<int64_t> filled(bins_.size());
    std::vector<double> terms(bins_.size());
    for (size_t i = 0; i < filled.size(); ++i) {
      filled[i] = bins_[i] > 0;
      terms[i] = LogTerm(static_cast<double>(bins_[i]));
    }
    counts_ = PrefixSums(bins_);
    filled_ = PrefixSums(filled);
    terms_ = PrefixSums(terms);
  }

  // Values outside of the bins [begin, end).
  int64_t Clipped(int64_t begin, int64_t end) const { return counts_[begin] + counts_.back() - counts_[end]; }

  // Of the bins [begin, end), at least one for each level: sum of p log(p / q), where p is the clipped
  // distribution and q the one that quantization leaves, both with sum 1.
  double Divergence(int64_t begin, int64_t end) const {
    const int64_t below = counts_[begin], above = counts_.back() - counts_[end];
    double p_log_p = terms_[end] - terms_[begin];
    p_log_p += ClippedTerm(begin, below) + ClippedTerm(end - 1, above);
    double p_log_q = 0, q_total = 0;
    for (int64_t k = 0; k < kQuantizedLevels; ++k) {
      const int64_t from = LevelEdge(begin, end, k), to = LevelEdge(begin, end, k + 1);
      const int64_t first = k == 0 ? below : 0, last = k == kQuantizedLevels - 1 ? above : 0;
      const int64_t mass = counts_[to] - counts_[from];
      if (mass + first + last == 0) continue;
      int64_t filled = filled_[to] - filled_[from];
      if (first > 0 && bins_[from] == 0) ++filled;
      if (last > 0 && bins_[to - 1] == 0) ++filled;
      const double q = mass > 0 ? static_cast<double>(mass) : kEmptied;
      p_log_q += static_cast<double>(mass + first + last) * std::log(q / static_cast<double>(filled));
      q_total += q;
    }
    const double total = static_cast<double>(counts_.back());
    return (p_log_p - p_log_q) / total - std::log(total) + std::log(q_total);
  }

 private:
  static constexpr double kEmptied = 1e-4;

  // Where level k begins. Away from 0 where that is within a bin: mirrored values have mirrored levels.
  int64_t LevelEdge(int64_t begin, int64_t end, int64_t k) const {
    const int64_t half = static_cast<int64_t>(bins_.size()) / 2;
    const int64_t down = begin + k * (end - begin) / kQuantizedLevels;
    const bool within = k * (end - begin) % kQuantizedLevels != 0;
    return within && down >= half ? down + 1 : down;
  }

  // What p log p of a bin at the edge gains when what was clipped is added to it.
  double ClippedTerm(int64_t bin, int64_t clipped) const {
    const int64_t count = bins_[bin];
    return LogTerm(static_cast<double>(count + clipped)) - LogTerm(static_cast<double>(count));
  }

  std::vector<int64_t> bins_;
  // Of the bins below each: values, bins that hold any, sums of n log n.
  std::vector<int64_t> counts_, filled_;
  std::vector<double> terms_;
};

// The value of rank `rank` (0 = the smallest), within its bin as if the bin's values were spread evenly.
double ValueOfRank(const ValueHistogram& h, int64_t rank) {
  if (rank <= 0) return h.low;
  if (rank >= h.total - 1) return h.high;
  int64_t bin = 0, before = 0;
  while (before + h.counts[bin] <= rank) before += h.counts[bin++];
  const double within = (static_cast<double>(rank - before) + 0.5) / static_cast<double>(h.counts[bin]);
  return h.low + (static_cast<double>(bin) + within) * h.width();
}

double Percentile(const ValueHistogram& h, double p) {
  const double rank = p / 100 * static_cast<double>(h.total - 1);
  const double below = std::floor(rank), fraction = rank - below;
  const double value = ValueOfRank(h, static_cast<int64_t>(below));
  if (fraction == 0) return value;
  return value + fraction * (ValueOfRank(h, static_cast<int64_t>(below) + 1) - value);
}

}  // namespace

ValueHistogram::ValueHistogram(float low, float high, int64_t bins) : low(low), high(high), counts(bins) {}

void ValueHistogram::Add(const at::Tensor& x) {
  if (!x.is_cpu()) return AddByAten(x);
  const at::Tensor values = x.to(at::kFloat).contiguous();
  const float* data = values.const_data_ptr<float>();
  const int64_t n = values.numel();
  const int64_t parts = std::clamp<int64_t>(n / kGrain, 1, at::get_num_threads());
  std::vector<std::vector<int64_t>> partial(parts, std::vector<int64_t>(counts.size()));
  at::parallel_for(0, parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t part = first; part < last; ++part) {
      const int64_t begin = n * part / parts, end = n * (part + 1) / parts;
      CountBlocks(data + begin, end - begin, *this, partial[part].data());
    }
  });
  for (const std::vector<int64_t>& some : partial) {
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += some[i];
  }
  total += n;
}

void ValueHistogram::AddByAten(const at::Tensor& x) {
  const at::Tensor values = x.detach().to(at::kFloat).flatten();
  // A tensor, since CUDA divides by a number by multiplying with its reciprocal, which rounds differently.
  const at::Tensor range = at::full({1}, high - low, values.options());
  const at::Tensor indices = (values - low).mul_(bins()).div_(range).clamp_(0, bins() - 1).to(at::kLong);
  const at::Tensor counted = at::bincount(indices, {}, bins()).cpu();
  for (int64_t i = 0; i < bins(); ++i) counts[i] += counted.const_data_ptr<int64_t>()[i];
  total += x.numel();
}

ActivationRange LeastSquaresRange(const ValueHistogram& h) {
  constexpr double kStep = 1e-5;  // of the values, cut in each step of the search
  const std::vector<int64_t> sums = PrefixSums(h.counts);
  const double total = static_cast<double>(h.total);
  int64_t first = 0, last = h.bins() - 1, low_bin = 0, high_bin = h.bins() - 1;
  double cut_below = 0, keep_below = 1, least = std::numeric_limits<double>::infinity();
  while (cut_below < keep_below) {
    // Bins that the search would go to if it cut one more step at the low and at the high end.
    const double next_below = cut_below + kStep, next_above = keep_below - kStep;
    while (low_bin < last && static_cast<double>(sums[low_bin + 1]) < next_below * total) ++low_bin;
    while (high_bin > first && static_cast<double>(sums[high_bin + 1]) > next_above * total) --high_bin;
    const int64_t next_first = std::clamp(low_bin, first, last);
    const int64_t next_last = std::clamp(high_bin, first, last);
    const bool raise_low = next_first - first > last - next_last;
    (raise_low ? cut_below : keep_below) = raise_low ? next_below : next_above;
    if (raise_low ? next_first == first : next_last == last) continue;
    const double error = raise_low ? SquaredError(h, next_first, last) : SquaredError(h, first, next_last);
    if (error > least) break;
    least = error;
    (raise_low ? first : last) = raise_low ? next_first : next_last;
  }
  return {static_cast<float>(h.low + h.width() * static_cast<double>(first)),
          static_cast<float>(h.low + h.width() * static_cast<double>(last + 1))};
}

ActivationRange LeastDivergenceRange(const ValueHistogram& h, const ActivationRange& seen) {
  const int64_t half = h.bins() / 2;  // the first bin above 0
  const auto bin = [&](float x) {
    return std::clamp(std::floor((x - h.low) / h.width()), 0.0, h.bins() - 1.0);
  };
  const int64_t lowest = std::min(half, static_cast<int64_t>(bin(seen.min)));
  const int64_t highest = std::max(half, static_cast<int64_t>(bin(seen.max)) + 1);
  const DivergenceSearch search(h);
  double least = std::numeric_limits<double>::infinity();
  int64_t first = lowest, last = highest;
  for (int64_t reach = kQuantizedLevels / 2; reach <= half; ++reach) {
    const int64_t begin = std::max(lowest, half - reach), end = std::min(highest, half + reach);
    if (end - begin < kQuantizedLevels || search.Clipped(begin, end) > h.total / kMostClipped) continue;
    const double divergence = search.Divergence(begin, end);
    if (divergence >= least) continue;
    least = divergence;
    first = begin;
    last = end;
  }
  const auto edge = [&](int64_t i) { return static_cast<float>(h.low + h.width() * static_cast<double>(i)); };
  return {std::max(seen.min, edge(first)), std::min(seen.max, edge(last))};
}

ActivationRange PercentileRange(const ValueHistogram& h, double p) {
  return {static_cast<float>(Percentile(h, 100 - p)), static_cast<float>(Percentile(h, p))};
}

}  // namespace quantlab::engine
