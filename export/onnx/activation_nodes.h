// The activations of models as ONNX nodes.
#ifndef QUANTLAB_EXPORT_ONNX_ACTIVATION_NODES_H_
#define QUANTLAB_EXPORT_ONNX_ACTIVATION_NODES_H_

#include <string>

#include "export/onnx/graph.h"
#include "worker/engine/families/activation_names.h"

namespace quantlab::model_export {

// Returns the name of activation(x), float as x; x itself for kLinear.
// Source of the formulas: worker/engine/layers/activation.cc.
std::string AddActivation(engine::Activation activation, const std::string& x, Graph& graph);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_ONNX_ACTIVATION_NODES_H_
