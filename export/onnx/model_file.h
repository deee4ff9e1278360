// Writes an ONNX model to a file, one weight at a time.
#ifndef QUANTLAB_EXPORT_ONNX_MODEL_FILE_H_
#define QUANTLAB_EXPORT_ONNX_MODEL_FILE_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "export/onnx/graph.h"

namespace quantlab::model_export {

inline constexpr char kOnnxFile[] = "model.onnx";
inline constexpr char kOnnxDataFile[] = "model.onnx.data";

struct OnnxFileOptions {
  std::map<std::string, std::string> metadata;
  // Weights that make the file larger than this go into kOnnxDataFile beside it: a protobuf message ends at 2
  // GB.
  uint64_t max_bytes = (uint64_t{1} << 31) - (uint64_t{16} << 20);
};

// Writes FOLDER/model.onnx, and FOLDER/model.onnx.data where the weights are too large. At most one weight is
// in memory at a time.
// Errors: those of the weights' `make`; RESOURCE_EXHAUSTED the disk is full; INTERNAL a weight has another
// size than it was declared with.
absl::Status WriteOnnxModel(const Graph& graph, const OnnxFileOptions& options, const std::string& folder);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_ONNX_MODEL_FILE_H_
