// What the analysis of a report rests on: layers by their place in the model, how sensitivity is spread over
// them, and which layers mixed precision kept from the lowest precision.
//
// Pure functions of the facts; pointers are into them. Values that are not finite are left out.
#ifndef QUANTLAB_REPORT_FACTS_ANALYSIS_H_
#define QUANTLAB_REPORT_FACTS_ANALYSIS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/facts/facts.h"
#include "report/facts/layer_names.h"

namespace quantlab::report {

// A part of the model stands out by 3 dB, which is twice the noise power; a single layer by 6 dB, one bit.
inline constexpr double kPartStandsOut = 3;
inline constexpr double kLayerStandsOut = 6;

// The layers of the first run of a variant that has any; null: none has.
const std::vector<Layer>* LayersOf(const VariantFacts& variant);

// "ffn down", as sentences call the layers of a part.
Text PartTitle(ModelPart part);

// The layers of one part of the model.
struct PartNoise {
  ModelPart part = ModelPart::kQkv;
  int layers = 0;
  double median_db = 0;               // of their signal to quantization noise
  std::optional<double> peak_to_rms;  // median over the layers; none: not recorded
};

// Of the layers whose noise was measured and whose part is known, in the order in which a text passes them.
std::vector<PartNoise> NoiseByPart(const VariantFacts& variant);

// The part with the most noise, where it stands out from the median of the other parts. Nothing where layers
// ran in several precisions, whose noise is not comparable.
struct NoisyPart {
  PartNoise part;
  double others_db = 0;                      // median of all layers of other parts
  std::optional<double> others_peak_to_rms;  // likewise
};
std::optional<NoisyPart> NoisiestPart(const VariantFacts& variant);

// A layer that has kLayerStandsOut less signal to noise than the median of the others of its part in the same
// precision, of which there are at least two.
struct NoisyLayer {
  const Layer* layer = nullptr;
  double below_db = 0;
};
// Furthest below first.
std::vector<NoisyLayer> NoiseDips(const VariantFacts& variant);
// Whether any layer has two others to be compared with in this way.
bool HasComparableLayers(const VariantFacts& variant);
// Whether all layers whose noise was measured ran in the same precision.
bool InOnePrecision(const VariantFacts& variant);

// How the damage that each layer does alone, in one precision, is spread over the layers.
struct DamageSpread {
  std::string precision;
  bool divergence = true;  // what damage is: the divergence, else the increase in loss
  int layers = 0;
  double sum = 0;
  std::vector<const LayerSensitivity*> half;  // the most sensitive that together make up half of the sum
  std::optional<double> later_blocks;  // share of the later half of the blocks in the sum over all blocks
  std::optional<double> with_noise;    // rank correlation with the layers' own signal to noise
  int falling_loss = 0;                // layers that lower the loss where they alone are quantized
};
// A spread for each precision that was tried and does any damage, in the order of the metrics.
std::vector<DamageSpread> DamageOf(const VariantFacts& variant);

// Spearman's rank correlation; equal values share the mean of their ranks. None for fewer than eight pairs,
// and where one of the two never changes.
std::optional<double> RankCorrelation(const std::vector<std::pair<double, double>>& pairs);

// What mixed precision chose. `kept` are the layers that were asked to run in more bits than the lowest
// precision offered, those first that this precision damages most.
struct MixedChoice {
  const FrontPoint* chosen = nullptr;
  std::string lowest;                // the precision with the fewest bits that was offered
  std::vector<std::string> offered;  // that were tried, in the order of the metrics; FP32 is offered too
  std::vector<const Layer*> kept;
  int kept_among_worst = 0;  // of kept: those that are among as many most sensitive layers
  int layers = 0;
  std::vector<const FrontPoint*> cheaper;  // measured, and cheaper than the one chosen
  bool budget_missed = false;
};
// Nothing where the variant chose from no front, or its layers are not known.
std::optional<MixedChoice> ChoiceOf(const VariantFacts& variant);

// The paired test between two variants, whichever way round it was made: `difference` is that of `variant`
// over `against`. A variant that is the same model as an earlier one is looked up under that one's name.
struct OrderedPair {
  Result difference;
  const PairFacts* pair = nullptr;
};
std::optional<OrderedPair> PairOf(const Facts& facts, const VariantFacts& variant,
                                  const VariantFacts& against);

// Bytes of the baseline's model, and of its linear layers in FP32 as a variant reported them. `embeddings`
// are those of the embedding tables in FP32 that a variant quantized, if any did: a lower bound.
struct LinearShare {
  double model = 0, linear = 0, embeddings = 0;
};
std::optional<LinearShare> LinearShareOf(const Facts& facts);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_ANALYSIS_H_
