// The entries of one linear layer and of one embedding table in plan.json (models/plan.h has the whole file).
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_LAYER_PLAN_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_LAYER_PLAN_H_

#include <cstdint>
#include <map>
#include <string>

#include "base/config/method_spec.h"
#include "base/messages/message.h"

namespace quantlab::engine {

struct LayerPlan {
  std::string name;  // as the model names it
  std::string kind;  // of AllLayerKinds()
  int64_t in_features = 0, out_features = 0;
  Params options;                              // complete, as its kind has them
  std::string requested;                       // where it differs from `kind`; else empty
  Message reason;                              // why it differs
  std::map<std::string, std::string> tensors;  // name in the file by role: "weight_int8", …
};

struct EmbeddingPlan {
  std::string name;
  std::string kind = "fp32";  // fp32, bf16, fp16, int8_rows
  std::map<std::string, std::string> tensors;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_LAYER_PLAN_H_
