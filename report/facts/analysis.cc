#include "report/facts/analysis.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "absl/strings/match.h"

namespace quantlab::report {
namespace {

// The upper of the two in the middle, as the report's other medians; values must not be empty.
double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

bool HasNoise(const Layer& layer) {
  return layer.sqnr_db.has_value() && std::isfinite(*layer.sqnr_db);
}

std::optional<double> PeakOf(const VariantFacts& variant, const std::string& layer) {
  const auto it = variant.input_peaks.find(layer);
  if (it == variant.input_peaks.end() || !std::isfinite(it->second)) return std::nullopt;
  return it->second;
}

std::optional<double> MedianOrNone(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  return Median(values);
}

// By part of the model.
std::map<ModelPart, std::vector<const Layer*>> ByPart(const VariantFacts& variant) {
  std::map<ModelPart, std::vector<const Layer*>> parts;
  const std::vector<Layer>* const layers = LayersOf(variant);
  if (layers == nullptr) return parts;
  for (const Layer& layer : *layers) {
    const LayerPlace place = PlaceOf(layer);
    if (HasNoise(layer) && place.part.has_value()) parts[*place.part].push_back(&layer);
  }
  return parts;
}

// By part of the model and precision.
std::map<std::pair<ModelPart, std::string>, std::vector<const Layer*>> Comparable(
    const VariantFacts& variant) {
  std::map<std::pair<ModelPart, std::string>, std::vector<const Layer*>> groups;
  for (const auto& [part, layers] : ByPart(variant)) {
    for (const Layer* layer : layers) groups[{part, layer->effective}].push_back(layer);
  }
  std::erase_if(groups, [](const auto& group) { return group.second.size() < 3; });
  return groups;
}

std::vector<double> NoiseOf(const std::vector<const Layer*>& layers, const Layer* without = nullptr) {
  std::vector<double> values;
  for (const Layer* layer : layers) {
    if (layer != without) values.push_back(*layer->sqnr_db);
  }
  return values;
}

std::vector<double> PeaksOf(const VariantFacts& variant, const std::vector<const Layer*>& layers) {
  std::vector<double> values;
  for (const Layer* layer : layers) {
    if (const auto peak = PeakOf(variant, layer->name)) values.push_back(*peak);
  }
  return values;
}

// Ranks from 1; equal values share the mean of theirs.
std::vector<double> Ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double mean = static_cast<double>(begin + end + 1) / 2;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = mean;
    begin = end;
  }
  return ranks;
}

bool HasDamage(const LayerSensitivity& one) {
  return one.Damage().has_value() && std::isfinite(*one.Damage());
}

std::vector<const LayerSensitivity*> ByDamage(const VariantFacts& variant, const std::string& precision) {
  std::vector<const LayerSensitivity*> layers;
  for (const LayerSensitivity& one : variant.sensitivity) {
    if (one.precision == precision && HasDamage(one)) layers.push_back(&one);
  }
  std::stable_sort(layers.begin(), layers.end(), [](const LayerSensitivity* a, const LayerSensitivity* b) {
    return *a->Damage() > *b->Damage();
  });
  return layers;
}

// A layer's block: as its run reported it, else by its name.
std::optional<int64_t> BlockOf(const VariantFacts& variant, const std::string& name) {
  if (const std::vector<Layer>* const layers = LayersOf(variant)) {
    for (const Layer& layer : *layers) {
      if (layer.name == name) return PlaceOf(layer).block;
    }
  }
  Layer layer;
  layer.name = name;
  return PlaceOf(layer).block;
}

// Without the middle one of an odd number of blocks, so that both halves are as large.
std::optional<double> LaterShare(const VariantFacts& variant,
                                 const std::vector<const LayerSensitivity*>& layers) {
  std::map<int64_t, double> by_block;
  for (const LayerSensitivity* one : layers) {
    if (const auto block = BlockOf(variant, one->layer)) by_block[*block] += std::max(0.0, *one->Damage());
  }
  if (by_block.size() < 4) return std::nullopt;
  const size_t half = by_block.size() / 2;
  double earlier = 0, later = 0;
  size_t i = 0;
  for (const auto& [block, sum] : by_block) {
    if (i < half) earlier += sum;
    if (i >= by_block.size() - half) later += sum;
    ++i;
  }
  if (earlier + later <= 0) return std::nullopt;
  return later / (earlier + later);
}

DamageSpread SpreadOf(const VariantFacts& variant, const std::string& precision) {
  const std::vector<const LayerSensitivity*> layers = ByDamage(variant, precision);
  DamageSpread spread;
  spread.precision = precision;
  spread.layers = static_cast<int>(layers.size());
  std::vector<std::pair<double, double>> with_noise;
  for (const LayerSensitivity* one : layers) {
    spread.divergence = spread.divergence && one->divergence.has_value();
    spread.sum += std::max(0.0, *one->Damage());
    if (one->loss_increase.has_value() && *one->loss_increase < 0) ++spread.falling_loss;
    if (one->sqnr_db.has_value() && std::isfinite(*one->sqnr_db))
      with_noise.emplace_back(*one->sqnr_db, *one->Damage());
  }
  double sum = 0;
  for (const LayerSensitivity* one : layers) {
    if (sum >= spread.sum / 2) break;
    sum += std::max(0.0, *one->Damage());
    spread.half.push_back(one);
  }
  spread.later_blocks = LaterShare(variant, layers);
  spread.with_noise = RankCorrelation(with_noise);
  return spread;
}

// Of a weight; 0: not known here.
int Bits(const std::string& precision) {
  if (precision == "fp32") return 32;
  if (precision == "fp16" || precision == "bf16") return 16;
  if (absl::StartsWith(precision, "int8") || absl::StartsWith(precision, "fp8")) return 8;
  return absl::StartsWith(precision, "int4") ? 4 : 0;
}

double CostOf(const VariantFacts& variant, const FrontPoint& point) {
  return (FrontIsBySize(variant) ? point.bytes : point.seconds).value_or(NAN);
}

void AddOffered(const VariantFacts& variant, MixedChoice& choice) {
  for (const LayerSensitivity& one : variant.sensitivity) {
    const bool known =
        std::find(choice.offered.begin(), choice.offered.end(), one.precision) != choice.offered.end();
    if (!known && HasDamage(one)) choice.offered.push_back(one.precision);
  }
  for (const std::string& precision : choice.offered) {
    if (Bits(precision) == 0) continue;
    if (choice.lowest.empty() || Bits(precision) < Bits(choice.lowest)) choice.lowest = precision;
  }
}

void AddKept(const VariantFacts& variant, const std::vector<Layer>& layers, MixedChoice& choice) {
  std::map<std::string, size_t> rank;
  const auto by_damage = ByDamage(variant, choice.lowest);
  for (size_t i = 0; i < by_damage.size(); ++i) rank[by_damage[i]->layer] = i;
  for (const Layer& layer : layers) {
    if (Bits(layer.requested) > Bits(choice.lowest)) choice.kept.push_back(&layer);
  }
  const auto rank_of = [&](const Layer* layer) {
    const auto it = rank.find(layer->name);
    return it == rank.end() ? rank.size() : it->second;
  };
  std::stable_sort(choice.kept.begin(), choice.kept.end(),
                   [&](const Layer* a, const Layer* b) { return rank_of(a) < rank_of(b); });
  for (const Layer* layer : choice.kept) {
    if (rank_of(layer) < std::min(choice.kept.size(), rank.size())) ++choice.kept_among_worst;
  }
}

// A comparison records a part's bytes as stored, and their ratio to those in FP32.
double EmbeddingBytes(const Facts& facts) {
  std::map<std::string, double> stored, ratio;  // by variant
  for (const ComparisonFacts& comparison : facts.comparisons) {
    for (const Metric& metric : comparison.run->metrics) {
      const auto part = metric.labels.find("part"), variant = metric.labels.find("variant");
      if (part == metric.labels.end() || variant == metric.labels.end()) continue;
      if (part->second != "quantized_embeddings") continue;
      if (metric.name == "model_size") stored[variant->second] = metric.value;
      if (metric.name == "compression_ratio") ratio[variant->second] = metric.value;
    }
  }
  double most = 0;
  for (const auto& [variant, bytes] : stored) {
    const auto it = ratio.find(variant);
    if (it != ratio.end() && std::isfinite(bytes * it->second)) most = std::max(most, bytes * it->second);
  }
  return most;
}

// An earlier variant with the same model stands for a later one.
std::string TestedName(const VariantFacts& variant) {
  return variant.same_as.empty() ? variant.name : variant.same_as;
}

}  // namespace

const std::vector<Layer>* LayersOf(const VariantFacts& variant) {
  for (const RunReport* run : variant.runs) {
    if (run->run.state == RunState::kSucceeded && !run->layers.empty()) return &run->layers;
  }
  return nullptr;
}

Text PartTitle(ModelPart part) {
  switch (part) {
    case ModelPart::kEmbeddings:
      return {"the embeddings", "嵌入层"};
    case ModelPart::kEmbeddingProjection:
      return {"the projection of the embeddings", "嵌入投影层"};
    case ModelPart::kQkv:
      return {"query, key and value", "query、key 与 value 层"};
    case ModelPart::kAttention:
      return {"the attention", "注意力"};
    case ModelPart::kAttentionOutput:
      return {"the output of the attention", "注意力输出层"};
    case ModelPart::kUp:
      return {"the first feed-forward layer", "前馈升维层"};
    case ModelPart::kDown:
      return {"the second feed-forward layer", "前馈降维层"};
    case ModelPart::kPooler:
      return {"the pooler", "池化层"};
    case ModelPart::kClassifier:
      return {"the classifier", "分类层"};
  }
  return {"other layers", "其他层"};
}

std::vector<PartNoise> NoiseByPart(const VariantFacts& variant) {
  std::vector<PartNoise> noise;
  for (const auto& [part, layers] : ByPart(variant)) {
    noise.push_back({part, static_cast<int>(layers.size()), Median(NoiseOf(layers)),
                     MedianOrNone(PeaksOf(variant, layers))});
  }
  return noise;
}

std::optional<NoisyPart> NoisiestPart(const VariantFacts& variant) {
  const std::vector<PartNoise> parts = NoiseByPart(variant);
  const auto noisiest =
      std::min_element(parts.begin(), parts.end(),
                       [](const PartNoise& a, const PartNoise& b) { return a.median_db < b.median_db; });
  if (parts.size() < 2 || !InOnePrecision(variant)) return std::nullopt;
  std::vector<const Layer*> others;
  for (const auto& [part, layers] : ByPart(variant)) {
    if (part != noisiest->part) others.insert(others.end(), layers.begin(), layers.end());
  }
  NoisyPart noisy{*noisiest, Median(NoiseOf(others)), MedianOrNone(PeaksOf(variant, others))};
  if (noisy.others_db - noisy.part.median_db < kPartStandsOut) return std::nullopt;
  return noisy;
}

std::vector<NoisyLayer> NoiseDips(const VariantFacts& variant) {
  std::vector<NoisyLayer> dips;
  for (const auto& [key, layers] : Comparable(variant)) {
    for (const Layer* layer : layers) {
      const double below = Median(NoiseOf(layers, layer)) - *layer->sqnr_db;
      if (below >= kLayerStandsOut) dips.push_back({layer, below});
    }
  }
  std::stable_sort(dips.begin(), dips.end(),
                   [](const NoisyLayer& a, const NoisyLayer& b) { return a.below_db > b.below_db; });
  return dips;
}

bool HasComparableLayers(const VariantFacts& variant) {
  return !Comparable(variant).empty();
}

bool InOnePrecision(const VariantFacts& variant) {
  std::set<std::string> precisions;
  for (const auto& [part, layers] : ByPart(variant)) {
    for (const Layer* layer : layers) precisions.insert(layer->effective);
  }
  return precisions.size() < 2;
}

std::vector<DamageSpread> DamageOf(const VariantFacts& variant) {
  std::vector<DamageSpread> spreads;
  for (const LayerSensitivity& one : variant.sensitivity) {
    const bool known = std::any_of(spreads.begin(), spreads.end(), [&](const DamageSpread& spread) {
      return spread.precision == one.precision;
    });
    if (!known && HasDamage(one)) spreads.push_back(SpreadOf(variant, one.precision));
  }
  std::erase_if(spreads, [](const DamageSpread& spread) { return spread.sum <= 0; });
  return spreads;
}

std::optional<double> RankCorrelation(const std::vector<std::pair<double, double>>& pairs) {
  if (pairs.size() < 8) return std::nullopt;
  std::vector<double> first, second;
  for (const auto& [a, b] : pairs) {
    first.push_back(a);
    second.push_back(b);
  }
  first = Ranks(first);
  second = Ranks(second);
  const double mean = static_cast<double>(pairs.size() + 1) / 2;
  double both = 0, of_first = 0, of_second = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    both += (first[i] - mean) * (second[i] - mean);
    of_first += (first[i] - mean) * (first[i] - mean);
    of_second += (second[i] - mean) * (second[i] - mean);
  }
  if (of_first == 0 || of_second == 0) return std::nullopt;
  return both / std::sqrt(of_first * of_second);
}

std::optional<MixedChoice> ChoiceOf(const VariantFacts& variant) {
  const auto chosen = std::find_if(variant.front.begin(), variant.front.end(),
                                   [](const FrontPoint& point) { return point.chosen; });
  const std::vector<Layer>* const layers = LayersOf(variant);
  if (chosen == variant.front.end() || layers == nullptr) return std::nullopt;
  MixedChoice choice;
  choice.chosen = &*chosen;
  choice.layers = static_cast<int>(layers->size());
  AddOffered(variant, choice);
  if (choice.lowest.empty()) return std::nullopt;
  AddKept(variant, *layers, choice);
  for (const FrontPoint& point : variant.front) {
    if (CostOf(variant, point) < CostOf(variant, *chosen)) choice.cheaper.push_back(&point);
  }
  for (const RunReport* run : variant.runs) {
    for (const Caveat& caveat : run->caveats) {
      choice.budget_missed = choice.budget_missed || caveat.code == "accuracy_budget_missed" ||
                             caveat.code == "size_budget_missed";
    }
  }
  return choice;
}

std::optional<OrderedPair> PairOf(const Facts& facts, const VariantFacts& variant,
                                  const VariantFacts& against) {
  const std::string one = TestedName(variant), other = TestedName(against);
  for (const PairFacts& pair : facts.pairs) {
    if (!pair.difference.has_value()) continue;
    if (pair.variant == one && pair.against == other) return OrderedPair{*pair.difference, &pair};
    if (pair.variant != other || pair.against != one) continue;
    Result turned = *pair.difference;
    turned.value = -turned.value;
    turned.low = pair.difference->high;
    turned.high = pair.difference->low;
    if (turned.low.has_value()) turned.low = -*turned.low;
    if (turned.high.has_value()) turned.high = -*turned.high;
    return OrderedPair{turned, &pair};
  }
  return std::nullopt;
}

std::optional<LinearShare> LinearShareOf(const Facts& facts) {
  const VariantFacts* const baseline = facts.baseline();
  if (baseline == nullptr || baseline->measured.empty() || !baseline->measured[0].size) return std::nullopt;
  for (const VariantFacts& variant : facts.variants) {
    const std::vector<Layer>* const layers = LayersOf(variant);
    if (layers == nullptr) continue;
    double linear = 0;
    for (const Layer& layer : *layers) linear += static_cast<double>(layer.bytes_fp32);
    const double model = baseline->measured[0].size->value;
    if (linear > 0 && linear < model) return LinearShare{model, linear, EmbeddingBytes(facts)};
  }
  return std::nullopt;
}

}  // namespace quantlab::report
