// Batches of texts of about the same length, so that there is little padding.
// Pure functions of their arguments: the same on every platform.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_BATCHING_H_
#define QUANTLAB_WORKER_ENGINE_DATA_BATCHING_H_

#include <cstdint>
#include <vector>

namespace quantlab::engine {

struct Batch {
  std::vector<int64_t> indices;  // into the lengths that were given
  int padded_length = 0;         // the largest length of the batch, in tokens
};

// For evaluation: every index once, longest texts first (so that memory peaks at the start, not at the end),
// ties by index. A batch holds at most batch_size texts and at most max_padded_tokens tokens with
// padding (0: no such limit), but always at least one text. batch_size below 1 is taken as 1.
std::vector<Batch> EvaluationBatches(const std::vector<int>& lengths, int batch_size,
                                     int64_t max_padded_tokens = 0);

// For one epoch of training: every index once, in ceil(n / batch_size) batches of which at most one is
// smaller. Texts are shuffled, sorted by length within groups of 50 batches, and the batches shuffled
// again: lengths in a batch are similar, yet the order is random. Fixed by seed and epoch.
std::vector<Batch> TrainingBatches(const std::vector<int>& lengths, int batch_size, uint64_t seed, int epoch);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_BATCHING_H_
