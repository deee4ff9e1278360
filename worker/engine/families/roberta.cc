// RoBERTa (Liu 2019), XLM-R (Conneau 2019) and CamemBERT (Martin 2019), as transformers' classes of those
// names compute them: BERT's encoder with positions that start after the padding's, and a head with a hidden
// layer instead of the pooler. The three differ in their vocabularies only.
#include "worker/engine/families/families.h"

namespace quantlab::engine {
namespace {

ModelFamily RobertaLike(const char* name, const char* class_prefix) {
  ModelFamily family;
  family.name = name;
  family.class_prefix = class_prefix;
  family.prefix = "roberta";
  family.defaults.pad_token_id = 1;
  family.defaults.positions_after_padding = true;
  family.layout.embeddings = {"roberta.embeddings.word_embeddings", "roberta.embeddings.position_embeddings",
                              "roberta.embeddings.token_type_embeddings", "roberta.embeddings.LayerNorm"};
  family.layout.blocks = "roberta.encoder.layer";
  family.layout.block = BertBlockLayout();
  family.layout.head.dense = "classifier.dense";
  family.layout.head.output = "classifier.out_proj";
  family.layout.head.activation = Activation::kTanh;
  family.layout.head.dropout_before_dense = true;
  // Encoders are published with a pooler, which this head does not read.
  family.layout.ignored = {"lm_head.", "roberta.pooler."};
  return family;
}

}  // namespace

ModelFamily RobertaFamily() {
  ModelFamily family = RobertaLike("roberta", "Roberta");
  family.defaults.vocab_size = 50265;
  return family;
}

ModelFamily XlmRobertaFamily() {
  return RobertaLike("xlm-roberta", "XLMRoberta");
}

ModelFamily CamembertFamily() {
  return RobertaLike("camembert", "Camembert");
}

}  // namespace quantlab::engine
