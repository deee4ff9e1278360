#include "export/model_parts.h"

#include "absl/strings/str_cat.h"

namespace quantlab::model_export {
namespace {

void AddEmbeddings(const SourceModel& model, ModelParts& parts) {
  const engine::EncoderConfig& config = model.config();
  const engine::EncoderLayout::Embeddings& names = model.layout().embeddings;
  const int64_t width = config.embedding_width();
  parts.tables.push_back({names.word, config.vocab_size, width});
  parts.tables.push_back({names.position, config.max_position_embeddings, width});
  if (!names.token_type.empty()) parts.tables.push_back({names.token_type, config.type_vocab_size, width});
  parts.norms.push_back({names.norm, width});
  if (width != config.hidden_size) parts.linears.push_back({names.projection, config.hidden_size, width});
}

void AddBlock(const SourceModel& model, int64_t index, ModelParts& parts) {
  const engine::EncoderLayout::Block& names = model.layout().block;
  const int64_t hidden = model.config().hidden_size, wide = model.config().intermediate_size;
  const std::string prefix = absl::StrCat(model.layout().blocks, ".", index, ".");
  for (const std::string* name : {&names.query, &names.key, &names.value, &names.attention_output}) {
    parts.linears.push_back({prefix + *name, hidden, hidden});
  }
  parts.linears.push_back({prefix + names.ffn_in, wide, hidden});
  parts.linears.push_back({prefix + names.ffn_out, hidden, wide});
  parts.norms.push_back({prefix + names.attention_norm, hidden});
  parts.norms.push_back({prefix + names.ffn_norm, hidden});
}

}  // namespace

ModelParts PartsOf(const SourceModel& model) {
  ModelParts parts;
  AddEmbeddings(model, parts);
  for (int64_t i = 0; i < model.config().num_hidden_layers; ++i) AddBlock(model, i, parts);
  const engine::EncoderLayout::Head& head = model.layout().head;
  const int64_t hidden = model.config().hidden_size;
  parts.linears.push_back({head.dense, hidden, hidden, /*head=*/true});
  parts.linears.push_back({head.output, model.config().num_labels(), hidden, /*head=*/true});
  return parts;
}

}  // namespace quantlab::model_export
