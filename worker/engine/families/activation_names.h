// The activations that models may have, and what config.json calls them.
#ifndef QUANTLAB_WORKER_ENGINE_FAMILIES_ACTIVATION_NAMES_H_
#define QUANTLAB_WORKER_ENGINE_FAMILIES_ACTIVATION_NAMES_H_

#include <optional>
#include <string>

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

// A name that config.json may have for an activation. The first name of each is the one written.
struct ActivationEntry {
  const char* name;
  Activation activation;
};
absl::Span<const ActivationEntry> AllActivations();

// nullopt where no activation has this name.
std::optional<Activation> FindActivation(const std::string& name);

// "gelu", "gelu_new", …: the name written to config.json.
const char* ActivationName(Activation activation);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_FAMILIES_ACTIVATION_NAMES_H_
