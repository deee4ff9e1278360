// plan.json: what each layer of a saved quantized model is, and how it came about.
//
// It lies beside config.json and model.safetensors, which hold plain integer tensors and float scales: a
// reader needs nothing of this project to understand them. Layout (version 2):
//
//   {"version": 2, "model_family": "bert", "activation_dtype": "fp32",
//    "method": {"name": "dynamic_quantization", "version": 1, "params": {"granularity": "per_token", …}},
//    "embeddings": [{"name": "bert.embeddings.word_embeddings", "kind": "int8_rows",
//                    "tensors": {"weight_int8": …, "weight_scale": …}}, …],
//    "layers": [{"name": "bert.encoder.layer.0.attention.self.query", "kind": "int8_dynamic",
//                "in_features": 384, "out_features": 384, "granularity": "per_token",
//                "weight_granularity": "per_channel", "reduce_range": false,
//                "tensors": {"weight_int8": "bert.….query.weight_int8", …}}, …]}
//
// A layer's options are those of its kind (layer_kinds.h). A layer that is not what was asked for says so:
// "requested": "int4_weight_only", "reason": "…". Version 1 had neither embeddings nor activation_dtype
// (all FP32); it is still read.
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_PLAN_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_PLAN_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/config/method_spec.h"
#include "worker/engine/layers/layer_plan.h"
#include "worker/engine/models/encoder.h"

namespace quantlab::engine {

struct QuantizationPlan {
  static constexpr int kVersion = 2;
  std::string family = "bert";  // of AllModelFamilies()
  std::string method;           // name of its MethodSpec
  int method_version = 0;
  Params params;  // resolved
  std::string activation_dtype = "fp32";
  std::vector<EmbeddingPlan> embeddings;
  std::vector<LayerPlan> layers;

  // nullptr when the plan does not have it.
  const LayerPlan* Find(const std::string& layer) const;
  const EmbeddingPlan* FindEmbedding(const std::string& table) const;
};

// The plan of a model as it is now.
QuantizationPlan DescribePlan(const Encoder& model, const MethodSpec& method, const Params& params);

// Equal plans give equal bytes.
std::string PlanToJson(const QuantizationPlan& plan);

// `where` names the text in errors.
// Errors: INVALID_ARGUMENT names `where`, the layer and the key, and what is allowed.
absl::StatusOr<QuantizationPlan> ParsePlan(const std::string& json, const std::string& where);

// "fp32", "bf16", "fp16" and back; INVALID_ARGUMENT names the allowed ones.
std::string DtypeName(at::ScalarType dtype);
absl::StatusOr<at::ScalarType> DtypeFromName(const std::string& name);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_PLAN_H_
