#include "worker/engine/tensors/weights.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

constexpr size_t kMaxNamesInError = 10;

// Buffers that old versions of transformers saved.
bool IsBuffer(const std::string& name) {
  return absl::EndsWith(name, ".position_ids") || absl::EndsWith(name, ".embeddings.token_type_ids");
}

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

}  // namespace

Weights::Weights(TensorMap tensors, std::string where)
    : where_(std::move(where)), tensors_(std::move(tensors)) {}

Weights::Weights(TensorSource source, std::string where)
    : where_(std::move(where)), source_(std::move(source)) {}

absl::Status Weights::Rename(const std::function<std::string(const std::string& name)>& rule) {
  TensorMap renamed;
  for (auto& [name, tensor] : tensors_) {
    const std::string better = rule(name);
    if (!renamed.emplace(better, std::move(tensor)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(where_, ": tensor ", name, " and another one are both ", better));
    }
  }
  tensors_ = std::move(renamed);
  return absl::OkStatus();
}

bool Weights::ContainsAny(const std::string& beginning) const {
  const auto it = tensors_.lower_bound(beginning);
  return source_ != nullptr || (it != tensors_.end() && absl::StartsWith(it->first, beginning));
}

absl::StatusOr<at::Tensor> Weights::Remove(const std::string& name, absl::Span<const int64_t> shape) {
  const auto it = tensors_.find(name);
  if (it == tensors_.end() && source_ != nullptr) {
    return CatchTorch(absl::StrCat(where_, ": tensor ", name), [&] { return source_(name, shape); });
  }
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
  if (at::isFloat8Type(tensor.scalar_type())) {
    return absl::InvalidArgumentError(
        absl::StrCat(where_, ": tensor ", name,
                     " is in FP8, whose scales this loader does not know; save the "
                     "checkpoint in FP32, FP16 or BF16"));
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

absl::Status Weights::CheckAllTaken(absl::Span<const std::string> ignored) const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_) {
    bool known = IsBuffer(name);
    for (const std::string& beginning : ignored) known |= absl::StartsWith(name, beginning);
    if (!known) names.push_back(name);
  }
  if (names.empty()) return absl::OkStatus();
  const size_t count = names.size();
  if (count > kMaxNamesInError) names.resize(kMaxNamesInError);
  return absl::InvalidArgumentError(absl::StrCat(
      where_, ": ", count, " tensors belong to no layer of the model that the config describes: ",
      absl::StrJoin(names, ", "), count > kMaxNamesInError ? ", …" : ""));
}

}  // namespace quantlab::engine
