// Several layers over one input joined into one on a GPU, so that one product computes them all: made from
// the layers once, and again where they have changed.
#ifndef QUANTLAB_WORKER_ENGINE_LAYERS_JOINED_H_
#define QUANTLAB_WORKER_ENGINE_LAYERS_JOINED_H_

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace quantlab::engine {

// Keeps one value of type Value, made from some tensors, with those tensors.
// Ownership: the tensors and the value, shared with the callers of Get. Threads: safe.
template <class Value>
class Joined {
 public:
  // The cached value where it was made from these very tensors; otherwise make().
  template <class Make>
  std::shared_ptr<const Value> Get(const std::vector<at::Tensor>& sources, const Make& make) {
    const std::lock_guard<std::mutex> lock(mutex_);
    bool same = value_ != nullptr && sources.size() == sources_.size();
    for (size_t i = 0; same && i < sources.size(); ++i) same = sources[i].is_same(sources_[i]);
    if (!same) {
      value_ = std::make_shared<const Value>(make());
      sources_ = sources;
    }
    return value_;
  }

  void Clear() {
    const std::lock_guard<std::mutex> lock(mutex_);
    value_ = nullptr;
    sources_.clear();
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<const Value> value_;
  std::vector<at::Tensor> sources_;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_LAYERS_JOINED_H_
