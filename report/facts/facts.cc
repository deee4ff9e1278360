#include "report/facts/facts.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/holm.h"
#include "base/metric_spec.h"

namespace quantlab::report {
namespace {

using Labels = std::map<std::string, std::string>;

// A metric of a run, and whether some table has shown it.
struct Entry {
  const RunReport* run;
  const Metric* metric;
  bool shown = false;
};

// A label that the metric lacks does not contradict.
bool Carries(const Metric& metric, const Labels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    const auto it = metric.labels.find(label.first);
    return it == metric.labels.end() || it->second == label.second;
  });
}

std::optional<std::string> Label(const Metric& metric, const std::string& name) {
  const auto it = metric.labels.find(name);
  if (it == metric.labels.end()) return std::nullopt;
  return it->second;
}

// Whom a comparison's metric speaks of: one run, or a variant as a whole.
bool SpeaksOf(const Metric& metric, const VariantFacts& variant) {
  if (const auto run = Label(metric, "run")) {
    return std::any_of(variant.runs.begin(), variant.runs.end(),
                       [&](const RunReport* report) { return report->run.name == *run; });
  }
  const auto name = Label(metric, "variant");
  if (!name.has_value()) return false;
  return *name == variant.name ||
         std::any_of(variant.runs.begin(), variant.runs.end(),
                     [&](const RunReport* report) { return report->run.name == *name; });
}

// Final metrics of all runs, each handed out once to the place that shows it.
class MetricPool {
 public:
  explicit MetricPool(const ReportData& data) {
    for (const RunReport& run : data.runs) {
      // What a run reported before it failed is no result.
      if (run.run.state != RunState::kSucceeded) continue;
      for (const Metric& metric : run.metrics) {
        if (metric.step > 0) continue;
        by_name_[{&run, metric.name}].push_back(entries_.size());
        entries_.push_back({&run, &metric});
      }
    }
  }

  // Of the runs of a variant itself, one value per run.
  std::vector<Metric> Own(const VariantFacts& variant, const std::string& name, const Labels& labels) {
    std::vector<Metric> values;
    for (const RunReport* run : variant.runs) {
      const std::vector<Metric> found = OfRun(run, name, labels);
      values.insert(values.end(), found.begin(), found.end());
    }
    return values;
  }

  // Of a comparison, about a variant: one value per seed, or one for all.
  std::vector<Metric> Compared(const RunReport* comparison, const VariantFacts& variant,
                               const std::string& name, const Labels& labels) {
    return Take(
        comparison, name,
        [&](const Metric& metric) { return Carries(metric, labels) && SpeaksOf(metric, variant); },
        variant.runs.size());
  }

  // The first value of a run itself.
  std::vector<Metric> OfRun(const RunReport* run, const std::string& name, const Labels& labels) {
    return Take(
        run, name, [&](const Metric& metric) { return Carries(metric, labels); }, 1);
  }

  // Values that a label has among a comparison's metrics of one name about a variant (or about nobody).
  std::set<std::string> Values(const RunReport* comparison, const VariantFacts* variant,
                               const std::string& name, const std::string& label) const {
    std::set<std::string> values;
    for (const size_t index : Named(comparison, name)) {
      const Metric& metric = *entries_[index].metric;
      if (variant != nullptr && !SpeaksOf(metric, *variant)) continue;
      if (const auto value = Label(metric, label)) values.insert(*value);
    }
    return values;
  }

  // All values of a run under one name.
  std::vector<Metric> AllOf(const RunReport* run, const std::string& name, const Labels& labels = {}) {
    return Take(
        run, name, [&](const Metric& metric) { return Carries(metric, labels); }, entries_.size());
  }

  // Those of a comparison that set one variant against another, not against `baseline`.
  std::vector<Metric> Pairs(const RunReport* comparison, const std::string& name,
                            const std::string& baseline) {
    return Take(
        comparison, name,
        [&](const Metric& metric) {
          const auto against = Label(metric, "against");
          return against.has_value() && *against != baseline && Label(metric, "variant").has_value();
        },
        entries_.size());
  }

  std::vector<OtherMetric> Rest() const {
    std::vector<OtherMetric> rest;
    for (const Entry& entry : entries_) {
      if (!entry.shown) rest.push_back({entry.run, *entry.metric});
    }
    return rest;
  }

 private:
  const std::vector<size_t>& Named(const RunReport* run, const std::string& name) const {
    static const auto* const none = new std::vector<size_t>();
    const auto it = by_name_.find({run, name});
    return it == by_name_.end() ? *none : it->second;
  }

  template <typename Predicate>
  std::vector<Metric> Take(const RunReport* run, const std::string& name, Predicate wanted, size_t at_most) {
    std::vector<Metric> values;
    for (const size_t index : Named(run, name)) {
      Entry& entry = entries_[index];
      if (values.size() == at_most) break;
      if (entry.shown || !wanted(*entry.metric)) continue;
      entry.shown = true;
      values.push_back(*entry.metric);
    }
    return values;
  }

  std::vector<Entry> entries_;
  std::map<std::pair<const RunReport*, std::string>, std::vector<size_t>> by_name_;  // indices of entries_
};

const char* AverageOf(const VariantFacts& variant) {
  for (const RunReport* run : variant.runs) {
    for (const Metric& metric : run->metrics) {
      if (Label(metric, "average") == "binary") return "binary";
    }
  }
  return "macro";
}

void CollectQuality(MetricPool& pool, VariantFacts& variant) {
  const Labels test = {{"split", "test"}};
  const Labels averaged = {{"split", "test"}, {"average", AverageOf(variant)}};
  variant.accuracy = Summarize(pool.Own(variant, "accuracy", test));
  variant.precision = Summarize(pool.Own(variant, "precision", averaged));
  variant.recall = Summarize(pool.Own(variant, "recall", averaged));
  variant.f1 = Summarize(pool.Own(variant, "f1_score", averaged));
  variant.f1_macro = Summarize(pool.Own(variant, "f1_score", {{"split", "test"}, {"average", "macro"}}));
}

// Holm's correction within one family of tests; `samples` is the size of the family.
std::vector<Metric> Corrected(std::vector<Metric> tests) {
  std::vector<double> p_values;
  for (const Metric& test : tests) p_values.push_back(test.value);
  const std::vector<double> adjusted = HolmAdjust(p_values);
  for (size_t i = 0; i < tests.size(); ++i) {
    tests[i].value = adjusted[i];
    tests[i].samples = static_cast<int64_t>(tests.size());
  }
  return tests;
}

int CountSignificant(const std::vector<Metric>& tests) {
  return static_cast<int>(std::count_if(tests.begin(), tests.end(),
                                        [](const Metric& test) { return test.value < kSignificance; }));
}

// The tests of one seed against that seed's baseline, and whose each is.
struct TestFamily {
  std::vector<VariantFacts*> variants;
  std::vector<Metric> tests;
};

// A variant's tests by seed: of its runs, or where those have none, of a comparison.
std::map<uint64_t, Metric> PairedTests(MetricPool& pool, const Facts& facts, const VariantFacts& variant) {
  const Labels test = {{"split", "test"}};
  std::map<uint64_t, Metric> by_seed;
  for (const RunReport* run : variant.runs) {
    for (const Metric& metric : pool.OfRun(run, "mcnemar_p_value", test)) by_seed[run->run.seed] = metric;
  }
  for (const ComparisonFacts& comparison : facts.comparisons) {
    if (!by_seed.empty()) break;
    const auto values = pool.Compared(comparison.run, variant, "mcnemar_p_value", test);
    for (size_t i = 0; i < values.size(); ++i) by_seed[variant.runs[i]->run.seed] = values[i];
  }
  return by_seed;
}

// Corrected here, not by the comparison: that covers one seed alone, and there may be none.
void CollectPairedTests(MetricPool& pool, Facts& facts) {
  std::map<uint64_t, TestFamily> families;
  for (VariantFacts& variant : facts.variants) {
    std::vector<Metric> tests;
    for (const auto& [seed, test] : PairedTests(pool, facts, variant)) {
      tests.push_back(test);
      // The same model again is no further hypothesis.
      if (!variant.same_as.empty()) continue;
      families[seed].variants.push_back(&variant);
      families[seed].tests.push_back(test);
    }
    variant.p_value = Summarize(tests);
    variant.significant_uncorrected = CountSignificant(tests);
    // The comparison's own correction is shown by what is made here.
    for (const ComparisonFacts& comparison : facts.comparisons) {
      pool.Compared(comparison.run, variant, "mcnemar_p_holm", {});
    }
  }
  std::map<VariantFacts*, std::vector<Metric>> corrected;
  for (const auto& [seed, family] : families) {
    const std::vector<Metric> tests = Corrected(family.tests);
    for (size_t i = 0; i < tests.size(); ++i) corrected[family.variants[i]].push_back(tests[i]);
  }
  for (const auto& [variant, tests] : corrected) {
    variant->holm_p = Summarize(tests);
    variant->significant_seeds = CountSignificant(tests);
  }
  for (VariantFacts& variant : facts.variants) {
    if (variant.same_as.empty()) continue;
    const VariantFacts& first = *facts.Find(variant.same_as);
    variant.holm_p = first.holm_p;
    variant.significant_seeds = first.significant_seeds;
  }
}

// Paired numbers come from the run itself, or from a comparison.
void CollectPaired(MetricPool& pool, const Facts& facts, VariantFacts& variant) {
  const auto find = [&](const std::string& name) {
    const Labels test = {{"split", "test"}};
    std::vector<std::pair<uint64_t, Metric>> values;  // by seed
    for (const RunReport* run : variant.runs) {
      for (const Metric& metric : pool.OfRun(run, name, test)) values.emplace_back(run->run.seed, metric);
    }
    for (const ComparisonFacts& comparison : facts.comparisons) {
      if (!values.empty()) break;
      const std::vector<Metric> compared = pool.Compared(comparison.run, variant, name, test);
      for (size_t i = 0; i < compared.size(); ++i)
        values.emplace_back(variant.runs[i]->run.seed, compared[i]);
    }
    return values;
  };
  const auto summarize = [](const std::vector<std::pair<uint64_t, Metric>>& values) {
    std::vector<Metric> metrics;
    for (const auto& [seed, metric] : values) metrics.push_back(metric);
    return Summarize(metrics);
  };
  const auto differences = find("accuracy_difference");
  variant.difference = summarize(differences);
  for (const auto& [seed, metric] : differences) {
    variant.seed_differences.push_back({seed, metric.value, metric.low, metric.high});
  }
  variant.agreement = summarize(find("agreement"));
}

void CollectFlips(MetricPool& pool, VariantFacts& variant) {
  const auto find = [&](const char* direction) {
    return Summarize(pool.Own(variant, "label_flips", {{"split", "test"}, {"direction", direction}}));
  };
  variant.lost = find("right_to_wrong");
  variant.gained = find("wrong_to_right");
  variant.other_flips = find("wrong_to_wrong");
  const std::vector<Metric> held = pool.Own(variant, "non_inferior", {{"split", "test"}});
  variant.non_inferior = Summarize(held);
  if (!held.empty()) variant.margin = Label(held[0], "margin").value_or("");
}

// The run of a variant that has metrics of one name; null where none has.
const RunReport* RunWith(const VariantFacts& variant, const char* name) {
  for (const RunReport* run : variant.runs) {
    if (run->run.state != RunState::kSucceeded) continue;
    for (const Metric& metric : run->metrics) {
      if (metric.name == name) return run;
    }
  }
  return nullptr;
}

LayerSensitivity& SensitivityOf(VariantFacts& variant, const Metric& metric) {
  const std::string layer = Label(metric, "layer").value_or("");
  const std::string precision = Label(metric, "precision").value_or("");
  for (LayerSensitivity& row : variant.sensitivity) {
    if (row.layer == layer && row.precision == precision) return row;
  }
  variant.sensitivity.push_back({layer, precision, {}, {}, {}, {}});
  return variant.sensitivity.back();
}

void CollectSensitivity(MetricPool& pool, VariantFacts& variant) {
  const RunReport* const run = RunWith(variant, "layer_sensitivity");
  if (run == nullptr) return;
  for (const Metric& metric : pool.AllOf(run, "layer_sensitivity", {{"measure", "divergence"}})) {
    SensitivityOf(variant, metric).divergence = metric.value;
  }
  for (const Metric& metric : pool.AllOf(run, "layer_sensitivity", {{"measure", "loss_increase"}})) {
    SensitivityOf(variant, metric).loss_increase = metric.value;
  }
  for (const Metric& metric : pool.AllOf(run, "layer_sensitivity", {{"measure", "sqnr_db"}})) {
    SensitivityOf(variant, metric).sqnr_db = metric.value;
  }
  for (const Metric& metric : pool.AllOf(run, "layer_time")) {
    SensitivityOf(variant, metric).seconds = metric.value;
  }
}

void CollectFront(MetricPool& pool, VariantFacts& variant) {
  const RunReport* const run = RunWith(variant, "front_time");
  if (run == nullptr) return;
  std::map<int64_t, FrontPoint> points;
  const auto collect = [&](const char* name, std::optional<double> FrontPoint::*member) {
    for (const Metric& metric : pool.AllOf(run, name)) {
      int64_t number = 0;
      if (!absl::SimpleAtoi(Label(metric, "point").value_or(""), &number)) continue;
      FrontPoint& point = points[number];
      point.number = number;
      point.*member = metric.value;
      if (Label(metric, "chosen") == "true") point.chosen = true;
    }
  };
  collect("front_time", &FrontPoint::seconds);
  collect("front_divergence", &FrontPoint::divergence);
  collect("front_loss_increase", &FrontPoint::loss_increase);
  collect("front_accuracy", &FrontPoint::accuracy);
  collect("front_bytes", &FrontPoint::bytes);
  for (const auto& [number, point] : points) variant.front.push_back(point);
  std::stable_sort(variant.front.begin(), variant.front.end(), [](const FrontPoint& a, const FrontPoint& b) {
    return a.seconds.value_or(0) < b.seconds.value_or(0);
  });
}

// What comparisons measured of one pair of variants, one value per comparison.
struct PairMetrics {
  std::vector<Metric> differences, tests, corrected;
};

// Must come before what takes the numbers of a variant, which would take these for comparisons with the
// baseline.
void CollectPairs(MetricPool& pool, Facts& facts) {
  const std::string baseline = facts.baseline() == nullptr ? "" : facts.baseline()->name;
  std::map<std::pair<std::string, std::string>, PairMetrics> found;
  std::vector<std::pair<std::string, std::string>> order;
  const auto add = [&](const std::vector<Metric>& metrics, std::vector<Metric> PairMetrics::*kind) {
    for (const Metric& metric : metrics) {
      const std::pair key(*Label(metric, "variant"), *Label(metric, "against"));
      if (found.count(key) == 0) order.push_back(key);
      (found[key].*kind).push_back(metric);
    }
  };
  // The same model again is no further hypothesis.
  const auto again = [&](const Metric& metric) {
    const VariantFacts* const variant = facts.Find(*Label(metric, "variant"));
    const VariantFacts* const against = facts.Find(*Label(metric, "against"));
    return (variant != nullptr && !variant->same_as.empty()) ||
           (against != nullptr && !against->same_as.empty());
  };
  for (const ComparisonFacts& comparison : facts.comparisons) {
    std::vector<Metric> differences = pool.Pairs(comparison.run, "accuracy_difference", baseline);
    std::vector<Metric> tests = pool.Pairs(comparison.run, "mcnemar_p_value", baseline);
    std::erase_if(differences, again);
    std::erase_if(tests, again);
    add(differences, &PairMetrics::differences);
    add(tests, &PairMetrics::tests);
    add(Corrected(tests), &PairMetrics::corrected);
  }
  const auto label = [&](const std::string& name) {
    const VariantFacts* const variant = facts.Find(name);
    return variant == nullptr ? Text() : variant->label;
  };
  for (const auto& key : order) {
    const PairMetrics& pair = found[key];
    facts.pairs.push_back({key.first, key.second, label(key.first), label(key.second),
                           Summarize(pair.differences), Summarize(pair.tests), Summarize(pair.corrected)});
  }
}

// Splits are the same for every run of an experiment: they depend on no run's seed.
void CollectSplits(MetricPool& pool, Facts& facts) {
  for (const RunReport& run : facts.data->runs) {
    for (const Metric& metric : pool.AllOf(&run, "dataset_texts")) {
      if (const auto split = Label(metric, "split")) {
        facts.split_texts.emplace(*split, static_cast<int64_t>(metric.value));
      }
    }
  }
}

int64_t ToNumber(const std::string& text) {
  int64_t number = 0;
  return absl::SimpleAtoi(text, &number) ? number : 0;
}

// A shape, and the labels that metrics of it carry.
using LabelledShapes = std::map<InputShape, Labels>;

// Comparisons of one length did not label it once; it stands in their configuration.
int64_t OnlyLength(const RunReport& comparison) {
  const std::vector<int>& lengths = comparison.config.evaluation.latency_sequence_lengths;
  return lengths.size() == 1 ? lengths[0] : 0;
}

// The shapes that a comparison's metrics of one name have, about a variant (or about nobody).
LabelledShapes ShapesOf(const MetricPool& pool, const RunReport& comparison, const VariantFacts* variant,
                        const std::string& name) {
  LabelledShapes shapes;
  const std::set<std::string> lengths = pool.Values(&comparison, variant, name, "sequence_length");
  for (const std::string& size : pool.Values(&comparison, variant, name, "batch_size")) {
    if (ToNumber(size) <= 0) continue;
    if (lengths.empty()) shapes[{ToNumber(size), OnlyLength(comparison)}] = {{"batch_size", size}};
    for (const std::string& length : lengths) {
      shapes[{ToNumber(size), ToNumber(length)}] = {{"batch_size", size}, {"sequence_length", length}};
    }
  }
  return shapes;
}

Labels With(Labels labels, const char* name, const char* value) {
  labels[name] = value;
  return labels;
}

Measured CollectMeasured(MetricPool& pool, const RunReport* comparison, const VariantFacts& variant) {
  Measured measured;
  const auto find = [&](const std::string& name, const Labels& labels) {
    return Summarize(pool.Compared(comparison, variant, name, labels));
  };
  LabelledShapes shapes;
  for (const char* name : {"inference_time", "throughput", "speedup"}) {
    shapes.merge(ShapesOf(pool, *comparison, &variant, name));
  }
  for (const auto& [shape, labels] : shapes) {
    Timing timing;
    timing.p50 = find("inference_time", With(labels, "quantile", "p50"));
    timing.p90 = find("inference_time", With(labels, "quantile", "p90"));
    timing.p99 = find("inference_time", With(labels, "quantile", "p99"));
    timing.throughput = find("throughput", labels);
    timing.speedup = find("speedup", labels);
    if (timing.any()) measured.by_shape.emplace(shape, timing);
  }
  measured.size = find("model_size", {{"part", "model"}});
  measured.layers_size = find("model_size", {{"part", "quantized_layers"}});
  measured.ratio = find("compression_ratio", {{"part", "model"}});
  measured.layers_ratio = find("compression_ratio", {{"part", "quantized_layers"}});
  for (const std::string& kind : pool.Values(comparison, &variant, "memory_usage", "kind")) {
    if (const auto value = find("memory_usage", {{"kind", kind}})) measured.memory.emplace(kind, *value);
  }
  return measured;
}

bool WithinTolerance(const Result& ratio) {
  const double low = ratio.low.value_or(ratio.value), high = ratio.high.value_or(ratio.value);
  return low >= 1 - kAaTolerance && high <= 1 + kAaTolerance;
}

ComparisonFacts CollectComparison(MetricPool& pool, const RunReport& run) {
  ComparisonFacts comparison;
  comparison.run = &run;
  for (const auto& [shape, labels] : ShapesOf(pool, run, nullptr, "aa_ratio")) {
    AaCheck check;
    check.ratio = Summarize(pool.OfRun(&run, "aa_ratio", labels));
    if (!check.ratio.has_value()) continue;
    check.reliable = WithinTolerance(*check.ratio);
    comparison.checks.emplace(shape, check);
  }
  for (const Caveat& caveat : run.caveats) {
    const bool timing = caveat.code == "aa_check_failed" || absl::StrContains(caveat.code, "unreliable");
    if (timing) comparison.unreliable.push_back(caveat);
  }
  return comparison;
}

// Position of a method in the order of reports; unknown ones last.
size_t MethodOrder(const std::string& name) {
  const auto& methods = AllMethods();
  const auto it =
      std::find_if(methods.begin(), methods.end(), [&](const MethodSpec& spec) { return spec.name == name; });
  return static_cast<size_t>(it - methods.begin());
}

// The digests of a run's model files, by name; empty where it saved none.
std::map<std::string, std::string> ModelFiles(const RunReport& run) {
  std::map<std::string, std::string> files;
  for (const Artifact& artifact : run.artifacts) {
    if (absl::EndsWith(artifact.name, ".safetensors")) files[artifact.name] = artifact.sha256;
  }
  return files;
}

bool SameModels(const VariantFacts& one, const VariantFacts& other) {
  if (one.runs.size() != other.runs.size()) return false;
  for (size_t i = 0; i < one.runs.size(); ++i) {
    const auto files = ModelFiles(*one.runs[i]);
    if (files.empty() || files != ModelFiles(*other.runs[i])) return false;
    if (one.runs[i]->run.seed != other.runs[i]->run.seed) return false;
  }
  return true;
}

void FindSameModels(std::vector<VariantFacts>& variants) {
  for (VariantFacts& variant : variants) {
    for (const VariantFacts& before : variants) {
      if (&before == &variant) break;
      if (before.baseline || !before.same_as.empty() || !SameModels(before, variant)) continue;
      variant.same_as = before.name;
      break;
    }
  }
}

// The method's title, where no other variant has that method.
void SetLabels(std::vector<VariantFacts>& variants) {
  for (VariantFacts& variant : variants) {
    const auto same = std::count_if(variants.begin(), variants.end(), [&](const VariantFacts& other) {
      return other.method == variant.method && other.baseline == variant.baseline;
    });
    if (same > 1) continue;
    if (variant.baseline) variant.label = {"FP32 baseline", "FP32 基线"};
    if (variant.spec != nullptr) variant.label = {variant.spec->title, variant.spec->title_zh};
  }
}

std::vector<VariantFacts> CollectVariants(const ReportData& data) {
  std::vector<VariantFacts> variants;
  for (const RunReport& run : data.runs) {
    if (run.run.kind == RunKind::kComparison) continue;
    const std::string& name = run.config.variant.empty() ? run.run.name : run.config.variant;
    auto it = std::find_if(variants.begin(), variants.end(),
                           [&](const VariantFacts& variant) { return variant.name == name; });
    if (it == variants.end()) {
      VariantFacts variant;
      variant.name = name;
      variant.baseline = run.run.kind == RunKind::kBaseline;
      variant.method = run.run.method;
      variant.spec = FindMethod(run.run.method);
      it = variants.insert(variants.end(), variant);
    }
    it->runs.push_back(&run);
    if (run.run.state == RunState::kSucceeded) ++it->succeeded;
  }
  for (VariantFacts& variant : variants) {
    std::stable_sort(variant.runs.begin(), variant.runs.end(),
                     [](const RunReport* a, const RunReport* b) { return a->run.seed < b->run.seed; });
  }
  std::stable_sort(variants.begin(), variants.end(), [](const VariantFacts& a, const VariantFacts& b) {
    if (a.baseline != b.baseline) return a.baseline;
    return MethodOrder(a.method) < MethodOrder(b.method);
  });
  FindSameModels(variants);
  SetLabels(variants);
  return variants;
}

}  // namespace

std::optional<Result> Summarize(const std::vector<Metric>& values) {
  if (values.empty()) return std::nullopt;
  Result result;
  result.seeds = static_cast<int>(values.size());
  if (values.size() == 1) {
    result.value = values[0].value;
    result.low = values[0].low;
    result.high = values[0].high;
    result.samples = values[0].samples;
    return result;
  }
  double sum = 0, squares = 0;
  result.samples = values[0].samples;
  for (const Metric& metric : values) {
    sum += metric.value;
    result.samples = std::min(result.samples, metric.samples);
  }
  result.value = sum / static_cast<double>(values.size());
  for (const Metric& metric : values)
    squares += (metric.value - result.value) * (metric.value - result.value);
  result.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return result;
}

bool IsCorrected(const std::optional<Result>& holm_p) {
  return holm_p.has_value() && holm_p->samples > 1;
}

bool ComparisonFacts::Reliable(const InputShape& shape) const {
  const auto it = checks.find(shape);
  if (it != checks.end() && it->second.ratio.has_value()) return it->second.reliable;
  return unreliable.empty();
}

const VariantFacts* Facts::baseline() const {
  for (const VariantFacts& variant : variants) {
    if (variant.baseline) return &variant;
  }
  return nullptr;
}

const VariantFacts* Facts::Find(const std::string& variant) const {
  for (const VariantFacts& one : variants) {
    if (one.name == variant) return &one;
  }
  return nullptr;
}

const Result* SpeedupOf(const VariantFacts& variant, size_t comparison, const InputShape& shape) {
  if (comparison >= variant.measured.size()) return nullptr;
  const auto& timings = variant.measured[comparison].by_shape;
  const auto it = timings.find(shape);
  return it == timings.end() || !it->second.speedup.has_value() ? nullptr : &*it->second.speedup;
}

std::set<InputShape> Facts::ShapesWithSpeedup(size_t comparison) const {
  std::set<InputShape> shapes;
  for (const VariantFacts& variant : variants) {
    if (comparison >= variant.measured.size()) continue;
    for (const auto& [shape, timing] : variant.measured[comparison].by_shape) {
      if (timing.speedup.has_value()) shapes.insert(shape);
    }
  }
  return shapes;
}

bool FrontIsBySize(const VariantFacts& variant) {
  return ParamOf(variant, "objective") == "size";
}

std::string ParamOf(const VariantFacts& variant, const char* name) {
  if (variant.runs.empty()) return "";
  const Params& params = variant.runs[0]->config.method.params;
  const auto it = params.find(name);
  return it == params.end() ? "" : ParamToString(it->second);
}

bool Facts::SeveralSeeds() const {
  return std::any_of(variants.begin(), variants.end(),
                     [](const VariantFacts& variant) { return variant.runs.size() > 1; });
}

Facts CollectFacts(const ReportData& data) {
  Facts facts;
  facts.data = &data;
  facts.variants = CollectVariants(data);
  MetricPool pool(data);
  for (const RunReport& run : data.runs) {
    if (run.run.kind != RunKind::kComparison) continue;
    if (run.run.state == RunState::kSucceeded) {
      facts.comparisons.push_back(CollectComparison(pool, run));
    } else {
      facts.ended_comparisons.push_back(&run);
    }
  }
  CollectPairs(pool, facts);
  CollectPairedTests(pool, facts);
  CollectSplits(pool, facts);
  for (VariantFacts& variant : facts.variants) {
    CollectQuality(pool, variant);
    CollectPaired(pool, facts, variant);
    CollectFlips(pool, variant);
    CollectSensitivity(pool, variant);
    CollectFront(pool, variant);
    for (const ComparisonFacts& comparison : facts.comparisons) {
      variant.measured.push_back(CollectMeasured(pool, comparison.run, variant));
    }
  }
  facts.other = pool.Rest();
  return facts;
}

}  // namespace quantlab::report
