// The tensors of a model folder's safetensors, read one at a time and without LibTorch.
#ifndef QUANTLAB_MODEL_FOLDER_STORED_TENSORS_H_
#define QUANTLAB_MODEL_FOLDER_STORED_TENSORS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quantlab {

// Where a tensor lies in its file. The header was checked: the extent is within the file and as long as dtype
// and shape require.
struct StoredTensor {
  std::string dtype;  // as the file names it: "F32", "BF16", "I8", "U8", "F8_E4M3", …
  std::vector<int64_t> shape;
  std::string path;    // of the file
  uint64_t begin = 0;  // bytes from the start of the file
  uint64_t bytes = 0;

  int64_t elements() const;
};

// Tensors by name.
using StoredTensors = std::map<std::string, StoredTensor>;

// Bytes of one element; 0 for a dtype that safetensors does not have.
uint64_t BytesOfDtype(const std::string& dtype);

// Those of one file. Errors: NOT_FOUND; INVALID_ARGUMENT names the file, the tensor and what is wrong.
absl::StatusOr<StoredTensors> ReadStoredTensors(const std::string& path);

// Those of all weight files of a model folder. Errors: as above and as FindWeightFiles; INVALID_ARGUMENT also
// for pytorch_model.bin, and for a tensor that two files have.
absl::StatusOr<StoredTensors> ReadFolderTensors(const std::string& folder);

// The tensor's bytes, little-endian as in the file. Errors: UNAVAILABLE the file cannot be read, or became
// shorter.
absl::StatusOr<std::string> ReadTensorBytes(const StoredTensor& tensor);

}  // namespace quantlab

#endif  // QUANTLAB_MODEL_FOLDER_STORED_TENSORS_H_
