#include "worker/agent/inputs/artifact_cache.h"

#include <algorithm>
#include <errno.h>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/backoff.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "platform/files.h"
#include "platform/paths.h"

namespace quantlab::agent {
namespace {

namespace fs = std::filesystem;

constexpr int kTriesForDamaged = 3;

bool IsAway(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

int64_t SizeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : -1;
}

}  // namespace

absl::Status ArtifactCache::Open() {
  QL_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(folder_, "/partial")));
  return absl::OkStatus();
}

std::string ArtifactCache::PathOf(const std::string& sha256) const {
  return absl::StrCat(folder_, "/", sha256);
}

absl::Status ArtifactCache::Place(const std::string& sha256, int64_t size, const std::string& path,
                                  AttemptControl& control, CallCanceller* canceller,
                                  const std::function<void(int64_t)>& progress) {
  if (!IsSha256Hex(sha256) || size < 0)
    return absl::InvalidArgumentError(absl::StrCat(path, ": bad digest or size"));
  QL_RETURN_IF_ERROR(MakeDirectories(DirectoryOf(path)));
  if (!store_.empty() && LinkFromStore(sha256, size, path, control)) return absl::OkStatus();
  const std::string cached = PathOf(sha256);
  const absl::StatusOr<FileDigest> digest = DigestFile(cached, [&] { return control.stopping(); });
  if (absl::IsCancelled(digest.status())) return digest.status();
  if (!digest.ok() || digest->sha256 != sha256 || digest->size != size) {
    unlink(cached.c_str());
    MakeRoom(size);
    QL_RETURN_IF_ERROR(Fetch(sha256, size, control, canceller, progress));
  }
  utimensat(AT_FDCWD, cached.c_str(), nullptr, 0);  // used now
  return LinkOrCopy(cached, path);
}

absl::Status ArtifactCache::Fetch(const std::string& sha256, int64_t size, AttemptControl& control,
                                  CallCanceller* canceller, const std::function<void(int64_t)>& progress) {
  const std::string partial = absl::StrCat(folder_, "/partial/", sha256);
  Backoff backoff;
  for (int damaged = 0; damaged < kTriesForDamaged;) {
    if (control.stopping()) return absl::CancelledError("stopped while fetching artifacts");
    const absl::Status status = Download(partial, sha256, size, canceller, progress);
    if (IsAway(status)) {
      control.Wait(backoff.Next(), StopReason::kPreempted);
      continue;
    }
    if (absl::IsOutOfRange(status)) {  // the local part is longer than the artifact
      unlink(partial.c_str());
      ++damaged;
      continue;
    }
    QL_RETURN_IF_ERROR(status);
    QL_ASSIGN_OR_RETURN(const FileDigest digest, DigestFile(partial, [&] { return control.stopping(); }));
    if (digest.sha256 == sha256 && digest.size == size) {
      chmod(partial.c_str(), 0400);
      if (rename(partial.c_str(), PathOf(sha256).c_str()) != 0)
        return FileError(errno, "write", PathOf(sha256));
      return absl::OkStatus();
    }
    unlink(partial.c_str());
    ++damaged;
  }
  return absl::DataLossError(absl::StrCat("artifact ", sha256, " arrived ", kTriesForDamaged,
                                          " times with another digest or size; its copy in the coordinator's "
                                          "store is damaged: retry the run that made it"));
}

bool ArtifactCache::LinkFromStore(const std::string& sha256, int64_t size, const std::string& path,
                                  const AttemptControl& control) const {
  const std::string stored = absl::StrCat(store_, "/", sha256.substr(0, 2), "/", sha256.substr(2));
  if (link(stored.c_str(), path.c_str()) != 0) return false;
  const absl::StatusOr<FileDigest> digest = DigestFile(path, [&] { return control.stopping(); });
  if (digest.ok() && digest->sha256 == sha256 && digest->size == size) return true;
  unlink(path.c_str());
  return false;
}

absl::Status ArtifactCache::Download(const std::string& partial, const std::string& sha256, int64_t size,
                                     CallCanceller* canceller, const std::function<void(int64_t)>& progress) {
  UniqueFd file(open(partial.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file.valid()) return FileError(errno, "write", partial);
  int64_t have = std::max<int64_t>(SizeOf(partial), 0);
  if (have == size && size > 0) return absl::OkStatus();
  return coordinator_->DownloadArtifact(
      sha256, have,
      [&](const std::string& data) -> absl::Status {
        have += static_cast<int64_t>(data.size());
        if (have > size) return absl::OutOfRangeError("the artifact is longer than announced");
        size_t done = 0;
        while (done < data.size()) {
          const ssize_t put = write(file.get(), data.data() + done, data.size() - done);
          if (put < 0 && errno == EINTR) continue;
          if (put < 0) return FileError(errno, "write", partial);
          done += static_cast<size_t>(put);
        }
        if (progress) progress(have);
        return absl::OkStatus();
      },
      canceller);
}

void ArtifactCache::Keep(const std::string& path, const FileDigest& digest) {
  if (!store_.empty() || digest.size > max_bytes_ || SizeOf(PathOf(digest.sha256)) == digest.size) return;
  MakeRoom(digest.size);
  const std::string partial = absl::StrCat(folder_, "/partial/keep-", digest.sha256);
  unlink(partial.c_str());
  if (!LinkOrCopy(path, partial).ok()) return;
  chmod(partial.c_str(), 0400);
  if (rename(partial.c_str(), PathOf(digest.sha256).c_str()) != 0) unlink(partial.c_str());
}

ArtifactCache::Usage ArtifactCache::MeasureUsage() const {
  Usage usage;
  usage.limit_bytes = max_bytes_;
  for (const char* part : {"", "/partial"}) {
    std::error_code error;
    for (fs::directory_iterator it(folder_ + part, error), end; !error && it != end; it.increment(error)) {
      const int64_t size = SizeOf(it->path().string());
      if (size < 0) continue;  // no file, or deleted meanwhile
      ++usage.files;
      usage.bytes += size;
    }
  }
  return usage;
}

void ArtifactCache::MakeRoom(int64_t bytes) {
  struct Entry {
    fs::file_time_type used;
    int64_t size;
    fs::path path;
  };
  std::vector<Entry> entries;
  int64_t total = bytes;
  std::error_code error;
  for (const char* part : {"", "/partial"}) {
    for (const auto& item : fs::directory_iterator(folder_ + part, error)) {
      if (!item.is_regular_file(error)) continue;
      entries.push_back(
          {item.last_write_time(error), static_cast<int64_t>(item.file_size(error)), item.path()});
      total += entries.back().size;
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    if (total <= max_bytes_) return;
    // Runs that use it have their own links.
    if (fs::remove(entry.path, error)) total -= entry.size;
  }
}

}  // namespace quantlab::agent
