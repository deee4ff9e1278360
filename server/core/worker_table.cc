#include "server/core/worker_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/records/error_reason.h"

namespace quantlab {
namespace {

constexpr char kFolderId[] = "folder_id";  // worker/agent/program/folder_id.h
constexpr absl::Duration kStoreInterval = absl::Minutes(1);

bool SameCapabilities(const WorkerRecord& a, const WorkerRecord& b) {
  const auto same_method = [](const MethodVersion& x, const MethodVersion& y) {
    return x.name == y.name && x.version == y.version;
  };
  return a.hostname == b.hostname && a.devices == b.devices && a.fingerprint == b.fingerprint &&
         a.runner_sha256 == b.runner_sha256 && a.version == b.version && a.facts == b.facts &&
         a.labels == b.labels && a.machine_id == b.machine_id &&
         std::equal(a.methods.begin(), a.methods.end(), b.methods.begin(), b.methods.end(), same_method);
}

}  // namespace

absl::Status WorkerTable::CheckIsTheSame(const WorkerRecord& record, bool busy) const {
  const auto known = entries_.find(record.id);
  if (known == entries_.end() || !(busy || IsConnected(known->second))) return absl::OkStatus();
  const WorkerRecord& other = known->second.record;
  const auto folder = record.facts.find(kFolderId), others_folder = other.facts.find(kFolderId);
  if (folder == record.facts.end() || others_folder == other.facts.end()) return absl::OkStatus();
  if (folder->second == others_folder->second && record.hostname == other.hostname) return absl::OkStatus();
  return WithReason(absl::AlreadyExistsError(absl::StrCat(
                        "worker ", record.id, " works already, on ", other.hostname, ", and this one on ",
                        record.hostname, " has the same id in another data folder")),
                    "WORKER_ID_IN_USE");
}

void WorkerTable::Restore(const WorkerRecord& record) {
  Entry& entry = entries_[record.id];
  entry.record = record;
  entry.stored = record.last_seen;
}

bool WorkerTable::Contact(const WorkerRecord& record) {
  Entry& entry = entries_[record.id];
  const absl::Time now = clock_.Now();
  const bool changed = !SameCapabilities(entry.record, record) || entry.record.id.empty();
  entry.record = record;
  entry.record.last_seen = now;
  entry.last_contact = clock_.Monotonic();
  return changed || now - entry.stored >= kStoreInterval || now < entry.stored;
}

void WorkerTable::MarkStored(const std::string& id) {
  Entry& entry = entries_[id];
  entry.stored = entry.record.last_seen;
}

void WorkerTable::Touch(const std::string& id) {
  entries_[id].last_contact = clock_.Monotonic();
}

void WorkerTable::SetWaiting(const std::string& id, bool waiting) {
  entries_[id].waiting = waiting;
}

bool WorkerTable::IsConnected(const Entry& entry) const {
  return entry.waiting || clock_.Monotonic() - entry.last_contact <= silence_;
}

bool WorkerTable::IsConnected(const std::string& id) const {
  const auto it = entries_.find(id);
  return it != entries_.end() && IsConnected(it->second);
}

const WorkerRecord& WorkerTable::record(const std::string& id) const {
  static const auto* const unknown = new WorkerRecord();
  const auto it = entries_.find(id);
  return it == entries_.end() ? *unknown : it->second.record;
}

std::vector<const WorkerRecord*> WorkerTable::All() const {
  std::vector<const WorkerRecord*> all;
  for (const auto& [id, entry] : entries_) all.push_back(&entry.record);
  return all;
}

std::vector<const WorkerRecord*> WorkerTable::Connected() const {
  std::vector<const WorkerRecord*> connected;
  for (const auto& [id, entry] : entries_) {
    if (IsConnected(entry)) connected.push_back(&entry.record);
  }
  return connected;
}

}  // namespace quantlab
