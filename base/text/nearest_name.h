// Suggestions for names that were mistyped.
#ifndef QUANTLAB_BASE_TEXT_NEAREST_NAME_H_
#define QUANTLAB_BASE_TEXT_NEAREST_NAME_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantlab {

// The entry of `known` that is nearest to `given` by Damerau-Levenshtein distance, ignoring case. Empty where
// more than a third of the letters (and more than one) differ.
std::string NearestName(absl::string_view given, const std::vector<std::string>& known);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_TEXT_NEAREST_NAME_H_
