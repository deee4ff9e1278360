// plan.json: what each linear layer of a saved quantized model is, and how it came about.
//
// It lies beside config.json and model.safetensors, which hold plain int8 tensors and float scales: a
// reader needs nothing of this project to understand them. Layout (version 1):
//
//   {"version": 1, "model_family": "bert",
//    "method": {"name": "dynamic_quantization", "version": 1, "params": {"granularity": "per_token", …}},
//    "layers": [{"name": "bert.encoder.layer.0.attention.self.query", "kind": "int8_dynamic",
//                "in_features": 384, "out_features": 384, "granularity": "per_token",
//                "weight_granularity": "per_channel", "reduce_range": false,
//                "tensors": {"weight_int8": "bert.….query.weight_int8", …}}, …]}
#ifndef QUANTLAB_WORKER_ENGINE_QUANTIZE_PLAN_H_
#define QUANTLAB_WORKER_ENGINE_QUANTIZE_PLAN_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/method_spec.h"

namespace quantlab::engine {

enum class LayerKind { kFp32, kInt8Dynamic };
const char* LayerKindName(LayerKind kind);  // "fp32", "int8_dynamic"

struct LayerPlan {
  std::string name;  // as the model names it
  LayerKind kind = LayerKind::kFp32;
  int64_t in_features = 0, out_features = 0;
  // Of kInt8Dynamic.
  bool per_token = true;    // granularity: per_token or per_tensor
  bool per_channel = true;  // weight_granularity: per_channel or per_tensor
  bool reduce_range = false;
  std::map<std::string, std::string> tensors;  // name in the file by role: "weight_int8", …
};

struct QuantizationPlan {
  static constexpr int kVersion = 1;
  static constexpr char kFamily[] = "bert";

  std::string method;  // name of its MethodSpec
  int method_version = 0;
  Params params;  // resolved
  std::vector<LayerPlan> layers;

  // nullptr when the plan does not have it.
  const LayerPlan* Find(const std::string& layer) const;
};

// Equal plans give equal bytes.
std::string PlanToJson(const QuantizationPlan& plan);

// `where` names the text in errors.
// Errors: INVALID_ARGUMENT names `where`, the layer and the key, and what is allowed.
absl::StatusOr<QuantizationPlan> ParsePlan(const std::string& json, const std::string& where);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_QUANTIZE_PLAN_H_
