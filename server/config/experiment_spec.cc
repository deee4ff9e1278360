#include "server/config/experiment_spec.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/device.h"
#include "base/config/metric_spec.h"
#include "base/config/param_check.h"
#include "base/config/runtime_names.h"
#include "base/config/task.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/queue.h"
#include "base/messages/runtimes.h"
#include "base/messages/task.h"
#include "base/records/worker_labels.h"
#include "base/text/escape.h"
#include "base/text/nearest_name.h"
#include "server/config/experiment_name.h"
#include "server/config/method_rules.h"
#include "server/config/settings_reader.h"
#include "yaml/include_reader.h"
#include "yaml/report_options.h"

namespace quantlab {
namespace {

// ---- files -------------------------------------------------------------------------------------------

bool CheckSizes(const std::vector<SourceFile>& files, Diagnostics& diagnostics) {
  if (files.empty()) {
    diagnostics.Error({}, messages::kNoFileSent());
    return false;
  }
  int64_t bytes = 0;
  for (const SourceFile& file : files) {
    bytes += static_cast<int64_t>(file.content.size());
    if (file.name.size() <= kMaxFileNameBytes) continue;
    diagnostics.Error({file.name.substr(0, 64), 0, 0},
                      messages::kFileNameTooLong(static_cast<int64_t>(file.name.size()), kMaxFileNameBytes));
    return false;
  }
  if (static_cast<int>(files.size()) > kMaxFiles || bytes > kMaxFileBytesInAll) {
    diagnostics.Error({files[0].name, 0, 0}, messages::kFilesTooLarge(static_cast<int64_t>(files.size()),
                                                                      bytes, kMaxFiles, kMaxFileBytesInAll));
    return false;
  }
  return true;
}

// ---- single keys ---------------------------------------------------------------------------------------

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
}

// The stem of the file, with what a name cannot have replaced.
std::string DefaultName(const std::string& file) {
  const std::string name = MakeExperimentName(std::filesystem::path(file).stem().string());
  return name.empty() ? "experiment" : name;
}

void ReadName(Fields& fields, const std::string& file, Diagnostics& diagnostics, std::string* name) {
  *name = DefaultName(file);
  const YamlNode* node = fields.Take("name");
  if (node == nullptr) return;
  if (node->kind == YamlNode::Kind::kScalar) {
    const std::optional<std::string> valid = CheckExperimentName(node->text);
    if (valid) {
      *name = *valid;
      return;
    }
  }
  diagnostics.Error(node->at, messages::kWrongValue("name", YamlMessage(*node), messages::kNameRules()));
}

void ReadSeeds(Fields& fields, Diagnostics& diagnostics, std::vector<uint64_t>* seeds) {
  fields.Seed("seed", &(*seeds)[0]);
  const YamlNode* list = fields.Take("seeds");
  if (list == nullptr) return;
  if (fields.Has("seed")) diagnostics.Error(list->at, messages::kSeedAndSeeds());
  std::vector<uint64_t> read;
  for (const YamlNode& item : list->items) {
    const auto seed = AsInt(item);
    const bool again =
        seed && std::find(read.begin(), read.end(), static_cast<uint64_t>(*seed)) != read.end();
    if (!seed || *seed < 0 || *seed > (int64_t{1} << 53) || again) {
      diagnostics.Error(item.at, again ? messages::kSeedTwice(YamlMessage(item))
                                       : messages::kSeedInvalid(YamlMessage(item)));
      continue;
    }
    read.push_back(static_cast<uint64_t>(*seed));
  }
  if (list->items.empty()) {
    diagnostics.Error(list->at,
                      messages::kWrongValue("seeds", YamlMessage(*list), messages::kListOfIntegers()));
  }
  if (!read.empty()) *seeds = std::move(read);
}

// ---- sections ------------------------------------------------------------------------------------------

void ReadDataset(const YamlNode* node, Diagnostics& diagnostics, DatasetConfig* dataset) {
  Fields fields(node, "dataset", diagnostics);
  ReadSettings(fields, diagnostics, dataset);
  fields.Done();
  const std::set<std::string> distinct(dataset->labels.begin(), dataset->labels.end());
  if (distinct.size() != dataset->labels.size() || dataset->labels.size() == 1) {
    diagnostics.Error(fields.at(), messages::kLabelsNotDistinct());
  }
  if (dataset->filter_column.empty() != dataset->filter_value.empty()) {
    diagnostics.Error(fields.at(), messages::kFilterIncomplete());
  }
}

void ReadTraining(const YamlNode* node, Diagnostics& diagnostics, TrainingConfig* training) {
  Fields fields(node, "training", diagnostics);
  std::string optimizer;
  fields.OneOf("optimizer", FindSetting("training.optimizer")->allowed, &optimizer);
  ReadSettings(fields, diagnostics, training);
  fields.Done();
}

void ReadMetrics(Fields& fields, const std::string& task, Diagnostics& diagnostics,
                 std::vector<std::string>* metrics) {
  std::vector<std::string> known;
  for (const MetricSpec* metric : MetricsOf(task)) known.push_back(metric->name);
  const YamlNode* node = fields.Take("metrics");
  std::set<std::string> wanted;
  if (node != nullptr && node->kind != YamlNode::Kind::kList) {
    diagnostics.Error(node->at, messages::kWrongValue("evaluation.metrics", YamlMessage(*node),
                                                      messages::kListOfMetrics(known)));
  } else if (node != nullptr) {
    for (const YamlNode& item : node->items) {
      const MetricSpec* metric = item.kind == YamlNode::Kind::kScalar ? FindMetric(item.text) : nullptr;
      if (metric == nullptr) {
        diagnostics.Error(item.at,
                          messages::kNoSuchMetric(YamlMessage(item), NearestName(item.text, known), known));
      } else if (!metric->task.empty() && metric->task != task) {
        diagnostics.Error(item.at, messages::kMetricOfOtherTask(metric->name, metric->task, task, known));
      } else if (!wanted.insert(metric->name).second) {
        diagnostics.Warn(item.at, messages::kMetricTwice(metric->name));
      }
    }
    if (node->items.empty()) diagnostics.Error(node->at, messages::kMetricsEmpty());
  } else {
    wanted.insert(known.begin(), known.end());
  }
  for (const std::string& name : known) {
    if (wanted.count(name) > 0) metrics->push_back(name);
  }
}

void ReadEvaluation(const YamlNode* node, const std::string& task, Diagnostics& diagnostics,
                    EvaluationConfig* evaluation) {
  Fields fields(node, "evaluation", diagnostics);
  ReadMetrics(fields, task, diagnostics, &evaluation->metrics);
  ReadSettings(fields, diagnostics, evaluation, /*skip=*/"metrics");
  fields.Done();
}

// ---- experiments ---------------------------------------------------------------------------------------

// A parameter's value in the type of the parameter. A value that cannot be converted stays text, which
// CheckParam refuses.
ParamValue ToParamValue(const YamlNode& node, ParamType type) {
  if (type == ParamType::kBool) {
    if (const auto value = AsBool(node)) return *value;
  } else if (type == ParamType::kInt) {
    if (const auto value = AsInt(node)) return *value;
  } else if (type == ParamType::kDouble) {
    if (const auto value = AsDouble(node)) return *value;
  }
  return node.text;
}

std::vector<ParamValue> ReadValues(const MethodSpec& method, const ParamSpec& param, const YamlNode& node,
                                   Diagnostics& diagnostics) {
  std::vector<ParamValue> values;
  const std::vector<YamlNode> one = {node};
  const bool is_list = node.kind == YamlNode::Kind::kList;
  for (const YamlNode& item : is_list ? node.items : one) {
    if (item.kind != YamlNode::Kind::kScalar) {
      diagnostics.Error(
          item.at, messages::kParamValue(method.name, param.name, YamlMessage(item), AllowedValues(param)));
      continue;
    }
    const auto checked = CheckParam(method, param, ToParamValue(item, param.type));
    if (!checked.ok()) {
      diagnostics.Error(
          item.at, messages::kDidYouMean(MessageOf(checked.status()), NearestName(item.text, param.allowed)));
    } else if (std::find(values.begin(), values.end(), *checked) != values.end()) {
      diagnostics.Error(item.at, messages::kSweepValueTwice(method.name, param.name, item.text));
    } else {
      values.push_back(*checked);
    }
  }
  if (is_list && node.items.empty()) {
    diagnostics.Error(node.at, messages::kSweepEmpty(method.name, param.name));
  }
  return values;
}

// A value as a part of the name of a run and of a folder.
std::string SuffixOf(const std::string& param, const ParamValue& value) {
  std::string text = absl::StrCat(param, "-", ParamToString(value));
  for (char& c : text) {
    if (!IsNameCharacter(c)) c = '_';
  }
  return text;
}

// Every combination of the values that `sweep` and the parameters before it have.
std::vector<MethodVariant> Multiply(const std::vector<MethodVariant>& before, const std::string& param,
                                    const std::vector<ParamValue>& values) {
  std::vector<MethodVariant> variants;
  for (const MethodVariant& variant : before) {
    for (const ParamValue& value : values) {
      MethodVariant next = variant;
      next.params[param] = value;
      if (values.size() > 1) {
        if (!next.suffix.empty()) next.suffix += '.';
        next.suffix += SuffixOf(param, value);
      }
      variants.push_back(std::move(next));
    }
  }
  return variants;
}

std::optional<MethodRequest> ReadMethod(const MethodSpec& spec, const YamlEntry& entry, const Device& device,
                                        Diagnostics& diagnostics) {
  Fields fields(&entry.value, absl::StrCat("experiments.", spec.name), diagnostics);
  bool enabled = true;
  fields.Bool("enabled", &enabled);
  MethodRequest request{&spec, entry.at, {MethodVariant{}}, {}};
  size_t count = 1;
  for (const ParamSpec& param : spec.params) {
    std::vector<ParamValue> values = {param.default_value};
    if (const YamlNode* node = fields.Take(param.name)) {
      values = ReadValues(spec, param, *node, diagnostics);
      request.given.insert(param.name);
    }
    count *= values.size();
    if (count > kMaxRuns) {
      diagnostics.Error(entry.at, messages::kSweepTooLarge(spec.name, kMaxRuns));
      count = 1;
    } else if (!values.empty()) {
      request.variants = Multiply(request.variants, param.name, values);
    }
  }
  fields.Done();
  if (!enabled) return std::nullopt;
  const DeviceSupport* const support = FindSupport(spec, device);
  if (support != nullptr && support->level == "refused") {
    diagnostics.Error(entry.at, messages::kMethodRefusesDevice(spec.name, device.name(), support->detail));
  }
  return request;
}

struct Enabled {
  bool baseline = false;
  std::optional<bool> comparison;
};

void ReadBaseline(const YamlNode& node, Diagnostics& diagnostics, ExperimentSpec* spec, Enabled* enabled) {
  Fields fields(&node, "experiments.baseline", diagnostics);
  enabled->baseline = true;
  fields.Bool("enabled", &enabled->baseline);
  fields.Bool("fine_tune", &spec->training.enabled);
  for (auto [key, asset] : {std::pair{"model", &spec->model}, std::pair{"dataset", &spec->dataset_name}}) {
    fields.Text(key, &asset->name);
    const YamlNode* value = node.Find(key);
    asset->at = value != nullptr ? value->at : node.at;
  }
  fields.Done();
}

// Each is started in every process of the measurement.
constexpr size_t kMaxRuntimes = 16;

void ReadComparison(const YamlNode* node, Diagnostics& diagnostics, ExperimentSpec* spec, Enabled* enabled) {
  Fields fields(node, "experiments.comparison", diagnostics);
  bool on = true;
  fields.Bool("enabled", &on);
  enabled->comparison = on;
  fields.Words("runtimes", &spec->runtimes);
  std::set<std::string> names;
  for (const std::string& name : spec->runtimes) {
    const Location& at = node->Find("runtimes")->at;
    if (!IsRuntimeName(name)) diagnostics.Error(at, messages::kRuntimeUnknown(name, RuntimeNames()));
    if (!names.insert(name).second) diagnostics.Error(at, messages::kRuntimeTwice(name));
  }
  if (spec->runtimes.size() > kMaxRuntimes) {
    diagnostics.Error(node->Find("runtimes")->at,
                      messages::kRuntimesTooMany(static_cast<int64_t>(spec->runtimes.size()),
                                                 static_cast<int64_t>(kMaxRuntimes)));
  }
  fields.Done();
}

Enabled ReadExperiments(const YamlNode* node, Diagnostics& diagnostics, ExperimentSpec* spec) {
  Fields fields(node, "experiments", diagnostics);
  Enabled enabled;
  if (const YamlNode* baseline = fields.Take("baseline")) {
    ReadBaseline(*baseline, diagnostics, spec, &enabled);
  } else if (fields.Has("baseline")) {
    enabled.baseline = true;  // "baseline:" alone: all defaults
  }
  for (const MethodSpec& method : AllMethods()) {
    fields.Take(method.name);
    if (!fields.Has(method.name)) continue;
    for (const YamlEntry& entry : node->entries) {
      if (entry.key != method.name) continue;
      if (auto request = ReadMethod(method, entry, Device(spec->options.device), diagnostics)) {
        spec->methods.push_back(std::move(*request));
      }
    }
  }
  if (fields.Take("comparison") != nullptr || fields.Has("comparison")) {
    ReadComparison(node->Find("comparison"), diagnostics, spec, &enabled);
  }
  fields.Done();
  return enabled;
}

void CheckEnabled(const Enabled& enabled, const YamlNode& root, Diagnostics& diagnostics,
                  ExperimentSpec* spec) {
  const YamlNode* experiments = root.Find("experiments");
  const Location at = experiments == nullptr ? Location{root.at.file, 0, 0} : experiments->at;
  if (experiments == nullptr) {
    diagnostics.Error(at, messages::kExperimentsMissing());
    return;
  }
  const bool wants_timing =
      std::any_of(spec->evaluation.metrics.begin(), spec->evaluation.metrics.end(),
                  [](const std::string& name) { return FindMetric(name)->needs_comparison; });
  if (!enabled.baseline) {
    diagnostics.Error(at, messages::kBaselineMissing());
  }
  if (enabled.comparison == false && wants_timing) {
    diagnostics.Error(at, messages::kComparisonOff());
  }
  spec->comparison = enabled.comparison.value_or(wants_timing);
  if (spec->comparison && !wants_timing) {
    for (const MetricSpec& metric : AllMetrics()) {
      if (metric.needs_comparison) spec->evaluation.metrics.push_back(metric.name);
    }
  }
}

void ApplyCatalogRows(const Catalog& catalog, ExperimentSpec* spec) {
  const CatalogEntry* entry = catalog.Find(spec->dataset_name.name, AssetRole::kDataset);
  if (entry == nullptr) return;
  spec->dataset.format = entry->rows.format;
  spec->dataset.encoding = entry->rows.encoding;
  spec->dataset.text_column = entry->rows.text_column;
  spec->dataset.text_pair_column = entry->rows.text_pair_column;
  spec->dataset.label_column = entry->rows.label_column;
  spec->dataset.task = entry->rows.task;
  spec->dataset.filter_column = entry->rows.filter_column;
  spec->dataset.filter_value = entry->rows.filter_value;
  spec->dataset.labels = entry->rows.labels;
}

void CheckLabels(const YamlNode& root, const std::vector<std::string>& labels, Diagnostics& diagnostics) {
  const YamlNode* const resources = root.Find("resources");
  const YamlNode* const node = resources == nullptr ? nullptr : resources->Find("labels");
  if (node == nullptr) return;
  for (const YamlEntry& entry : node->entries) {
    if (IsLabelText(entry.key) && IsLabelText(entry.value.text)) continue;
    diagnostics.Error(entry.at, messages::kLabelWrong(CleanText(entry.key, 200), YamlMessage(entry.value),
                                                      static_cast<int64_t>(kMaxLabelBytes)));
  }
  if (labels.size() > kMaxLabels) {
    diagnostics.Error(node->at, messages::kTooManyWorkerLabels(static_cast<int64_t>(labels.size()),
                                                               static_cast<int64_t>(kMaxLabels)));
  }
}

// What a task cannot use is refused, not ignored.
void CheckTask(const YamlNode& root, const DatasetConfig& dataset, Diagnostics& diagnostics) {
  const TaskSpec* const task = FindTask(dataset.task);
  if (task == nullptr || !task->numeric) return;
  const YamlNode* const section = root.Find("dataset");
  const auto refuse = [&](const char* key, bool given) {
    const YamlNode* const node = section == nullptr ? nullptr : section->Find(key);
    if (given)
      diagnostics.Error(node == nullptr ? root.at : node->at, messages::kTaskHasNoClasses(key, task->name));
  };
  refuse("labels", !dataset.labels.empty());
  refuse("label_map", !dataset.label_map.empty());
}

void ReadTopLevel(const YamlNode& root, const std::string& file, const Catalog& catalog,
                  Diagnostics& diagnostics, ExperimentSpec* spec) {
  Fields fields(&root, "", diagnostics);
  fields.Take("include");
  spec->model.at = spec->dataset_name.at = {file, 0, 0};
  ReadName(fields, file, diagnostics, &spec->name);
  ReadSeeds(fields, diagnostics, &spec->seeds);
  ReadSettings(fields, diagnostics, &spec->options);
  CheckLabels(root, spec->options.labels, diagnostics);
  const Enabled enabled = ReadExperiments(fields.Take("experiments"), diagnostics, spec);
  ApplyCatalogRows(catalog, spec);
  ReadDataset(fields.Take("dataset"), diagnostics, &spec->dataset);
  ReadTraining(fields.Take("training"), diagnostics, &spec->training);
  CheckTask(root, spec->dataset, diagnostics);
  ReadEvaluation(fields.Take("evaluation"), spec->dataset.task, diagnostics, &spec->evaluation);
  // Of the report alone, which reads them from the stored files: here they are only checked.
  ReadDecision(fields.Take("decide"), diagnostics);
  if (const YamlNode* const report = root.Find("report")) ReadCover(report->Find("cover"), diagnostics);
  fields.Done();
  CheckEnabled(enabled, root, diagnostics, spec);
  if (!diagnostics.has_errors()) ApplyMethodRules(root, diagnostics, spec);
}

}  // namespace

std::string VariantName(const MethodRequest& method, const MethodVariant& variant) {
  return variant.suffix.empty() ? method.spec->name : absl::StrCat(method.spec->name, ".", variant.suffix);
}

ExperimentSpec ReadExperiment(const std::vector<SourceFile>& files, const Catalog& catalog,
                              Diagnostics& diagnostics) {
  ExperimentSpec spec;
  if (!CheckSizes(files, diagnostics)) return spec;
  const auto root = ReadWithIncludes(files, diagnostics);
  if (root) ReadTopLevel(*root, files[0].name, catalog, diagnostics, &spec);
  return spec;
}

}  // namespace quantlab
