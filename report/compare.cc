#include "report/compare.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/metric_spec.h"
#include "base/sha256.h"
#include "report/facts/config_lines.h"
#include "report/facts/format.h"

namespace quantlab::report {
namespace {

using Labels = std::map<std::string, std::string>;

// Facts such as CPU flags are too long for a table.
constexpr size_t kLongestFact = 80;

// The setting that every variant of a method has.
constexpr char kMethod[] = "method.name";

std::string VariantOf(const RunReport& run) {
  return run.config.variant.empty() ? run.run.name : run.config.variant;
}

Machine MachineOf(const RunReport& run) {
  Machine machine;
  if (run.attempt.has_value()) {
    machine = {run.attempt->worker_fingerprint, run.attempt->worker_id, run.attempt->worker_hostname};
  }
  // The run's own fingerprint is more specific: its threads and the kernels that it chose.
  if (!run.environment.fingerprint.empty()) machine.fingerprint = run.environment.fingerprint;
  return machine;
}

std::string MachineText(const Machine& machine) {
  const std::string& host = machine.hostname.empty() ? machine.worker : machine.hostname;
  if (machine.fingerprint.empty()) return absl::StrCat(host.empty() ? "a machine" : host, " (unknown)");
  return absl::StrCat(host, " (", machine.worker, ", fingerprint ", ShortDigest(machine.fingerprint), ")");
}

// --- settings -----------------------------------------------------------------------------------------

using SettingKey = std::pair<std::string, std::string>;  // variant, key

// Values of one experiment: several per key if its runs differ, each once and in order.
class Settings {
 public:
  void Add(const std::string& variant, const std::string& key, const std::string& value) {
    std::vector<std::string>& values = values_[{variant, key}];
    if (values.empty()) order_.emplace_back(variant, key);
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
  }

  const std::vector<SettingKey>& order() const { return order_; }
  std::optional<std::string> Value(const SettingKey& key) const {
    const auto it = values_.find(key);
    if (it == values_.end()) return std::nullopt;
    return absl::StrJoin(it->second, ", ");
  }

 private:
  std::map<SettingKey, std::vector<std::string>> values_;
  std::vector<SettingKey> order_;
};

void AddConfig(const RunReport& run, Settings& settings) {
  settings.Add("", "model", run.config.model.name);
  settings.Add("", "dataset", run.config.dataset.asset.name);
  settings.Add("", "seeds", std::to_string(run.config.seed));
  for (const auto& [key, value] : ConfigLines(run.config)) {
    if (key == "kind" || key == "seed") continue;
    settings.Add(absl::StartsWith(key, "method.") ? VariantOf(run) : "", key, value);
  }
}

void AddEnvironment(const RunReport& run, Settings& settings) {
  if (run.attempt.has_value()) settings.Add("", "machine", MachineText(MachineOf(run)));
  for (const auto& [name, value] : run.environment.facts) {
    settings.Add("", absl::StrCat("environment.", name),
                 value.size() <= kLongestFact ? value : "SHA-256 " + ShortDigest(Sha256Hex(value)));
  }
}

Settings CollectSettings(const ReportData& data) {
  Settings settings;
  for (const RunReport& run : data.runs) AddConfig(run, settings);
  settings.Add("", "coordinator.version", data.coordinator_version);
  for (const RunReport& run : data.runs) AddEnvironment(run, settings);
  return settings;
}

std::vector<SettingRow> SettingRows(const std::vector<ReportData>& experiments) {
  std::vector<Settings> all;
  for (const ReportData& data : experiments) all.push_back(CollectSettings(data));
  std::vector<SettingRow> rows;
  std::set<SettingKey> seen;
  for (const Settings& settings : all) {
    for (const SettingKey& key : settings.order()) {
      if (!seen.insert(key).second) continue;
      SettingRow row{key.first, key.second, {}};
      for (const Settings& of : all) row.values.push_back(of.Value(key));
      rows.push_back(std::move(row));
    }
  }
  // Settings of whole experiments come first.
  std::stable_partition(rows.begin(), rows.end(), [](const SettingRow& row) { return row.variant.empty(); });
  return rows;
}

// For a variant that only some experiments have, only its method is listed, not the parameters that it would
// have in the others.
bool SaysNothing(const SettingRow& row, const std::set<std::string>& everywhere) {
  if (!row.variant.empty() && everywhere.count(row.variant) == 0 && row.key != kMethod) return true;
  return std::equal(row.values.begin() + 1, row.values.end(), row.values.begin());
}

void KeepDifferent(std::vector<SettingRow>& rows) {
  std::set<std::string> everywhere;
  for (const SettingRow& row : rows) {
    const bool missing = std::find(row.values.begin(), row.values.end(), std::nullopt) != row.values.end();
    if (row.key == kMethod && !missing) everywhere.insert(row.variant);
  }
  std::erase_if(rows, [&](const SettingRow& row) { return SaysNothing(row, everywhere); });
}

// --- results ------------------------------------------------------------------------------------------

using ResultKey = std::tuple<std::string, std::string, Labels>;  // variant, metric, labels

struct Values {
  std::string unit;
  std::vector<Metric> metrics;
  std::set<Machine> machines;
  std::set<std::string> datasets;  // that the runs read, as DatasetText() has them
};

// The texts that a run reads: the dataset's digest, or its name if that is unknown, and its filter.
std::string DatasetText(const DatasetConfig& dataset) {
  std::string text = absl::StrCat("'", OneLine(dataset.asset.name), "'");
  if (!dataset.asset.digest.empty())
    absl::StrAppend(&text, " (digest ", ShortDigest(dataset.asset.digest), ")");
  if (!dataset.filter_column.empty()) {
    absl::StrAppend(&text, ", rows whose ", OneLine(dataset.filter_column), " is '",
                    OneLine(dataset.filter_value), "'");
  }
  return text;
}

// The subject of a metric: in a comparison the labelled run or variant, in any other run the run itself.
std::string Subject(const ReportData& data, const RunReport& run, const Metric& metric) {
  for (const char* label : {"run", "variant"}) {
    const auto it = metric.labels.find(label);
    if (it == metric.labels.end()) continue;
    for (const RunReport& other : data.runs) {
      if (other.run.name == it->second) return VariantOf(other);
    }
    return it->second;
  }
  return VariantOf(run);
}

class Results {
 public:
  explicit Results(const ReportData& data) {
    for (const RunReport& run : data.runs) {
      // What a run reported before it failed is no result.
      if (run.run.state == RunState::kSucceeded) Add(data, run);
    }
  }

  const std::vector<ResultKey>& order() const { return order_; }
  const Values* Find(const ResultKey& key) const {
    const auto it = values_.find(key);
    return it == values_.end() ? nullptr : &it->second;
  }

 private:
  void Add(const ReportData& data, const RunReport& run) {
    for (const Metric& metric : run.metrics) {
      if (metric.step > 0) continue;
      Labels labels = metric.labels;
      labels.erase("run");
      labels.erase("variant");
      const ResultKey key{Subject(data, run, metric), metric.name, labels};
      Values& values = values_[key];
      if (values.metrics.empty()) order_.push_back(key);
      values.unit = metric.unit;
      values.metrics.push_back(metric);
      values.machines.insert(MachineOf(run));
      values.datasets.insert(DatasetText(run.config.dataset));
    }
  }

  std::map<ResultKey, Values> values_;
  std::vector<ResultKey> order_;
};

Spread MakeSpread(const Values& values) {
  Spread spread;
  spread.count = static_cast<int>(values.metrics.size());
  spread.machines.assign(values.machines.begin(), values.machines.end());
  spread.datasets.assign(values.datasets.begin(), values.datasets.end());
  double sum = 0, squares = 0;
  spread.min = spread.max = values.metrics.front().value;
  for (const Metric& metric : values.metrics) {
    sum += metric.value;
    spread.min = std::min(spread.min, metric.value);
    spread.max = std::max(spread.max, metric.value);
  }
  spread.mean = sum / spread.count;
  if (spread.count == 1) {
    spread.low = values.metrics.front().low;
    spread.high = values.metrics.front().high;
    return spread;
  }
  for (const Metric& metric : values.metrics) {
    squares += (metric.value - spread.mean) * (metric.value - spread.mean);
  }
  spread.deviation = std::sqrt(squares / (spread.count - 1));
  return spread;
}

bool IsTiming(const std::string& metric, const std::string& unit) {
  return unit == "s" || absl::EndsWith(unit, "/s") || absl::StrContains(metric, "speedup") ||
         metric == "aa_ratio";
}

// Quality: metrics that an experiment file can request and that are neither times nor sizes.
bool IsOfTexts(const std::string& metric, const std::string& unit) {
  if (IsTiming(metric, unit) || unit == "bytes" || metric == "compression_ratio") return false;
  const auto& metrics = AllMetrics();
  return std::any_of(metrics.begin(), metrics.end(),
                     [&](const MetricSpec& spec) { return spec.name == metric; });
}

// Why two numbers may not be subtracted; empty if they may.
std::string TextsRefusal(const Spread& first, const Spread& other) {
  if (first.datasets == other.datasets) return "";
  return absl::StrCat("measured on different datasets: ", absl::StrJoin(first.datasets, ", "), " and ",
                      absl::StrJoin(other.datasets, ", "));
}

bool OneHost(const std::set<Machine>& machines) {
  return std::all_of(machines.begin(), machines.end(), [&](const Machine& machine) {
    return !machine.hostname.empty() && machine.hostname == machines.begin()->hostname;
  });
}

// Why two timings may not be divided; empty if they may.
std::string Refusal(const Spread& first, const Spread& other) {
  std::set<Machine> machines(first.machines.begin(), first.machines.end());
  machines.insert(other.machines.begin(), other.machines.end());
  const bool known = std::none_of(machines.begin(), machines.end(),
                                  [](const Machine& machine) { return machine.fingerprint.empty(); });
  if (known && machines.size() == 1) return "";
  std::vector<std::string> names;
  for (const Machine& machine : machines) names.push_back(MachineText(machine));
  if (!known) return absl::StrCat("it is not known where it was measured: ", absl::StrJoin(names, " and "));
  return absl::StrCat(OneHost(machines)
                          ? "timings of one machine under different conditions (threads, kernels or "
                            "libraries): "
                          : "timings of different machines: ",
                      absl::StrJoin(names, " and "));
}

std::optional<Change> MakeChange(const ResultRow& row, const Spread& first, const Spread& other) {
  // The difference of two p-values has no meaning.
  if (absl::EndsWith(row.metric, "_p_value") || row.metric == "aa_ratio") return std::nullopt;
  if (row.timing) {
    std::string reason = Refusal(first, other);
    if (!reason.empty()) return Change{Change::Kind::kRefused, 0, std::move(reason)};
  }
  if (row.of_texts) {
    std::string reason = TextsRefusal(first, other);
    if (!reason.empty()) return Change{Change::Kind::kRefused, 0, std::move(reason)};
  }
  const bool ratio = row.timing || row.unit == "bytes";
  if (!ratio) return Change{Change::Kind::kDifference, other.mean - first.mean, ""};
  if (first.mean == 0 || !std::isfinite(first.mean)) return std::nullopt;
  return Change{Change::Kind::kRatio, other.mean / first.mean, ""};
}

ResultRow MakeRow(const ResultKey& key, const std::vector<Results>& all) {
  ResultRow row;
  std::tie(row.variant, row.metric, row.labels) = key;
  for (const Results& results : all) {
    const Values* values = results.Find(key);
    if (values != nullptr) row.unit = values->unit;
    row.values.push_back(values == nullptr ? std::nullopt : std::optional<Spread>(MakeSpread(*values)));
  }
  row.timing = IsTiming(row.metric, row.unit);
  row.of_texts = IsOfTexts(row.metric, row.unit);
  row.changes.resize(row.values.size());
  for (size_t i = 1; i < row.values.size(); ++i) {
    if (row.values[0] && row.values[i]) row.changes[i] = MakeChange(row, *row.values[0], *row.values[i]);
  }
  return row;
}

// Names of variants: those of runs in their order, then those that only a comparison has.
std::vector<std::string> VariantOrder(const std::vector<ReportData>& experiments) {
  std::vector<std::string> order;
  for (const RunKind kind : {RunKind::kBaseline, RunKind::kQuantization, RunKind::kComparison}) {
    for (const ReportData& data : experiments) {
      for (const RunReport& run : data.runs) {
        const std::string name = VariantOf(run);
        if (run.run.kind == kind && std::find(order.begin(), order.end(), name) == order.end()) {
          order.push_back(name);
        }
      }
    }
  }
  return order;
}

std::vector<ResultRow> ResultRows(const std::vector<ReportData>& experiments) {
  std::vector<Results> all;
  for (const ReportData& data : experiments) all.emplace_back(data);
  std::vector<ResultRow> rows;
  std::set<ResultKey> seen;
  for (const Results& results : all) {
    for (const ResultKey& key : results.order()) {
      if (seen.insert(key).second) rows.push_back(MakeRow(key, all));
    }
  }
  const std::vector<std::string> order = VariantOrder(experiments);
  const auto place = [&](const ResultRow& row) {
    return std::find(order.begin(), order.end(), row.variant) - order.begin();
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const ResultRow& a, const ResultRow& b) { return place(a) < place(b); });
  return rows;
}

bool SameNumber(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

bool Same(const std::optional<Spread>& a, const std::optional<Spread>& b) {
  if (!a.has_value() || !b.has_value()) return a.has_value() == b.has_value();
  return a->count == b->count && SameNumber(a->mean, b->mean) && SameNumber(a->min, b->min) &&
         SameNumber(a->max, b->max);
}

// --- notes --------------------------------------------------------------------------------------------

void AddNotes(const ReportData& data, std::vector<std::string>& notes) {
  const std::string& id = data.experiment.id;
  if (data.experiment.state == ExperimentState::kActive) {
    notes.push_back(absl::StrCat(id, " has not ended: numbers may still come"));
  }
  for (const RunReport& run : data.runs) {
    if (IsEnded(run.run.state) && run.run.state != RunState::kSucceeded) {
      notes.push_back(absl::StrCat(id, ": ", run.run.name, " is ", RunStateName(run.run.state),
                                   run.run.message.empty() ? "" : ": ", OneLine(run.run.message)));
    }
    for (const Caveat& caveat : run.caveats) {
      const bool timing = caveat.code == "aa_check_failed" || absl::StrContains(caveat.code, "unreliable");
      if (timing) notes.push_back(absl::StrCat(id, ": ", OneLine(caveat.message)));
    }
  }
}

std::string RefusalNote(const ResultRow& row, const std::string& id, const std::string& reason) {
  if (row.of_texts) {
    return absl::StrCat("no difference of accuracies and the like for ", id, ": ", reason,
                        "; compare how far each variant is from its own baseline");
  }
  return absl::StrCat("no ratio of timings for ", id, ": ", reason,
                      "; run both on one worker with the same settings, or compare their speedups, each "
                      "against its own baseline");
}

void AddRefusals(const Comparison& comparison, std::vector<std::string>& notes) {
  std::set<std::string> said;
  for (const ResultRow& row : comparison.results) {
    for (size_t i = 1; i < row.changes.size(); ++i) {
      if (!row.changes[i] || row.changes[i]->kind != Change::Kind::kRefused) continue;
      std::string note = RefusalNote(row, comparison.experiments[i].id, row.changes[i]->reason);
      if (said.insert(note).second) notes.push_back(std::move(note));
    }
  }
}

// The settings of an experiment that determine the test examples of its dataset; empty if it has no runs.
std::string SplitText(const ReportData& data) {
  if (data.runs.empty()) return "";
  const DatasetConfig& dataset = data.runs[0].config.dataset;
  return absl::StrCat("split_seed ", dataset.split_seed, ", train_size ", dataset.train_size,
                      ", validation_size ", dataset.validation_size, ", test_size ", dataset.test_size);
}

// The same dataset with a different split: differences are shown, with a warning.
void AddSplits(const std::vector<ReportData>& experiments, std::vector<std::string>& notes) {
  for (size_t i = 1; i < experiments.size(); ++i) {
    if (experiments[0].runs.empty() || experiments[i].runs.empty()) continue;
    const std::string first = SplitText(experiments[0]), other = SplitText(experiments[i]);
    const bool same_dataset = DatasetText(experiments[0].runs[0].config.dataset) ==
                              DatasetText(experiments[i].runs[0].config.dataset);
    if (!same_dataset || first == other) continue;
    notes.push_back(absl::StrCat(experiments[i].experiment.id, " splits the dataset otherwise than ",
                                 experiments[0].experiment.id, " (", other, " against ", first,
                                 "): the test examples may differ, and differences of accuracies with them"));
  }
}

std::string Signed(const std::string& text) {
  return absl::StartsWith(text, "-") ? text : "+" + text;
}

}  // namespace

Comparison CompareExperiments(const std::vector<ReportData>& experiments, const CompareOptions& options) {
  Comparison comparison;
  for (const ReportData& data : experiments) {
    comparison.experiments.push_back({data.experiment.id, data.experiment.name, data.experiment.state});
    AddNotes(data, comparison.notes);
  }
  comparison.settings = SettingRows(experiments);
  comparison.results = ResultRows(experiments);
  if (options.only_different) {
    KeepDifferent(comparison.settings);
    std::erase_if(comparison.results, [](const ResultRow& row) {
      return std::all_of(row.values.begin(), row.values.end(),
                         [&](const auto& value) { return Same(value, row.values.front()); });
    });
  }
  AddRefusals(comparison, comparison.notes);
  AddSplits(experiments, comparison.notes);
  return comparison;
}

std::string SpreadText(const Spread& spread, const std::string& unit, bool min_max) {
  const auto text = [&](double value) { return FormatByUnit(value, unit, Language::kEnglish); };
  std::string shown = text(spread.mean);
  if (spread.deviation.has_value()) absl::StrAppend(&shown, " ± ", text(*spread.deviation));
  if (spread.count > 1) absl::StrAppend(&shown, " (n = ", spread.count, ")");
  if (spread.low && spread.high)
    absl::StrAppend(&shown, " [", text(*spread.low), ", ", text(*spread.high), "]");
  if (min_max && spread.count > 1) {
    absl::StrAppend(&shown, ", ", text(spread.min), " to ", text(spread.max));
  }
  return shown;
}

std::string ChangeText(const Change& change, const std::string& unit) {
  switch (change.kind) {
    case Change::Kind::kDifference:
      return change.value == 0 ? "0" : Signed(FormatByUnit(change.value, unit, Language::kEnglish));
    case Change::Kind::kRatio:
      return FormatRatio(change.value);
    case Change::Kind::kRefused:
      return "refused";
  }
  return "";
}

}  // namespace quantlab::report
