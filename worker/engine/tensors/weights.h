// Named tensors on their way from a file into the layers that they belong to.
#ifndef QUANTLAB_WORKER_ENGINE_TENSORS_WEIGHTS_H_
#define QUANTLAB_WORKER_ENGINE_TENSORS_WEIGHTS_H_

#include <functional>
#include <string>
#include <utility>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "worker/engine/tensors/safetensors.h"

namespace quantlab::engine {

// Each tensor is taken once, by the layer that owns it; what is left over when the model is complete was
// not meant for this model.
class Weights {
 public:
  // `where` names the origin in errors (a file name).
  Weights(TensorMap tensors, std::string where);

  // Without a file: `source` makes each tensor when it is asked for, which is once.
  using TensorSource = std::function<at::Tensor(const std::string& name, absl::Span<const int64_t> shape)>;
  Weights(TensorSource source, std::string where);

  // Gives each tensor the name that `rule` makes of its own.
  // Errors: INVALID_ARGUMENT where two tensors come to the same name.
  absl::Status Rename(const std::function<std::string(const std::string& name)>& rule);

  bool Contains(const std::string& name) const { return source_ != nullptr || tensors_.count(name) != 0; }

  // Whether any tensor's name starts with `beginning`.
  bool ContainsAny(const std::string& beginning) const;
  // Whether any tensor of layer `name` is there ("classifier": "classifier.weight", …).
  bool ContainsLayer(const std::string& name) const { return ContainsAny(name + "."); }

  // Adds a tensor that the file does not have, for a layer to take.
  void Insert(const std::string& name, at::Tensor tensor) { tensors_[name] = std::move(tensor); }

  // A floating-point tensor (F32, F16, BF16, F64), as FP32 in memory of its own.
  // Errors: NOT_FOUND missing; INVALID_ARGUMENT dtype or shape; each names file, tensor, both shapes.
  absl::StatusOr<at::Tensor> TakeFloat(const std::string& name, absl::Span<const int64_t> shape);

  // A tensor of exactly this dtype, in memory of its own. Same errors.
  absl::StatusOr<at::Tensor> Take(const std::string& name, at::ScalarType dtype,
                                  absl::Span<const int64_t> shape);

  // INVALID_ARGUMENT naming what nobody took. Stored position ids are no error, nor are tensors whose names
  // start as one of `ignored` does.
  absl::Status CheckAllTaken(absl::Span<const std::string> ignored = {}) const;

  const std::string& where() const { return where_; }

 private:
  absl::StatusOr<at::Tensor> Remove(const std::string& name, absl::Span<const int64_t> shape);

  std::string where_;
  TensorMap tensors_;
  TensorSource source_;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TENSORS_WEIGHTS_H_
