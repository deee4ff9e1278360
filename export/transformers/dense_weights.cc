#include "export/transformers/dense_weights.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "export/tensor_values.h"

namespace quantlab::model_export {
namespace {

bool IsFloat(const std::string& kind) {
  return kind == "fp32" || kind == "bf16" || kind == "fp16";
}

absl::StatusOr<StoredTensor> Checked(const SourceModel& model, const LayerEntry& layer,
                                     const std::string& role, const std::vector<std::string>& dtypes,
                                     const std::vector<int64_t>& shape) {
  QL_ASSIGN_OR_RETURN(const StoredTensor tensor, model.Tensor(layer, role));
  QL_RETURN_IF_ERROR(CheckStored(absl::StrCat(layer.name, ".", role), tensor, dtypes, shape));
  return tensor;
}

// integers: one in a byte. scales: one for each row.
std::vector<float> ScaleRows(const std::string& integers, const std::vector<float>& scales, int64_t columns) {
  std::vector<float> values(integers.size());
  for (size_t i = 0; i < integers.size(); ++i) {
    values[i] =
        static_cast<float>(static_cast<int8_t>(integers[i])) * scales[i / static_cast<size_t>(columns)];
  }
  return values;
}

absl::StatusOr<std::vector<float>> ScaledRows(const SourceModel& model, const MatrixPart& part) {
  QL_ASSIGN_OR_RETURN(const std::string integers, IntegerWeight(model, part));
  QL_ASSIGN_OR_RETURN(const std::vector<float> scales, RowScales(model, part));
  return ScaleRows(integers, scales, part.columns);
}

// The kernel multiplies the input by the factors; here the weights are.
absl::StatusOr<std::vector<float>> Static(const SourceModel& model, const LayerEntry& layer,
                                          const MatrixPart& part) {
  QL_ASSIGN_OR_RETURN(std::vector<float> values, ScaledRows(model, part));
  if (!model.Has(layer, "input_smoothing")) return values;
  QL_ASSIGN_OR_RETURN(const StoredTensor stored,
                      Checked(model, layer, "input_smoothing", {"F32"}, {part.columns}));
  QL_ASSIGN_OR_RETURN(const std::vector<float> factors, ReadFloats(stored));
  for (size_t i = 0; i < values.size(); ++i) values[i] *= factors[i % factors.size()];
  return values;
}

// W = s q + bf16(-s z) for each group of columns.
absl::StatusOr<std::vector<float>> Grouped(const SourceModel& model, const LayerEntry& layer,
                                           const MatrixPart& part) {
  const int64_t groups = (part.columns + layer.group_size - 1) / layer.group_size;
  QL_ASSIGN_OR_RETURN(const std::string integers, IntegerWeight(model, part));
  QL_ASSIGN_OR_RETURN(const StoredTensor stored,
                      Checked(model, layer, "weight_scale", {"BF16"}, {part.rows, groups}));
  QL_ASSIGN_OR_RETURN(const std::vector<float> scales, ReadFloats(stored));
  std::vector<float> offsets(scales.size(), 0.0f);
  if (!layer.symmetric) {
    QL_ASSIGN_OR_RETURN(const StoredTensor zero,
                        Checked(model, layer, "weight_zero_point", {"I8"}, {part.rows, groups}));
    QL_ASSIGN_OR_RETURN(const std::string zeros, ReadTensorBytes(zero));
    for (size_t i = 0; i < offsets.size(); ++i) {
      offsets[i] = FromBfloat16(ToBfloat16(-(scales[i] * static_cast<float>(static_cast<int8_t>(zeros[i])))));
    }
  }
  std::vector<float> values(integers.size());
  for (int64_t row = 0; row < part.rows; ++row) {
    for (int64_t column = 0; column < part.columns; ++column) {
      const auto at = static_cast<size_t>(row * part.columns + column);
      const auto group = static_cast<size_t>(row * groups + column / layer.group_size);
      values[at] = static_cast<float>(static_cast<int8_t>(integers[at])) * scales[group] + offsets[group];
    }
  }
  return values;
}

absl::StatusOr<std::vector<float>> Fp8(const SourceModel& model, const LayerEntry& layer,
                                       const MatrixPart& part) {
  QL_ASSIGN_OR_RETURN(const StoredTensor stored,
                      Checked(model, layer, "weight_fp8", {"F8_E4M3"}, {part.rows, part.columns}));
  QL_ASSIGN_OR_RETURN(const std::string bytes, ReadTensorBytes(stored));
  QL_ASSIGN_OR_RETURN(const std::vector<float> scales, RowScales(model, part));
  std::vector<float> values(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    values[i] = FromFp8(static_cast<uint8_t>(bytes[i])) * scales[i / static_cast<size_t>(part.columns)];
  }
  return values;
}

}  // namespace

absl::StatusOr<std::string> IntegerWeight(const SourceModel& model, const MatrixPart& part) {
  const LayerEntry layer = model.Layer(part.name);
  if (model.Has(layer, "weight_int4")) {
    QL_ASSIGN_OR_RETURN(const StoredTensor packed,
                        Checked(model, layer, "weight_int4", {"U8"}, {part.rows, (part.columns + 1) / 2}));
    QL_ASSIGN_OR_RETURN(const std::string bytes, ReadTensorBytes(packed));
    return UnpackRowsOfInt4(bytes, part.rows, part.columns);
  }
  QL_ASSIGN_OR_RETURN(const StoredTensor stored,
                      Checked(model, layer, "weight_int8", {"I8"}, {part.rows, part.columns}));
  return ReadTensorBytes(stored);
}

absl::StatusOr<std::vector<float>> RowScales(const SourceModel& model, const MatrixPart& part) {
  const LayerEntry layer = model.Layer(part.name);
  QL_ASSIGN_OR_RETURN(const StoredTensor stored, model.Tensor(layer, "weight_scale"));
  const bool single = stored.shape == std::vector<int64_t>{1};
  QL_RETURN_IF_ERROR(
      CheckStored(absl::StrCat(layer.name, ".weight_scale"), stored, {"F32"}, {single ? 1 : part.rows}));
  QL_ASSIGN_OR_RETURN(const std::vector<float> scales, ReadFloats(stored));
  return single ? std::vector<float>(static_cast<size_t>(part.rows), scales.front()) : scales;
}

absl::StatusOr<std::vector<float>> DenseWeight(const SourceModel& model, const MatrixPart& part) {
  const LayerEntry layer = model.Layer(part.name);
  if (IsFloat(layer.kind)) {
    QL_ASSIGN_OR_RETURN(const StoredTensor stored,
                        Checked(model, layer, "weight", FloatDtypes(), {part.rows, part.columns}));
    return ReadFloats(stored);
  }
  if (layer.kind == "int8_static") return Static(model, layer, part);
  if (layer.kind == "int4_weight_only") return Grouped(model, layer, part);
  if (layer.kind == "fp8") return Fp8(model, layer, part);
  QL_RETURN_IF_ERROR(CheckDense(model));
  return ScaledRows(model, part);
}

absl::StatusOr<std::vector<float>> DenseBias(const SourceModel& model, const MatrixPart& part) {
  const LayerEntry layer = model.Layer(part.name);
  if (!model.Has(layer, "bias")) return std::vector<float>(static_cast<size_t>(part.rows), 0.0f);
  QL_ASSIGN_OR_RETURN(const StoredTensor stored, Checked(model, layer, "bias", FloatDtypes(), {part.rows}));
  return ReadFloats(stored);
}

absl::Status CheckDense(const SourceModel& model) {
  const ModelParts parts = PartsOf(model);
  for (const std::vector<MatrixPart>* all : {&parts.tables, &parts.linears}) {
    for (const MatrixPart& part : *all) {
      const std::string kind = model.Layer(part.name).kind;
      const bool known = IsFloat(kind) || kind == "int8_static" || kind == "int8_dynamic" ||
                         kind == "int8_weight_only" || kind == "int4_weight_only" || kind == "fp8" ||
                         kind == "int8_rows";
      if (known) continue;
      return absl::UnimplementedError(absl::StrCat(model.folder(), ": ", part.name, " is of the kind \"",
                                                   kind,
                                                   "\", which this program cannot multiply out; update it"));
    }
  }
  return absl::OkStatus();
}

}  // namespace quantlab::model_export
