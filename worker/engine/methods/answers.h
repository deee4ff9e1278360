// A model's answers to texts, and how far those of two models differ: what methods judge their choices by.
#ifndef QUANTLAB_WORKER_ENGINE_METHODS_ANSWERS_H_
#define QUANTLAB_WORKER_ENGINE_METHODS_ANSWERS_H_

#include <cstdint>
#include <deque>

#include "absl/status/statusor.h"
#include "worker/engine/models/encoder.h"
#include "worker/engine/tasks/task.h"
#include "worker/engine/train/evaluate.h"

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
absl::StatusOr<Answers> Ask(Encoder& model, const LabelledTexts& texts, int batch_size,
                            const PassOfBatch& pass = {});

// Asks one model the same texts again and again while some of its layers change, and does not compute again
// what comes before them. Lifetime: borrows the texts. Threads: one at a time.
class RepeatedQuestions {
 public:
  static constexpr int64_t kMaxStateBytes = int64_t{1} << 30;

  RepeatedQuestions(const LabelledTexts& texts, int batch_size, int64_t max_state_bytes = kMaxStateBytes)
      : texts_(texts), batch_size_(batch_size), max_state_bytes_(max_state_bytes) {}

  // The whole model; keeps what enters its blocks, batch by batch until that exceeds max_state_bytes.
  absl::StatusOr<Answers> AskFirst(Encoder& model);
  // The model with other layers than at AskFirst in `block` or after it; see PassOptions::first_block.
  absl::StatusOr<Answers> AskFrom(Encoder& model, int64_t block) const;

 private:
  const LabelledTexts& texts_;
  const int batch_size_;
  const int64_t max_state_bytes_;
  std::deque<BlockStates> states_;  // by batch
};

// Task::Divergence of both answers to the same texts; infinite where a logit of either is not finite.
Estimate DivergenceOf(const Answers& reference, const Answers& other);

// Task::QualityDrop of both answers to the same texts.
Estimate DropOf(const Answers& reference, const Answers& other);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_METHODS_ANSWERS_H_
