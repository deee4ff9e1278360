// CUDA graphs of a function of tensors, one for each shape of its inputs: a replay launches all kernels at
// once, where one after the other takes the CPU longer than a small model takes the GPU.
#ifndef QUANTLAB_WORKER_ENGINE_GPU_GRAPH_CACHE_H_
#define QUANTLAB_WORKER_ENGINE_GPU_GRAPH_CACHE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

namespace quantlab::engine::gpu {

// Ownership: owns the graphs, copies of their inputs, and the memory that they compute in.
// Threads:   safe; calls are made one after the other.
// Errors:    LibTorch's exceptions pass through.
class GraphCache {
 public:
  // Computes on the device of its inputs, in the current stream, without waiting for it; reads nothing else
  // that changes between calls but the contents of the inputs.
  using Function = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

  // Keeps at most `capacity` graphs; the one unused for longest makes way.
  explicit GraphCache(int capacity = 8);
  ~GraphCache();
  GraphCache(const GraphCache&) = delete;
  GraphCache& operator=(const GraphCache&) = delete;

  // function(inputs). `key` and the shapes of the inputs say which graph this is; one is captured when its
  // key comes for the third time, since shapes that come once or twice are not worth it. Where the capture
  // fails, the function is called as it is, from then on for this key.
  at::Tensor Run(const std::vector<int64_t>& key, const std::vector<at::Tensor>& inputs,
                 const Function& function);

  // Forgets every graph: to be called when what the function reads has moved or changed its kind.
  void Clear();

  // Graphs kept now.
  int64_t size() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quantlab::engine::gpu

#endif  // QUANTLAB_WORKER_ENGINE_GPU_GRAPH_CACHE_H_
