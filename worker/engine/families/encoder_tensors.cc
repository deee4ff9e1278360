#include "worker/engine/families/encoder_tensors.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace quantlab::engine {
namespace {

class Lister {
 public:
  void Table(const std::string& name, int64_t rows, int64_t width) {
    tensors.push_back({name + ".weight", {rows, width}});
  }
  void Linear(const std::string& name, int64_t inputs, int64_t outputs) {
    for (TensorSpec& tensor : LinearTensors(name, inputs, outputs)) tensors.push_back(std::move(tensor));
  }
  void Norm(const std::string& name, int64_t width) {
    for (const char* part : {".weight", ".bias"}) tensors.push_back({name + part, {width}});
  }

  std::vector<TensorSpec> tensors;
};

}  // namespace

std::vector<TensorSpec> LinearTensors(const std::string& name, int64_t inputs, int64_t outputs) {
  return {{name + ".weight", {outputs, inputs}}, {name + ".bias", {outputs}}};
}

std::vector<TensorSpec> EncoderTensors(const EncoderConfig& config, const EncoderLayout& layout) {
  Lister list;
  const EncoderLayout::Embeddings& names = layout.embeddings;
  const int64_t width = config.embedding_width(), hidden = config.hidden_size;
  list.Table(names.word, config.vocab_size, width);
  list.Table(names.position, config.max_position_embeddings, width);
  if (!names.token_type.empty()) list.Table(names.token_type, config.type_vocab_size, width);
  list.Norm(names.norm, width);
  if (width != hidden) list.Linear(names.projection, width, hidden);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string prefix = absl::StrCat(layout.blocks, ".", i, ".");
    const EncoderLayout::Block& block = layout.block;
    for (const std::string* name : {&block.query, &block.key, &block.value, &block.attention_output}) {
      list.Linear(prefix + *name, hidden, hidden);
    }
    list.Norm(prefix + block.attention_norm, hidden);
    list.Linear(prefix + block.ffn_in, hidden, config.intermediate_size);
    list.Linear(prefix + block.ffn_out, config.intermediate_size, hidden);
    list.Norm(prefix + block.ffn_norm, hidden);
  }
  return std::move(list.tensors);
}

}  // namespace quantlab::engine
