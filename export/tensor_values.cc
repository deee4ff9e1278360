#include "export/tensor_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"

namespace quantlab::model_export {
namespace {

template <typename T>
std::vector<T> ValuesOf(const std::string& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

float FromBits(uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// IEEE 754 binary16.
float FromHalf(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16, exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0) {
    const float value = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -value : value;
  }
  if (exponent == 0x1f) return FromBits(sign | 0x7f800000u | mantissa << 13);
  return FromBits(sign | (exponent + 112) << 23 | mantissa << 13);
}

template <typename T, typename Convert>
std::vector<float> Converted(const std::string& bytes, const Convert& convert) {
  std::vector<float> floats;
  floats.reserve(bytes.size() / sizeof(T));
  for (const T value : ValuesOf<T>(bytes)) floats.push_back(convert(value));
  return floats;
}

}  // namespace

absl::Status CheckStored(const std::string& name, const StoredTensor& tensor,
                         const std::vector<std::string>& dtypes, const std::vector<int64_t>& shape) {
  const bool known = std::find(dtypes.begin(), dtypes.end(), tensor.dtype) != dtypes.end();
  if (known && tensor.shape == shape) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      tensor.path, ": ", name, " must be ", absl::StrJoin(dtypes, " or "), " [", absl::StrJoin(shape, ", "),
      "], not ", tensor.dtype, " [", absl::StrJoin(tensor.shape, ", "), "]"));
}

const std::vector<std::string>& FloatDtypes() {
  static const auto* const dtypes = new std::vector<std::string>{"F32", "BF16", "F16", "F64"};
  return *dtypes;
}

float FromBfloat16(uint16_t bits) {
  return FromBits(uint32_t{bits} << 16);
}

uint16_t ToBfloat16(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float FromFp8(uint8_t bits) {
  const int exponent = bits >> 3 & 0xf, mantissa = bits & 0x7;
  const float sign = (bits & 0x80) != 0 ? -1.0f : 1.0f;
  if (exponent == 0xf && mantissa == 0x7) return std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -9);
  return sign * std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
}

absl::StatusOr<std::vector<float>> ReadFloats(const StoredTensor& tensor) {
  QL_ASSIGN_OR_RETURN(const std::string bytes, ReadTensorBytes(tensor));
  if (tensor.dtype == "F32") return ValuesOf<float>(bytes);
  if (tensor.dtype == "BF16") return Converted<uint16_t>(bytes, FromBfloat16);
  if (tensor.dtype == "F16") return Converted<uint16_t>(bytes, FromHalf);
  if (tensor.dtype == "F64") return Converted<double>(bytes, [](double v) { return static_cast<float>(v); });
  return absl::InvalidArgumentError(
      absl::StrCat(tensor.path, ": a tensor of ", tensor.dtype, " where floating point is wanted"));
}

std::string FloatBytes(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

std::string TransposeBytes(absl::string_view matrix, int64_t rows, int64_t columns, int64_t element) {
  constexpr int64_t kBlock = 64;  // rows and columns that fit the cache together
  std::string out(matrix.size(), '\0');
  for (int64_t row = 0; row < rows; row += kBlock) {
    for (int64_t column = 0; column < columns; column += kBlock) {
      for (int64_t r = row; r < std::min(rows, row + kBlock); ++r) {
        for (int64_t c = column; c < std::min(columns, column + kBlock); ++c) {
          std::memcpy(out.data() + (c * rows + r) * element, matrix.data() + (r * columns + c) * element,
                      static_cast<size_t>(element));
        }
      }
    }
  }
  return out;
}

std::string UnpackRowsOfInt4(absl::string_view packed, int64_t rows, int64_t columns) {
  const int64_t stride = (columns + 1) / 2;
  std::string values(static_cast<size_t>(rows * columns), '\0');
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const auto byte = static_cast<uint8_t>(packed[static_cast<size_t>(r * stride + c / 2)]);
      const int nibble = c % 2 == 0 ? byte & 0x0f : byte >> 4;
      values[static_cast<size_t>(r * columns + c)] = static_cast<char>(nibble < 8 ? nibble : nibble - 16);
    }
  }
  return values;
}

std::string PackInt4(absl::string_view values) {
  std::string packed((values.size() + 1) / 2, '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    const int nibble = values[i] & 0x0f;
    packed[i / 2] = static_cast<char>(packed[i / 2] | (i % 2 == 0 ? nibble : nibble << 4));
  }
  return packed;
}

std::vector<int32_t> RowSums(absl::string_view int8_matrix, int64_t rows, int64_t columns) {
  std::vector<int32_t> sums(static_cast<size_t>(rows), 0);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      sums[static_cast<size_t>(r)] += static_cast<int8_t>(int8_matrix[static_cast<size_t>(r * columns + c)]);
    }
  }
  return sums;
}

}  // namespace quantlab::model_export
