// What each linear layer of a model computes of one text: for finding where another program's results begin
// to differ.
#ifndef QUANTLAB_WORKER_ENGINE_CALIBRATION_LAYER_OUTPUTS_H_
#define QUANTLAB_WORKER_ENGINE_CALIBRATION_LAYER_OUTPUTS_H_

#include "absl/status/statusor.h"
#include "worker/engine/models/encoder.h"
#include "worker/engine/tensors/safetensors.h"

namespace quantlab::engine {

// Outputs by "INDEX/LAYER", FP32 [rows, out] on the CPU, INDEX counting from 0000 in order of computation.
// Each layer computes once more what it computed in the model. Errors: those of VisitLayerInputs.
absl::StatusOr<TensorMap> ReadLayerOutputs(Encoder& model, const TokenizedText& text);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_CALIBRATION_LAYER_OUTPUTS_H_
