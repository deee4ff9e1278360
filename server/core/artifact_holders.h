// Which workers have the files of a result, because they made or downloaded them: a run that reads them
// starts sooner there. Only a preference: a worker may have evicted them since.
#ifndef QUANTLAB_SERVER_CORE_ARTIFACT_HOLDERS_H_
#define QUANTLAB_SERVER_CORE_ARTIFACT_HOLDERS_H_

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/records/records.h"

namespace quantlab {

// Threads: one at a time (guarded by its owner).
class ArtifactHolders {
 public:
  // Of each result, this many workers are remembered: the latest.
  static constexpr size_t kMaxHolders = 16;

  void Record(const AttemptKey& result, const std::string& worker_id) {
    std::vector<std::string>& holders = holders_[result];
    holders.erase(std::remove(holders.begin(), holders.end(), worker_id), holders.end());
    if (holders.size() == kMaxHolders) holders.pop_back();
    holders.insert(holders.begin(), worker_id);
  }

  void Forget(const AttemptKey& result) { holders_.erase(result); }

  // The latest first.
  const std::vector<std::string>& Of(const AttemptKey& result) const {
    static const auto* const none = new std::vector<std::string>();
    const auto it = holders_.find(result);
    return it == holders_.end() ? *none : it->second;
  }

  size_t size() const { return holders_.size(); }

 private:
  std::map<AttemptKey, std::vector<std::string>> holders_;
};

}  // namespace quantlab

#endif  // QUANTLAB_SERVER_CORE_ARTIFACT_HOLDERS_H_
