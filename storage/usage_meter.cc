#include "storage/usage_meter.h"

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>
#include <sys/statvfs.h>

namespace quantlab {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kCountInterval = absl::Minutes(1);
constexpr int kCountShare = 100;

int64_t SizeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

// Adds the files directly in `folder`.
void AddFiles(const fs::path& folder, int64_t* files, int64_t* bytes) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    struct stat info;
    // Files may be moved or deleted meanwhile.
    if (lstat(it->path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    ++*files;
    *bytes += info.st_size;
  }
}

}  // namespace

DataUsage UsageMeter::Measure() {
  DataUsage usage;
  {
    MutexLock lock(mutex_);
    if (clock_->Monotonic() >= count_again_) CountArtifacts();
    usage = counted_;
  }
  usage.database_bytes = SizeOf(folder_ + "/quantlab.db");
  usage.wal_bytes = SizeOf(folder_ + "/quantlab.db-wal");
  struct statvfs disk;
  if (statvfs(folder_.c_str(), &disk) == 0) {
    usage.free_bytes = static_cast<int64_t>(disk.f_bavail * disk.f_frsize);
    usage.total_bytes = static_cast<int64_t>(disk.f_blocks * disk.f_frsize);
  }
  return usage;
}

void UsageMeter::CountArtifacts() {
  const absl::Duration start = clock_->Monotonic();
  counted_ = DataUsage();
  int64_t uploads = 0;
  const fs::path artifacts = fs::path(folder_) / "artifacts";
  AddFiles(artifacts / "incoming", &uploads, &counted_.incoming_bytes);
  std::error_code error;
  for (fs::directory_iterator it(artifacts, error), end; !error && it != end; it.increment(error)) {
    // Published files are in folders named by two digits.
    if (it->path().filename().native().size() != 2) continue;
    AddFiles(it->path(), &counted_.artifacts, &counted_.artifact_bytes);
  }
  const absl::Duration now = clock_->Monotonic();
  count_again_ = now + std::max(kCountInterval, kCountShare * (now - start));
}

}  // namespace quantlab
