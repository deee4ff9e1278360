#include "worker/engine/train/adamw.h"

#include <algorithm>

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/engine/train/training_state.h"

namespace quantlab::engine {

AdamW::AdamW(const std::vector<Encoder::NamedTensor>& parameters, const Options& options)
    : options_(options), groups_{{options.weight_decay, {}, {}, {}, {}, {}}, {0.0, {}, {}, {}, {}, {}}} {
  for (const auto& [name, tensor, decays] : parameters) {
    Group& group = groups_[decays ? 0 : 1];
    const at::Tensor plain = tensor.detach();  // shares storage; updates are not recorded
    group.names.push_back(name);
    group.parameters.push_back(tensor);
    group.first_moments.push_back(at::zeros_like(plain));
    group.second_moments.push_back(at::zeros_like(plain));
    group.steps.push_back(at::zeros({}, plain.options().dtype(at::kFloat)));
  }
}

double AdamW::ClipGradients(double max_norm) {
  std::vector<at::Tensor> norms;
  for (const Group& group : groups_) {
    for (const at::Tensor& parameter : group.parameters) {
      if (parameter.grad().defined()) norms.push_back(at::linalg_vector_norm(parameter.grad()));
    }
  }
  if (norms.empty()) return 0;
  const double norm = at::linalg_vector_norm(at::stack(norms)).item<double>();
  const double factor = max_norm / (norm + 1e-6);
  if (max_norm <= 0 || factor >= 1) return norm;
  for (const Group& group : groups_) {
    for (const at::Tensor& parameter : group.parameters) {
      if (parameter.grad().defined()) parameter.mutable_grad().mul_(factor);
    }
  }
  return norm;
}

void AdamW::Step(double learning_rate) {
  for (const Group& group : groups_) {
    std::vector<at::Tensor> parameters, gradients, first, second, steps;
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      if (!group.parameters[i].grad().defined()) continue;
      parameters.push_back(group.parameters[i].detach());
      gradients.push_back(group.parameters[i].grad());
      first.push_back(group.first_moments[i]);
      second.push_back(group.second_moments[i]);
      steps.push_back(group.steps[i].add_(1));
    }
    if (parameters.empty()) continue;
    at::_fused_adamw_(parameters, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps, learning_rate,
                      options_.beta1, options_.beta2, group.weight_decay, options_.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false);
  }
}

void AdamW::ClearGradients() {
  for (const Group& group : groups_) {
    for (const at::Tensor& parameter : group.parameters) parameter.mutable_grad().reset();
  }
}

TensorMap AdamW::State() const {
  TensorMap state;
  for (const Group& group : groups_) {
    for (size_t i = 0; i < group.names.size(); ++i) {
      state[absl::StrCat("first_moment/", group.names[i])] = group.first_moments[i];
      state[absl::StrCat("second_moment/", group.names[i])] = group.second_moments[i];
      state[absl::StrCat("updates/", group.names[i])] = group.steps[i].view({1});
    }
  }
  return state;
}

absl::Status AdamW::Restore(const TensorMap& state) {
  for (const auto& [name, tensor] : State()) QL_RETURN_IF_ERROR(RestoreTensor(state, name, tensor));
  return absl::OkStatus();
}

}  // namespace quantlab::engine
