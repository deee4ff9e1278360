// The linear layers of a saved model as ONNX nodes, each kind of plan.json with its own arithmetic
// (worker/engine/layers has the layers themselves).
#ifndef QUANTLAB_EXPORT_ONNX_LINEAR_NODES_H_
#define QUANTLAB_EXPORT_ONNX_LINEAR_NODES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "export/onnx/graph.h"
#include "export/source_model.h"

namespace quantlab::model_export {

struct GraphOptions {
  bool exact = false;  // as ExportOptions has it
  // OpenVINO lacks MatMulInteger and scales that are not constant: dynamic INT8 layers multiply their
  // quantized inputs and weights in FP32.
  bool for_openvino = false;
};

// UNIMPLEMENTED names the layer where ONNX cannot express its kind.
absl::Status CheckLinearKind(const LayerEntry& layer);

// Adds layers to one graph. Layers that quantize the same input alike share the nodes that do it.
//
// Ownership: borrows all three; they outlive this object.
class LinearNodes {
 public:
  LinearNodes(const SourceModel& model, const GraphOptions& options, Graph& graph);

  // x: the name of a float value [rows, in]; returns the name of the layer's output, [rows, out] float, which
  // is the layer's own name. Errors: NOT_FOUND, INVALID_ARGUMENT a tensor of the layer is missing or
  // malformed; UNIMPLEMENTED its kind.
  absl::StatusOr<std::string> Add(const std::string& layer, int64_t in, int64_t out, const std::string& x);

  // `x` rounded to `dtype` ("bf16", "fp16") and back to float; `x` itself for "fp32".
  std::string Rounded(const std::string& x, const std::string& dtype);

 private:
  // One layer while it is added.
  struct Layer {
    LayerEntry entry;
    int64_t in, out;
    std::string x;
  };
  // The input of an INT8 product: bytes [rows, in], float scale and int32 zero point, [rows, 1] or scalar.
  struct Quantized {
    std::string bytes, scale, zero_point;
  };
  // Of an input that is quantized at run time: float scale and zero point, [rows, 1] or scalar.
  struct Range {
    std::string scale, zero_point;
  };
  using Adder = absl::StatusOr<std::string> (LinearNodes::*)(const Layer& layer);
  struct Kind {
    const char* name;
    Adder add;
  };
  static const std::vector<Kind>& Kinds();
  friend absl::Status CheckLinearKind(const LayerEntry& layer);

  absl::StatusOr<std::string> AddFp32(const Layer& layer);
  absl::StatusOr<std::string> AddHalf(const Layer& layer);
  absl::StatusOr<std::string> AddStaticInt8(const Layer& layer);
  absl::StatusOr<std::string> AddDynamicInt8(const Layer& layer);
  absl::StatusOr<std::string> AddInt8WeightOnly(const Layer& layer);
  absl::StatusOr<std::string> AddInt4WeightOnly(const Layer& layer);
  absl::StatusOr<std::string> AddFp8(const Layer& layer);

  // ---- Parts of layers. ----

  // The product with a float weight [in, out], and the bias.
  absl::StatusOr<std::string> Multiply(const Layer& layer, const std::string& x, const std::string& weight);
  absl::StatusOr<std::string> Bias(const Layer& layer);
  absl::StatusOr<std::string> AddBias(const Layer& layer, const std::string& product);
  std::string StaticInput(const Layer& layer, float input_scale, int32_t zero_point,
                          const std::string& smoothing);
  absl::StatusOr<std::string> Int32Bias(const Layer& layer, float input_scale);
  absl::StatusOr<std::string> StaticExact(const Layer& layer, float scale, int32_t zero_point,
                                          const std::string& smoothing);
  absl::StatusOr<std::string> IntegerProduct(const Layer& layer, const Quantized& input);
  absl::StatusOr<std::string> QuantizedPerTensor(const Layer& layer);
  Range FindRange(const std::string& x, bool per_token, bool reduce_range);
  Quantized QuantizeRows(const std::string& x, bool per_token, bool reduce_range);
  std::string RoundedToFp8(const std::string& x);
  absl::StatusOr<std::string> DynamicInFp32(const Layer& layer);

  // ---- Weights, as initializers. ----

  // [out, in] as [in, out], of elements of `element` bytes.
  absl::StatusOr<std::string> Transposed(const Layer& layer, const std::string& role, int32_t type,
                                         const std::vector<std::string>& dtypes, int64_t element);
  // weight_int8, or weight_int4 as integers of eight bits: [in, out].
  absl::StatusOr<std::string> Int8Weight(const Layer& layer);
  absl::StatusOr<std::string> WeightScale(const Layer& layer);
  absl::StatusOr<std::string> Dequantized(const Layer& layer, const std::string& weight);
  std::string Zeros(int32_t type, int64_t count, int64_t element);
  absl::StatusOr<std::string> ColumnSums(const Layer& layer);

  const SourceModel& model_;
  const GraphOptions& options_;
  Graph& graph_;
  std::map<std::string, std::string> quantized_;  // outputs of shared nodes by what they compute
  std::map<std::string, Quantized> quantized_rows_;
};

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_ONNX_LINEAR_NODES_H_
