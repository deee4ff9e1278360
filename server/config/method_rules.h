// Rules over more than one key: the requirements of an experiment's methods on each other and on the rest of
// the file. Checked once the single keys are valid.
#ifndef QUANTLAB_SERVER_CONFIG_METHOD_RULES_H_
#define QUANTLAB_SERVER_CONFIG_METHOD_RULES_H_

#include "base/config/run_config.h"
#include "server/config/experiment_spec.h"
#include "yaml/diagnostics.h"
#include "yaml/yaml_tree.h"

namespace quantlab {

// Gives controls the parameters of their methods, and warns of settings without effect, control or meaning.
// `root` is the file that `spec` was read from; `diagnostics` must have no errors yet.
void ApplyMethodRules(const YamlNode& root, Diagnostics& diagnostics, ExperimentSpec* spec);

// Reports an error for each method that reads texts which `dataset` cannot provide. Where its files are not
// yet known, the worker checks it.
void CheckTextsAreThere(const ExperimentSpec& spec, const AssetRef& dataset, Diagnostics& diagnostics);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CONFIG_METHOD_RULES_H_
