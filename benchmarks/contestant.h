// What the engine's contestants of the side-by-side benchmarks share (benchmarks/contestants.py starts them).
#ifndef QUANTLAB_BENCHMARKS_CONTESTANT_H_
#define QUANTLAB_BENCHMARKS_CONTESTANT_H_

#include <chrono>
#include <cstdint>

#include "worker/engine/models/packed_batch.h"

namespace quantlab::engine {

// Since some moment, for differences.
inline double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The ids that each contestant.py gives its models too.
inline TokenizedText TextOf(int64_t text, int64_t tokens) {
  TokenizedText result;
  for (int64_t i = 0; i < tokens; ++i) {
    result.ids.push_back(static_cast<int32_t>(1000 + (text * 7919 + i * 104729 + 13) % 20000));
  }
  return result;
}

}  // namespace quantlab::engine

#endif  // QUANTLAB_BENCHMARKS_CONTESTANT_H_
