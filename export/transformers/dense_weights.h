// Weights multiplied out: what a quantized matrix stands for, in FP32.
#ifndef QUANTLAB_EXPORT_TRANSFORMERS_DENSE_WEIGHTS_H_
#define QUANTLAB_EXPORT_TRANSFORMERS_DENSE_WEIGHTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "export/model_parts.h"
#include "export/source_model.h"

namespace quantlab::model_export {

// [rows, columns] of a linear layer or of an embedding table, of any kind in plan.json (docs/en/plan.md has
// the formulas). SmoothQuant's factors of the input are part of the result. Errors: INVALID_ARGUMENT another
// dtype or shape than the kind requires, or an unknown kind; those of SourceModel::Tensor.
absl::StatusOr<std::vector<float>> DenseWeight(const SourceModel& model, const MatrixPart& part);

// [rows]; zeros where the layer has no bias.
absl::StatusOr<std::vector<float>> DenseBias(const SourceModel& model, const MatrixPart& part);

// Whether DenseWeight knows the kinds of all parts. Errors: UNIMPLEMENTED names the layer and its kind.
absl::Status CheckDense(const SourceModel& model);

// The integers of an INT8 or 4-bit layer, one in a byte, [rows, columns].
absl::StatusOr<std::string> IntegerWeight(const SourceModel& model, const MatrixPart& part);

// weight_scale in FP32, once for each row: a single scale is repeated.
absl::StatusOr<std::vector<float>> RowScales(const SourceModel& model, const MatrixPart& part);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_TRANSFORMERS_DENSE_WEIGHTS_H_
