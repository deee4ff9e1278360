#include "worker/engine/data/batching.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "worker/engine/data/random.h"

namespace quantlab::engine {
namespace {

// Number of batches whose texts are sorted together: enough for similar lengths, few enough for the order to
// stay random.
constexpr int64_t kBatchesPerGroup = 50;

std::vector<int64_t> AllIndices(size_t count) {
  std::vector<int64_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

}  // namespace

std::vector<Batch> EvaluationBatches(const std::vector<int>& lengths, int batch_size,
                                     int64_t max_padded_tokens) {
  std::vector<int64_t> order = AllIndices(lengths.size());
  const auto length = [&lengths](int64_t i) { return lengths[static_cast<size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return length(a) > length(b); });
  std::vector<Batch> batches;
  for (const int64_t index : order) {
    const bool open =
        !batches.empty() && static_cast<int64_t>(batches.back().indices.size()) < std::max(batch_size, 1);
    // Sorted in descending order: the batch's first text is its longest.
    const int64_t padded =
        open ? static_cast<int64_t>(batches.back().indices.size() + 1) * batches.back().padded_length : 0;
    if (!open || (max_padded_tokens > 0 && padded > max_padded_tokens))
      batches.push_back({{}, length(index)});
    batches.back().indices.push_back(index);
  }
  return batches;
}

std::vector<Batch> TrainingBatches(const std::vector<int>& lengths, int batch_size, uint64_t seed,
                                   int epoch) {
  const int64_t size = std::max(batch_size, 1);
  SplitMix64 random(MixSeeds(seed, static_cast<uint64_t>(epoch)));
  std::vector<int64_t> order = AllIndices(lengths.size());
  Shuffle(&order, &random);
  const auto length = [&lengths](int64_t i) { return lengths[static_cast<size_t>(i)]; };
  const auto count = static_cast<int64_t>(order.size());
  std::vector<Batch> batches;
  for (int64_t begin = 0; begin < count; begin += size * kBatchesPerGroup) {
    const int64_t end = std::min(count, begin + size * kBatchesPerGroup);
    std::stable_sort(order.begin() + begin, order.begin() + end,
                     [&](int64_t a, int64_t b) { return length(a) > length(b); });
    for (int64_t i = begin; i < end; i += size) {
      Batch batch;
      batch.indices.assign(order.begin() + i, order.begin() + std::min(end, i + size));
      batch.padded_length = length(batch.indices.front());
      batches.push_back(std::move(batch));
    }
  }
  Shuffle(&batches, &random);
  return batches;
}

}  // namespace quantlab::engine
