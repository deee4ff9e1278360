// An embedding table as the executor of a model sees it: the seam between a model's structure and how its
// tables are stored, as Linear is for linear layers.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_EMBEDDING_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_EMBEDDING_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "worker/engine/tensors/weights.h"

namespace quantlab::engine {

// Ownership: owns its parameters.
// Threads:   Forward is safe to call from several threads on an unchanging table.
// Errors:    LibTorch's exceptions pass through; they stop where a model is entered (models/encoder.h).
class Embedding {
 public:
  virtual ~Embedding() = default;

  // ids: [n] int64; returns [n, width] float. The row `padding_id` (-1: none) gets no gradient.
  virtual at::Tensor Forward(const at::Tensor& ids, int64_t padding_id = -1) const = 0;

  virtual int64_t rows() const = 0;
  virtual int64_t width() const = 0;

  // The table in floating point, [rows, width], where it is stored so; otherwise undefined.
  virtual at::Tensor FloatRows() const { return {}; }

  // What the table is in plan.json: "fp32", "bf16", "fp16", "int8_rows".
  virtual std::string kind() const = 0;

  // The tensors to be saved, by suffix, and those of them that training changes.
  virtual std::map<std::string, at::Tensor> tensors() const = 0;
  virtual std::map<std::string, at::Tensor> parameters() const { return {}; }

  virtual void To(const at::Device& device) = 0;
};

// Rows in floating point, of the dtype in which they are given; trainable in FP32.
class FloatEmbedding : public Embedding {
 public:
  // weight: [rows, width] float, bfloat16 or half.
  explicit FloatEmbedding(at::Tensor weight);

  at::Tensor Forward(const at::Tensor& ids, int64_t padding_id = -1) const override;
  int64_t rows() const override { return weight_.size(0); }
  int64_t width() const override { return weight_.size(1); }
  std::string kind() const override;
  at::Tensor FloatRows() const override { return weight_; }
  std::map<std::string, at::Tensor> tensors() const override { return {{"weight", weight_}}; }
  std::map<std::string, at::Tensor> parameters() const override;
  void To(const at::Device& device) override { weight_ = weight_.to(device); }

 private:
  at::Tensor weight_;
};

// Rows of INT8, each with a scale of its own: row = scale * quantized, zero point 0.
class Int8Embedding : public Embedding {
 public:
  static constexpr char kKind[] = "int8_rows";

  // quantized: [rows, width] int8; scale: [rows] float, positive.
  Int8Embedding(at::Tensor quantized, at::Tensor scale);

  // Rounds each row to the nearest of -127..127 times max|row| / 127.
  static Int8Embedding Quantize(const at::Tensor& weight);

  at::Tensor Forward(const at::Tensor& ids, int64_t padding_id = -1) const override;
  int64_t rows() const override { return quantized_.size(0); }
  int64_t width() const override { return quantized_.size(1); }
  std::string kind() const override { return kKind; }
  std::map<std::string, at::Tensor> tensors() const override {
    return {{"weight_int8", quantized_}, {"weight_scale", scale_}};
  }
  void To(const at::Device& device) override;

 private:
  at::Tensor quantized_, scale_;
};

// Makes the embedding table `name` (no suffix) of `rows` rows.
using EmbeddingLoader = std::function<absl::StatusOr<std::unique_ptr<Embedding>>(
    const std::string& name, int64_t rows, int64_t width, Weights& weights)>;

// The loader of FP32 tables: NAME.weight [rows, width].
absl::StatusOr<std::unique_ptr<Embedding>> LoadEmbeddingFp32(const std::string& name, int64_t rows,
                                                             int64_t width, Weights& weights);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_EMBEDDING_H_
