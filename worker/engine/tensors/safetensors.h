// Files of named tensors in the safetensors format: read by mmap, written atomically.
//
// Format: 8 bytes little-endian header length, a JSON header
// {"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {text: text}}, then the data.
// Source: https://github.com/huggingface/safetensors (format section of its README).
#ifndef QUANTLAB_WORKER_ENGINE_TENSORS_SAFETENSORS_H_
#define QUANTLAB_WORKER_ENGINE_TENSORS_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace quantlab::engine {

// Tensors by name, in order of name.
using TensorMap = std::map<std::string, at::Tensor>;

class MappedFile;  // one mmap, kept alive by every tensor that looks into it

// An opened file whose header has been checked completely: every name is unique UTF-8, every dtype
// known, every shape and extent agrees with the file's size, and the data has neither holes nor overlaps.
//
// Ownership: tensors share the mapping; they outlive this object safely.
// Threads:   const methods are safe to call from several threads.
class SafetensorsFile {
 public:
  struct Entry {
    at::ScalarType dtype;
    std::vector<int64_t> shape;
    uint64_t begin, end;  // bytes from the start of the file
  };

  // Errors: NOT_FOUND no such file; INVALID_ARGUMENT names the file, the tensor and what is wrong.
  // dtypes: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL; any other is INVALID_ARGUMENT.
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);

  const std::string& path() const { return path_; }
  const std::map<std::string, Entry>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool Contains(const std::string& name) const { return entries_.count(name) != 0; }

  // A CPU tensor that looks into the mapping (copied only where the file does not align it to its dtype).
  // Writing into it changes the process's private copy of the page, never the file.
  // Errors: NOT_FOUND names the file and the tensor.
  absl::StatusOr<at::Tensor> Get(const std::string& name) const;

  // All of them, as Get gives each.
  absl::StatusOr<TensorMap> GetAll() const;

 private:
  std::string path_;
  std::shared_ptr<MappedFile> mapping_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

// Writes `tensors` (any device, any strides) to `path` through a temporary file beside it, fsync and
// rename: afterwards there is the whole new file or what was there before. Equal content gives equal
// bytes: larger dtypes first (so that all are aligned), then by name; the data starts on 64 bytes.
// Errors: RESOURCE_EXHAUSTED disk full; others name the path and the system's reason.
absl::Status WriteSafetensors(const std::string& path, const TensorMap& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TENSORS_SAFETENSORS_H_
