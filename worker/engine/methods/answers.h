// A model's answers to texts, and how far those of two models differ: what methods judge their choices by.
#ifndef QUANTLAB_WORKER_ENGINE_METHODS_ANSWERS_H_
#define QUANTLAB_WORKER_ENGINE_METHODS_ANSWERS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "worker/engine/models/encoder.h"
#include "worker/engine/train/trainer.h"

namespace quantlab::engine {

struct Answers {
  std::vector<std::vector<float>> logits;
  std::vector<bool> right;        // whether the predicted class is the label, of each text
  double loss = 0, accuracy = 0;  // mean cross-entropy; share that is right
  bool finite = true;             // false: a logit is not finite, as when FP16 overflows
};

// Predicts labelled texts. Errors: those of the model.
absl::StatusOr<Answers> Ask(Encoder& model, const LabelledTexts& texts, int batch_size);

struct Divergence {
  double mean =
      0;  // over texts, of KL(reference || other), nats; infinite where a logit of either is not finite
  double standard_error = 0;  // of the mean; 0 for one text
};
// Both to the same texts, at least one.
Divergence DivergenceOf(const Answers& reference, const Answers& other);

// Accuracy that `other` loses against `reference` on the same texts, as a share.
struct AccuracyDrop {
  double value = 0;
  double standard_error = 0;  // of a paired difference: only texts that one of the two gets right count
};
AccuracyDrop DropOf(const Answers& reference, const Answers& other);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_METHODS_ANSWERS_H_
