#include "worker/engine/layers/packed_product.h"

#include <string_view>

#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/SymInt.h>
#include <c10/util/Exception.h>

namespace quantlab::engine {
namespace {

// As LibTorch's operator calls them.
struct PostOperation {
  std::string_view name, algorithm;
};

std::optional<PostOperation> PostOperationOf(Activation activation) {
  switch (activation) {
    case Activation::kLinear:
      return PostOperation{"none", ""};
    case Activation::kGelu:
      return PostOperation{"gelu", "none"};
    case Activation::kGeluTanh:
      return PostOperation{"gelu", "tanh"};
    case Activation::kRelu:
      return PostOperation{"relu", ""};
    default:
      return std::nullopt;
  }
}

}  // namespace

at::Tensor PackWeight(const at::Tensor& weight, std::optional<int64_t> rows) {
  using Reorder = at::Tensor(const at::Tensor&, std::optional<c10::SymInt>);
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_reorder_linear_weight", "").typed<Reorder>();
  return op.call(weight, rows ? std::optional<c10::SymInt>(*rows) : std::nullopt);
}

at::Tensor PackedProduct(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                         Activation activation) {
  using Pointwise =
      at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                 c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "").typed<Pointwise>();
  const std::optional<PostOperation> post = PostOperationOf(activation);
  TORCH_CHECK(post.has_value(), "no kernel applies this activation");
  return op.call(x, packed, bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt, post->name,
                 c10::List<std::optional<at::Scalar>>(), post->algorithm);
}

bool IsFused(Activation activation) {
  return PostOperationOf(activation).has_value();
}

}  // namespace quantlab::engine
