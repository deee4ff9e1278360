// The elementwise functions between linear layers.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_ACTIVATION_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_ACTIVATION_H_

#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"

namespace quantlab::engine {

// As transformers.activations defines them; those with trainable parameters (prelu, xielu) are not here.
enum class Activation {
  kGelu,
  kGeluTanh,
  kGeluClipped,  // GELU within [-10, 10]
  kQuickGelu,
  kRelu,
  kRelu6,
  kReluSquared,
  kLeakyRelu,
  kSilu,
  kHardswish,
  kMish,
  kLaplace,
  kTanh,
  kSigmoid,
  kLinear,  // none
};

// Names of activations in config.json. The first name of each is the one that is written.
struct ActivationEntry {
  const char* name;
  Activation activation;
};
absl::Span<const ActivationEntry> AllActivations();

// nullopt where no activation has this name.
std::optional<Activation> FindActivation(const std::string& name);

// "gelu", "gelu_new", …: the name written to config.json.
const char* ActivationName(Activation activation);

// x: [rows, width] float; returns the same shape.
//
// Without gradients on a CPU, each row's result depends on that row alone, bit for bit: ATen computes full
// vectors and the few elements left over at the end of a chunk by different code (they differ by some
// ULPs), and where chunks end depends on the number of rows and threads. So rows are never cut here.
at::Tensor Activate(Activation activation, const at::Tensor& x);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_ACTIVATION_H_
