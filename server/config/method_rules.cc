#include "server/config/method_rules.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace quantlab {
namespace {

bool AnyReads(const MethodRequest& method, bool MethodInputs::*what) {
  return std::any_of(method.variants.begin(), method.variants.end(),
                     [&](const MethodVariant& variant) { return method.spec->inputs(variant.params).*what; });
}

// ---- training ------------------------------------------------------------------------------------------

// Where the baseline is not fine-tuned, `training` is for the methods that train alone, and of it they do not
// read how long and how fast: they have parameters for that.
void CheckTrainingHasEffect(const YamlNode& root, const ExperimentSpec& spec, Diagnostics& diagnostics) {
  const YamlNode* training = root.Find("training");
  if (training == nullptr || spec.training.enabled) return;
  std::vector<std::string> methods;
  for (const MethodRequest& method : spec.methods) {
    if (AnyReads(method, &MethodInputs::training_settings)) methods.push_back(method.spec->name);
  }
  if (methods.empty()) {
    diagnostics.Warn(training->at, "training has no effect: experiments.baseline.fine_tune is false");
    return;
  }
  for (const char* key : {"epochs", "learning_rate"}) {
    const YamlNode* value = training->Find(key);
    if (value == nullptr) continue;
    diagnostics.Warn(
        value->at,
        absl::StrCat("training.", key, " has no effect: experiments.baseline.fine_tune is false, and ", key,
                     " of the further training stands under ", absl::StrJoin(methods, ", ")));
  }
}

// ---- controls ------------------------------------------------------------------------------------------

MethodRequest* Find(const std::string& name, ExperimentSpec* spec) {
  for (MethodRequest& method : spec->methods) {
    if (method.spec->name == name) return &method;
  }
  return nullptr;
}

// The values that a parameter has among the variants, in the order of the file.
std::vector<ParamValue> ValuesOf(const MethodRequest& method, const std::string& param) {
  std::vector<ParamValue> values;
  for (const MethodVariant& variant : method.variants) {
    const ParamValue& value = variant.params.at(param);
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
  }
  return values;
}

std::string Join(const std::vector<ParamValue>& values) {
  return absl::StrJoin(values, ", ", [](std::string* out, const ParamValue& value) {
    absl::StrAppend(out, ParamToString(value));
  });
}

// A control that is not told otherwise does as its method does. Of a sweep it cannot know which.
void Follow(const MethodRequest& method, const std::string& param, MethodRequest* control) {
  const std::vector<ParamValue> wanted = ValuesOf(method, param);
  if (control->given.count(param) > 0 || wanted.size() != 1) return;
  for (MethodVariant& variant : control->variants) variant.params[param] = wanted[0];
}

void CheckTrainedAlike(const MethodRequest& method, const std::string& param, const MethodRequest& control,
                       Diagnostics& diagnostics) {
  const std::vector<ParamValue> wanted = ValuesOf(method, param), has = ValuesOf(control, param);
  if (std::is_permutation(has.begin(), has.end(), wanted.begin(), wanted.end())) return;
  const std::string remedy = wanted.size() == 1
                                 ? absl::StrCat("leave ", param, " out to take that of ", method.spec->name)
                                 : absl::StrCat("give it ", param, ": [", Join(wanted), "]");
  diagnostics.Warn(control.at, absl::StrCat(control.spec->name, " has ", param, " ", Join(has),
                                            control.given.count(param) > 0 ? "" : " (its default)", ", but ",
                                            method.spec->name, " has ", Join(wanted),
                                            ": it is no control for what was trained otherwise; ", remedy));
}

void ApplyControl(const MethodSpec& control_spec, Diagnostics& diagnostics, ExperimentSpec* spec) {
  const MethodRequest* method = Find(control_spec.control_of, spec);
  MethodRequest* control = Find(control_spec.name, spec);
  if (method == nullptr) return;
  if (control == nullptr) {
    diagnostics.Warn(method->at, absl::StrCat(method->spec->name,
                                              " has no control: what it gains by training longer is not "
                                              "told apart from what quantization does; add ",
                                              control_spec.name, ": {} under experiments"));
    return;
  }
  for (const ParamSpec& param : control_spec.params) {
    Follow(*method, param.name, control);
    CheckTrainedAlike(*method, param.name, *control, diagnostics);
  }
}

// ---- names and seeds -----------------------------------------------------------------------------------

// "pin a=fp32": where one variant differs from another.
std::string Difference(const Params& params, const Params& other) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : params) {
    if (other.at(name) != value) parts.push_back(absl::StrCat(name, " ", ParamToString(value)));
  }
  return absl::StrJoin(parts, ", ");
}

// Characters that a name cannot have are replaced, so different values may give one name.
void CheckNamesDiffer(const MethodRequest& method, Diagnostics& diagnostics) {
  std::map<std::string, const MethodVariant*> named;
  for (const MethodVariant& variant : method.variants) {
    const auto [other, fresh] = named.emplace(VariantName(method, variant), &variant);
    if (fresh) continue;
    diagnostics.Error(method.at,
                      absl::StrCat("two variants would both be named ", other->first, ": ",
                                   Difference(other->second->params, variant.params), " and ",
                                   Difference(variant.params, other->second->params),
                                   "; change one of them, or put it into an experiment of its own"));
  }
}

bool DependsOnSeed(const MethodInputs& inputs) {
  return inputs.training_texts || inputs.validation_texts;
}

// Without fine-tuning every seed starts from the same checkpoint.
void CheckSeedsMatter(const YamlNode& root, const ExperimentSpec& spec, Diagnostics& diagnostics) {
  const YamlNode* seeds = root.Find("seeds");
  if (seeds == nullptr || spec.seeds.size() < 2 || spec.training.enabled) return;
  std::vector<std::string> same = {"baseline"};
  for (const MethodRequest& method : spec.methods) {
    for (const MethodVariant& variant : method.variants) {
      if (!DependsOnSeed(method.spec->inputs(variant.params))) same.push_back(VariantName(method, variant));
    }
  }
  diagnostics.Warn(
      seeds->at, absl::StrCat("experiments.baseline.fine_tune is false, so every seed gives the same result "
                              "for ",
                              absl::StrJoin(same, ", "), ": a deviation of 0 over ", spec.seeds.size(),
                              " seeds says nothing there; give one seed, or keep several for what "
                              "calibrates or trains"));
}

// ---- texts ---------------------------------------------------------------------------------------------

// A file that is nothing but a split; "my-test.csv" alone may be a whole dataset.
bool IsHeldOut(const AssetFile& file) {
  const std::string split = SplitNamedBy(file.path);
  const std::string stem = std::filesystem::path(file.path).stem().string();
  return (split == "test" || split == "validation") && stem.find_first_of("-_.") == std::string::npos;
}

// Why there are surely no texts of a kind; empty where there may be some.
std::string WhyNoTraining(const std::vector<AssetFile>& files) {
  if (files.empty() || !std::all_of(files.begin(), files.end(), IsHeldOut)) return "";
  return "the dataset has only files of held-out splits; add one of training texts, as train.csv";
}

std::string WhyNoValidation(const DatasetConfig& dataset, const std::vector<AssetFile>& files) {
  const auto is_validation = [](const AssetFile& f) { return SplitNamedBy(f.path) == "validation"; };
  const bool may_have_own = files.empty() || std::any_of(files.begin(), files.end(), is_validation);
  if (dataset.validation_size > 0 || (dataset.validation_size == 0 && may_have_own)) return "";
  return absl::StrCat("dataset.validation_size is ", dataset.validation_size,
                      dataset.validation_size == 0 ? " and the dataset has no validation file" : "",
                      "; give it, as in dataset: {validation_size: 1000}");
}

}  // namespace

void CheckTextsAreThere(const ExperimentSpec& spec, const AssetRef& dataset, Diagnostics& diagnostics) {
  const std::vector<AssetFile>& files = dataset.catalog ? dataset.catalog->files : dataset.files;
  const std::string no_training = WhyNoTraining(files);
  const std::string no_validation = WhyNoValidation(spec.dataset, files);
  for (const MethodRequest& method : spec.methods) {
    if (!no_training.empty() && AnyReads(method, &MethodInputs::training_texts)) {
      diagnostics.Error(method.at,
                        absl::StrCat(method.spec->name, " reads training texts, but ", no_training));
    }
    if (!no_validation.empty() && AnyReads(method, &MethodInputs::validation_texts)) {
      diagnostics.Error(method.at,
                        absl::StrCat(method.spec->name, " reads validation texts, but ", no_validation));
    }
  }
}

void ApplyMethodRules(const YamlNode& root, Diagnostics& diagnostics, ExperimentSpec* spec) {
  for (const MethodSpec& method : AllMethods()) {
    if (!method.control_of.empty()) ApplyControl(method, diagnostics, spec);
  }
  for (const MethodRequest& method : spec->methods) CheckNamesDiffer(method, diagnostics);
  CheckSeedsMatter(root, *spec, diagnostics);
  CheckTrainingHasEffect(root, *spec, diagnostics);
}

}  // namespace quantlab
