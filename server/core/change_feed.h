// Notifies the watchers of an experiment when an entry was written to its change log.
#ifndef QUANTLAB_SERVER_CORE_CHANGE_FEED_H_
#define QUANTLAB_SERVER_CORE_CHANGE_FEED_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace quantlab {

// Threads: safe. Callbacks run on the notifying thread, without any of core's locks, and must be quick. One
// may still run shortly after Unsubscribe returned, so it must hold what it needs by a weak pointer.
class ChangeFeed {
 public:
  using Callback = std::function<void()>;

  int64_t Subscribe(const std::string& experiment_id, Callback callback) {
    MutexLock lock(mutex_);
    subscribers_[experiment_id][++last_id_] = std::move(callback);
    return last_id_;
  }

  void Unsubscribe(const std::string& experiment_id, int64_t id) {
    MutexLock lock(mutex_);
    const auto it = subscribers_.find(experiment_id);
    if (it == subscribers_.end()) return;
    it->second.erase(id);
    if (it->second.empty()) subscribers_.erase(it);
  }

  void Notify(const std::string& experiment_id) {
    std::vector<Callback> callbacks;
    {
      MutexLock lock(mutex_);
      const auto it = subscribers_.find(experiment_id);
      if (it == subscribers_.end()) return;
      for (const auto& [id, callback] : it->second) callbacks.push_back(callback);
    }
    for (const Callback& callback : callbacks) callback();
  }

 private:
  Mutex mutex_;
  int64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::map<int64_t, Callback>> subscribers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_CHANGE_FEED_H_
