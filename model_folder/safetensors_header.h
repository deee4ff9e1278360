// The header of a safetensors file, without its tensors.
#ifndef QUANTLAB_MODEL_FOLDER_SAFETENSORS_HEADER_H_
#define QUANTLAB_MODEL_FOLDER_SAFETENSORS_HEADER_H_

#include <set>
#include <string>

#include "absl/status/statusor.h"

namespace quantlab {

// The names of its tensors, once the header has been read and every tensor found to lie within the file.
// Finds what a download or a copy breaks; SafetensorsFile in worker/engine/tensors checks the rest.
// Errors: NOT_FOUND; INVALID_ARGUMENT names the file and what is wrong with it.
absl::StatusOr<std::set<std::string>> ReadSafetensorsNames(const std::string& path);

}  // namespace quantlab

#endif  // QUANTLAB_MODEL_FOLDER_SAFETENSORS_HEADER_H_
