// Several experiments side by side: settings, results over seeds, and what changed from the first of them.
//
// Timings of different machines are never divided by each other: machines are the same if both the worker and
// the execution fingerprint are. Metrics of different datasets are never subtracted. Every refusal has a
// reason.
//
// Threads: pure functions; the same bytes each time.
#ifndef QUANTLAB_REPORT_COMPARE_H_
#define QUANTLAB_REPORT_COMPARE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/records/report_data.h"

namespace quantlab::report {

struct CompareOptions {
  bool only_different = false;  // omit settings and results that are equal in all experiments
};

// The machine of a measurement. Without a fingerprint it is unknown, and equal to no other.
struct Machine {
  std::string fingerprint, worker, hostname;
  friend auto operator<=>(const Machine&, const Machine&) = default;
  friend bool operator==(const Machine&, const Machine&) = default;
};

// One number of one experiment, over its seeds.
struct Spread {
  int count = 0;  // number of values: one per seed
  double mean = 0;
  std::optional<double> deviation;  // standard deviation (n - 1); absent for one value
  double min = 0, max = 0;
  std::optional<double> low, high;    // 95 % interval; absent over several values
  std::vector<Machine> machines;      // each once, in order
  std::vector<std::string> datasets;  // that its runs read, each once, in order: "'imdb' (digest 0123…)"
};

// An experiment against the first one.
struct Change {
  enum class Kind {
    kDifference,  // its mean minus the first one's
    kRatio,       // its mean over the first one's
    kRefused,     // neither; see `reason`
  };
  Kind kind = Kind::kDifference;
  double value = 0;
  std::string reason;
};

struct SettingRow {
  std::string variant;                             // empty: of the experiment as a whole
  std::string key;                                 // "training.learning_rate"
  std::vector<std::optional<std::string>> values;  // one per experiment
};

struct ResultRow {
  std::string variant;
  std::string metric;
  std::map<std::string, std::string> labels;  // without run and variant
  std::string unit;
  bool timing = false;                         // depends on time, and so on the machine
  bool of_texts = false;                       // computed on test texts, and so depends on the dataset
  std::vector<std::optional<Spread>> values;   // one per experiment
  std::vector<std::optional<Change>> changes;  // one per experiment; the first has none
};

struct ComparedExperiment {
  std::string id, name;
  ExperimentState state = ExperimentState::kActive;
};

struct Comparison {
  std::vector<ComparedExperiment> experiments;
  std::vector<SettingRow> settings;
  std::vector<ResultRow> results;
  std::vector<std::string> notes;  // qualifications
};

// Final numbers of succeeded runs, variants in the order in which the experiments name them.
Comparison CompareExperiments(const std::vector<ReportData>& experiments, const CompareOptions& options);

// "12.3 ms ± 400 µs (n = 3)", "0.8560 [0.8329, 0.8764]"; with `min_max` the smallest and largest value too.
std::string SpreadText(const Spread& spread, const std::string& unit, bool min_max);
// "1.25×", "+0.003100"; "refused" for kRefused.
std::string ChangeText(const Change& change, const std::string& unit);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_COMPARE_H_
