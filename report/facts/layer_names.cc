#include "report/facts/layer_names.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "report/facts/plot_label.h"

namespace quantlab::report {
namespace {

struct Ending {
  const char* ending;
  ModelPart part;
  Text name;
};

// Longer endings first: ".output.dense" ends two kinds of layer.
const std::vector<Ending>& Endings() {
  static const auto* const endings = new std::vector<Ending>{
      {".attention.self.query", ModelPart::kQkv, {"query", "query"}},
      {".attention.self.key", ModelPart::kQkv, {"key", "key"}},
      {".attention.self.value", ModelPart::kQkv, {"value", "value"}},
      {".attention.output.dense", ModelPart::kAttentionOutput, {"attn out", "注意力输出"}},
      {".intermediate.dense", ModelPart::kUp, {"ffn up", "前馈升维"}},
      {".output.dense", ModelPart::kDown, {"ffn down", "前馈降维"}},
      {".pooler.dense", ModelPart::kPooler, {"pooler", "池化层"}},
      {".attention.q_lin", ModelPart::kQkv, {"query", "query"}},
      {".attention.k_lin", ModelPart::kQkv, {"key", "key"}},
      {".attention.v_lin", ModelPart::kQkv, {"value", "value"}},
      {".attention.out_lin", ModelPart::kAttentionOutput, {"attn out", "注意力输出"}},
      {".ffn.lin1", ModelPart::kUp, {"ffn up", "前馈升维"}},
      {".ffn.lin2", ModelPart::kDown, {"ffn down", "前馈降维"}},
      {"pre_classifier", ModelPart::kPooler, {"head dense", "分类隐层"}},
      {"classifier.dense", ModelPart::kPooler, {"head dense", "分类隐层"}},
      {"classifier.out_proj", ModelPart::kClassifier, {"classifier", "分类层"}},
      {"word_embeddings", ModelPart::kEmbeddings, {"word emb.", "词嵌入"}},
      {"position_embeddings", ModelPart::kEmbeddings, {"pos. emb.", "位置嵌入"}},
      {"token_type_embeddings", ModelPart::kEmbeddings, {"type emb.", "类型嵌入"}},
      {"classifier", ModelPart::kClassifier, {"classifier", "分类层"}},
  };
  return *endings;
}

const Ending* Find(const std::string& layer) {
  for (const Ending& ending : Endings()) {
    if (absl::EndsWith(layer, ending.ending)) return &ending;
  }
  return nullptr;
}

// From most bits to fewest.
const std::vector<std::pair<std::string, Text>>& Precisions() {
  static const auto* const precisions =
      new std::vector<std::pair<std::string, Text>>{{"fp32", {"FP32", "FP32"}},
                                                    {"fp16", {"FP16", "FP16"}},
                                                    {"bf16", {"BF16", "BF16"}},
                                                    {"int8", {"INT8", "INT8"}},
                                                    {"int8_dynamic", {"INT8 dynamic", "INT8 动态"}},
                                                    {"int8_static", {"INT8 static", "INT8 静态"}},
                                                    {"int8_weight_only", {"INT8 weights", "INT8 仅权重"}},
                                                    {"int4_weight_only", {"INT4 weights", "INT4 仅权重"}}};
  return *precisions;
}

}  // namespace

std::optional<ModelPart> PartOf(const std::string& layer) {
  const Ending* const ending = Find(layer);
  return ending == nullptr ? std::nullopt : std::optional(ending->part);
}

int64_t BlockOf(const std::string& layer) {
  for (const absl::string_view part : absl::StrSplit(layer, '.')) {
    int64_t number = 0;
    if (absl::SimpleAtoi(part, &number) && number >= 0) return number;
  }
  return -1;
}

Text ShortLayerName(const std::string& layer) {
  const int64_t block = BlockOf(layer);
  const std::string prefix = block < 0 ? "" : absl::StrCat(block, " ");
  if (const Ending* const ending = Find(layer)) {
    return {prefix + ending->name.english, prefix + ending->name.chinese};
  }
  const std::vector<std::string> parts = absl::StrSplit(layer, '.');
  const std::string last = PlotLabel(parts.back(), 8);
  return {prefix + last, prefix + last};
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
