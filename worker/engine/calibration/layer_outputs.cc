#include "worker/engine/calibration/layer_outputs.h"

#include <map>
#include <string>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "worker/engine/calibration/layer_inputs.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {

absl::StatusOr<TensorMap> ReadLayerOutputs(Encoder& model, const TokenizedText& text) {
  std::map<std::string, at::Tensor> inputs;
  QL_RETURN_IF_ERROR(VisitLayerInputs(
      model, {&text, 1}, 1,
      [&](const std::string& layer, const at::Tensor& input) { inputs[layer] = input.clone(); }));
  return CatchTorch("computing layers", [&]() -> absl::StatusOr<TensorMap> {
    const at::NoGradGuard no_grad;
    TensorMap outputs;
    const Encoder& unchanged = model;
    unchanged.ForEachLinear([&](const LayerInfo& info, const Linear& layer) {
      const std::string name = absl::StrFormat("%04d/%s", outputs.size(), info.name);
      outputs[name] = layer.Forward(inputs.at(info.name)).to(at::kCPU, at::kFloat).contiguous();
    });
    return outputs;
  });
}

}  // namespace quantlab::engine
