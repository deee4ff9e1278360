// Names of layers and precisions as figures show them.
#ifndef QUANTLAB_REPORT_FACTS_LAYER_NAMES_H_
#define QUANTLAB_REPORT_FACTS_LAYER_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "report/facts/language.h"

namespace quantlab::report {

// The parts of an encoder with a classifier, in the order in which a text passes them.
enum class ModelPart { kEmbeddings, kQkv, kAttention, kAttentionOutput, kUp, kDown, kPooler, kClassifier };

// Where a layer stands; none for a name of another family.
std::optional<ModelPart> PartOf(const std::string& layer);
// Number of the encoder's block in a layer's name: "bert.encoder.layer.3.output.dense" is 3; -1: in none.
int64_t BlockOf(const std::string& layer);
// "3 query"; the end of the name where its family is not known.
Text ShortLayerName(const std::string& layer);
bool KnownPrecision(const std::string& precision);
// From most bits to fewest; unknown ones last.
size_t PrecisionOrder(const std::string& precision);
// "INT8 dynamic"; the name itself where it is unknown here.
Text PrecisionTitle(const std::string& precision);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_LAYER_NAMES_H_
