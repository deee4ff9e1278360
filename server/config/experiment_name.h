// Names of experiments: letters and digits of any script, in Unicode's normal form C, so that the same name
// is the same folder whoever typed it. Pure functions.
#ifndef QUANTLAB_SERVER_CONFIG_EXPERIMENT_NAME_H_
#define QUANTLAB_SERVER_CONFIG_EXPERIMENT_NAME_H_

#include <optional>
#include <string>

namespace quantlab {

// `text` in normal form C where it is a name: up to 64 letters, digits and . _ -, beginning with a letter or
// a digit.
std::optional<std::string> CheckExperimentName(const std::string& text);

// A name made of `text` (the stem of a file): what it cannot have becomes '-'; empty where nothing is left.
std::string MakeExperimentName(const std::string& text);

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CONFIG_EXPERIMENT_NAME_H_
