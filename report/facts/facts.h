// What a report says, taken out of report data and sorted: variants with their numbers over seeds,
// comparisons, and whatever has no place of its own.
//
// Nothing here divides one measurement by another: ratios of times, sizes and memory are made by the
// comparison, in one process on one machine.
#ifndef QUANTLAB_REPORT_FACTS_FACTS_H_
#define QUANTLAB_REPORT_FACTS_FACTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/config/method_spec.h"
#include "base/config/task.h"
#include "base/records/report_data.h"
#include "base/statistics/paired_margin.h"
#include "report/facts/input_shape.h"
#include "report/facts/language.h"
#include "report/facts/thresholds.h"

namespace quantlab::report {

// One number of a variant: of a single run with its interval, or over several seeds with its deviation.
struct Result {
  double value = 0;                 // the mean, where there are several
  std::optional<double> deviation;  // standard deviation over seeds (n - 1); absent for one
  std::optional<double> low, high;  // 95 % interval; absent over several seeds
  int64_t samples = 0;              // of one run; the smallest of several
  int seeds = 1;
};

// Of values of one number, one per seed. Empty for none.
std::optional<Result> Summarize(const std::vector<Metric>& values);

// What a comparison measured of one variant and one shape of input.
struct Timing {
  std::optional<Result> p50, p90, p99;  // seconds per batch
  std::optional<Result> throughput;     // texts per second
  std::optional<Result> speedup;        // over the best FP32 path, paired

  bool any() const { return p50 || p90 || p99 || throughput || speedup; }
};

// What one comparison measured of one variant.
struct Measured {
  std::map<InputShape, Timing> by_shape;
  std::optional<Result> size, layers_size;    // bytes: all files; tensors of the quantized layers
  std::optional<Result> ratio, layers_ratio;  // baseline's bytes over the variant's
  std::map<std::string, Result> memory;       // bytes by kind: "peak", "peak_anonymous", …
};

// What quantizing one layer alone does, and what it costs.
struct LayerSensitivity {
  std::string layer, precision;
  // Of the model's answers from FP32's (nats), of the loss, of the layer's own output (dB), of its time
  // alone.
  std::optional<double> divergence, loss_increase, sqnr_db, seconds;

  // How much the model suffers: the divergence, which is surer than the loss of a few texts; else the loss.
  std::optional<double> Damage() const { return divergence.has_value() ? divergence : loss_increase; }
};

// An assignment of precisions to layers that no other beats in both its cost and its predicted divergence.
struct FrontPoint {
  int64_t number = 0;
  // What the front is built of: the sums over layers of time (or bytes) and of divergence from FP32's
  // answers.
  std::optional<double> seconds, bytes, divergence;
  // What the whole model then did on the validation texts.
  std::optional<double> loss_increase, accuracy;
  bool chosen = false;
};

// Test texts of a regression with neighbouring labels: their mean label, and quantiles of what the variant
// predicts for them.
struct LabelGroup {
  int64_t number = 0;
  std::optional<double> label, median, p10, p90;
};

// A variant's quality less the baseline's on the same texts, for one seed, with its 95 % interval.
struct SeedDifference {
  uint64_t seed = 0;
  double value = 0;
  std::optional<double> low, high;
  // Texts that only the baseline, or only the variant, gets right, of all; absent where nobody counted.
  std::optional<PairedAnswers> answers = {};
  // As recorded, of a loss by the margin or more; used where answers cannot be counted.
  std::optional<double> margin_p = {};
};

struct VariantFacts {
  std::string name;
  Text label;  // as text, tables and figures call it: the method's title; empty where other variants share it
  std::string method;                // empty for the baseline
  const MethodSpec* spec = nullptr;  // null for the baseline, and for methods unknown here
  bool baseline = false;
  std::vector<const RunReport*> runs;  // by seed; never empty
  int succeeded = 0;
  // The variant before this one (or the baseline) whose model files are the same, byte for byte, for every
  // seed; empty: none. Such a variant is not ranked, tested or drawn a second time.
  std::string same_as;

  const TaskSpec* task = &AllTasks().front();  // of its runs

  // On the test split. `accuracy` is the quality of the task (TaskSpec::quality): of a regression, Pearson's
  // correlation.
  std::optional<Result> accuracy, precision, recall, f1;
  std::optional<Result> f1_macro;                 // where the others are of one class of two
  std::optional<Result> spearman, squared_error;  // of a regression
  // Against the baseline on the same texts.
  std::optional<Result> difference, p_value, agreement;
  std::vector<SeedDifference> seed_differences;  // what `difference` summarizes, by seed
  std::optional<Result> holm_p;  // that p, corrected for the variants of its seed; samples: how many
  // Of the seeds with a paired test, in how many p < 0.05: after the correction, which decides, and before.
  int significant_seeds = 0, significant_uncorrected = 0;
  // Of a regression: how far its predictions moved, the root of the mean square, in the unit of the labels.
  std::optional<Result> output_shift;
  // Texts whose class differs from the baseline's, by what became of them.
  std::optional<Result> lost, gained, other_flips;
  // Of the test of a loss by the margin or more (base/statistics/paired_margin.h, or the paired bootstrap):
  // its p, that p corrected for the variants of its seed (samples: how many), and 1 or 0 for whether such a
  // loss is excluded.
  std::optional<Result> margin_p, margin_holm_p, non_inferior;
  std::string margin;  // that it was held against, as measured: "0.01"

  std::vector<LabelGroup> label_groups;       // of the first run that has any, by label
  std::vector<LayerSensitivity> sensitivity;  // of the first run that has any
  std::vector<FrontPoint> front;              // by time
  // Of the inputs of each linear layer in FP32, by name: the largest magnitude over the root mean square.
  std::map<std::string, double> input_peaks;

  std::vector<Measured> measured;  // one per entry of Facts::comparisons
};

// The A/A check of a comparison and one shape of input.
struct AaCheck {
  std::optional<Result> ratio;
  bool reliable = true;
  int64_t processes = 0;  // that measured it; 0: one, by a version that did not say so
};

struct ComparisonFacts {
  const RunReport* run = nullptr;
  std::map<InputShape, AaCheck> checks;
  // Why none of its timings is to be trusted, as it said; empty where they are.
  std::vector<Caveat> unreliable;

  bool Reliable(const InputShape& shape) const;
};

// One variant against another (not the baseline) on the same texts.
struct PairFacts {
  std::string variant, against;
  Text variant_label, against_label;  // see VariantFacts::label
  std::optional<Result> difference, p_value;
  std::optional<Result> holm_p;  // p corrected for the pairs of its comparison; samples: how many
  const TaskSpec* task = &AllTasks().front();
};

// What a comparison (an index into Facts::comparisons) measured of the variant; null for nothing.
const Result* SpeedupOf(const VariantFacts& variant, size_t comparison, const InputShape& shape);

// Whether its mixed precision weighed bytes against divergence, and not time.
bool FrontIsBySize(const VariantFacts& variant);

// A parameter of the variant's method, as text; empty where it has none of that name.
std::string ParamOf(const VariantFacts& variant, const char* name);

struct OtherMetric {
  const RunReport* run = nullptr;
  Metric metric;
};

// Borrows from the report data, which must outlive it.
struct Facts {
  const ReportData* data = nullptr;
  std::vector<VariantFacts> variants;        // baseline first, then as AllMethods() lists their methods
  std::vector<ComparisonFacts> comparisons;  // that succeeded
  std::vector<const RunReport*> ended_comparisons;  // that did not succeed
  std::vector<PairFacts> pairs;                     // as the comparisons list them
  std::vector<OtherMetric> other;                   // final metrics without a place of their own
  std::map<std::string, int64_t> split_texts;  // by "train", "validation", "test"; where a run reported them

  // Classes of the dataset with their rows before the split; where a run reported them.
  std::vector<std::pair<std::string, int64_t>> classes;

  const TaskSpec& task() const;          // of the variants; the default where there are none
  const VariantFacts* baseline() const;  // null where there is none
  const VariantFacts* Find(const std::string& variant) const;
  // Those at which a comparison has the speedup of any variant.
  std::set<InputShape> ShapesWithSpeedup(size_t comparison) const;
  // Whether any variant ran with more than one seed. Comparisons measure the models of one.
  bool SeveralSeeds() const;
};

Facts CollectFacts(const ReportData& data);

// Whether Holm's correction has changed anything to speak of: one test alone needs none.
bool IsCorrected(const std::optional<Result>& holm_p);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_FACTS_H_
