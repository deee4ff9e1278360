// Whether the weights of a model folder are those that its config.json describes.
#ifndef QUANTLAB_WORKER_ENGINE_INPUT_CHECKS_TENSOR_CHECKS_H_
#define QUANTLAB_WORKER_ENGINE_INPUT_CHECKS_TENSOR_CHECKS_H_

#include <string>

#include "absl/status/status.h"
#include "model_folder/stored_tensors.h"
#include "worker/engine/families/encoder_config.h"

namespace quantlab::engine {

// Compares names, shapes and types with those of the encoder, and with the head's where the file has one. The
// output layer is left out: it may have any number of classes, and is drawn anew for another one.
// Errors: INVALID_ARGUMENT names `folder` and the first few tensors that are missing, wrong or not known.
absl::Status CheckTensors(const StoredTensors& stored, const EncoderConfig& config,
                          const std::string& folder);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_INPUT_CHECKS_TENSOR_CHECKS_H_
