// Correlations of two lists of numbers, as SciPy computes them. Pure arithmetic; checked against golden
// values of SciPy.
#ifndef QUANTLAB_BASE_STATISTICS_CORRELATION_H_
#define QUANTLAB_BASE_STATISTICS_CORRELATION_H_

#include <cstdint>
#include <utility>
#include <vector>

namespace quantlab {

// Less their mean, since sums of squares of large numbers lose digits. At least one value.
std::vector<double> Centred(std::vector<double> values);

// Of two lists of one length. 0 where either has fewer than two different values, for which SciPy has no
// number.
double PearsonCorrelation(const std::vector<double>& x, const std::vector<double>& y);

// Pearson's of the ranks, where equal values share the mean of their ranks.
double SpearmanCorrelation(const std::vector<double>& x, const std::vector<double>& y);

// From 1; equal values have the mean of their ranks. Source: scipy.stats.rankdata, method "average".
std::vector<double> AverageRanks(const std::vector<double>& values);

// The 95 % interval of Pearson's correlation of `count` pairs, by Fisher's z; [-1, 1] below four pairs.
// Source: Fisher 1915, as scipy.stats.pearsonr(...).confidence_interval().
std::pair<double, double> PearsonInterval(double correlation, int64_t count);

// The mean of the squared differences; the lists are not empty.
double MeanSquaredError(const std::vector<double>& x, const std::vector<double>& y);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_STATISTICS_CORRELATION_H_
