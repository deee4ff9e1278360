// Compares the names of classes in a model's config.json with those of a dataset.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_CLASS_NAMES_H_
#define QUANTLAB_WORKER_ENGINE_DATA_CLASS_NAMES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace quantlab::engine {

// Without the blanks of Unicode at both ends: its white space, and what is as invisible (U+200B, U+FEFF).
std::string_view TrimBlanks(std::string_view text);

// The first names of `names` that differ only in case, in Unicode normal form, in white space or in the form
// of a number (1, 1.0, 01), so that a reader would take them for one; empty where there are none.
std::vector<std::string> LookAlikes(const std::vector<std::string>& names);

// Whether two names differ at most in case, in Unicode normal form, in white space at their ends, and in the
// form of a number (1, 1.0). Invalid UTF-8 is compared byte by byte.
bool SameClassName(const std::string& a, const std::string& b);

// For each class of a model, which of the dataset's it is. Names are the same where SameClassName says so, or
// `label_map` does (DatasetConfig::label_map). Where one side has no names (the model LABEL_0, LABEL_1, …, or
// the dataset the indices 0, 1, …) and the map has none for it, index by index. Errors: INVALID_ARGUMENT with
// both lists, and how to map the names.
absl::StatusOr<std::vector<int>> MatchClasses(const std::vector<std::string>& model,
                                              const std::vector<std::string>& dataset,
                                              const std::vector<std::string>& label_map);

// LABEL_0, LABEL_1, …: what transformers writes where the classes have no names.
bool AreDefaultNames(const std::vector<std::string>& names);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_CLASS_NAMES_H_
