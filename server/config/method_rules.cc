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

}  // namespace

void ApplyMethodRules(const YamlNode& root, Diagnostics& diagnostics, ExperimentSpec* spec) {
  CheckTrainingHasEffect(root, *spec, diagnostics);
}

}  // namespace quantlab
