// AdamW (Loshchilov 2019) over a fixed list of parameters, by LibTorch's fused kernel: one pass over the
// memory of each parameter. Equal to torch.optim.AdamW but for rounding.
#ifndef QUANTLAB_WORKER_ENGINE_TRAIN_ADAMW_H_
#define QUANTLAB_WORKER_ENGINE_TRAIN_ADAMW_H_

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "worker/engine/models/encoder.h"

namespace quantlab::engine {

// Ownership: shares the parameters with the model; owns the moments.
// Threads:   one at a time.
// Errors:    LibTorch's exceptions pass through.
class AdamW {
 public:
  struct Options {
    double beta1, beta2, epsilon;
    double weight_decay;  // of parameters other than biases, LayerNorms and learned step sizes
  };

  AdamW(const std::vector<Encoder::NamedTensor>& parameters, const Options& options);

  // Scales all gradients so that their global L2 norm is at most `max_norm` (0: as they are); returns the
  // norm before. Source: torch.nn.utils.clip_grad_norm_.
  double ClipGradients(double max_norm);

  // One update from the gradients; parameters without one stay as they are.
  void Step(double learning_rate);

  void ClearGradients();

  // The moments and the number of updates of each parameter: "first_moment/NAME", "second_moment/NAME",
  // "updates/NAME" float [1]. They share storage with the optimizer's own.
  TensorMap State() const;
  // Sets them from such a map. Errors: those of RestoreTensor (training_state.h).
  absl::Status Restore(const TensorMap& state);

 private:
  struct Group {
    double weight_decay;
    std::vector<std::string> names;
    std::vector<at::Tensor> parameters, first_moments, second_moments, steps;
  };

  Options options_;
  std::vector<Group> groups_;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TRAIN_ADAMW_H_
