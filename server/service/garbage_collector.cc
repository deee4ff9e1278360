#include "server/service/garbage_collector.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

// Rows in a transaction: a few milliseconds, during which no state can change.
constexpr int64_t kRowsAtOnce = 2000;
// Files removed under the coordinator's lock.
constexpr size_t kFilesAtOnce = 64;
// Attempts whose files a retention rule gives up before it looks again.
constexpr int64_t kAttemptsAtOnce = 50;
// Digests asked about in one read.
constexpr size_t kDigestsAtOnce = 1000;

using Files = std::vector<ArtifactFiles::File>;

StoredFiles Sum(const Files& files) {
  StoredFiles sum;
  for (const ArtifactFiles::File& file : files) sum.Add(file.size);
  return sum;
}

// Counts each stored file for the experiments that use it.
class UsageCounter {
 public:
  UsageCounter(const Files& stored, const std::vector<ExperimentName>& names) {
    for (const ArtifactFiles::File& file : stored) sizes_.emplace(file.name, file.size);
    for (const ExperimentName& name : names) {
      ExperimentStorage& experiment = experiments_[name.experiment];
      experiment.id = name.id;
      experiment.log_entries = name.log_entries;
    }
  }

  // Uses of one file come one after the other.
  void Visit(const ArtifactUse& use) {
    if (!uses_.empty() && uses_.front().sha256 != use.sha256) CountFile();
    uses_.push_back(use);
  }

  StorageUsage Finish() {
    if (!uses_.empty()) CountFile();
    for (const auto& [digest, size] : sizes_) usage_.unreferenced.Add(size);
    for (auto& [key, experiment] : experiments_) usage_.experiments.push_back(std::move(experiment));
    std::stable_sort(usage_.experiments.begin(), usage_.experiments.end(),
                     [](const ExperimentStorage& a, const ExperimentStorage& b) {
                       return a.own_bytes() + a.shared.bytes > b.own_bytes() + b.shared.bytes;
                     });
    return std::move(usage_);
  }

 private:
  void CountFile() {
    const std::vector<ArtifactUse> uses = std::exchange(uses_, {});
    const auto stored = sizes_.find(uses.front().sha256);
    if (stored == sizes_.end()) return;
    const int64_t size = stored->second;
    sizes_.erase(stored);  // what is left in the end belongs to no experiment
    if (uses.size() > 1) usage_.shared.Add(size);
    for (const ArtifactUse& use : uses) {
      const auto experiment = experiments_.find(use.experiment);
      if (experiment == experiments_.end()) continue;  // submitted since the names were listed
      (uses.size() > 1 ? experiment->second.shared : experiment->second.own[use.kind]).Add(size);
    }
  }

  std::map<std::string, int64_t> sizes_;
  std::map<int64_t, ExperimentStorage, std::greater<>> experiments_;  // newest first
  std::vector<ArtifactUse> uses_;                                     // of one file
  StorageUsage usage_;
};

}  // namespace

absl::StatusOr<StorageUsage> GarbageCollector::Usage(const std::string& experiment_id) {
  QL_ASSIGN_OR_RETURN(const Files stored, files_->ListStored());
  QL_ASSIGN_OR_RETURN(const std::vector<ExperimentName> names, deletion_->ListNames());
  UsageCounter counter(stored, names);
  QL_RETURN_IF_ERROR(deletion_->VisitUses([&](const ArtifactUse& use) { counter.Visit(use); }));
  StorageUsage usage = counter.Finish();
  usage.artifacts = Sum(stored);
  QL_ASSIGN_OR_RETURN(const Files partial, files_->ListPartial());
  usage.partial = Sum(partial);
  QL_ASSIGN_OR_RETURN(const Files damaged, files_->ListDamaged());
  usage.damaged = Sum(damaged);
  QL_ASSIGN_OR_RETURN(usage.database_bytes, deletion_->DatabaseBytes());
  if (experiment_id.empty()) return usage;
  std::erase_if(usage.experiments,
                [&](const ExperimentStorage& experiment) { return experiment.id != experiment_id; });
  if (usage.experiments.empty())
    return MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchExperiment(experiment_id));
  return usage;
}

absl::StatusOr<StoredFiles> GarbageCollector::Delete(const std::string& experiment_id) {
  QL_RETURN_IF_ERROR(coordinator_->Delete(
      experiment_id, [&] { return deletion_->MarkDeleted(experiment_id, clock_->Now()); }));
  return FinishDeletions();
}

absl::StatusOr<StoredFiles> GarbageCollector::FinishDeletions() {
  StoredFiles removed;
  {
    MutexLock lock(mutex_);
    QL_RETURN_IF_ERROR(PurgeRows());
    QL_ASSIGN_OR_RETURN(removed, RemoveDropped());
  }
  QL_RETURN_IF_ERROR(files_->FreeRemoved());
  return removed;
}

absl::Status GarbageCollector::PurgeRows() {
  while (true) {
    QL_ASSIGN_OR_RETURN(const bool more, deletion_->Purge(kRowsAtOnce));
    if (!more) return absl::OkStatus();
  }
}

absl::StatusOr<StoredFiles> GarbageCollector::RemoveDropped() {
  StoredFiles removed;
  while (true) {
    QL_ASSIGN_OR_RETURN(const std::vector<std::string> digests, deletion_->ListDropped(kFilesAtOnce));
    if (digests.empty()) break;
    QL_ASSIGN_OR_RETURN(const StoredFiles some, RemoveUnreferenced(digests));
    removed.Add(some);
    QL_RETURN_IF_ERROR(deletion_->ForgetDropped(digests));
  }
  return removed;
}

absl::StatusOr<StoredFiles> GarbageCollector::RemoveUnreferenced(const std::vector<std::string>& digests) {
  StoredFiles removed;
  QL_RETURN_IF_ERROR(coordinator_->Exclusively([&]() -> absl::Status {
    QL_ASSIGN_OR_RETURN(const std::set<std::string> referenced, deletion_->Referenced(digests));
    for (const std::string& digest : digests) {
      if (referenced.count(digest) > 0) continue;
      QL_ASSIGN_OR_RETURN(const int64_t size, files_->Remove(digest));
      if (size > 0) removed.Add(size);
    }
    return absl::OkStatus();
  }));
  return removed;
}

absl::StatusOr<absl::Time> GarbageCollector::Oldest(absl::Duration age) {
  QL_ASSIGN_OR_RETURN(const std::optional<absl::Time> running, deletion_->OldestRunningStart());
  const absl::Time before = clock_->Now() - age;
  return running ? std::min(*running, before) : before;
}

absl::StatusOr<Files> GarbageCollector::ListUnreferenced() {
  QL_ASSIGN_OR_RETURN(const Files stored, files_->ListStored());
  Files unreferenced;
  for (size_t start = 0; start < stored.size(); start += kDigestsAtOnce) {
    const size_t end = std::min(start + kDigestsAtOnce, stored.size());
    std::vector<std::string> digests;
    for (size_t i = start; i < end; ++i) digests.push_back(stored[i].name);
    QL_ASSIGN_OR_RETURN(const std::set<std::string> referenced, deletion_->Referenced(digests));
    for (size_t i = start; i < end; ++i) {
      if (referenced.count(stored[i].name) == 0) unreferenced.push_back(stored[i]);
    }
  }
  return unreferenced;
}

absl::StatusOr<Collected> GarbageCollector::Collect(absl::Duration age, bool dry_run) {
  if (!dry_run) QL_RETURN_IF_ERROR(FinishDeletions().status());
  Collected collected;
  // Before the files are listed: an attempt that starts later asks for them later.
  QL_ASSIGN_OR_RETURN(const absl::Time before, Oldest(age));
  QL_ASSIGN_OR_RETURN(const Files unreferenced, ListUnreferenced());
  std::vector<std::string> old;
  for (const ArtifactFiles::File& file : unreferenced) {
    const bool recent = file.last_used > before;
    (recent ? collected.recent : collected.unreferenced).Add(file.size);
    if (!recent) old.push_back(file.name);
  }
  QL_ASSIGN_OR_RETURN(const Files partial, files_->ListPartial());
  for (const ArtifactFiles::File& file : partial) {
    if (file.last_used < clock_->Now() - age) collected.partial.Add(file.size);
  }
  if (dry_run) return collected;
  collected.unreferenced = {};
  for (size_t start = 0; start < old.size(); start += kFilesAtOnce) {
    const size_t end = std::min(start + kFilesAtOnce, old.size());
    QL_ASSIGN_OR_RETURN(const StoredFiles some,
                        RemoveUnreferenced({old.begin() + static_cast<std::ptrdiff_t>(start),
                                            old.begin() + static_cast<std::ptrdiff_t>(end)}));
    collected.unreferenced.Add(some);
  }
  QL_RETURN_IF_ERROR(files_->FreeRemoved());
  QL_ASSIGN_OR_RETURN(const Files deleted, files_->DeletePartial(clock_->Now() - age));
  collected.partial = Sum(deleted);
  return collected;
}

absl::StatusOr<std::optional<StoredFiles>> GarbageCollector::RemoveSome(RetentionKind kind, absl::Time before,
                                                                        int64_t most) {
  if (kind == RetentionKind::kExperiments) {
    QL_ASSIGN_OR_RETURN(const std::vector<std::string> ids, deletion_->ListEndedBefore(before, 1));
    if (ids.empty()) return std::nullopt;
    QL_ASSIGN_OR_RETURN(const StoredFiles removed, Delete(ids.front()));
    return removed;
  }
  QL_ASSIGN_OR_RETURN(const std::vector<int64_t> attempts, deletion_->ListReleasable(kind, before, most));
  if (attempts.empty()) return std::nullopt;
  // So that nobody takes over a result while its files are given up.
  QL_RETURN_IF_ERROR(coordinator_->Exclusively(
      [&] { return deletion_->ReleaseFiles(kind, before, attempts, clock_->Now()); }));
  QL_ASSIGN_OR_RETURN(const StoredFiles removed, FinishDeletions());
  return removed;
}

absl::StatusOr<StoredFiles> GarbageCollector::ApplyRetention(const RetentionPolicy& policy) {
  StoredFiles removed;
  for (const auto& [kind, age] : policy.ages) {
    while (true) {
      QL_ASSIGN_OR_RETURN(const auto some, RemoveSome(kind, clock_->Now() - age, kAttemptsAtOnce));
      if (!some) break;
      removed.Add(*some);
    }
  }
  if (policy.quota_bytes == 0) return removed;
  QL_ASSIGN_OR_RETURN(const Files stored, files_->ListStored());
  int64_t over = Sum(stored).bytes - policy.quota_bytes;
  for (const RetentionKind kind : kAllRetentionKinds) {
    while (over > 0) {
      QL_ASSIGN_OR_RETURN(const auto some, RemoveSome(kind, clock_->Now() - kStandardAge, 1));
      if (!some) break;
      removed.Add(*some);
      over -= some->bytes;
    }
  }
  return removed;
}

}  // namespace quantlab
