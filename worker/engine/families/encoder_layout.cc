#include "worker/engine/families/encoder_layout.h"

namespace quantlab::engine {

EncoderLayout::Block BertBlockLayout() {
  return {"attention.self.query",
          "attention.self.key",
          "attention.self.value",
          "attention.output.dense",
          "attention.output.LayerNorm",
          "intermediate.dense",
          "output.dense",
          "output.LayerNorm",
          /*attention_output_dropout=*/true};
}

}  // namespace quantlab::engine
