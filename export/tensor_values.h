// Values of stored tensors in the forms that other formats want. Pure functions over bytes.
#ifndef QUANTLAB_EXPORT_TENSOR_VALUES_H_
#define QUANTLAB_EXPORT_TENSOR_VALUES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model_folder/stored_tensors.h"

namespace quantlab::model_export {

// INVALID_ARGUMENT names the tensor where dtype or shape are others. `dtypes`: allowed ones.
absl::Status CheckStored(const std::string& name, const StoredTensor& tensor,
                         const std::vector<std::string>& dtypes, const std::vector<int64_t>& shape);

// The dtypes that ReadFloats takes.
const std::vector<std::string>& FloatDtypes();

// Values of FloatDtypes() as FP32. Errors: INVALID_ARGUMENT another dtype; those of ReadTensorBytes.
absl::StatusOr<std::vector<float>> ReadFloats(const StoredTensor& tensor);

float FromBfloat16(uint16_t bits);

// Nearest, ties to even; NaN stays NaN.
uint16_t ToBfloat16(float value);

// E4M3 of Micikevicius et al. 2022, as float8_e4m3fn: no infinities, NaN is 0x7f and 0xff.
float FromFp8(uint8_t bits);

// The bytes of `values`, little-endian.
std::string FloatBytes(const std::vector<float>& values);

// A row-major matrix of elements of `element` bytes, transposed.
std::string TransposeBytes(absl::string_view matrix, int64_t rows, int64_t columns, int64_t element);

// packed: [rows, (columns + 1) / 2], two values in a byte, the first in the low half, each row in bytes of
// its own (as plan.json's weight_int4). Returns one byte for each value, [rows, columns], sign-extended.
std::string UnpackRowsOfInt4(absl::string_view packed, int64_t rows, int64_t columns);

// values: one in a byte, -8 to 7. Returns two in a byte, the first in the low half, without gaps between
// rows.
std::string PackInt4(absl::string_view values);

// Sums over the columns of each row of an int8 matrix [rows, columns].
std::vector<int32_t> RowSums(absl::string_view int8_matrix, int64_t rows, int64_t columns);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_TENSOR_VALUES_H_
