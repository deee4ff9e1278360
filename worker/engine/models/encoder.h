// The seam between model families and everything else: what a Transformer encoder offers to quantization
// methods, training, measuring and the runner. Nothing outside of models/ knows which family runs.
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_ENCODER_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_ENCODER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/layer_role.h"
#include "worker/engine/families/encoder_config.h"
#include "worker/engine/gpu/graph_cache.h"
#include "worker/engine/layers/embedding.h"
#include "worker/engine/layers/layer_norm.h"
#include "worker/engine/layers/linear.h"
#include "worker/engine/models/packed_batch.h"
#include "worker/engine/tensors/weights.h"

namespace quantlab::engine {

// Which layer of a model one is.
struct LayerInfo {
  std::string name;              // of its tensors in the file, without ".weight"
  std::string role;              // base/config/layer_role.h
  std::optional<int64_t> block;  // index of its encoder layer; none: in none
  bool every_token = true;       // false: its input has the first token of each text only

  // Rows of its input for each text of `tokens` tokens.
  int64_t RowsPerText(int64_t tokens) const { return every_token ? tokens : 1; }
};

// What one pass over a batch leaves for further passes over it.
struct BlockStates {
  // [tokens, hidden] float: what enters each block; then [texts, hidden], what leaves the last. Empty: the
  // model has kept nothing.
  std::vector<at::Tensor> inputs;
};

// How a pass over a batch shares work with other passes over it. Only a model that runs by its plan
// (plan/encoder_plan.h) does; any other computes the whole and keeps nothing. The logits are the same, bit
// for bit.
struct PassOptions {
  BlockStates* keep = nullptr;  // empty before
  // Of a pass of this model, since when no layer before `first_block` has changed. The number of blocks: only
  // layers of the head have; -1: layers before the blocks have, too, and the whole is computed.
  const BlockStates* from = nullptr;
  int64_t first_block = -1;
};

// Ownership: owns all parameters.
// Threads:   Forward is const; several threads may call it on a model that nobody trains or changes.
// Errors:    exceptions of LibTorch stop in the public functions and become absl::Status.
class Encoder {
 public:
  virtual ~Encoder() = default;
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  const EncoderConfig& config() const { return config_; }

  // What the model's head gives, [texts, labels] float, in the caller's order of texts, on the model's
  // device. `batch` may be on any device. Records gradients where grad mode is on and the parameters ask for
  // them.
  absl::StatusOr<at::Tensor> Forward(const PackedBatch& batch, const PassOptions& options = {}) const;

  // The same from padded tensors (see PackPadded).
  absl::StatusOr<at::Tensor> Forward(const at::Tensor& input_ids, const at::Tensor& attention_mask,
                                     const at::Tensor& token_types = {}) const;

  // Every linear layer in order of computation. The callback may put another layer into the slot.
  using LinearVisitor = std::function<void(const LayerInfo& info, std::unique_ptr<Linear>& slot)>;
  void ForEachLinear(const LinearVisitor& visitor);
  void ForEachLinear(const std::function<void(const LayerInfo& info, const Linear& layer)>& visitor) const;

  // Every embedding table, in the same manner.
  using EmbeddingVisitor = std::function<void(const LayerInfo& info, std::unique_ptr<Embedding>& slot)>;
  void ForEachEmbedding(const EmbeddingVisitor& visitor);
  void ForEachEmbedding(
      const std::function<void(const LayerInfo& info, const Embedding& table)>& visitor) const;

  // The dtype of what flows between layers (residual stream, LayerNorm, attention): float by default,
  // bfloat16 or half where layers of half precision shall not convert back and forth. Parameters of
  // LayerNorms stay FP32, and so does the result of Forward.
  void SetActivationDtype(at::ScalarType dtype) { activation_dtype_ = dtype; }
  at::ScalarType activation_dtype() const { return activation_dtype_; }

  // What training changes: embeddings, LayerNorms and the parameters() of the linear layers, each kind in
  // order of computation. The handles share storage with the model's own.
  struct NamedTensor {
    std::string name;
    at::Tensor tensor;
    bool decays;  // by weight decay: weights and tables, but neither biases nor LayerNorms nor step sizes
  };
  std::vector<NamedTensor> Parameters() const;
  void SetRequiresGrad(bool requires_grad);

  // Everything that a checkpoint holds, by full name; what MakeEncoder takes.
  TensorMap StateTensors() const;

  // Dropout with the config's probabilities while `training`; from the default generator of the device.
  void SetTraining(bool training) { training_ = training; }
  bool training() const { return training_; }

  absl::Status To(const at::Device& device);
  at::Device device() const { return device_; }

  // Names of the layers that were drawn at random because the weights did not have them.
  const std::vector<std::string>& initialized_layers() const { return initialized_; }

 protected:
  explicit Encoder(EncoderConfig config) : config_(std::move(config)), device_(at::kCPU) {}

  // ---- What a kind of encoder brings. LibTorch's exceptions pass through. ----

  virtual at::Tensor Compute(const PackedBatch& batch, const PassOptions& options) const = 0;
  virtual void VisitLinears(const LinearVisitor& visitor) = 0;
  virtual void VisitEmbeddings(const EmbeddingVisitor& visitor) = 0;
  using NormVisitor = std::function<void(const std::string& name, LayerNorm& norm)>;
  virtual void VisitNorms(const NormVisitor& visitor) = 0;

  void AddInitialized(std::string layer) { initialized_.push_back(std::move(layer)); }

 private:
  bool RunsAsGraph() const;
  at::Tensor ComputeAsGraph(const PackedBatch& batch) const;

  const EncoderConfig config_;
  at::Device device_;
  bool training_ = false;
  at::ScalarType activation_dtype_ = at::kFloat;
  std::vector<std::string> initialized_;
  // On a GPU without gradients: what Compute did for the shapes that come again and again.
  mutable gpu::GraphCache graphs_;
};

struct EncoderBuildOptions {
  LinearLoader load_linear = LoadLinearFp32;
  EmbeddingLoader load_embedding = LoadEmbeddingFp32;
  // A missing head (the classifier and what only it reads) is drawn from N(0, initializer_range) with this
  // seed, bias 0. false: it is an error.
  bool initialize_missing_head = true;
  uint64_t seed = 0;
};

// The model that `config` describes, of whatever family.
// Errors: NOT_FOUND / INVALID_ARGUMENT name the file and each tensor missing, left over or mis-shaped.
absl::StatusOr<std::unique_ptr<Encoder>> MakeEncoder(const EncoderConfig& config, Weights weights,
                                                     const EncoderBuildOptions& options = {});

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_ENCODER_H_
