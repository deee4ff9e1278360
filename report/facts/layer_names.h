// Names of layers and precisions as figures show them.
#ifndef QUANTLAB_REPORT_FACTS_LAYER_NAMES_H_
#define QUANTLAB_REPORT_FACTS_LAYER_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/records/event.h"
#include "report/facts/language.h"

namespace quantlab::report {

// The parts of an encoder with a classifier, in the order in which a text passes them.
enum class ModelPart {
  kEmbeddings,
  kEmbeddingProjection,
  kQkv,
  kAttention,
  kAttentionOutput,
  kUp,
  kDown,
  kPooler,  // or the hidden layer of the classification head
  kClassifier
};

// The position of a layer in its model.
struct LayerPlace {
  std::optional<ModelPart> part;  // none: unknown role
  std::optional<int64_t> block;   // index of the encoder layer; none: outside the encoder layers
  Text short_name;                // "3 query"; with the end of the layer's name if the role is unknown
};

// From the layer's role and block. Layers that were stored before these existed are located by their names,
// which were all BERT's.
LayerPlace PlaceOf(const Layer& layer);

bool KnownPrecision(const std::string& precision);
// From most bits to fewest; unknown ones last.
size_t PrecisionOrder(const std::string& precision);
// "INT8 dynamic"; the name itself if it is unknown.
Text PrecisionTitle(const std::string& precision);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_LAYER_NAMES_H_
