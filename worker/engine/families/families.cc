#include "worker/engine/families/families.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace quantlab::engine {

const std::vector<ModelFamily>& AllModelFamilies() {
  static const auto* const all = [] {
    auto* families = new std::vector<ModelFamily>();
    families->push_back(BertFamily());
    families->push_back(DistilBertFamily());
    families->push_back(RobertaFamily());
    families->push_back(XlmRobertaFamily());
    families->push_back(CamembertFamily());
    families->push_back(ElectraFamily());
    return families;
  }();
  return *all;
}

const ModelFamily* FindModelFamily(absl::string_view name) {
  for (const ModelFamily& family : AllModelFamilies()) {
    if (family.name == name) return &family;
  }
  return nullptr;
}

const ModelFamily* FindFamilyOfArchitecture(absl::string_view architecture) {
  for (const ModelFamily& family : AllModelFamilies()) {
    absl::string_view rest = architecture;
    if (!absl::ConsumePrefix(&rest, family.class_prefix)) continue;
    if (absl::StartsWith(rest, "For") || absl::EndsWith(rest, "Model")) return &family;
  }
  return nullptr;
}

bool HasTokenTypes(const EncoderConfig& config) {
  const ModelFamily* const family = FindModelFamily(config.family);
  return family != nullptr && !family->layout.embeddings.token_type.empty();
}

std::string ModelFamilyNames() {
  return absl::StrJoin(AllModelFamilies(), ", ",
                       [](std::string* out, const ModelFamily& family) { out->append(family.name); });
}

std::string CanonicalTensorName(const ModelFamily& family, const std::string& name, bool has_prefix) {
  std::string canonical = name;
  for (const std::string& part : family.encoder_parts) {
    if (!has_prefix && absl::StartsWith(name, part)) canonical = absl::StrCat(family.prefix, ".", name);
  }
  absl::string_view stem = canonical;
  if (absl::ConsumeSuffix(&stem, ".LayerNorm.gamma")) return absl::StrCat(stem, ".LayerNorm.weight");
  if (absl::ConsumeSuffix(&stem, ".LayerNorm.beta")) return absl::StrCat(stem, ".LayerNorm.bias");
  return canonical;
}

}  // namespace quantlab::engine
