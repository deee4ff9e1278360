// The shape of an encoder of any family: config.json of the Hugging Face layout, checked.
#ifndef QUANTLAB_WORKER_ENGINE_FAMILIES_ENCODER_CONFIG_H_
#define QUANTLAB_WORKER_ENGINE_FAMILIES_ENCODER_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/engine/families/activation_names.h"

namespace quantlab::engine {

// Fields have the names of BERT's config.json; families.h says what the others call them.
struct EncoderConfig {
  std::string family = "bert";  // of AllModelFamilies()
  int64_t vocab_size = 30522;
  int64_t hidden_size = 768;
  int64_t embedding_size = 0;  // width of the embedding tables; 0: hidden_size
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  int64_t max_position_embeddings = 512;  // rows of the table
  // Positions count the tokens that are not padding from pad_token_id + 1, and a padding token within a text
  // has the position pad_token_id. false: they count all tokens from 0.
  bool positions_after_padding = false;
  int64_t type_vocab_size = 2;
  int64_t pad_token_id = 0;  // -1: none
  Activation hidden_act = Activation::kGelu;
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  double classifier_dropout = 0.1;
  double layer_norm_eps = 1e-12;
  double initializer_range = 0.02;
  std::vector<std::string> labels = {"LABEL_0", "LABEL_1"};  // by class index; size: number of classes
  // Fine-tuned on pairs of texts: "text_pairs": true, a key of this project, since transformers has none.
  bool text_pairs = false;
  // Of base/config/task.h: what problem_type says. A model with one output and no word about it is a
  // regression's, as transformers takes it.
  std::string task = "classification";

  // config.json as it was read: keys unknown here survive a save. Empty: none.
  std::string source_json;

  int64_t num_labels() const { return static_cast<int64_t>(labels.size()); }
  int64_t head_size() const { return hidden_size / num_attention_heads; }
  int64_t embedding_width() const { return embedding_size == 0 ? hidden_size : embedding_size; }
  int64_t first_position() const { return positions_after_padding ? pad_token_id + 1 : 0; }
  // The longest text that the model reads, in tokens.
  int64_t max_tokens() const { return max_position_embeddings - first_position(); }
};

// The family is what model_type and architectures say; both must agree. A file with neither is BERT's, as
// those that were published before there were other families. `where` names the text in errors (a file name).
// Errors: INVALID_ARGUMENT names `where`, the key, its value and what is allowed.
absl::StatusOr<EncoderConfig> ParseModelConfig(const std::string& json, const std::string& where);
absl::StatusOr<EncoderConfig> ReadModelConfig(const std::string& path);

// The text of a config.json that ParseModelConfig reads back to the same config, and transformers too.
std::string ModelConfigToJson(const EncoderConfig& config);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_FAMILIES_ENCODER_CONFIG_H_
