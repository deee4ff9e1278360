// Names of classes, as a model's config.json and a dataset spell them.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_CLASS_NAMES_H_
#define QUANTLAB_WORKER_ENGINE_DATA_CLASS_NAMES_H_

#include <string>
#include <vector>

namespace quantlab::engine {

// Whether two names differ at most in case, in Unicode normal form, and in white space at their ends. Invalid
// UTF-8 is compared byte by byte.
bool SameClassName(const std::string& a, const std::string& b);

// Whether a model with the classes `own` answers with those of the dataset, index by index: their names are
// the same, or one side has none: the model LABEL_0, LABEL_1, …, or the dataset the indices 0, 1, ….
bool SameClasses(const std::vector<std::string>& own, const std::vector<std::string>& dataset);

// LABEL_0, LABEL_1, …: what transformers writes where nobody named the classes.
bool AreDefaultNames(const std::vector<std::string>& names);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_CLASS_NAMES_H_
