#include "worker/engine/methods/answers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/status_macros.h"

namespace quantlab::engine {

absl::StatusOr<Answers> Ask(Encoder& model, const LabelledTexts& texts, int batch_size,
                            const PassOfBatch& pass) {
  Answers answers;
  answers.task = &TaskOf(model.config());
  answers.texts = &texts;
  QL_ASSIGN_OR_RETURN(answers.logits, PredictLogits(model, texts.texts, batch_size, {}, pass));
  answers.loss = answers.task->MeanLoss(answers.logits, texts);
  answers.quality = answers.task->Quality(answers.logits, texts);
  for (const std::vector<float>& row : answers.logits) {
    answers.finite &= std::all_of(row.begin(), row.end(), [](float v) { return std::isfinite(v); });
  }
  return answers;
}

absl::StatusOr<Answers> RepeatedQuestions::AskFirst(Encoder& model) {
  states_.clear();
  int64_t bytes = 0;
  return Ask(model, texts_, batch_size_, [&](size_t) {
    if (!states_.empty()) {
      for (const at::Tensor& input : states_.back().inputs) bytes += static_cast<int64_t>(input.nbytes());
    }
    if (bytes > max_state_bytes_) return PassOptions();
    states_.emplace_back();
    return PassOptions{&states_.back(), nullptr, -1};
  });
}

absl::StatusOr<Answers> RepeatedQuestions::AskFrom(Encoder& model, int64_t block) const {
  return Ask(model, texts_, batch_size_, [&](size_t batch) {
    return batch < states_.size() ? PassOptions{nullptr, &states_[batch], block} : PassOptions();
  });
}

Estimate DivergenceOf(const Answers& reference, const Answers& other) {
  if (!reference.finite || !other.finite) return {std::numeric_limits<double>::infinity(), 0};
  return reference.task->Divergence(reference.logits, other.logits);
}

Estimate DropOf(const Answers& reference, const Answers& other) {
  return reference.task->QualityDrop(reference.logits, other.logits, *reference.texts);
}

}  // namespace quantlab::engine
