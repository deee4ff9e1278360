// Steps of INT8 layers over rows in plain memory, and how rows are divided among threads.
#ifndef QUANTLAB_WORKER_ENGINE_PLAN_INT8_STEPS_H_
#define QUANTLAB_WORKER_ENGINE_PLAN_INT8_STEPS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "worker/engine/layers/activation.h"
#include "worker/engine/layers/int8_linear.h"
#include "worker/engine/layers/linear.h"

namespace quantlab::engine {

// `layer` where the steps below can compute it; otherwise nullptr.
const Int8Linear* AsInt8(const Linear& layer);

// All of `layers` as INT8 layers that quantize their common input alike; empty where one is not.
std::vector<const Int8Linear*> AsInt8Together(const std::vector<const Linear*>& layers);

// Calls body(begin, end) for blocks of rows that fit a core's cache, in parallel. Few rows are one block,
// within which steps divide output channels instead.
void ForRowBlocks(int64_t rows, const std::function<void(int64_t begin, int64_t end)>& body);

// out [rows, sum of the layers' out] = the layers' outputs of x [rows, in], side by side.
void ProjectInt8(const std::vector<const Int8Linear*>& layers, const float* x, int64_t rows, float* out);

// out [rows, second.out] = second(activation(first(x))); x: [rows, first.in].
void FeedForwardInt8(const Int8Linear& first, Activation activation, const Int8Linear& second, const float* x,
                     int64_t rows, float* out);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_PLAN_INT8_STEPS_H_
