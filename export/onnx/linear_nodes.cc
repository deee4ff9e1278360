#include "export/onnx/linear_nodes.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "export/tensor_values.h"

namespace quantlab::model_export {
namespace {

constexpr float kFp8Max = 448;
// Scales below this are raised to it, as in worker/engine/kernels/int8_kernels.h.
constexpr float kSmallScale = 6.1e-5f;
constexpr int64_t kLeastBlock = 16;               // of 4-bit weights in the kernels of runtimes
constexpr int64_t kFirstAxis = 0, kLastAxis = 1;  // of [rows, features]

int64_t HalfType(const std::string& dtype) {
  return dtype == "bf16" ? onnx_type::kBfloat16 : onnx_type::kFloat16;
}

template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// The integers of a layer's weights, one in a byte: [out, in].
absl::StatusOr<std::string> ReadInt8(const StoredTensor& tensor, int64_t out, int64_t in) {
  QL_ASSIGN_OR_RETURN(std::string bytes, ReadTensorBytes(tensor));
  return tensor.dtype == "U8" ? UnpackRowsOfInt4(bytes, out, in) : std::move(bytes);
}

// `count` rows of `bytes` each, every row of `matrix` `times` times, as long as there are rows to fill.
std::string RepeatedRows(const std::string& matrix, int64_t bytes, int64_t count, int64_t times) {
  std::string repeated;
  for (int64_t row = 0; row < count; ++row) {
    repeated.append(matrix, static_cast<size_t>(row / times * bytes), static_cast<size_t>(bytes));
  }
  return repeated;
}

}  // namespace

const std::vector<LinearNodes::Kind>& LinearNodes::Kinds() {
  static const auto* const kinds = new std::vector<Kind>{
      {"fp32", &LinearNodes::AddFp32},
      {"bf16", &LinearNodes::AddHalf},
      {"fp16", &LinearNodes::AddHalf},
      {"int8_static", &LinearNodes::AddStaticInt8},
      {"int8_dynamic", &LinearNodes::AddDynamicInt8},
      {"int8_weight_only", &LinearNodes::AddInt8WeightOnly},
      {"int4_weight_only", &LinearNodes::AddInt4WeightOnly},
      {"fp8", &LinearNodes::AddFp8},
  };
  return *kinds;
}

absl::Status CheckLinearKind(const LayerEntry& layer) {
  std::vector<std::string> names;
  for (const auto& kind : LinearNodes::Kinds()) {
    if (layer.kind == kind.name) return absl::OkStatus();
    names.push_back(kind.name);
  }
  return absl::UnimplementedError(
      absl::StrCat("the layer ", layer.name, " is of the kind ", layer.kind,
                   ", which cannot be exported as ONNX; supported: ", absl::StrJoin(names, ", ")));
}

LinearNodes::LinearNodes(const SourceModel& model, const GraphOptions& options, Graph& graph)
    : model_(model), options_(options), graph_(graph) {}

absl::StatusOr<std::string> LinearNodes::Add(const std::string& name, int64_t in, int64_t out,
                                             const std::string& x) {
  const Layer layer{model_.Layer(name), in, out, x};
  for (const Kind& kind : Kinds()) {
    if (layer.entry.kind == kind.name) return (this->*kind.add)(layer);
  }
  return CheckLinearKind(layer.entry);
}

std::string LinearNodes::Rounded(const std::string& x, const std::string& dtype) {
  if (dtype == "fp32") return x;
  std::string& rounded = quantized_[absl::StrCat(dtype, " ", x)];
  if (rounded.empty()) {
    rounded = graph_.Cast(graph_.Cast(x, static_cast<int32_t>(HalfType(dtype))), onnx_type::kFloat);
  }
  return rounded;
}

// ---- weights -------------------------------------------------------------------------------------------

absl::StatusOr<std::string> LinearNodes::Transposed(const Layer& layer, const std::string& role, int32_t type,
                                                    const std::vector<std::string>& dtypes, int64_t element) {
  QL_ASSIGN_OR_RETURN(const StoredTensor tensor, model_.Tensor(layer.entry, role));
  const int64_t in = layer.in, out = layer.out;
  QL_RETURN_IF_ERROR(CheckStored(layer.entry.tensors.at(role), tensor, dtypes, {out, in}));
  return graph_.Weight({absl::StrCat(layer.entry.name, ".", role),
                        type,
                        {in, out},
                        static_cast<uint64_t>(in * out * element),
                        [tensor, in, out, element]() -> absl::StatusOr<std::string> {
                          QL_ASSIGN_OR_RETURN(const std::string bytes, ReadTensorBytes(tensor));
                          return TransposeBytes(bytes, out, in, element);
                        }});
}

absl::StatusOr<std::string> LinearNodes::Int8Weight(const Layer& layer) {
  if (!model_.Has(layer.entry, "weight_int4")) {
    return Transposed(layer, "weight_int8", onnx_type::kInt8, {"I8"}, 1);
  }
  QL_ASSIGN_OR_RETURN(const StoredTensor tensor, model_.Tensor(layer.entry, "weight_int4"));
  const int64_t in = layer.in, out = layer.out;
  QL_RETURN_IF_ERROR(CheckStored(layer.entry.name, tensor, {"U8"}, {out, (in + 1) / 2}));
  const std::string packed =
      graph_.Weight({layer.entry.name + ".weight_int4",
                     onnx_type::kInt4,
                     {in, out},
                     static_cast<uint64_t>((in * out + 1) / 2),
                     [tensor, in, out]() -> absl::StatusOr<std::string> {
                       QL_ASSIGN_OR_RETURN(const std::string values, ReadInt8(tensor, out, in));
                       return PackInt4(TransposeBytes(values, out, in, 1));
                     }});
  // Integer products take eight bits; a runtime converts the constant once, when it loads the model.
  return graph_.Cast(packed, onnx_type::kInt8);
}

absl::StatusOr<std::string> LinearNodes::WeightScale(const Layer& layer) {
  QL_ASSIGN_OR_RETURN(const StoredTensor tensor, model_.Tensor(layer.entry, "weight_scale"));
  const bool whole = tensor.elements() == 1 && layer.out != 1;
  QL_RETURN_IF_ERROR(
      CheckStored(layer.entry.name + ".weight_scale", tensor, {"F32"}, {whole ? 1 : layer.out}));
  return graph_.Weight({layer.entry.name + ".weight_scale", onnx_type::kFloat,
                        whole ? std::vector<int64_t>{} : std::vector<int64_t>{layer.out}, tensor.bytes,
                        [tensor] { return ReadTensorBytes(tensor); }});
}

absl::StatusOr<std::string> LinearNodes::Dequantized(const Layer& layer, const std::string& weight) {
  QL_ASSIGN_OR_RETURN(const std::string scale, WeightScale(layer));
  std::vector<std::string> inputs = {weight, scale};
  // ONNX Runtime makes an integer product only where there is a zero point.
  if (layer.entry.kind == "int8_static") {
    const int64_t scales = graph_.elements_of(scale);
    inputs.push_back(Zeros(onnx_type::kInt8, scales == 1 ? 0 : scales, 1));
  }
  return graph_.Node("DequantizeLinear", inputs, {{"axis", kLastAxis}});
}

// count 0: a scalar.
std::string LinearNodes::Zeros(int32_t type, int64_t count, int64_t element) {
  const std::string bytes(static_cast<size_t>(std::max<int64_t>(count, 1) * element), '\0');
  return graph_.Weight({absl::StrCat("constant/zeros_", type, "_", count), type,
                        count == 0 ? std::vector<int64_t>{} : std::vector<int64_t>{count}, bytes.size(),
                        [bytes] { return bytes; }});
}

absl::StatusOr<std::string> LinearNodes::ColumnSums(const Layer& layer) {
  const char* role = model_.Has(layer.entry, "weight_int4") ? "weight_int4" : "weight_int8";
  QL_ASSIGN_OR_RETURN(const StoredTensor tensor, model_.Tensor(layer.entry, role));
  const int64_t in = layer.in, out = layer.out;
  return graph_.Weight({layer.entry.name + ".weight_sums",
                        onnx_type::kInt32,
                        {out},
                        static_cast<uint64_t>(out) * 4,
                        [tensor, in, out]() -> absl::StatusOr<std::string> {
                          QL_ASSIGN_OR_RETURN(const std::string values, ReadInt8(tensor, out, in));
                          return BytesOf(RowSums(values, out, in));
                        }});
}

// ---- parts ---------------------------------------------------------------------------------------------

absl::StatusOr<std::string> LinearNodes::Bias(const Layer& layer) {
  const std::string name = layer.entry.name + ".bias";
  QL_ASSIGN_OR_RETURN(const StoredTensor tensor, model_.Tensor(layer.entry, "bias"));
  QL_RETURN_IF_ERROR(CheckStored(name, tensor, FloatDtypes(), {layer.out}));
  return graph_.Weight({name,
                        onnx_type::kFloat,
                        {layer.out},
                        static_cast<uint64_t>(layer.out) * 4,
                        [tensor]() -> absl::StatusOr<std::string> {
                          QL_ASSIGN_OR_RETURN(const std::vector<float> values, ReadFloats(tensor));
                          return FloatBytes(values);
                        }});
}

absl::StatusOr<std::string> LinearNodes::AddBias(const Layer& layer, const std::string& product) {
  if (!model_.Has(layer.entry, "bias")) return graph_.Node("Identity", {product}, {}, layer.entry.name);
  QL_ASSIGN_OR_RETURN(const std::string bias, Bias(layer));
  return graph_.Node("Add", {product, bias}, {}, layer.entry.name);
}

absl::StatusOr<std::string> LinearNodes::Multiply(const Layer& layer, const std::string& x,
                                                  const std::string& weight) {
  return AddBias(layer, graph_.Node("MatMul", {x, weight}));
}

// ---- floating point ------------------------------------------------------------------------------------

absl::StatusOr<std::string> LinearNodes::AddFp32(const Layer& layer) {
  QL_ASSIGN_OR_RETURN(const StoredTensor tensor, model_.Tensor(layer.entry, "weight"));
  const int64_t in = layer.in, out = layer.out;
  QL_RETURN_IF_ERROR(CheckStored(layer.entry.name + ".weight", tensor, FloatDtypes(), {out, in}));
  const std::string weight =
      graph_.Weight({layer.entry.name + ".weight",
                     onnx_type::kFloat,
                     {in, out},
                     static_cast<uint64_t>(in * out) * 4,
                     [tensor, in, out]() -> absl::StatusOr<std::string> {
                       QL_ASSIGN_OR_RETURN(const std::vector<float> values, ReadFloats(tensor));
                       return TransposeBytes(FloatBytes(values), out, in, 4);
                     }});
  return Multiply(layer, layer.x, weight);
}

// Input and output are rounded to the layer's dtype; sums are made in FP32.
absl::StatusOr<std::string> LinearNodes::AddHalf(const Layer& layer) {
  const std::string& dtype = layer.entry.kind;
  const auto type = static_cast<int32_t>(HalfType(dtype));
  QL_ASSIGN_OR_RETURN(const std::string weight,
                      Transposed(layer, "weight", type, {dtype == "bf16" ? "BF16" : "F16"}, 2));
  Layer inner = layer;
  inner.entry.name += "/unrounded";
  QL_ASSIGN_OR_RETURN(const std::string sum,
                      Multiply(inner, Rounded(layer.x, dtype), graph_.Cast(weight, onnx_type::kFloat)));
  return graph_.Cast(graph_.Cast(sum, type), onnx_type::kFloat, layer.entry.name);
}

// ---- INT8 ----------------------------------------------------------------------------------------------

absl::StatusOr<std::string> LinearNodes::AddStaticInt8(const Layer& layer) {
  QL_ASSIGN_OR_RETURN(const StoredTensor stored_scale, model_.Tensor(layer.entry, "input_scale"));
  QL_ASSIGN_OR_RETURN(const StoredTensor stored_zero, model_.Tensor(layer.entry, "input_zero_point"));
  QL_RETURN_IF_ERROR(CheckStored(layer.entry.name + ".input_scale", stored_scale, {"F32"}, {1}));
  QL_RETURN_IF_ERROR(CheckStored(layer.entry.name + ".input_zero_point", stored_zero, {"I32"}, {1}));
  QL_ASSIGN_OR_RETURN(const std::vector<float> scales, ReadFloats(stored_scale));
  QL_ASSIGN_OR_RETURN(const std::string zero_bytes, ReadTensorBytes(stored_zero));
  int32_t zero_point = 0;
  std::memcpy(&zero_point, zero_bytes.data(), sizeof zero_point);
  std::string smoothing;
  if (model_.Has(layer.entry, "input_smoothing")) {
    QL_ASSIGN_OR_RETURN(const StoredTensor tensor, model_.Tensor(layer.entry, "input_smoothing"));
    QL_RETURN_IF_ERROR(CheckStored(layer.entry.name + ".input_smoothing", tensor, {"F32"}, {layer.in}));
    QL_ASSIGN_OR_RETURN(smoothing, ReadTensorBytes(tensor));
  }
  if (!(scales[0] > 0) || !std::isfinite(scales[0]) || zero_point < 0 || zero_point > 255) {
    return absl::InvalidArgumentError(absl::StrCat(layer.entry.name, ": input_scale is ", scales[0],
                                                   " and input_zero_point ", zero_point,
                                                   "; allowed: positive and finite, 0 to 255"));
  }
  if (options_.exact) return StaticExact(layer, scales[0], zero_point, smoothing);
  QL_ASSIGN_OR_RETURN(const std::string weight, Int8Weight(layer));
  QL_ASSIGN_OR_RETURN(const std::string dequantized, Dequantized(layer, weight));
  const std::string input = StaticInput(layer, scales[0], zero_point, smoothing);
  QL_ASSIGN_OR_RETURN(const std::string bias, Int32Bias(layer, scales[0]));
  if (bias.empty()) return Multiply(layer, input, dequantized);
  return graph_.Node("Gemm", {input, dequantized, bias}, {}, layer.entry.name);
}

// Quantized and dequantized.
std::string LinearNodes::StaticInput(const Layer& layer, float input_scale, int32_t zero_point,
                                     const std::string& smoothing) {
  std::string& input = quantized_[absl::StrCat("static ", layer.x, " ", graph_.Float(input_scale), " ",
                                               zero_point, " ", smoothing)];
  if (input.empty()) {
    std::string x = layer.x;
    if (!smoothing.empty()) {
      x = graph_.Node("Mul", {x, graph_.Weight({layer.entry.name + ".input_smoothing",
                                                onnx_type::kFloat,
                                                {layer.in},
                                                smoothing.size(),
                                                [smoothing] { return smoothing; }})});
    }
    const std::string scale = graph_.Float(input_scale), zero = graph_.Byte(static_cast<uint8_t>(zero_point));
    input = graph_.Node("DequantizeLinear", {graph_.Node("QuantizeLinear", {x, scale, zero}), scale, zero});
  }
  return input;
}

// The bias in steps of the product, as the integer kernels of runtimes take it; half a step is far below what
// quantization does to the input. Empty where there is none, or a value does not fit 32 bits.
absl::StatusOr<std::string> LinearNodes::Int32Bias(const Layer& layer, float input_scale) {
  if (!model_.Has(layer.entry, "bias")) return std::string();
  const std::string name = layer.entry.name + ".bias_int32";
  QL_ASSIGN_OR_RETURN(const StoredTensor stored_bias, model_.Tensor(layer.entry, "bias"));
  QL_ASSIGN_OR_RETURN(const StoredTensor stored_scale, model_.Tensor(layer.entry, "weight_scale"));
  QL_RETURN_IF_ERROR(CheckStored(layer.entry.name + ".bias", stored_bias, {"F32"}, {layer.out}));
  QL_ASSIGN_OR_RETURN(const std::vector<float> bias, ReadFloats(stored_bias));
  QL_ASSIGN_OR_RETURN(std::vector<float> scales, ReadFloats(stored_scale));
  for (float& scale : scales) scale *= input_scale;
  std::vector<int32_t> steps;
  for (size_t i = 0; i < bias.size(); ++i) {
    const double value = std::nearbyint(double{bias[i]} / scales[scales.size() == 1 ? 0 : i]);
    if (!(std::abs(value) < std::numeric_limits<int32_t>::max())) return std::string();
    steps.push_back(static_cast<int32_t>(value));
  }
  const auto size = static_cast<int64_t>(scales.size());
  const std::string integers = graph_.Weight(
      {name, onnx_type::kInt32, {layer.out}, steps.size() * 4, [steps] { return BytesOf(steps); }});
  const std::string scale =
      graph_.Weight({absl::StrCat(name, "_scale"), onnx_type::kFloat,
                     size == layer.out ? std::vector<int64_t>{size} : std::vector<int64_t>{},
                     scales.size() * 4, [scales] { return FloatBytes(scales); }});
  const std::string zeros = Zeros(onnx_type::kInt32, size == layer.out ? size : 0, 4);
  return graph_.Node("DequantizeLinear", {integers, scale, zeros}, {{"axis", kFirstAxis}});
}

// round(fma(x, factor, zero point)), as the kernels compute it: the product is exact in double.
absl::StatusOr<std::string> LinearNodes::StaticExact(const Layer& layer, float scale, int32_t zero_point,
                                                     const std::string& smoothing) {
  Quantized& input = quantized_rows_[absl::StrCat("exact ", layer.x, " ", graph_.Float(scale), " ",
                                                  zero_point, " ", smoothing)];
  if (input.bytes.empty()) {
    std::string factor = graph_.Double(1.0f / scale);
    if (!smoothing.empty()) {
      std::vector<double> factors;
      for (size_t i = 0; i < smoothing.size(); i += sizeof(float)) {
        float value = 0;
        std::memcpy(&value, smoothing.data() + i, sizeof value);
        factors.push_back(value / scale);
      }
      factor = graph_.Weight({layer.entry.name + ".input_factor",
                              onnx_type::kDouble,
                              {layer.in},
                              factors.size() * sizeof(double),
                              [factors] { return BytesOf(factors); }});
    }
    const std::string product = graph_.Node("Mul", {graph_.Cast(layer.x, onnx_type::kDouble), factor});
    const std::string sum = graph_.Node("Add", {product, graph_.Double(zero_point)});
    const std::string rounded = graph_.Node("Round", {graph_.Cast(sum, onnx_type::kFloat)});
    input.bytes =
        graph_.Cast(graph_.Node("Clip", {rounded, graph_.Float(0), graph_.Float(255)}), onnx_type::kUint8);
    input.scale = graph_.Float(scale);
    input.zero_point = graph_.Cast(graph_.Int64(zero_point), onnx_type::kInt32);
  }
  return IntegerProduct(layer, input);
}

absl::StatusOr<std::string> LinearNodes::IntegerProduct(const Layer& layer, const Quantized& input) {
  QL_ASSIGN_OR_RETURN(const std::string weight, Int8Weight(layer));
  QL_ASSIGN_OR_RETURN(const std::string weight_scale, WeightScale(layer));
  QL_ASSIGN_OR_RETURN(const std::string sums, ColumnSums(layer));
  const std::string product = graph_.Node("MatMulInteger", {input.bytes, weight});
  const std::string shift = graph_.Node("Mul", {input.zero_point, sums});
  const std::string centred = graph_.Cast(graph_.Node("Sub", {product, shift}), onnx_type::kFloat);
  const std::string factor = graph_.Node("Mul", {input.scale, weight_scale});
  if (!options_.exact) return AddBias(layer, graph_.Node("Mul", {centred, factor}));
  // A fused multiply-add rounds once.
  const std::string exact =
      graph_.Node("Mul", {graph_.Cast(centred, onnx_type::kDouble), graph_.Cast(factor, onnx_type::kDouble)});
  if (!model_.Has(layer.entry, "bias")) return graph_.Cast(exact, onnx_type::kFloat, layer.entry.name);
  QL_ASSIGN_OR_RETURN(const std::string bias, Bias(layer));
  const std::string sum = graph_.Node("Add", {exact, graph_.Cast(bias, onnx_type::kDouble)});
  return graph_.Cast(sum, onnx_type::kFloat, layer.entry.name);
}

LinearNodes::Range LinearNodes::FindRange(const std::string& x, bool per_token, bool reduce_range) {
  const std::string zero = graph_.Float(0), top = graph_.Float(reduce_range ? 127 : 255);
  std::vector<std::string> range = {x};
  if (per_token) range.push_back(graph_.Int64s({kLastAxis}));
  const Attributes keep = {{"keepdims", int64_t{per_token ? 1 : 0}}};
  const std::string low = graph_.Node("Min", {graph_.Node("ReduceMin", range, keep), zero});
  const std::string high = graph_.Node("Max", {graph_.Node("ReduceMax", range, keep), zero});
  const std::string step = graph_.Node("Div", {graph_.Node("Sub", {high, low}), top});
  // Of a row of zeros the zero point is 0, whatever its scale.
  const std::string divisor = graph_.Node("Max", {step, graph_.Float(std::numeric_limits<float>::min())});
  const std::string zero_point =
      graph_.Node("Round", {graph_.Node("Neg", {graph_.Node("Div", {low, divisor})})});
  return {graph_.Node("Max", {step, graph_.Float(kSmallScale)}), zero_point};
}

LinearNodes::Quantized LinearNodes::QuantizeRows(const std::string& x, bool per_token, bool reduce_range) {
  Quantized& rows = quantized_rows_[absl::StrCat("dynamic ", x, per_token ? " rows" : " all",
                                                 reduce_range ? " 127" : " 255")];
  if (!rows.bytes.empty()) return rows;
  const Range range = FindRange(x, per_token, reduce_range);
  rows.scale = range.scale;
  rows.zero_point = graph_.Cast(range.zero_point, onnx_type::kInt32);
  std::string scale = rows.scale, zero_byte = graph_.Cast(range.zero_point, onnx_type::kUint8);
  if (per_token) {
    scale = graph_.Node("Reshape", {scale, graph_.Int64s({-1})});
    zero_byte = graph_.Node("Reshape", {zero_byte, graph_.Int64s({-1})});
  }
  rows.bytes = graph_.Node("QuantizeLinear", {x, scale, zero_byte}, {{"axis", kFirstAxis}});
  return rows;
}

// The same values without integers: the input rounded to its steps and scaled back.
absl::StatusOr<std::string> LinearNodes::DynamicInFp32(const Layer& layer) {
  const bool per_token = layer.entry.per_token;
  std::string& input = quantized_[absl::StrCat("dynamic ", layer.x, per_token ? " rows" : " all",
                                               layer.entry.reduce_range ? " 127" : " 255")];
  if (input.empty()) {
    const Range range = FindRange(layer.x, per_token, layer.entry.reduce_range);
    const std::string steps = graph_.Node("Round", {graph_.Node("Div", {layer.x, range.scale})});
    const std::string low = graph_.Node("Neg", {range.zero_point});
    const std::string high = graph_.Node("Add", {low, graph_.Float(255)});
    input = graph_.Node("Mul", {graph_.Node("Min", {graph_.Node("Max", {steps, low}), high}), range.scale});
  }
  QL_ASSIGN_OR_RETURN(const std::string weight, Int8Weight(layer));
  QL_ASSIGN_OR_RETURN(const std::string dequantized, Dequantized(layer, weight));
  return Multiply(layer, input, dequantized);
}

// The pattern that ONNX Runtime computes in one kernel.
absl::StatusOr<std::string> LinearNodes::QuantizedPerTensor(const Layer& layer) {
  Quantized& input = quantized_rows_[absl::StrCat("operator ", layer.x)];
  if (input.bytes.empty()) {
    const std::vector<std::string> outputs = graph_.Nodes("DynamicQuantizeLinear", {layer.x}, 3);
    input = {outputs[0], outputs[1], outputs[2]};
  }
  QL_ASSIGN_OR_RETURN(const std::string weight, Int8Weight(layer));
  QL_ASSIGN_OR_RETURN(const std::string weight_scale, WeightScale(layer));
  const std::string product = graph_.Node("MatMulInteger", {input.bytes, weight, input.zero_point});
  const std::string factor = graph_.Node("Mul", {input.scale, weight_scale});
  return AddBias(layer, graph_.Node("Mul", {graph_.Cast(product, onnx_type::kFloat), factor}));
}

absl::StatusOr<std::string> LinearNodes::AddDynamicInt8(const Layer& layer) {
  if (options_.for_openvino && !options_.exact) return DynamicInFp32(layer);
  if (!layer.entry.per_token && !layer.entry.reduce_range) return QuantizedPerTensor(layer);
  return IntegerProduct(layer, QuantizeRows(layer.x, layer.entry.per_token, layer.entry.reduce_range));
}

// ---- weights only --------------------------------------------------------------------------------------

absl::StatusOr<std::string> LinearNodes::AddInt8WeightOnly(const Layer& layer) {
  QL_ASSIGN_OR_RETURN(const std::string weight, Int8Weight(layer));
  QL_ASSIGN_OR_RETURN(const std::string dequantized, Dequantized(layer, weight));
  return Multiply(layer, layer.x, dequantized);
}

absl::StatusOr<std::string> LinearNodes::AddInt4WeightOnly(const Layer& layer) {
  const int64_t in = layer.in, out = layer.out, size = layer.entry.group_size,
                groups = (in + size - 1) / size;
  // OpenVINO takes whole blocks only: smaller ones, of which several have the scale of their group.
  const int64_t common = std::gcd(in, size), block = common < kLeastBlock ? size : common;
  const int64_t blocks = (in + block - 1) / block, blocks_of_group = size / block;
  const std::string& name = layer.entry.name;
  QL_ASSIGN_OR_RETURN(const StoredTensor weight, model_.Tensor(layer.entry, "weight_int4"));
  QL_ASSIGN_OR_RETURN(const StoredTensor scale, model_.Tensor(layer.entry, "weight_scale"));
  QL_RETURN_IF_ERROR(CheckStored(name + ".weight_int4", weight, {"U8"}, {out, (in + 1) / 2}));
  QL_RETURN_IF_ERROR(CheckStored(name + ".weight_scale", scale, {"BF16"}, {out, groups}));
  std::vector<std::string> inputs;
  inputs.push_back(graph_.Weight({name + ".weight_int4",
                                  onnx_type::kInt4,
                                  {in, out},
                                  static_cast<uint64_t>((in * out + 1) / 2),
                                  [weight, in, out]() -> absl::StatusOr<std::string> {
                                    QL_ASSIGN_OR_RETURN(const std::string values, ReadInt8(weight, out, in));
                                    return PackInt4(TransposeBytes(values, out, in, 1));
                                  }}));
  inputs.push_back(graph_.Weight({name + ".weight_scale",
                                  onnx_type::kFloat,
                                  {blocks, out},
                                  static_cast<uint64_t>(blocks * out) * 4,
                                  [=]() -> absl::StatusOr<std::string> {
                                    QL_ASSIGN_OR_RETURN(const std::vector<float> values, ReadFloats(scale));
                                    const std::string rows =
                                        TransposeBytes(FloatBytes(values), out, groups, 4);
                                    return RepeatedRows(rows, out * 4, blocks, blocks_of_group);
                                  }}));
  if (model_.Has(layer.entry, "weight_zero_point")) {
    QL_ASSIGN_OR_RETURN(const StoredTensor zero, model_.Tensor(layer.entry, "weight_zero_point"));
    QL_RETURN_IF_ERROR(CheckStored(name + ".weight_zero_point", zero, {"I8"}, {out, groups}));
    inputs.push_back(graph_.Weight({name + ".weight_zero_point",
                                    onnx_type::kInt4,
                                    {blocks, out},
                                    static_cast<uint64_t>((blocks * out + 1) / 2),
                                    [=]() -> absl::StatusOr<std::string> {
                                      QL_ASSIGN_OR_RETURN(const std::string values, ReadTensorBytes(zero));
                                      const std::string rows = TransposeBytes(values, out, groups, 1);
                                      return PackInt4(RepeatedRows(rows, out, blocks, blocks_of_group));
                                    }}));
  }
  return Multiply(layer, layer.x,
                  graph_.Node("DequantizeLinear", inputs, {{"axis", kFirstAxis}, {"block_size", block}}));
}

// ---- FP8 -----------------------------------------------------------------------------------------------

// x: within the range of E4M3, whose steps are 2^(floor(log2|x|) - 3), and 2^-9 from 2^-6 down.
std::string LinearNodes::RoundedToFp8(const std::string& x) {
  if (!options_.for_openvino) return graph_.Cast(graph_.Cast(x, onnx_type::kFloat8E4m3fn), onnx_type::kFloat);
  // OpenVINO removes a conversion to a narrower type and back.
  const std::string magnitude = graph_.Node("Max", {graph_.Node("Abs", {x}), graph_.Float(0.015625f)});
  const std::string log2 = graph_.Node(
      "Mul", {graph_.Node("Log", {magnitude}), graph_.Float(static_cast<float>(1 / std::log(2.0)))});
  const std::string exponent = graph_.Node("Sub", {graph_.Node("Floor", {log2}), graph_.Float(3)});
  const std::string step = graph_.Node("Pow", {graph_.Float(2), exponent});
  return graph_.Node("Mul", {graph_.Node("Round", {graph_.Node("Div", {x, step})}), step});
}

// Input rounded to FP8 and scaled back, the product in FP32: worker/engine/layers/fp8_linear.h on a CPU.
absl::StatusOr<std::string> LinearNodes::AddFp8(const Layer& layer) {
  QL_ASSIGN_OR_RETURN(const std::string weight,
                      Transposed(layer, "weight_fp8", onnx_type::kFloat8E4m3fn, {"F8_E4M3"}, 1));
  QL_ASSIGN_OR_RETURN(const std::string dequantized, Dequantized(layer, weight));
  std::string& input = quantized_[absl::StrCat("fp8 ", layer.x, layer.entry.per_token ? " rows" : " all")];
  if (input.empty()) {
    std::vector<std::string> range = {graph_.Node("Abs", {layer.x})};
    if (layer.entry.per_token) range.push_back(graph_.Int64s({kLastAxis}));
    const std::string largest =
        graph_.Node("ReduceMax", range, {{"keepdims", int64_t{layer.entry.per_token ? 1 : 0}}});
    const std::string scale = graph_.Node("Max", {graph_.Node("Div", {largest, graph_.Float(kFp8Max)}),
                                                  graph_.Float(std::numeric_limits<float>::min())});
    const std::string scaled = graph_.Node("Mul", {layer.x, graph_.Node("Reciprocal", {scale})});
    const std::string clipped = graph_.Node("Clip", {scaled, graph_.Float(-kFp8Max), graph_.Float(kFp8Max)});
    input = graph_.Node("Mul", {RoundedToFp8(clipped), scale});
  }
  return Multiply(layer, input, dequantized);
}

}  // namespace quantlab::model_export
