// Tokenized texts with what their labels are.
#ifndef QUANTLAB_WORKER_ENGINE_TASKS_LABELLED_TEXTS_H_
#define QUANTLAB_WORKER_ENGINE_TASKS_LABELLED_TEXTS_H_

#include <vector>

#include "worker/engine/models/packed_batch.h"

namespace quantlab::engine {

// Index by index. Either list of labels is empty where no labels are needed.
struct LabelledTexts {
  std::vector<TokenizedText> texts;
  std::vector<int> labels;     // the classes; of a regression, empty
  std::vector<double> values;  // the numbers of a regression; else empty

  std::vector<int> Lengths() const;  // tokens of each
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TASKS_LABELLED_TEXTS_H_
