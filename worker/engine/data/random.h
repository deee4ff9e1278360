// Random choices that are the same on every platform: std::shuffle and the distributions of <random> differ
// between standard libraries.
#ifndef QUANTLAB_WORKER_ENGINE_DATA_RANDOM_H_
#define QUANTLAB_WORKER_ENGINE_DATA_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace quantlab::engine {

// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014); the constants are
// those of the public-domain splitmix64.c.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }

  // Uniform in [0, bound), without the bias of a bare remainder. bound must not be 0.
  uint64_t Below(uint64_t bound) {
    const uint64_t threshold = (0 - bound) % bound;  // 2^64 mod bound
    while (true) {
      const uint64_t x = Next();
      if (x >= threshold) return x % bound;
    }
  }

 private:
  uint64_t state_;
};

// A seed for one of many independent streams, e.g. one for each epoch.
inline uint64_t MixSeeds(uint64_t seed, uint64_t stream) {
  return SplitMix64(SplitMix64(seed).Next() ^ stream).Next();
}

// Fisher–Yates.
template <typename T>
void Shuffle(std::vector<T>* items, SplitMix64* random) {
  for (size_t i = items->size(); i > 1; --i) {
    std::swap((*items)[i - 1], (*items)[static_cast<size_t>(random->Below(i))]);
  }
}

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_DATA_RANDOM_H_
