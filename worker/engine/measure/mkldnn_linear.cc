#include "worker/engine/measure/mkldnn_linear.h"

#include <optional>
#include <utility>
#include <vector>

#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/util/Exception.h>

#include "absl/strings/str_cat.h"

namespace quantlab::engine {
namespace {

at::Tensor ReorderWeight(const at::Tensor& weight, int64_t rows) {
  using Reorder = at::Tensor(const at::Tensor&, std::optional<c10::SymInt>);
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_reorder_linear_weight", "").typed<Reorder>();
  return op.call(weight, c10::SymInt(rows));
}

at::Tensor LinearPointwise(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  using Pointwise =
      at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                 c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "").typed<Pointwise>();
  return op.call(x, weight, bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt, "none",
                 c10::List<std::optional<at::Scalar>>(), "");
}

}  // namespace

MkldnnLinear::MkldnnLinear(at::Tensor weight, at::Tensor bias, int64_t rows)
    : weight_(std::move(weight)), bias_(std::move(bias)), packed_(ReorderWeight(weight_, rows)) {}

at::Tensor MkldnnLinear::Forward(const at::Tensor& x) const {
  return LinearPointwise(x, packed_, bias_);
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
