// Quantized models as the package compressed-tensors describes them (quantization_config in config.json).
// Sources: the package's quantization and compressors folders, version 0.20; quantized layers there replace
// inputs and weights by their quantized values and multiply in floating point.
#ifndef QUANTLAB_EXPORT_TRANSFORMERS_COMPRESSED_SCHEME_H_
#define QUANTLAB_EXPORT_TRANSFORMERS_COMPRESSED_SCHEME_H_

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "export/model_parts.h"
#include "export/source_model.h"
#include "export/transformers/safetensors_file.h"

namespace quantlab::model_export {

// One scheme for all quantized layers of a model; the other layers are multiplied out.
struct CompressedScheme {
  std::vector<MatrixPart> layers;   // quantized
  std::vector<MatrixPart> ignored;  // multiplied out
  nlohmann::ordered_json config;    // quantization_config
};

// Expressible: int8_dynamic and fp8 with one activation scale for each token, int8_weight_only, symmetric
// int4_weight_only whose groups divide the inputs. With quantized activations the two layers of the head are
// multiplied out: transformers gives them [texts, width], which the package takes for one token, so a text's
// result would depend on its batch.
// Errors: INVALID_ARGUMENT names the layer, what cannot be expressed, and the formats that can.
absl::StatusOr<CompressedScheme> FindCompressedScheme(const SourceModel& model);

// The tensors of one of CompressedScheme::layers but its bias. `model` must outlive them.
std::vector<WrittenTensor> CompressedTensors(const SourceModel& model, const MatrixPart& part);

// Integers in `bits` bits, 4 or 8, as offsets from the least one, from the lowest bits of each int32 on; each
// row begins with a word of its own. integers: one in a byte, [rows, columns].
std::string PackIntoWords(const std::string& integers, int64_t rows, int64_t columns, int bits);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_TRANSFORMERS_COMPRESSED_SCHEME_H_
