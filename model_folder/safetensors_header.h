// The header of a safetensors file, without its tensors.
#ifndef QUANTLAB_MODEL_FOLDER_SAFETENSORS_HEADER_H_
#define QUANTLAB_MODEL_FOLDER_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quantlab {

// The text of a file's header, which is a JSON object that is not nested too deeply.
struct SafetensorsHeader {
  std::string json;
  uint64_t data_begin = 0;  // where the tensors' bytes begin
  uint64_t file_bytes = 0;
};

// Errors: NOT_FOUND; INVALID_ARGUMENT names the file and what is wrong with it.
absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const std::string& path);

// Names and shapes of tensors.
using TensorShapes = std::map<std::string, std::vector<int64_t>>;

// Those of its tensors, once the header has been read and every tensor found to lie within the file.
// Finds what a download or a copy breaks; SafetensorsFile in worker/engine/tensors checks the rest.
// Errors: NOT_FOUND; INVALID_ARGUMENT names the file and what is wrong with it.
absl::StatusOr<TensorShapes> ReadSafetensorsShapes(const std::string& path);

}  // namespace quantlab

#endif  // QUANTLAB_MODEL_FOLDER_SAFETENSORS_HEADER_H_
