// Compares the names of classes in a model's config.json with those of a dataset.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_CLASS_NAMES_H_
#define QUANTLAB_WORKER_ENGINE_DATA_CLASS_NAMES_H_

#include <string>
#include <vector>

namespace quantlab::engine {

// Whether two names differ at most in case, in Unicode normal form, and in white space at their ends. Invalid
// UTF-8 is compared byte by byte.
bool SameClassName(const std::string& a, const std::string& b);

// Whether the classes `own` of a model are those of the dataset, index by index: their names are the same, or
// one side has only default names: the model LABEL_0, LABEL_1, …, or the dataset the indices 0, 1, ….
bool SameClasses(const std::vector<std::string>& own, const std::vector<std::string>& dataset);

// LABEL_0, LABEL_1, …: what transformers writes where the classes have no names.
bool AreDefaultNames(const std::vector<std::string>& names);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_CLASS_NAMES_H_
