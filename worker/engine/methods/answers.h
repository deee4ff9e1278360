// A model's answers to texts, and how far those of two models differ: what methods judge their choices by.
#ifndef QUANTLAB_WORKER_ENGINE_METHODS_ANSWERS_H_
#define QUANTLAB_WORKER_ENGINE_METHODS_ANSWERS_H_

#include "absl/status/statusor.h"
#include "worker/engine/models/encoder.h"
#include "worker/engine/tasks/task.h"

namespace quantlab::engine {

// Lifetime: borrows the texts.
struct Answers {
  const Task* task = nullptr;  // of the model
  const LabelledTexts* texts = nullptr;
  Logits logits;
  double loss = 0, quality = 0;  // Task::MeanLoss, Task::Quality
  bool finite = true;            // whether every logit is: FP16 may overflow
};

// Predicts labelled texts. Errors: those of the model.
absl::StatusOr<Answers> Ask(Encoder& model, const LabelledTexts& texts, int batch_size);

// Task::Divergence of both answers to the same texts; infinite where a logit of either is not finite.
Estimate DivergenceOf(const Answers& reference, const Answers& other);

// Task::QualityDrop of both answers to the same texts.
Estimate DropOf(const Answers& reference, const Answers& other);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_METHODS_ANSWERS_H_
