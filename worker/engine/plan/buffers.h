// Memory that is kept from call to call.
#ifndef QUANTLAB_WORKER_ENGINE_PLAN_BUFFERS_H_
#define QUANTLAB_WORKER_ENGINE_PLAN_BUFFERS_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace quantlab::engine {

// Grows to the largest size that was asked for; content is lost when it grows.
// Threads: not safe.
template <typename T>
class Buffer {
 public:
  // `count` elements, aligned to 64 bytes, uninitialised.
  T* Get(int64_t count) {
    if (count > capacity_) {
      constexpr size_t kAlignment = 64;
      const size_t bytes =
          (static_cast<size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
      data_.reset();  // first, so that the old memory and the new do not add up
      data_.reset(static_cast<T*>(std::aligned_alloc(kAlignment, bytes)));
      capacity_ = data_ == nullptr ? 0 : count;
      if (data_ == nullptr) throw std::bad_alloc();
    }
    return data_.get();
  }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  int64_t capacity_ = 0;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_PLAN_BUFFERS_H_
