// A model's predictions on a whole set of texts.
#ifndef QUANTLAB_WORKER_ENGINE_TRAIN_EVALUATE_H_
#define QUANTLAB_WORKER_ENGINE_TRAIN_EVALUATE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "worker/engine/models/encoder.h"

namespace quantlab::engine {

// done, total: texts. If it returns false, the result is CANCELLED.
using EvaluationProgress = std::function<bool(int64_t done, int64_t total)>;

// How the pass over the batch of this number shares work with other passes; texts and batch_size determine
// the batches and their order.
using PassOfBatch = std::function<PassOptions(size_t batch)>;

// Logits of every text, in the order of `texts`, each a list of config().num_labels() floats. Texts of
// similar length share a batch of at most batch_size texts, on the model's device.
// The model is in evaluation mode meanwhile.
// Errors: INVALID_ARGUMENT a text does not fit the model; CANCELLED; RESOURCE_EXHAUSTED out of memory.
absl::StatusOr<std::vector<std::vector<float>>> PredictLogits(Encoder& model,
                                                              absl::Span<const TokenizedText> texts,
                                                              int batch_size,
                                                              const EvaluationProgress& progress = {},
                                                              const PassOfBatch& pass = {});

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TRAIN_EVALUATE_H_
