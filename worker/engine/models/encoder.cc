#include "worker/engine/models/encoder.h"

#include <map>

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

// The visits lend slots that may be changed; these visitors change none.
Encoder& Unchanged(const Encoder& encoder) {
  return const_cast<Encoder&>(encoder);
}

}  // namespace

absl::StatusOr<at::Tensor> Encoder::Forward(const PackedBatch& batch, const PassOptions& options) const {
  return CatchTorch("running the model",
                    [&] { return RunsAsGraph() ? ComputeAsGraph(batch) : Compute(batch, options); });
}

bool Encoder::RunsAsGraph() const {
  if (!device_.is_cuda() || training_ || at::GradMode::is_enabled()) return false;
  if (at::autocast::is_autocast_enabled(device_.type())) return false;
  bool capturable = true;
  ForEachLinear(
      [&](const LayerInfo&, const Linear& layer) { capturable = capturable && layer.capturable(); });
  return capturable;
}

at::Tensor Encoder::ComputeAsGraph(const PackedBatch& batch) const {
  std::vector<int64_t> key = {static_cast<int64_t>(activation_dtype_)};
  for (const SequenceGroup& group : batch.groups) {
    key.push_back(group.texts);
    key.push_back(group.length);
  }
  std::vector<at::Tensor> inputs;
  for (const at::Tensor* tensor :
       {&batch.ids, &batch.positions, &batch.token_types, &batch.first_token, &batch.place}) {
    inputs.push_back(tensor->to(device_));
  }
  return graphs_.Run(key, inputs, [&](const std::vector<at::Tensor>& in) {
    return Compute(PackedBatch{in[0], in[1], in[2], in[3], in[4], batch.groups}, {});
  });
}

void Encoder::ForEachLinear(const LinearVisitor& visitor) {
  graphs_.Clear();
  VisitLinears(visitor);
}

void Encoder::ForEachEmbedding(const EmbeddingVisitor& visitor) {
  graphs_.Clear();
  VisitEmbeddings(visitor);
}

absl::StatusOr<at::Tensor> Encoder::Forward(const at::Tensor& input_ids, const at::Tensor& attention_mask,
                                            const at::Tensor& token_types) const {
  QL_ASSIGN_OR_RETURN(const PackedBatch batch, PackPadded(config_, input_ids, attention_mask, token_types));
  return Forward(batch);
}

void Encoder::ForEachLinear(
    const std::function<void(const LayerInfo& info, const Linear& layer)>& visitor) const {
  Unchanged(*this).VisitLinears(
      [&](const LayerInfo& info, std::unique_ptr<Linear>& slot) { visitor(info, *slot); });
}

void Encoder::ForEachEmbedding(
    const std::function<void(const LayerInfo& info, const Embedding& table)>& visitor) const {
  Unchanged(*this).VisitEmbeddings(
      [&](const LayerInfo& info, std::unique_ptr<Embedding>& slot) { visitor(info, *slot); });
}

std::vector<Encoder::NamedTensor> Encoder::Parameters() const {
  std::vector<NamedTensor> parameters;
  const auto add = [&parameters](const std::string& name, const Tensors& tensors) {
    for (const auto& [suffix, tensor] : tensors) {
      parameters.push_back({absl::StrCat(name, ".", suffix), tensor, suffix == "weight"});
    }
  };
  ForEachEmbedding(
      [&](const LayerInfo& info, const Embedding& table) { add(info.name, table.parameters()); });
  Unchanged(*this).VisitNorms([&](const std::string& name, LayerNorm& norm) {
    parameters.push_back({name + ".weight", norm.weight, false});
    parameters.push_back({name + ".bias", norm.bias, false});
  });
  ForEachLinear([&](const LayerInfo& info, const Linear& layer) { add(info.name, layer.parameters()); });
  return parameters;
}

void Encoder::SetRequiresGrad(bool requires_grad) {
  for (const NamedTensor& parameter : Parameters()) parameter.tensor.set_requires_grad(requires_grad);
}

TensorMap Encoder::StateTensors() const {
  TensorMap state;
  const auto add = [&state](const std::string& name, const Tensors& tensors) {
    for (const auto& [suffix, tensor] : tensors) state[absl::StrCat(name, ".", suffix)] = tensor.detach();
  };
  Unchanged(*this).VisitNorms([&](const std::string& name, LayerNorm& norm) {
    add(name, {{"weight", norm.weight}, {"bias", norm.bias}});
  });
  ForEachEmbedding([&](const LayerInfo& info, const Embedding& table) { add(info.name, table.tensors()); });
  ForEachLinear([&](const LayerInfo& info, const Linear& layer) { add(info.name, layer.tensors()); });
  return state;
}

absl::Status Encoder::To(const at::Device& device) {
  graphs_.Clear();
  return CatchTorch(absl::StrCat("moving the model to ", device.str()), [&]() -> absl::Status {
    VisitNorms([&](const std::string&, LayerNorm& norm) {
      norm.weight = norm.weight.detach().to(device);
      norm.bias = norm.bias.detach().to(device);
    });
    VisitEmbeddings([&](const LayerInfo&, std::unique_ptr<Embedding>& slot) { slot->To(device); });
    VisitLinears([&](const LayerInfo&, std::unique_ptr<Linear>& slot) { slot->To(device); });
    device_ = device;
    return absl::OkStatus();
  });
}

}  // namespace quantlab::engine
