// The encoder that the families are compositions of: embeddings, layers of attention and feed-forward with
// the LayerNorm after each residual sum (Vaswani 2017, Devlin 2018), and a classification head over each
// text's first token. An EncoderLayout says which parts a family has and what it calls their tensors.
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_TRANSFORMER_ENCODER_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_TRANSFORMER_ENCODER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "worker/engine/families/encoder_layout.h"
#include "worker/engine/models/encoder.h"

namespace quantlab::engine {

// Errors: as MakeEncoder.
absl::StatusOr<std::unique_ptr<Encoder>> MakeTransformerEncoder(const EncoderConfig& config,
                                                                const EncoderLayout& layout, Weights weights,
                                                                const EncoderBuildOptions& options);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_TRANSFORMER_ENCODER_H_
