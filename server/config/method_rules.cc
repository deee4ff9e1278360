#include "server/config/method_rules.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"

namespace quantlab {
namespace {

bool AnyReads(const MethodRequest& method, bool MethodInputs::*what) {
  return std::any_of(method.variants.begin(), method.variants.end(),
                     [&](const MethodVariant& variant) { return method.spec->inputs(variant.params).*what; });
}

// ---- training ------------------------------------------------------------------------------------------

// Where the baseline is not fine-tuned, only the methods that train read `training`, but not its epochs and
// learning rate, for which they have parameters.
void CheckTrainingHasEffect(const YamlNode& root, const ExperimentSpec& spec, Diagnostics& diagnostics) {
  const YamlNode* training = root.Find("training");
  if (training == nullptr || spec.training.enabled) return;
  std::vector<std::string> methods;
  for (const MethodRequest& method : spec.methods) {
    if (AnyReads(method, &MethodInputs::training_settings)) methods.push_back(method.spec->name);
  }
  if (methods.empty()) {
    diagnostics.Warn(training->at, messages::kTrainingNoEffect());
    return;
  }
  for (const char* key : {"epochs", "learning_rate"}) {
    const YamlNode* value = training->Find(key);
    if (value == nullptr) continue;
    diagnostics.Warn(value->at, messages::kTrainingKeyNoEffect(key, methods));
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

std::vector<std::string> Texts(const std::vector<ParamValue>& values) {
  std::vector<std::string> texts;
  for (const ParamValue& value : values) texts.push_back(ParamToString(value));
  return texts;
}

// A control without a value of its own takes that of its method, unless the method sweeps over it.
void Follow(const MethodRequest& method, const std::string& param, MethodRequest* control) {
  const std::vector<ParamValue> wanted = ValuesOf(method, param);
  if (control->given.count(param) > 0 || wanted.size() != 1) return;
  for (MethodVariant& variant : control->variants) variant.params[param] = wanted[0];
}

void CheckTrainedAlike(const MethodRequest& method, const std::string& param, const MethodRequest& control,
                       Diagnostics& diagnostics) {
  const std::vector<ParamValue> wanted = ValuesOf(method, param), has = ValuesOf(control, param);
  if (std::is_permutation(has.begin(), has.end(), wanted.begin(), wanted.end())) return;
  const Message remedy = wanted.size() == 1 ? messages::kLeaveOutToFollow(param, method.spec->name)
                                            : messages::kGiveValues(param, Texts(wanted));
  const Message note = control.given.count(param) > 0 ? Message() : messages::kItsDefault();
  diagnostics.Warn(control.at, messages::kControlDiffers(control.spec->name, param, Texts(has), note,
                                                         method.spec->name, Texts(wanted), remedy));
}

void ApplyControl(const MethodSpec& control_spec, Diagnostics& diagnostics, ExperimentSpec* spec) {
  const MethodRequest* method = Find(control_spec.control_of, spec);
  MethodRequest* control = Find(control_spec.name, spec);
  if (method == nullptr) return;
  if (control == nullptr) {
    diagnostics.Warn(method->at, messages::kNoControl(method->spec->name, control_spec.name));
    return;
  }
  for (const ParamSpec& param : control_spec.params) {
    Follow(*method, param.name, control);
    CheckTrainedAlike(*method, param.name, *control, diagnostics);
  }
}

// ---- names and seeds -----------------------------------------------------------------------------------

// "pin a=fp32": where one variant differs from another.
std::vector<std::string> Difference(const Params& params, const Params& other) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : params) {
    if (other.at(name) != value) parts.push_back(absl::StrCat(name, " ", ParamToString(value)));
  }
  return parts;
}

// Characters that a name cannot have are replaced, so different values may give one name.
void CheckNamesDiffer(const MethodRequest& method, Diagnostics& diagnostics) {
  std::map<std::string, const MethodVariant*> named;
  for (const MethodVariant& variant : method.variants) {
    const auto [other, fresh] = named.emplace(VariantName(method, variant), &variant);
    if (fresh) continue;
    diagnostics.Error(method.at, messages::kVariantNameTwice(
                                     other->first, Difference(other->second->params, variant.params),
                                     Difference(variant.params, other->second->params)));
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
  diagnostics.Warn(seeds->at, messages::kSeedsGiveTheSame(same, static_cast<int64_t>(spec.seeds.size())));
}

// ---- texts ---------------------------------------------------------------------------------------------

// A file that is only a split; "my-test.csv" alone may be a whole dataset.
bool IsHeldOut(const AssetFile& file) {
  const std::string split = SplitNamedBy(file.path);
  const std::string stem = std::filesystem::path(file.path).stem().string();
  return (split == "test" || split == "validation") && stem.find_first_of("-_.") == std::string::npos;
}

// Why there are certainly no texts of a kind; no message where there may be some.
Message WhyNoTraining(const std::vector<AssetFile>& files) {
  if (files.empty() || !std::all_of(files.begin(), files.end(), IsHeldOut)) return {};
  return messages::kOnlyHeldOutFiles();
}

Message WhyNoValidation(const DatasetConfig& dataset, const std::vector<AssetFile>& files) {
  const auto is_validation = [](const AssetFile& f) { return SplitNamedBy(f.path) == "validation"; };
  const bool may_have_own = files.empty() || std::any_of(files.begin(), files.end(), is_validation);
  if (dataset.validation_size > 0 || (dataset.validation_size == 0 && may_have_own)) return {};
  return dataset.validation_size == 0 ? messages::kNoValidationFile(dataset.validation_size)
                                      : messages::kNoValidationSplit(dataset.validation_size);
}

}  // namespace

void CheckTextsAreThere(const ExperimentSpec& spec, const AssetRef& dataset, Diagnostics& diagnostics) {
  const std::vector<AssetFile>& files = dataset.catalog ? dataset.catalog->files : dataset.files;
  const Message no_training = WhyNoTraining(files);
  const Message no_validation = WhyNoValidation(spec.dataset, files);
  for (const MethodRequest& method : spec.methods) {
    if (!no_training.empty() && AnyReads(method, &MethodInputs::training_texts)) {
      diagnostics.Error(method.at, messages::kReadsTrainingTexts(method.spec->name, no_training));
    }
    if (!no_validation.empty() && AnyReads(method, &MethodInputs::validation_texts)) {
      diagnostics.Error(method.at, messages::kReadsValidationTexts(method.spec->name, no_validation));
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
