// BERT with a classification head, of any size that its config gives: the same forward code for training
// and for inference, for floating-point and for quantized linear layers.
// Follows Devlin 2018 as transformers' BertForSequenceClassification computes it (post-LayerNorm).
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_BERT_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_BERT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/engine/layers/embedding.h"
#include "worker/engine/layers/linear.h"
#include "worker/engine/models/bert_config.h"
#include "worker/engine/models/packed_batch.h"
#include "worker/engine/tensors/weights.h"

namespace quantlab::engine {

struct BertBuildOptions {
  LinearLoader load_linear = LoadLinearFp32;
  EmbeddingLoader load_embedding = LoadEmbeddingFp32;
  // A missing classifier (or pooler) is drawn from N(0, initializer_range) with this seed, bias 0.
  // false: it is an error.
  bool initialize_missing_head = true;
  uint64_t seed = 0;
};

// Ownership: owns all parameters.
// Threads:   Forward is const; several threads may call it on a model that nobody trains or changes.
// Errors:    exceptions of LibTorch stop in the public functions and become absl::Status.
class BertForSequenceClassification {
 public:
  // Errors: NOT_FOUND / INVALID_ARGUMENT name the file and each tensor missing, left over or mis-shaped.
  static absl::StatusOr<std::unique_ptr<BertForSequenceClassification>> Create(
      const BertConfig& config, Weights weights, const BertBuildOptions& options = {});

  ~BertForSequenceClassification();

  const BertConfig& config() const { return config_; }

  // Logits [texts, labels] float, in the caller's order of texts, on the model's device. `batch` may be on
  // any device. Records gradients where grad mode is on and the parameters ask for them.
  absl::StatusOr<at::Tensor> Forward(const PackedBatch& batch) const;

  // The same from padded tensors (see PackPadded).
  absl::StatusOr<at::Tensor> Forward(const at::Tensor& input_ids, const at::Tensor& attention_mask,
                                     const at::Tensor& token_types = {}) const;

  // Every linear layer in order of computation: per layer attention.self.query, .key, .value,
  // attention.output.dense, intermediate.dense, output.dense; then bert.pooler.dense and classifier.
  // The callback may put another layer into the slot.
  using LinearVisitor = std::function<void(const std::string& name, std::unique_ptr<Linear>& slot)>;
  void ForEachLinear(const LinearVisitor& visitor);
  void ForEachLinear(const std::function<void(const std::string& name, const Linear& layer)>& visitor) const;

  // The tables of words, positions and token types, in that order, in the same manner.
  using EmbeddingVisitor = std::function<void(const std::string& name, std::unique_ptr<Embedding>& slot)>;
  void ForEachEmbedding(const EmbeddingVisitor& visitor);
  void ForEachEmbedding(
      const std::function<void(const std::string& name, const Embedding& table)>& visitor) const;

  // The dtype of what flows between layers (residual stream, LayerNorm, attention): float by default,
  // bfloat16 or half where layers of half precision shall not convert back and forth. Parameters of
  // LayerNorms stay FP32, and so do the logits.
  void SetActivationDtype(at::ScalarType dtype) { activation_dtype_ = dtype; }
  at::ScalarType activation_dtype() const { return activation_dtype_; }

  // What training changes: embeddings, LayerNorms and the parameters() of the linear layers, by name, in
  // order of computation. The handles share storage with the model's own.
  struct NamedTensor {
    std::string name;
    at::Tensor tensor;
  };
  std::vector<NamedTensor> Parameters() const;
  void SetRequiresGrad(bool requires_grad);

  // Everything that a checkpoint holds, by full name; what Create takes.
  TensorMap StateTensors() const;

  // Dropout with the config's probabilities while `training`; from the default generator of the device.
  void SetTraining(bool training) { training_ = training; }
  bool training() const { return training_; }

  absl::Status To(const at::Device& device);
  at::Device device() const { return device_; }

  // Names of the layers that were drawn at random because the weights did not have them.
  const std::vector<std::string>& initialized_layers() const { return initialized_; }

 private:
  struct LayerNorm;
  struct Layer;
  class Builder;

  explicit BertForSequenceClassification(BertConfig config);

  // Every tensor that is neither a linear layer's nor an embedding table's.
  using TensorVisitor = std::function<void(const std::string& name, at::Tensor& tensor)>;
  void ForEachOther(const TensorVisitor& visitor);

  at::Tensor ForwardOrThrow(const PackedBatch& batch) const;
  at::Tensor Embed(const PackedBatch& batch) const;
  at::Tensor Encode(const Layer& layer, const at::Tensor& x, const PackedBatch& batch, bool last) const;
  at::Tensor Attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const PackedBatch& batch,
                    bool first_only) const;
  at::Tensor Dropout(const at::Tensor& x, double probability) const;

  BertConfig config_;
  at::Device device_;
  bool training_ = false;
  std::vector<std::string> initialized_;

  at::ScalarType activation_dtype_ = at::kFloat;
  std::unique_ptr<Embedding> word_embeddings_, position_embeddings_, token_type_embeddings_;
  std::unique_ptr<LayerNorm> embedding_norm_;
  std::vector<Layer> layers_;
  std::unique_ptr<Linear> pooler_;
  std::unique_ptr<Linear> classifier_;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_BERT_H_
