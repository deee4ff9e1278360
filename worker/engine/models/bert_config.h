// The shape of a BERT model: config.json of the Hugging Face layout, checked.
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_BERT_CONFIG_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_BERT_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/engine/layers/activation.h"

namespace quantlab::engine {

struct BertConfig {
  int64_t vocab_size = 30522;
  int64_t hidden_size = 768;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  int64_t max_position_embeddings = 512;
  int64_t type_vocab_size = 2;
  int64_t pad_token_id = 0;
  Activation hidden_act = Activation::kGelu;
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  double classifier_dropout = 0.1;  // hidden_dropout_prob where config.json has none
  double layer_norm_eps = 1e-12;
  double initializer_range = 0.02;
  std::vector<std::string> labels = {"LABEL_0", "LABEL_1"};  // by class index; size: number of classes

  // config.json as it was read: keys unknown here survive a save. Empty: none.
  std::string source_json;

  int64_t num_labels() const { return static_cast<int64_t>(labels.size()); }
  int64_t head_size() const { return hidden_size / num_attention_heads; }
};

// `where` names the text in errors (a file name).
// Errors: INVALID_ARGUMENT names `where`, the key, its value and what is allowed.
absl::StatusOr<BertConfig> ParseBertConfig(const std::string& json, const std::string& where);
absl::StatusOr<BertConfig> ReadBertConfig(const std::string& path);

// The text of a config.json that ParseBertConfig reads back to the same config, and transformers too.
std::string BertConfigToJson(const BertConfig& config);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_BERT_CONFIG_H_
