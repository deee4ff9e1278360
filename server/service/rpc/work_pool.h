// A fixed number of threads for work that may wait for the disk, so that gRPC's few threads never block.
#ifndef QUANTLAB_SERVER_SERVICE_RPC_WORK_POOL_H_
#define QUANTLAB_SERVER_SERVICE_RPC_WORK_POOL_H_

#include <array>
#include <cstdio>
#include <deque>
#include <exception>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace quantlab {

// Kinds of work that do not wait for each other: each has threads and a queue of its own.
enum class Lane {
  kChange,  // changes state; these wait for one lock and for the disk
  kRead,    // reads, for users and watches
  kPlan,    // plans submissions, which is computing
};
inline constexpr int kLanes = 3;

// Threads: safe. The destructor runs what was submitted and joins.
class WorkPool {
 public:
  // `threads` for changes of state, and a few for each of the others; in each queue up to `max_waiting`.
  WorkPool(int threads, size_t max_waiting) : max_waiting_(max_waiting) {
    Start(Lane::kChange, threads);
    Start(Lane::kRead, kReadThreads);
    Start(Lane::kPlan, kPlanThreads);
  }

  ~WorkPool() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    for (CondVar& condition : conditions_) condition.NotifyAll();
    for (std::thread& thread : threads_) thread.join();
  }

  // False when too much is waiting: `task` will not run.
  bool Submit(std::function<void()> task, Lane lane) {
    const auto index = static_cast<size_t>(lane);
    {
      MutexLock lock(mutex_);
      if (tasks_[index].size() >= max_waiting_) return false;
      tasks_[index].push_back(std::move(task));
    }
    conditions_[index].NotifyOne();
    return true;
  }

 private:
  static constexpr int kReadThreads = 4;
  // Fewer than processors, so that planning leaves some for everything else.
  static constexpr int kPlanThreads = 1;

  void Start(Lane lane, int threads) {
    for (int i = 0; i < threads; ++i)
      threads_.emplace_back([this, lane] { Work(static_cast<size_t>(lane)); });
  }

  void Work(size_t lane) {
    while (true) {
      std::function<void()> task;
      {
        MutexLock lock(mutex_);
        while (tasks_[lane].empty() && !stopping_) conditions_[lane].Wait(mutex_);
        if (tasks_[lane].empty()) return;
        task = std::move(tasks_[lane].front());
        tasks_[lane].pop_front();
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
  std::array<CondVar, kLanes> conditions_;
  std::array<std::deque<std::function<void()>>, kLanes> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_SERVICE_RPC_WORK_POOL_H_
