// A fixed number of threads for work that may wait for the disk, so that gRPC's few threads never block.
#ifndef QUANTLAB_SERVER_SERVICE_WORK_POOL_H_
#define QUANTLAB_SERVER_SERVICE_WORK_POOL_H_

#include <cstdio>
#include <deque>
#include <exception>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace quantlab {

// Threads: safe. The destructor runs what was submitted and joins.
class WorkPool {
 public:
  WorkPool(int threads, size_t max_waiting) : max_waiting_(max_waiting) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
  }

  ~WorkPool() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    condition_.NotifyAll();
    for (std::thread& thread : threads_) thread.join();
  }

  // False when too much is waiting: `task` will not run.
  bool Submit(std::function<void()> task) {
    {
      MutexLock lock(mutex_);
      if (tasks_.size() >= max_waiting_) return false;
      tasks_.push_back(std::move(task));
    }
    condition_.NotifyOne();
    return true;
  }

 private:
  void Work() {
    while (true) {
      std::function<void()> task;
      {
        MutexLock lock(mutex_);
        while (tasks_.empty() && !stopping_) condition_.Wait(mutex_);
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      RunTask(task);
    }
  }

  // Handlers answer their calls also when they fail (CallHandler); an exception that escapes them must not
  // end the process.
  static void RunTask(const std::function<void()>& task) {
    try {
      task();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "quant-coordinator: a task of the pool failed: %s\n", e.what());
    }
  }

  const size_t max_waiting_;
  Mutex mutex_;
  CondVar condition_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_WORK_POOL_H_
