// What the methods of an experiment ask of each other and of the rest of the file: rules over more than one
// key, checked when the keys by themselves are right.
#ifndef QUANTLAB_SERVER_CONFIG_METHOD_RULES_H_
#define QUANTLAB_SERVER_CONFIG_METHOD_RULES_H_

#include "base/run_config.h"
#include "server/config/experiment_spec.h"
#include "yaml/diagnostics.h"
#include "yaml/yaml_tree.h"

namespace quantlab {

// Gives controls the parameters of their methods, and says what has no effect, no control or no meaning.
// `root` is the file that `spec` was read from; `diagnostics` must have no errors yet.
void ApplyMethodRules(const YamlNode& root, Diagnostics& diagnostics, ExperimentSpec* spec);

// An error for each method that reads texts which `dataset` surely cannot give. Where its files are not
// known yet, only the worker can tell.
void CheckTextsAreThere(const ExperimentSpec& spec, const AssetRef& dataset, Diagnostics& diagnostics);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CONFIG_METHOD_RULES_H_
