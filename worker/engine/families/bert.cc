// BERT (Devlin 2018), as transformers' BertForSequenceClassification names and computes it.
#include "worker/engine/families/families.h"

namespace quantlab::engine {

ModelFamily BertFamily() {
  ModelFamily family;
  family.name = "bert";
  family.class_prefix = "Bert";
  family.prefix = "bert";
  family.layout.embeddings = {"bert.embeddings.word_embeddings", "bert.embeddings.position_embeddings",
                              "bert.embeddings.token_type_embeddings", "bert.embeddings.LayerNorm"};
  family.layout.blocks = "bert.encoder.layer";
  family.layout.block = BertBlockLayout();
  family.layout.head.dense = "bert.pooler.dense";
  family.layout.head.dense_role = layer_role::kPooler;
  family.layout.head.output = "classifier";
  family.layout.head.activation = Activation::kTanh;
  family.layout.ignored = {"cls."};
  return family;
}

}  // namespace quantlab::engine
