#include "export/onnx/activation_nodes.h"

#include <cmath>

namespace quantlab::model_export {
namespace {

using engine::Activation;

// x/2 (1 + erf(x / sqrt(2))), in the form that runtimes recognize and compute in one kernel.
std::string Gelu(const std::string& x, Graph& graph) {
  const std::string inner = graph.Node("Div", {x, graph.Float(static_cast<float>(std::sqrt(2.0)))});
  const std::string sum = graph.Node("Add", {graph.Node("Erf", {inner}), graph.Float(1)});
  return graph.Node("Mul", {graph.Node("Mul", {x, sum}), graph.Float(0.5f)});
}

std::string Laplace(const std::string& x, Graph& graph) {
  const std::string centred = graph.Node("Sub", {x, graph.Float(0.707107f)});
  const std::string inner =
      graph.Node("Div", {centred, graph.Float(static_cast<float>(0.282095 * std::sqrt(2.0)))});
  const std::string sum = graph.Node("Add", {graph.Node("Erf", {inner}), graph.Float(1)});
  return graph.Node("Mul", {sum, graph.Float(0.5f)});
}

std::string TimesSigmoid(const std::string& x, float factor, Graph& graph) {
  const std::string inner = factor == 1 ? x : graph.Node("Mul", {x, graph.Float(factor)});
  return graph.Node("Mul", {x, graph.Node("Sigmoid", {inner})});
}

std::string Clip(const std::string& x, float low, float high, Graph& graph) {
  return graph.Node("Clip", {x, graph.Float(low), graph.Float(high)});
}

}  // namespace

std::string AddActivation(Activation activation, const std::string& x, Graph& graph) {
  switch (activation) {
    case Activation::kGelu:
      return Gelu(x, graph);
    case Activation::kGeluTanh:
      return graph.Node("Gelu", {x}, {{"approximate", std::string("tanh")}});
    case Activation::kGeluClipped:
      return Clip(Gelu(x, graph), -10, 10, graph);
    case Activation::kQuickGelu:
      return TimesSigmoid(x, 1.702f, graph);
    case Activation::kRelu:
      return graph.Node("Relu", {x});
    case Activation::kRelu6:
      return Clip(x, 0, 6, graph);
    case Activation::kReluSquared: {
      const std::string relu = graph.Node("Relu", {x});
      return graph.Node("Mul", {relu, relu});
    }
    case Activation::kLeakyRelu:
      return graph.Node("LeakyRelu", {x}, {{"alpha", 0.01f}});
    case Activation::kSilu:
      return TimesSigmoid(x, 1, graph);
    case Activation::kHardswish:
      return graph.Node("HardSwish", {x});
    case Activation::kMish:
      return graph.Node("Mish", {x});
    case Activation::kLaplace:
      return Laplace(x, graph);
    case Activation::kTanh:
      return graph.Node("Tanh", {x});
    case Activation::kSigmoid:
      return graph.Node("Sigmoid", {x});
    case Activation::kLinear:
      return x;
  }
  return x;
}

}  // namespace quantlab::model_export
