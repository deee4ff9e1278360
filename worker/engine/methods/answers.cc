#include "worker/engine/methods/answers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/status_macros.h"
#include "worker/engine/train/evaluate.h"

namespace quantlab::engine {

absl::StatusOr<Answers> Ask(Encoder& model, const LabelledTexts& texts, int batch_size) {
  Answers answers;
  answers.task = &TaskOf(model.config());
  answers.texts = &texts;
  QL_ASSIGN_OR_RETURN(answers.logits, PredictLogits(model, texts.texts, batch_size));
  answers.loss = answers.task->MeanLoss(answers.logits, texts);
  answers.quality = answers.task->Quality(answers.logits, texts);
  for (const std::vector<float>& row : answers.logits) {
    answers.finite &= std::all_of(row.begin(), row.end(), [](float v) { return std::isfinite(v); });
  }
  return answers;
}

Estimate DivergenceOf(const Answers& reference, const Answers& other) {
  if (!reference.finite || !other.finite) return {std::numeric_limits<double>::infinity(), 0};
  return reference.task->Divergence(reference.logits, other.logits);
}

Estimate DropOf(const Answers& reference, const Answers& other) {
  return reference.task->QualityDrop(reference.logits, other.logits, *reference.texts);
}

}  // namespace quantlab::engine
