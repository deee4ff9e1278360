#include "worker/engine/gpu/graph_cache.h"

#include <limits>
#include <list>
#include <map>
#include <mutex>
#include <utility>

#include <ATen/Functions.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace quantlab::engine::gpu {
namespace {

using Key = std::vector<int64_t>;

constexpr int kUsesBeforeCapture = 2;
constexpr size_t kMaxCounters = 256;

struct Graph {
  Key key;
  std::vector<at::Tensor> inputs;
  at::Tensor output;
  std::unique_ptr<at::cuda::CUDAGraph> graph;
};

Key WithShapes(Key key, const std::vector<at::Tensor>& inputs) {
  for (const at::Tensor& input : inputs) {
    key.push_back(input.dim());
    key.insert(key.end(), input.sizes().begin(), input.sizes().end());
  }
  return key;
}

}  // namespace

struct GraphCache::State {
  explicit State(int capacity) : capacity(static_cast<size_t>(capacity)) {}

  // All graphs of a cache compute in the same memory, one after the other.
  void Capture(Graph& graph, const Function& function) {
    const c10::cuda::CUDAGuard device(graph.inputs.front().device());
    const c10::cuda::CUDAStream stream = c10::cuda::getStreamFromPool();
    stream.synchronize();
    c10::cuda::getCurrentCUDAStream().synchronize();
    const c10::cuda::CUDAStreamGuard guard(stream);
    function(graph.inputs);  // what kernels set up when they are first called in a stream
    stream.synchronize();
    graph.graph = std::make_unique<at::cuda::CUDAGraph>();
    graph.graph->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    try {
      graph.output = function(graph.inputs);
    } catch (...) {
      try {
        graph.graph->capture_end();
      } catch (...) {
        // The first error says what was wrong.
      }
      throw;
    }
    graph.graph->capture_end();
    stream.synchronize();
  }

  std::list<Graph>::iterator Find(const Key& key) {
    for (auto it = graphs.begin(); it != graphs.end(); ++it) {
      if (it->key == key) return it;
    }
    return graphs.end();
  }

  // False: it failed, and is not tried again for this key.
  bool TryCapture(Graph& graph, const Function& function) {
    try {
      Capture(graph, function);
      return true;
    } catch (const c10::Error&) {
      counters[graph.key] = std::numeric_limits<int>::min();
      return false;
    }
  }

  bool WorthCapturing(const Key& key) {
    if (counters.size() >= kMaxCounters && counters.count(key) == 0) counters.clear();
    return ++counters[key] > kUsesBeforeCapture;
  }

  const size_t capacity;
  std::mutex mutex;
  std::list<Graph> graphs;  // last used first
  std::map<Key, int> counters;
  decltype(at::cuda::graph_pool_handle()) pool = at::cuda::graph_pool_handle();
};

GraphCache::GraphCache(int capacity) : state_(std::make_unique<State>(capacity)) {}
GraphCache::~GraphCache() = default;

at::Tensor GraphCache::Run(const std::vector<int64_t>& key, const std::vector<at::Tensor>& inputs,
                           const Function& function) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const Key full = WithShapes(key, inputs);
  auto it = state_->Find(full);
  if (it == state_->graphs.end()) {
    if (!state_->WorthCapturing(full)) return function(inputs);
    Graph graph;
    graph.key = full;
    for (const at::Tensor& input : inputs) graph.inputs.push_back(input.clone());
    if (!state_->TryCapture(graph, function)) return function(inputs);
    if (state_->graphs.size() >= state_->capacity) state_->graphs.pop_back();
    state_->graphs.push_front(std::move(graph));
    it = state_->graphs.begin();
  } else {
    state_->graphs.splice(state_->graphs.begin(), state_->graphs, it);
  }
  for (size_t i = 0; i < inputs.size(); ++i) it->inputs[i].copy_(inputs[i], /*non_blocking=*/true);
  it->graph->replay();
  return it->output.clone();
}

int64_t GraphCache::size() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return static_cast<int64_t>(state_->graphs.size());
}

void GraphCache::Clear() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->graphs.clear();
  state_->counters.clear();
}

}  // namespace quantlab::engine::gpu
