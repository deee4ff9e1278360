// A model's answers on a whole set of texts.
#ifndef QUANTLAB_WORKER_ENGINE_TRAIN_EVALUATE_H_
#define QUANTLAB_WORKER_ENGINE_TRAIN_EVALUATE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "worker/engine/models/encoder.h"

namespace quantlab::engine {

// done, total: texts. false ends it with CANCELLED.
using EvaluationProgress = std::function<bool(int64_t done, int64_t total)>;

// Logits of every text, in the order of `texts`, each a list of config().num_labels() floats. Texts of
// alike length go through together, at most batch_size at a time, on the model's device.
// Puts the model into evaluation mode for the while.
// Errors: INVALID_ARGUMENT a text does not fit the model; CANCELLED; RESOURCE_EXHAUSTED out of memory.
absl::StatusOr<std::vector<std::vector<float>>> PredictLogits(Encoder& model,
                                                              absl::Span<const TokenizedText> texts,
                                                              int batch_size,
                                                              const EvaluationProgress& progress = {});

// Index of the largest logit; the first of equals.
int Argmax(const std::vector<float>& logits);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TRAIN_EVALUATE_H_
