#include "worker/engine/tensors/weights.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

constexpr size_t kMaxNamesInError = 10;

// Parts of a checkpoint that a classifier has no use for: pre-training heads, buffers of old versions.
bool IsIgnorable(const std::string& name) {
  return absl::StartsWith(name, "cls.") || absl::EndsWith(name, ".position_ids") ||
         absl::EndsWith(name, ".embeddings.token_type_ids");
}

std::string CanonicalName(const std::string& name, bool has_prefix) {
  std::string canonical = name;
  for (const char* part : {"embeddings.", "encoder.", "pooler."}) {
    if (!has_prefix && absl::StartsWith(name, part)) canonical = absl::StrCat("bert.", name);
  }
  absl::string_view stem = canonical;
  if (absl::ConsumeSuffix(&stem, ".LayerNorm.gamma")) return absl::StrCat(stem, ".LayerNorm.weight");
  if (absl::ConsumeSuffix(&stem, ".LayerNorm.beta")) return absl::StrCat(stem, ".LayerNorm.bias");
  return canonical;
}

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

}  // namespace

absl::StatusOr<Weights> Weights::Create(TensorMap tensors, std::string where) {
  bool has_prefix = false;
  for (const auto& [name, tensor] : tensors) has_prefix |= absl::StartsWith(name, "bert.");
  Weights weights;
  weights.where_ = std::move(where);
  for (auto& [name, tensor] : tensors) {
    const std::string canonical = CanonicalName(name, has_prefix);
    if (!weights.tensors_.emplace(canonical, std::move(tensor)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(weights.where_, ": tensor ", name, " and another one are both ", canonical));
    }
  }
  return weights;
}

bool Weights::ContainsLayer(const std::string& name) const {
  const auto it = tensors_.lower_bound(name + ".");
  return it != tensors_.end() && absl::StartsWith(it->first, name + ".");
}

absl::StatusOr<at::Tensor> Weights::Remove(const std::string& name, absl::Span<const int64_t> shape) {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) {
    return absl::NotFoundError(absl::StrCat(where_, ": tensor ", name, " ", ShapeText(shape), " is missing"));
  }
  at::Tensor tensor = std::move(it->second);
  tensors_.erase(it);
  const at::IntArrayRef sizes = tensor.sizes();
  if (absl::Span<const int64_t>(sizes.data(), sizes.size()) != shape) {
    return absl::InvalidArgumentError(absl::StrCat(where_, ": tensor ", name, " has shape ",
                                                   ShapeText(absl::MakeConstSpan(sizes.data(), sizes.size())),
                                                   ", but the config asks for ", ShapeText(shape)));
  }
  return tensor;
}

absl::StatusOr<at::Tensor> Weights::TakeFloat(const std::string& name, absl::Span<const int64_t> shape) {
  QL_ASSIGN_OR_RETURN(const at::Tensor tensor, Remove(name, shape));
  if (!at::isFloatingType(tensor.scalar_type())) {
    return absl::InvalidArgumentError(absl::StrCat(where_, ": tensor ", name, " has dtype ",
                                                   at::toString(tensor.scalar_type()),
                                                   "; a floating-point one is wanted"));
  }
  return CatchTorch(absl::StrCat(where_, ": tensor ", name),
                    [&] { return tensor.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true); });
}

absl::StatusOr<at::Tensor> Weights::Take(const std::string& name, at::ScalarType dtype,
                                         absl::Span<const int64_t> shape) {
  QL_ASSIGN_OR_RETURN(const at::Tensor tensor, Remove(name, shape));
  if (tensor.scalar_type() != dtype) {
    return absl::InvalidArgumentError(absl::StrCat(where_, ": tensor ", name, " has dtype ",
                                                   at::toString(tensor.scalar_type()), "; ",
                                                   at::toString(dtype), " is wanted"));
  }
  return CatchTorch(absl::StrCat(where_, ": tensor ", name), [&] { return tensor.clone(); });
}

absl::Status Weights::CheckAllTaken() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_) {
    if (!IsIgnorable(name)) names.push_back(name);
  }
  if (names.empty()) return absl::OkStatus();
  const size_t count = names.size();
  if (count > kMaxNamesInError) names.resize(kMaxNamesInError);
  return absl::InvalidArgumentError(absl::StrCat(
      where_, ": ", count, " tensors belong to no layer of the model that the config describes: ",
      absl::StrJoin(names, ", "), count > kMaxNamesInError ? ", …" : ""));
}

}  // namespace quantlab::engine
