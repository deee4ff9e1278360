#include "worker/engine/layers/embedding.h"

#include <limits>
#include <utility>

#include <ATen/ATen.h>

#include "base/status_macros.h"

namespace quantlab::engine {

FloatEmbedding::FloatEmbedding(at::Tensor weight) : weight_(std::move(weight)) {}

at::Tensor FloatEmbedding::Forward(const at::Tensor& ids, int64_t padding_id) const {
  const at::Tensor rows = at::embedding(weight_, ids, padding_id);
  return weight_.scalar_type() == at::kFloat ? rows : rows.to(at::kFloat);
}

std::string FloatEmbedding::kind() const {
  if (weight_.scalar_type() == at::kBFloat16) return "bf16";
  return weight_.scalar_type() == at::kHalf ? "fp16" : "fp32";
}

std::map<std::string, at::Tensor> FloatEmbedding::parameters() const {
  if (weight_.scalar_type() != at::kFloat) return {};
  return {{"weight", weight_}};
}

Int8Embedding::Int8Embedding(at::Tensor quantized, at::Tensor scale)
    : quantized_(std::move(quantized)), scale_(std::move(scale)) {}

Int8Embedding Int8Embedding::Quantize(const at::Tensor& weight) {
  const at::Tensor w = weight.detach().to(at::kFloat);
  // The smallest scale avoids a division by zero in a row of zeros.
  const at::Tensor scale = (w.abs().amax(1) / 127.0f).clamp_min(std::numeric_limits<float>::min());
  return Int8Embedding((w / scale.unsqueeze(1)).round().clamp(-127, 127).to(at::kChar), scale);
}

at::Tensor Int8Embedding::Forward(const at::Tensor& ids, int64_t) const {
  return quantized_.index_select(0, ids).to(at::kFloat).mul(scale_.index_select(0, ids).unsqueeze(1));
}

void Int8Embedding::To(const at::Device& device) {
  quantized_ = quantized_.to(device);
  scale_ = scale_.to(device);
}

absl::StatusOr<std::unique_ptr<Embedding>> LoadEmbeddingFp32(const std::string& name, int64_t rows,
                                                             int64_t width, Weights& weights) {
  QL_ASSIGN_OR_RETURN(at::Tensor weight, weights.TakeFloat(name + ".weight", {rows, width}));
  return std::make_unique<FloatEmbedding>(std::move(weight));
}

}  // namespace quantlab::engine
