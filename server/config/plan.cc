#include "server/config/plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/config/metric_spec.h"
#include "base/config/runtime_names.h"
#include "base/config/settings.h"
#include "base/config/task.h"
#include "base/messages/hub.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/worker_facts.h"
#include "base/sha256.h"
#include "base/text/escape.h"
#include "base/text/nearest_name.h"
#include "model_folder/hub_name.h"
#include "model_folder/model_folder.h"
#include "platform/paths.h"
#include "server/config/experiment_spec.h"
#include "server/config/method_rules.h"

namespace quantlab {
namespace {

// ---- models and datasets -------------------------------------------------------------------------------

class AssetResolver {
 public:
  AssetResolver(const PlanRequest& request, const Catalog& catalog, PlanResult& result)
      : request_(request), catalog_(catalog), result_(result) {}

  AssetRef Resolve(const NamedAsset& asset, AssetRole role) {
    AssetRef ref;
    ref.name = asset.name;
    const CatalogEntry* entry = catalog_.Find(asset.name, role);
    if (entry != nullptr) ref.license = entry->license;
    if (entry != nullptr && entry->wheel) {
      ref.catalog = entry->wheel;
      ref.name = entry->name;  // not an alias: one name, one folder at the worker
      ref.digest = AssetDigest(entry->wheel->files);
    } else if (entry != nullptr) {
      Provide(asset, role, entry->path, entry->remedy, &ref);
    } else if (role == AssetRole::kModel && (HasHubPrefix(asset.name) || IsBareHubName(asset.name))) {
      ProvideFromHub(asset, &ref);
    } else if (IsPath(asset.name)) {
      Provide(asset, role, asset.name, "", &ref);
    } else {
      Unknown(asset, role);
    }
    return ref;
  }

 private:
  static bool IsPath(const std::string& name) {
    return absl::StrContains(name, '/') || absl::StartsWith(name, ".");
  }

  void Unknown(const NamedAsset& asset, AssetRole role) {
    std::vector<std::string> names = catalog_.Names(role);
    result_.diagnostics.Error(asset.at, messages::kNotInCatalogue(AssetRoleName(role), asset.name,
                                                                  NearestName(asset.name, names), names));
  }

  // The client downloads it and uploads its files, like a folder of the user.
  void ProvideFromHub(const NamedAsset& asset, AssetRef* ref) {
    const std::string path = HasHubPrefix(asset.name) ? asset.name : "hf:" + asset.name;
    if (!ParseHubName(path).has_value()) {
      result_.diagnostics.Error(asset.at, messages::kHubNameWrong(asset.name));
      return;
    }
    Provide(asset, AssetRole::kModel, path, "", ref);
  }

  void Provide(const NamedAsset& asset, AssetRole role, const std::string& path, const std::string& how,
               AssetRef* ref) {
    Message remedy = TextMessage(how);
    if (remedy.empty()) {
      remedy = role == AssetRole::kModel ? messages::kPutModelThere() : messages::kPutDatasetThere();
    }
    result_.required.push_back({asset.name, path, role, how.empty() ? English(remedy) : how});
    const auto given = std::find_if(request_.inputs.begin(), request_.inputs.end(),
                                    [&](const ProvidedAsset& p) { return p.name == asset.name; });
    if (given == request_.inputs.end()) {
      if (request_.inputs_needed) {
        result_.diagnostics.Error(asset.at,
                                  messages::kFilesNotUploaded(AssetRoleName(role), asset.name, path, remedy));
      }
      return;
    }
    if (!CheckFiles(asset, role, given->files)) return;
    ref->files = given->files;
    ref->digest = AssetDigest(given->files);
  }

  bool CheckFiles(const NamedAsset& asset, AssetRole role, const std::vector<AssetFile>& files) {
    std::set<std::string> paths;
    Message problem = files.empty() ? messages::kHasNoFiles() : Message();
    for (const AssetFile& file : files) {
      const std::string wrong = RelativePathProblem(file.path);
      if (!wrong.empty()) {
        problem = messages::kFilePathRefused(CleanText(file.path, 200), TextMessage(wrong));
      }
      if (!IsSha256Hex(file.sha256) || file.size < 0) problem = messages::kFileDigestWrong(file.path);
      if (!paths.insert(file.path).second) problem = messages::kFilePathTwice(file.path);
    }
    if (problem.empty() && role == AssetRole::kModel) {
      problem = TextMessage(MissingFromModel(std::vector<std::string>(paths.begin(), paths.end())));
    }
    if (problem.empty()) return true;
    result_.diagnostics.Error(asset.at, messages::kAssetProblem(AssetRoleName(role), asset.name, problem));
    return false;
  }

  const PlanRequest& request_;
  const Catalog& catalog_;
  PlanResult& result_;
};

// ---- runs ----------------------------------------------------------------------------------------------

class Planner {
 public:
  Planner(const ExperimentSpec& spec, AssetRef model, AssetRef dataset) : spec_(spec) {
    common_.device = spec.options.device;
    common_.threads = spec.options.threads;
    common_.model = std::move(model);
    common_.dataset = spec.dataset;
    common_.dataset.asset = std::move(dataset);
    common_.training = spec.training;
    common_.evaluation = spec.evaluation;
  }

  std::vector<PlannedRun> Plan() {
    for (const uint64_t seed : spec_.seeds) AddSeed(seed);
    if (spec_.comparison) AddComparison();
    return std::move(runs_);
  }

 private:
  void AddSeed(uint64_t seed) {
    const PlannedRun& baseline = Add("baseline", "baseline", seed, RunKind::kBaseline, {});
    const std::string baseline_name = baseline.config.run_name;
    const std::string baseline_key = baseline.input_key;
    for (const MethodRequest& method : spec_.methods) {
      for (const MethodVariant& variant : method.variants) {
        const bool plain = variant.suffix.empty();
        PlannedRun& run =
            Add(VariantName(method, variant),
                plain ? method.spec->short_name : absl::StrCat(method.spec->short_name, "/", variant.suffix),
                seed, RunKind::kQuantization, {{baseline_name, true}});
        run.config.method = {method.spec->name, method.spec->version, variant.params};
        run.input_key = InputKey(run.config, {baseline_key});
      }
    }
  }

  // The reference is valid until the next Add.
  PlannedRun& Add(const std::string& variant, const std::string& folder, uint64_t seed, RunKind kind,
                  std::vector<RunDependency> needs) {
    const bool many = spec_.seeds.size() > 1;
    PlannedRun run;
    run.config = common_;
    run.config.kind = kind;
    run.config.seed = seed;
    run.config.variant = variant;
    run.config.run_name = many ? absl::StrCat(variant, ".seed-", seed) : variant;
    run.folder = many ? absl::StrCat(folder, "/seed-", seed) : folder;
    run.needs = std::move(needs);
    if (kind == RunKind::kBaseline) run.input_key = InputKey(run.config, {});
    runs_.push_back(std::move(run));
    return runs_.back();
  }

  // Over the first seed: repetitions are for accuracy; speed, memory and size do not depend on the seed.
  void AddComparison() {
    PlannedRun run;
    run.config = common_;
    run.config.kind = RunKind::kComparison;
    run.config.seed = spec_.seeds[0];
    run.config.variant = run.config.run_name = run.folder = "comparison";
    SetRuntimes(spec_.runtimes, &run.config);
    for (const PlannedRun& other : runs_) {
      if (other.config.seed != spec_.seeds[0]) continue;
      run.needs.push_back({other.config.run_name, other.config.kind == RunKind::kBaseline});
    }
    runs_.push_back(std::move(run));
  }

  const ExperimentSpec& spec_;
  RunConfig common_;
  std::vector<PlannedRun> runs_;
};

// ---- what runs need of their worker --------------------------------------------------------------------

// "key: value", as Fields::Pairs joins them.
std::map<std::string, std::string> LabelsOf(const std::vector<std::string>& pairs) {
  std::map<std::string, std::string> labels;
  for (const std::string& pair : pairs) {
    const size_t colon = pair.find(": ");
    labels[pair.substr(0, colon)] = pair.substr(colon + 2);
  }
  return labels;
}

MethodInputs InputsOf(const MethodConfig& method) {
  const MethodSpec* spec = FindMethod(method.name);
  return spec == nullptr ? MethodInputs() : spec->inputs(method.params);
}

RunRequirements RequirementsOf(const ExperimentOptions& options, const RunConfig& config) {
  RunRequirements requirements;
  requirements.memory_bytes = static_cast<int64_t>(std::llround(options.memory_gb * 1e9));
  requirements.labels = LabelsOf(options.labels);
  const auto needs = [&](const RunnerFeature& feature) { requirements.labels[feature.requirement] = "true"; };
  if (!config.dataset.text_pair_column.empty()) needs(kTextPairsFeature);
  if (config.dataset.truncation_side != DatasetConfig().truncation_side) needs(kTruncationSideFeature);
  if (TaskNamed(config.dataset.task).numeric) needs(kRegressionFeature);
  requirements.alone = config.kind == RunKind::kComparison || InputsOf(config.method).timed_shapes;
  return requirements;
}

// Whether `wanted` names this run: its name, its variant, or its method.
bool IsNamed(const PlannedRun& run, const std::string& wanted) {
  const RunConfig& config = run.config;
  if (wanted == config.run_name || wanted == config.variant || wanted == config.method.name) return true;
  const MethodSpec* spec = FindMethod(config.method.name);
  return spec != nullptr && wanted == spec->short_name;
}

// Of unknown names in `only`, this many are listed with suggestions.
constexpr int kMaxUnknownNames = 10;

// Keeps the runs that `only` names, and their dependencies.
void Select(const PlanRequest& request, PlanResult& result) {
  if (request.only.empty() || result.runs.empty()) return;
  std::set<std::string> keep;
  std::vector<std::string> known;
  for (const PlannedRun& run : result.runs) known.push_back(run.config.run_name);
  int unknown = 0;
  for (const std::string& wanted : request.only) {
    bool found = false;
    for (const PlannedRun& run : result.runs) {
      if (!IsNamed(run, wanted)) continue;
      keep.insert(run.config.run_name);
      found = true;
    }
    if (!found && ++unknown <= kMaxUnknownNames) {
      result.diagnostics.Error({request.files[0].name, 0, 0},
                               messages::kNoSuchRun(wanted, NearestName(wanted, known), known));
    }
  }
  if (unknown > kMaxUnknownNames) {
    result.diagnostics.Error({request.files[0].name, 0, 0},
                             messages::kMoreUnknownRuns(unknown - kMaxUnknownNames));
  }
  // Runs follow their dependencies, so one pass from the back finds everything.
  for (auto run = result.runs.rbegin(); run != result.runs.rend(); ++run) {
    if (keep.count(run->config.run_name) == 0) continue;
    for (const RunDependency& need : run->needs) keep.insert(need.run);
  }
  result.runs.erase(
      std::remove_if(result.runs.begin(), result.runs.end(),
                     [&](const PlannedRun& run) { return keep.count(run.config.run_name) == 0; }),
      result.runs.end());
}

int64_t CountRuns(const ExperimentSpec& spec) {
  int64_t variants = 1;
  for (const MethodRequest& method : spec.methods) variants += static_cast<int64_t>(method.variants.size());
  return variants * static_cast<int64_t>(spec.seeds.size()) + (spec.comparison ? 1 : 0);
}

// One "key=value" line of the text under an input key. Values are quoted, so that none can forge a line.
class KeyText {
 public:
  void Add(absl::string_view key, const std::string& value) {
    absl::StrAppendFormat(&text_, "%s=%d:%s\n", std::string(key), value.size(), value);
  }
  void Add(absl::string_view key, bool value) { Add(key, std::string(value ? "true" : "false")); }
  void Add(absl::string_view key, int64_t value) { Add(key, absl::StrCat(value)); }
  void Add(absl::string_view key, double value) { Add(key, absl::StrFormat("%.17g", value)); }
  std::string Digest() const { return Sha256Hex(text_); }

 private:
  std::string text_;
};

// The settings of a section that `which` chooses. A setting that came after the first version is left out at
// its default, so that the keys of earlier results stay as they are.
template <typename Section>
void AddSettings(const Section& section, InInputKey which, KeyText& text) {
  for (const Setting<Section>& setting : SettingsOf<Section>()) {
    const SettingSpec& spec = setting.spec;
    const SettingValue value = GetSetting(setting, section);
    if (spec.in_key != which) continue;
    if (spec.origin == SettingOrigin::kAdded && value == spec.default_value) continue;
    for (const ParamValue& element : value) {
      std::visit([&](const auto& v) { text.Add(spec.key_line, v); }, element);
    }
  }
}

// `method_trains`: from these settings, whether or not the baseline does.
void AddTraining(const TrainingConfig& training, bool method_trains, KeyText& text) {
  text.Add("fine_tune", training.enabled);
  if (training.enabled || method_trains) AddSettings(training, InInputKey::kYes, text);
}

}  // namespace

std::string InputKey(const RunConfig& config, const std::vector<std::string>& needed) {
  KeyText text;
  const MethodInputs inputs = InputsOf(config.method);
  text.Add("version", int64_t{2});
  text.Add("kind", std::string(RunKindName(config.kind)));
  // Results of before have the non-inferiority of another test.
  if (config.kind == RunKind::kQuantization) text.Add("tests", int64_t{2});
  text.Add("seed", static_cast<int64_t>(config.seed));
  text.Add("device", config.device);
  text.Add("threads", int64_t{config.threads});
  text.Add("model", config.model.digest);
  text.Add("dataset", config.dataset.asset.digest);
  AddSettings(config.dataset, InInputKey::kYes, text);
  AddTraining(config.training, inputs.training_settings, text);
  text.Add("method", config.method.name);
  text.Add("method_version", int64_t{config.method.version});
  for (const auto& [name, value] : config.method.params) {
    text.Add(absl::StrCat("param ", name, " ", value.index()), ParamToString(value));
  }
  if (inputs.timed_shapes) AddSettings(config.evaluation, InInputKey::kTimedShapes, text);
  AddSettings(config.evaluation, InInputKey::kYes, text);
  for (const std::string& metric : config.evaluation.metrics) {
    const MetricSpec* spec = FindMetric(metric);
    if (spec == nullptr || !spec->needs_comparison) text.Add("metric", metric);
  }
  for (const std::string& key : needed) text.Add("needs", key);
  return text.Digest();
}

PlanResult PlanExperiment(const PlanRequest& request, const Catalog& catalog) {
  PlanResult result;
  const ExperimentSpec spec = ReadExperiment(request.files, catalog, result.diagnostics);
  result.name = spec.name;
  result.report_language = spec.options.report_language;
  result.priority = spec.options.priority;
  result.reuse = spec.options.reuse;
  result.time_limit = spec.options.time_limit;
  if (request.files.empty()) return result;
  AssetResolver resolver(request, catalog, result);
  AssetRef model = resolver.Resolve(spec.model, AssetRole::kModel);
  AssetRef dataset = resolver.Resolve(spec.dataset_name, AssetRole::kDataset);
  if (result.ok()) CheckTextsAreThere(spec, dataset, result.diagnostics);
  if (CountRuns(spec) > kMaxRuns) {
    result.diagnostics.Error({request.files[0].name, 0, 0},
                             messages::kTooManyRuns(static_cast<int64_t>(CountRuns(spec)), kMaxRuns));
  }
  if (!result.ok()) return result;
  result.runs = Planner(spec, std::move(model), std::move(dataset)).Plan();
  for (PlannedRun& run : result.runs) run.requirements = RequirementsOf(spec.options, run.config);
  Select(request, result);
  return result;
}

}  // namespace quantlab
