// Writes a safetensors file, one tensor at a time.
#ifndef QUANTLAB_EXPORT_TRANSFORMERS_SAFETENSORS_FILE_H_
#define QUANTLAB_EXPORT_TRANSFORMERS_SAFETENSORS_FILE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quantlab::model_export {

struct WrittenTensor {
  std::string name;
  std::string dtype;  // as safetensors names it: "F32", "BF16", "I8", …
  std::vector<int64_t> shape;
  std::function<absl::StatusOr<std::string>()> make;  // the bytes, little-endian; called once
};

// Writes `path` with the metadata {"format": "pt"}, without which transformers refuses a file. At most one
// tensor is in memory at a time. Errors: those of `make`; RESOURCE_EXHAUSTED the disk is full; INTERNAL a
// tensor has another size than its dtype and shape require, or a dtype is unknown.
absl::Status WriteSafetensors(const std::vector<WrittenTensor>& tensors, const std::string& path);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_TRANSFORMERS_SAFETENSORS_FILE_H_
