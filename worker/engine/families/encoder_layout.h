// Which parts the encoder of a family has, and what it calls their tensors.
#ifndef QUANTLAB_WORKER_ENGINE_FAMILIES_ENCODER_LAYOUT_H_
#define QUANTLAB_WORKER_ENGINE_FAMILIES_ENCODER_LAYOUT_H_

#include <string>
#include <vector>

#include "base/config/layer_role.h"
#include "worker/engine/families/activation_names.h"

namespace quantlab::engine {

// Names are those of the family's file, in full, without ".weight" and ".bias".
struct EncoderLayout {
  struct Embeddings {
    std::string word, position;
    std::string token_type;  // empty: there is no such table
    std::string norm;
    // The linear layer after the norm where the tables are of another width than the encoder.
    std::string projection = "";
  };
  // Below "BLOCKS.INDEX.".
  struct Block {
    std::string query, key, value, attention_output, attention_norm;
    std::string ffn_in, ffn_out, ffn_norm;
    bool attention_output_dropout = true;
  };
  // dense, activation, dropout, output.
  struct Head {
    std::string dense, output;
    std::string dense_role = layer_role::kHeadDense;  // or kPooler
    Activation activation = Activation::kTanh;
    bool dropout_before_dense = false;
  };

  Embeddings embeddings;
  std::string blocks;  // "bert.encoder.layer"
  Block block;
  Head head;
  // Beginnings of the names of tensors that a classifier has no use for: heads of pre-training.
  std::vector<std::string> ignored;
};

// The names within a layer that BERT has, and most of its successors.
EncoderLayout::Block BertBlockLayout();

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_FAMILIES_ENCODER_LAYOUT_H_
