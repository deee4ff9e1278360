#include "export/transformers/compressed_scheme.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "export/tensor_values.h"
#include "export/transformers/dense_weights.h"

namespace quantlab::model_export {
namespace {

using Json = nlohmann::ordered_json;

absl::Status Inexpressible(const SourceModel& model, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat(
      model.folder(), ": ", what,
      "; compressed-tensors expresses dynamic INT8 and FP8 for each token, INT8 weights, and symmetric INT4 weights "
      "whose groups divide the inputs. Use --to transformers (weights multiplied out) or --to onnx"));
}

bool IsQuantized(const LayerEntry& layer) {
  return layer.kind != "fp32" && layer.kind != "bf16" && layer.kind != "fp16";
}

bool QuantizesInputs(const std::string& kind) {
  return kind == "int8_dynamic" || kind == "fp8";
}

absl::Status CheckLayer(const SourceModel& model, const MatrixPart& part) {
  const LayerEntry layer = model.Layer(part.name);
  if (QuantizesInputs(layer.kind)) {
    if (!layer.per_token)
      return Inexpressible(model, absl::StrCat(part.name, " has one activation scale for a batch"));
    if (layer.reduce_range)
      return Inexpressible(model, absl::StrCat(part.name, " has activations of 7 bits"));
    return absl::OkStatus();
  }
  if (layer.kind == "int8_weight_only") return absl::OkStatus();
  if (layer.kind != "int4_weight_only") {
    return Inexpressible(model, absl::StrCat(part.name, " is of the kind ", layer.kind));
  }
  if (!layer.symmetric) return Inexpressible(model, absl::StrCat(part.name, " has zero points"));
  if (part.columns % layer.group_size == 0) return absl::OkStatus();
  return Inexpressible(model, absl::StrCat(part.name, " has ", part.columns, " inputs, which groups of ",
                                           layer.group_size, " do not divide"));
}

Json WeightArguments(const LayerEntry& layer) {
  const bool four = layer.kind == "int4_weight_only";
  Json json = {{"num_bits", four ? 4 : 8},
               {"type", layer.kind == "fp8" ? "float" : "int"},
               {"symmetric", true},
               {"strategy", four ? "group" : "channel"},
               {"dynamic", false}};
  if (four) json["group_size"] = layer.group_size;
  return json;
}

Json InputArguments(const LayerEntry& layer) {
  if (!QuantizesInputs(layer.kind)) return Json();
  const bool fp8 = layer.kind == "fp8";
  return {{"num_bits", 8},
          {"type", fp8 ? "float" : "int"},
          {"symmetric", fp8},
          {"strategy", "token"},
          {"dynamic", true}};
}

const char* Format(const LayerEntry& layer) {
  if (layer.kind == "fp8") return "float-quantized";
  return layer.kind == "int8_dynamic" ? "int-quantized" : "pack-quantized";
}

Json QuantizationConfig(const LayerEntry& layer, const std::vector<MatrixPart>& ignored) {
  Json names = Json::array();
  for (const MatrixPart& part : ignored) names.push_back(part.name);
  return {{"quant_method", "compressed-tensors"},
          {"format", Format(layer)},
          {"quantization_status", "compressed"},
          {"config_groups",
           {{"group_0",
             {{"targets", {"Linear"}},
              {"weights", WeightArguments(layer)},
              {"input_activations", InputArguments(layer)}}}}},
          {"ignore", names}};
}

bool SameScheme(const LayerEntry& a, const LayerEntry& b) {
  return a.kind == b.kind && (a.kind != "int4_weight_only" || a.group_size == b.group_size);
}

std::string LittleEndian64(int64_t value) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xff);
  return bytes;
}

WrittenTensor RowScaleTensor(const SourceModel& model, const MatrixPart& part) {
  return {
      part.name + ".weight_scale", "F32", {part.rows, 1}, [&model, part]() -> absl::StatusOr<std::string> {
        QL_ASSIGN_OR_RETURN(const std::vector<float> scales, RowScales(model, part));
        return FloatBytes(scales);
      }};
}

// In FP32, in which the package multiplies out: the values are those of BF16.
WrittenTensor GroupScaleTensor(const SourceModel& model, const MatrixPart& part, int64_t group_size) {
  const std::vector<int64_t> shape = {part.rows, part.columns / group_size};
  return {part.name + ".weight_scale", "F32", shape, [&model, part, shape]() -> absl::StatusOr<std::string> {
            QL_ASSIGN_OR_RETURN(const StoredTensor stored,
                                model.Tensor(model.Layer(part.name), "weight_scale"));
            QL_RETURN_IF_ERROR(CheckStored(part.name + ".weight_scale", stored, {"BF16"}, shape));
            QL_ASSIGN_OR_RETURN(const std::vector<float> scales, ReadFloats(stored));
            return FloatBytes(scales);
          }};
}

WrittenTensor PackedTensor(const SourceModel& model, const MatrixPart& part, int bits) {
  const int64_t words = (part.columns * bits + 31) / 32;
  return {part.name + ".weight_packed",
          "I32",
          {part.rows, words},
          [&model, part, bits]() -> absl::StatusOr<std::string> {
            QL_ASSIGN_OR_RETURN(const std::string integers, IntegerWeight(model, part));
            return PackIntoWords(integers, part.rows, part.columns, bits);
          }};
}

WrittenTensor ByteTensor(const SourceModel& model, const MatrixPart& part, const char* role,
                         const char* dtype) {
  return {part.name + ".weight",
          dtype,
          {part.rows, part.columns},
          [&model, part, role, dtype]() -> absl::StatusOr<std::string> {
            QL_ASSIGN_OR_RETURN(const StoredTensor stored, model.Tensor(model.Layer(part.name), role));
            QL_RETURN_IF_ERROR(CheckStored(part.name, stored, {dtype}, {part.rows, part.columns}));
            return ReadTensorBytes(stored);
          }};
}

}  // namespace

absl::StatusOr<CompressedScheme> FindCompressedScheme(const SourceModel& model) {
  if (model.activation_dtype() != "fp32") {
    return Inexpressible(model, absl::StrCat("values between layers are ", model.activation_dtype()));
  }
  CompressedScheme scheme;
  for (const MatrixPart& part : PartsOf(model).linears) {
    const LayerEntry layer = model.Layer(part.name);
    if (!IsQuantized(layer) || (part.head && QuantizesInputs(layer.kind))) {
      scheme.ignored.push_back(part);
      continue;
    }
    QL_RETURN_IF_ERROR(CheckLayer(model, part));
    if (!scheme.layers.empty() && !SameScheme(model.Layer(scheme.layers.front().name), layer)) {
      return Inexpressible(
          model, absl::StrCat(part.name, " is quantized otherwise than ", scheme.layers.front().name));
    }
    scheme.layers.push_back(part);
  }
  if (scheme.layers.empty()) return Inexpressible(model, "no layer of the encoder is quantized");
  scheme.config = QuantizationConfig(model.Layer(scheme.layers.front().name), scheme.ignored);
  return scheme;
}

std::vector<WrittenTensor> CompressedTensors(const SourceModel& model, const MatrixPart& part) {
  const LayerEntry layer = model.Layer(part.name);
  if (layer.kind == "fp8") {
    return {ByteTensor(model, part, "weight_fp8", "F8_E4M3"), RowScaleTensor(model, part)};
  }
  if (layer.kind == "int8_dynamic") {
    return {ByteTensor(model, part, "weight_int8", "I8"), RowScaleTensor(model, part)};
  }
  const bool four = layer.kind == "int4_weight_only";
  const WrittenTensor shape = {
      part.name + ".weight_shape", "I64", {2}, [part]() -> absl::StatusOr<std::string> {
        return LittleEndian64(part.rows) + LittleEndian64(part.columns);
      }};
  return {PackedTensor(model, part, four ? 4 : 8), shape,
          four ? GroupScaleTensor(model, part, layer.group_size) : RowScaleTensor(model, part)};
}

std::string PackIntoWords(const std::string& integers, int64_t rows, int64_t columns, int bits) {
  const int64_t stride = 4 * ((columns * bits + 31) / 32), in_byte = 8 / bits;
  const int offset = 1 << (bits - 1);
  std::string words(static_cast<size_t>(rows * stride), '\0');
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      const int value = static_cast<int8_t>(integers[static_cast<size_t>(row * columns + column)]) + offset;
      char& byte = words[static_cast<size_t>(row * stride + column / in_byte)];
      byte = static_cast<char>(static_cast<uint8_t>(byte) | value << (bits * (column % in_byte)));
    }
  }
  return words;
}

}  // namespace quantlab::model_export
