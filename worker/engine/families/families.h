// The model families: what each one calls things in config.json and in its file of weights, and which parts
// it is composed of. A family is one file beside this that makes one of these, and one line in families.cc.
#ifndef QUANTLAB_WORKER_ENGINE_FAMILIES_FAMILIES_H_
#define QUANTLAB_WORKER_ENGINE_FAMILIES_FAMILIES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "worker/engine/families/encoder_config.h"
#include "worker/engine/families/encoder_layout.h"

namespace quantlab::engine {

// Keys of config.json. nullptr: the family has no such setting, and its default stands.
struct ConfigKeys {
  const char* hidden_size = "hidden_size";
  const char* embedding_size = nullptr;
  const char* num_hidden_layers = "num_hidden_layers";
  const char* num_attention_heads = "num_attention_heads";
  const char* intermediate_size = "intermediate_size";
  const char* type_vocab_size = "type_vocab_size";
  const char* hidden_act = "hidden_act";
  const char* hidden_dropout = "hidden_dropout_prob";
  const char* attention_dropout = "attention_probs_dropout_prob";
  const char* classifier_dropout = "classifier_dropout";
  const char* layer_norm_eps = "layer_norm_eps";
  const char* position_embedding_type = "position_embedding_type";
};

struct ModelFamily {
  // model_type in config.json, and model_family in plan.json.
  std::string name;
  // What the names of its classes in transformers start with ("Bert": BertModel, BertForMaskedLM, …).
  std::string class_prefix;
  // Before the names of the encoder's own tensors ("bert": "bert.embeddings…"), and with what these start
  // where a file of the encoder alone leaves it out.
  std::string prefix;
  std::vector<std::string> encoder_parts = {"embeddings.", "encoder.", "pooler."};
  ConfigKeys keys;
  // What stands where config.json has no such key.
  EncoderConfig defaults;
  // classifier_dropout where config.json has none; nullopt: that of the hidden layers.
  std::optional<double> classifier_dropout;
  EncoderLayout layout;

  std::string architecture() const { return class_prefix + "ForSequenceClassification"; }
};

// Every family, in the order in which errors name them.
const std::vector<ModelFamily>& AllModelFamilies();

// nullptr where there is none of that name.
const ModelFamily* FindModelFamily(absl::string_view name);
// The family of a class of transformers ("RobertaForMaskedLM"); nullptr where there is none.
const ModelFamily* FindFamilyOfArchitecture(absl::string_view architecture);

// Whether models of the config's family have a table of token types.
bool HasTokenTypes(const EncoderConfig& config);

// "bert, distilbert, …", for errors.
std::string ModelFamilyNames();

// The name in the layout of `family` for a tensor of a file: with the encoder's prefix (`has_prefix`: the
// file's names have it already), and LayerNorm's old names gamma and beta as weight and bias.
std::string CanonicalTensorName(const ModelFamily& family, const std::string& name, bool has_prefix);

// ---- One for each family. ----

ModelFamily BertFamily();
ModelFamily DistilBertFamily();
ModelFamily ElectraFamily();
ModelFamily RobertaFamily();
ModelFamily XlmRobertaFamily();
ModelFamily CamembertFamily();

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_FAMILIES_FAMILIES_H_
