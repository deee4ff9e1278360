#include "report/facts/layer_names.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/config/layer_role.h"
#include "report/facts/plot_label.h"

namespace quantlab::report {
namespace {

struct Role {
  const char* role;
  ModelPart part;
  Text name;
};

const std::vector<Role>& Roles() {
  static const auto* const roles = new std::vector<Role>{
      {layer_role::kWordEmbedding, ModelPart::kEmbeddings, {"word emb.", "词嵌入"}},
      {layer_role::kPositionEmbedding, ModelPart::kEmbeddings, {"pos. emb.", "位置嵌入"}},
      {layer_role::kTokenTypeEmbedding, ModelPart::kEmbeddings, {"type emb.", "类型嵌入"}},
      {layer_role::kEmbeddingProjection, ModelPart::kEmbeddingProjection, {"emb. proj.", "嵌入投影"}},
      {layer_role::kQuery, ModelPart::kQkv, {"query", "query"}},
      {layer_role::kKey, ModelPart::kQkv, {"key", "key"}},
      {layer_role::kValue, ModelPart::kQkv, {"value", "value"}},
      {layer_role::kAttentionOutput, ModelPart::kAttentionOutput, {"attn out", "注意力输出"}},
      {layer_role::kFfnIn, ModelPart::kUp, {"ffn up", "前馈升维"}},
      {layer_role::kFfnOut, ModelPart::kDown, {"ffn down", "前馈降维"}},
      {layer_role::kPooler, ModelPart::kPooler, {"pooler", "池化层"}},
      {layer_role::kHeadDense, ModelPart::kPooler, {"head dense", "分类隐层"}},
      {layer_role::kClassifier, ModelPart::kClassifier, {"classifier", "分类层"}},
  };
  return *roles;
}

const Role* FindRole(const std::string& name) {
  for (const Role& role : Roles()) {
    if (name == role.role) return &role;
  }
  return nullptr;
}

// Derives the role of a layer that was stored without one from its name; BERT was the only family then.
void PlaceByName(Layer& layer) {
  // Longer endings first: two kinds of layer end in ".output.dense".
  static constexpr std::pair<const char*, const char*> kEndings[] = {
      {".attention.self.query", layer_role::kQuery},
      {".attention.self.key", layer_role::kKey},
      {".attention.self.value", layer_role::kValue},
      {".attention.output.dense", layer_role::kAttentionOutput},
      {".intermediate.dense", layer_role::kFfnIn},
      {".output.dense", layer_role::kFfnOut},
      {".pooler.dense", layer_role::kPooler},
      {"word_embeddings", layer_role::kWordEmbedding},
      {"position_embeddings", layer_role::kPositionEmbedding},
      {"token_type_embeddings", layer_role::kTokenTypeEmbedding},
      {"classifier", layer_role::kClassifier},
  };
  for (const auto& [ending, role] : kEndings) {
    if (layer.role.empty() && absl::EndsWith(layer.name, ending)) layer.role = role;
  }
  for (const absl::string_view part : absl::StrSplit(layer.name, '.')) {
    int64_t number = 0;
    if (!layer.block && absl::SimpleAtoi(part, &number) && number >= 0) layer.block = number;
  }
}

// From most bits to fewest.
const std::vector<std::pair<std::string, Text>>& Precisions() {
  static const auto* const precisions =
      new std::vector<std::pair<std::string, Text>>{{"fp32", {"FP32", "FP32"}},
                                                    {"fp16", {"FP16", "FP16"}},
                                                    {"bf16", {"BF16", "BF16"}},
                                                    {"fp8", {"FP8", "FP8"}},
                                                    {"int8", {"INT8", "INT8"}},
                                                    {"int8_dynamic", {"INT8 dynamic", "INT8 动态"}},
                                                    {"int8_static", {"INT8 static", "INT8 静态"}},
                                                    {"int8_weight_only", {"INT8 weights", "INT8 仅权重"}},
                                                    {"int4_weight_only", {"INT4 weights", "INT4 仅权重"}}};
  return *precisions;
}

}  // namespace

LayerPlace PlaceOf(const Layer& stored) {
  Layer layer = stored;
  if (layer.role.empty()) PlaceByName(layer);
  LayerPlace place;
  place.block = layer.block;
  const std::string prefix = place.block ? absl::StrCat(*place.block, " ") : "";
  if (const Role* const role = FindRole(layer.role)) {
    place.part = role->part;
    place.short_name = {prefix + role->name.english, prefix + role->name.chinese};
    return place;
  }
  const std::vector<std::string> parts = absl::StrSplit(layer.name, '.');
  const std::string last = PlotLabel(parts.back(), 8);
  place.short_name = {prefix + last, prefix + last};
  return place;
}

size_t PrecisionOrder(const std::string& precision) {
  size_t at = 0;
  while (at < Precisions().size() && Precisions()[at].first != precision) ++at;
  return at;
}

bool KnownPrecision(const std::string& precision) {
  return PrecisionOrder(precision) < Precisions().size();
}

Text PrecisionTitle(const std::string& precision) {
  if (KnownPrecision(precision)) return Precisions()[PrecisionOrder(precision)].second;
  const std::string name = PlotLabel(precision, 9);
  return {name, name};
}

}  // namespace quantlab::report
