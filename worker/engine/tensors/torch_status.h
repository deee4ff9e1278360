// The border at which LibTorch's exceptions become absl::Status.
#ifndef QUANTLAB_WORKER_ENGINE_TENSORS_TORCH_STATUS_H_
#define QUANTLAB_WORKER_ENGINE_TENSORS_TORCH_STATUS_H_

#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab::engine {

// The exception being handled, as a status; `doing` says what was tried ("running the model").
// Out of memory (host or device) is RESOURCE_EXHAUSTED with the remedy; everything else INTERNAL.
// Call only inside a catch block.
absl::Status CurrentTorchError(absl::string_view doing);

// Runs `function`, which may throw; returns its StatusOr<T> or Status, or its plain value as StatusOr<T>.
//
//   return CatchTorch("loading the model", [&]() -> absl::StatusOr<at::Tensor> { … });
template <typename Function>
auto CatchTorch(absl::string_view doing, Function&& function) {
  using Result = std::invoke_result_t<Function>;
  if constexpr (std::is_void_v<Result>) {
    try {
      std::forward<Function>(function)();
      return absl::OkStatus();
    } catch (...) {
      return CurrentTorchError(doing);
    }
  } else if constexpr (std::is_constructible_v<Result, absl::Status>) {
    try {
      return Result(std::forward<Function>(function)());
    } catch (...) {
      return Result(CurrentTorchError(doing));
    }
  } else {
    try {
      return absl::StatusOr<Result>(std::forward<Function>(function)());
    } catch (...) {
      return absl::StatusOr<Result>(CurrentTorchError(doing));
    }
  }
}

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TENSORS_TORCH_STATUS_H_
