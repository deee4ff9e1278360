#include "worker/engine/measure/mkldnn_linear.h"

#include <utility>
#include <vector>

#include <ATen/Functions.h>
#include <c10/util/Exception.h>

#include "absl/strings/str_cat.h"
#include "worker/engine/layers/packed_product.h"

namespace quantlab::engine {
MkldnnLinear::MkldnnLinear(at::Tensor weight, at::Tensor bias, int64_t rows)
    : weight_(std::move(weight)), bias_(std::move(bias)), packed_(PackWeight(weight_, rows)) {}

at::Tensor MkldnnLinear::Forward(const at::Tensor& x) const {
  return PackedProduct(x, packed_, bias_, Activation::kLinear);
}

at::Tensor MkldnnLinear::ForwardInto(const at::Tensor& x, Activation activation, const Linear& next) const {
  if (!IsFused(activation)) return Linear::ForwardInto(x, activation, next);
  return next.Forward(PackedProduct(x, packed_, bias_, activation));
}

std::map<std::string, at::Tensor> MkldnnLinear::tensors() const {
  std::map<std::string, at::Tensor> tensors = {{"weight", weight_}};
  if (bias_.defined()) tensors["bias"] = bias_;
  return tensors;
}

void MkldnnLinear::To(const at::Device& device) {
  TORCH_CHECK(device.is_cpu(), "oneDNN's layout of weights exists on the CPU only");
}

absl::Status UseMkldnnLinears(Encoder& model, int64_t texts, int64_t tokens) {
  std::vector<std::unique_ptr<Linear>> replacements;
  try {
    std::as_const(model).ForEachLinear([&](const LayerInfo& info, const Linear& layer) {
      const int64_t rows = texts * info.RowsPerText(tokens);
      auto linear = std::make_unique<MkldnnLinear>(AsFp32(layer).weight(), AsFp32(layer).bias(), rows);
      linear->Forward(at::ones({1, linear->in_features()}, at::kFloat));
      replacements.push_back(std::move(linear));
    });
  } catch (const std::exception& e) {
    return absl::UnimplementedError(absl::StrCat("no oneDNN linear layer here: ", e.what()));
  }
  size_t next = 0;
  model.ForEachLinear(
      [&](const LayerInfo&, std::unique_ptr<Linear>& slot) { slot = std::move(replacements[next++]); });
  return absl::OkStatus();
}

}  // namespace quantlab::engine
