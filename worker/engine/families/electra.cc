// ELECTRA's discriminator (Clark 2020), as transformers' ElectraForSequenceClassification names and computes
// it: BERT's encoder behind embedding tables that may be narrower, and a head with a hidden layer with GELU.
#include "worker/engine/families/families.h"

namespace quantlab::engine {

ModelFamily ElectraFamily() {
  ModelFamily family;
  family.name = "electra";
  family.class_prefix = "Electra";
  family.prefix = "electra";
  family.encoder_parts = {"embeddings.", "embeddings_project.", "encoder."};
  family.keys.embedding_size = "embedding_size";
  family.defaults.embedding_size = 128;
  family.defaults.hidden_size = 256;
  family.defaults.num_attention_heads = 4;
  family.defaults.intermediate_size = 1024;
  family.layout.embeddings = {"electra.embeddings.word_embeddings", "electra.embeddings.position_embeddings",
                              "electra.embeddings.token_type_embeddings", "electra.embeddings.LayerNorm",
                              "electra.embeddings_project"};
  family.layout.blocks = "electra.encoder.layer";
  family.layout.block = BertBlockLayout();
  family.layout.head.dense = "classifier.dense";
  family.layout.head.output = "classifier.out_proj";
  family.layout.head.activation = Activation::kGelu;
  family.layout.head.dropout_before_dense = true;
  family.layout.ignored = {"discriminator_predictions.", "generator_predictions.", "generator_lm_head."};
  return family;
}

}  // namespace quantlab::engine
