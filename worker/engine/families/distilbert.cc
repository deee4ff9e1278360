// DistilBERT (Sanh 2019), as transformers' DistilBertForSequenceClassification names and computes it: BERT's
// encoder without token types and without dropout after the attention; its head has a hidden layer with ReLU.
#include "worker/engine/families/families.h"

namespace quantlab::engine {

ModelFamily DistilBertFamily() {
  ModelFamily family;
  family.name = "distilbert";
  family.class_prefix = "DistilBert";
  family.prefix = "distilbert";
  family.encoder_parts = {"embeddings.", "transformer."};
  family.keys.hidden_size = "dim";
  family.keys.num_hidden_layers = "n_layers";
  family.keys.num_attention_heads = "n_heads";
  family.keys.intermediate_size = "hidden_dim";
  family.keys.type_vocab_size = nullptr;
  family.keys.hidden_act = "activation";
  family.keys.hidden_dropout = "dropout";
  family.keys.attention_dropout = "attention_dropout";
  family.keys.classifier_dropout = "seq_classif_dropout";
  family.keys.layer_norm_eps = nullptr;
  family.keys.position_embedding_type = nullptr;
  family.defaults.num_hidden_layers = 6;
  family.defaults.type_vocab_size = 1;
  family.classifier_dropout = 0.2;
  family.layout.embeddings = {"distilbert.embeddings.word_embeddings",
                              "distilbert.embeddings.position_embeddings", /*token_type=*/"",
                              "distilbert.embeddings.LayerNorm"};
  family.layout.blocks = "distilbert.transformer.layer";
  family.layout.block = {"attention.q_lin",
                         "attention.k_lin",
                         "attention.v_lin",
                         "attention.out_lin",
                         "sa_layer_norm",
                         "ffn.lin1",
                         "ffn.lin2",
                         "output_layer_norm",
                         /*attention_output_dropout=*/false};
  family.layout.head.dense = "pre_classifier";
  family.layout.head.output = "classifier";
  family.layout.head.activation = Activation::kRelu;
  family.layout.ignored = {"vocab_transform.", "vocab_layer_norm.", "vocab_projector."};
  return family;
}

}  // namespace quantlab::engine
