// Names and shapes of the tensors that an encoder is made of, known from its configuration.
#ifndef QUANTLAB_WORKER_ENGINE_FAMILIES_ENCODER_TENSORS_H_
#define QUANTLAB_WORKER_ENGINE_FAMILIES_ENCODER_TENSORS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "worker/engine/families/encoder_config.h"
#include "worker/engine/families/encoder_layout.h"

namespace quantlab::engine {

struct TensorSpec {
  std::string name;  // canonical, as CanonicalTensorName makes it
  std::vector<int64_t> shape;
};

// Every tensor of the embeddings and the blocks, in the order of the computation. The head is not among them.
// Shapes: a table is [rows, width], a linear layer's weight [outputs, inputs], all others [width].
std::vector<TensorSpec> EncoderTensors(const EncoderConfig& config, const EncoderLayout& layout);

// The weight and the bias of a linear layer.
std::vector<TensorSpec> LinearTensors(const std::string& name, int64_t inputs, int64_t outputs);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_FAMILIES_ENCODER_TENSORS_H_
