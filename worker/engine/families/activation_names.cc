#include "worker/engine/families/activation_names.h"

#include <algorithm>
#include <iterator>

namespace quantlab::engine {
namespace {

// The tanh approximation of GELU has many spellings.
constexpr ActivationEntry kActivations[] = {
    {"gelu", Activation::kGelu},
    {"gelu_python", Activation::kGelu},
    {"gelu_new", Activation::kGeluTanh},
    {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"gelu_python_tanh", Activation::kGeluTanh},
    {"gelu_fast", Activation::kGeluTanh},
    {"gelu_accurate", Activation::kGeluTanh},
    {"gelu_10", Activation::kGeluClipped},
    {"quick_gelu", Activation::kQuickGelu},
    {"relu", Activation::kRelu},
    {"relu6", Activation::kRelu6},
    {"relu2", Activation::kReluSquared},
    {"leaky_relu", Activation::kLeakyRelu},
    {"silu", Activation::kSilu},
    {"swish", Activation::kSilu},
    {"hardswish", Activation::kHardswish},
    {"mish", Activation::kMish},
    {"laplace", Activation::kLaplace},
    {"tanh", Activation::kTanh},
    {"sigmoid", Activation::kSigmoid},
    {"linear", Activation::kLinear},
};

}  // namespace

absl::Span<const ActivationEntry> AllActivations() {
  return kActivations;
}

std::optional<Activation> FindActivation(const std::string& name) {
  for (const ActivationEntry& entry : kActivations) {
    if (name == entry.name) return entry.activation;
  }
  return std::nullopt;
}

const char* ActivationName(Activation activation) {
  for (const ActivationEntry& entry : kActivations) {
    if (entry.activation == activation) return entry.name;
  }
  return "unknown";
}

}  // namespace quantlab::engine
