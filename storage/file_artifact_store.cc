#include "storage/file_artifact_store.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/records/error_reason.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "platform/files.h"

namespace quantlab {
namespace {

// An upload is synced each time that this much has arrived, so that a crash costs no more.
constexpr int64_t kSyncEvery = int64_t{64} << 20;
constexpr int64_t kReadChunk = int64_t{1} << 20;
// How exactly the time of a file's last use is known.
constexpr absl::Duration kUseResolution = absl::Hours(1);
// A reader returns at most this much at a time.
constexpr int64_t kMaxRead = int64_t{16} << 20;

absl::Status CheckDigest(const std::string& sha256) {
  if (IsSha256Hex(sha256)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", sha256.substr(0, 80), "' is not a SHA-256 of 64 lower-case hex digits"));
}

absl::Status Exhausted(const std::string& message, absl::string_view reason) {
  return WithReason(absl::ResourceExhaustedError(message), reason);
}

// FileError, with a full disk marked for programs.
absl::Status StoreError(int errno_value, absl::string_view action, absl::string_view path) {
  absl::Status status = FileError(errno_value, action, path);
  return absl::IsResourceExhausted(status) ? WithReason(status, "DISK_FULL") : status;
}

// Bytes of a regular file; nothing where there is none.
std::optional<int64_t> SizeOf(const std::string& path) {
  struct stat stat;
  if (::stat(path.c_str(), &stat) != 0 || !S_ISREG(stat.st_mode)) return std::nullopt;
  return stat.st_size;
}

// The names of the folders of published files.
std::vector<std::string> Prefixes() {
  constexpr char kHex[] = "0123456789abcdef";
  std::vector<std::string> prefixes;
  for (int i = 0; i < 256; ++i) prefixes.push_back({kHex[i / 16], kHex[i % 16]});
  return prefixes;
}

// Reads [offset, offset + size) of an open file; shorter only at its end.
absl::StatusOr<std::string> ReadRange(int fd, int64_t offset, int64_t size, const std::string& path) {
  std::string data(static_cast<size_t>(size), '\0');
  int64_t done = 0;
  while (done < size) {
    const ssize_t got = pread(fd, data.data() + done, static_cast<size_t>(size - done), offset + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return StoreError(errno, "read", path);
    if (got == 0) break;
    done += got;
  }
  data.resize(static_cast<size_t>(done));
  return data;
}

class FileReader : public ArtifactStore::Reader {
 public:
  FileReader(int fd, int64_t size, std::string path) : fd_(fd), size_(size), path_(std::move(path)) {}
  ~FileReader() override { close(fd_); }

  int64_t size() const override { return size_; }

  absl::StatusOr<std::string> Read(int64_t offset, int64_t limit) override {
    if (offset < 0 || offset > size_ || limit < 0) {
      return absl::OutOfRangeError(
          absl::StrCat("cannot read ", limit, " bytes from ", offset, " of a file of ", size_));
    }
    return ReadRange(fd_, offset, std::min({limit, size_ - offset, kMaxRead}), path_);
  }

 private:
  const int fd_;
  const int64_t size_;
  const std::string path_;
};

}  // namespace

// One upload. Owns its file descriptor; counts as open in the store until it is destroyed.
class FileWriter : public ArtifactStore::Writer {
 public:
  FileWriter(FileArtifactStore& store, std::string sha256, int fd, int64_t size)
      : store_(store), sha256_(std::move(sha256)), path_(store.IncomingPath(sha256_)), fd_(fd), size_(size) {}

  ~FileWriter() override {
    if (fd_ >= 0) {
      if (status_.ok()) Sync().IgnoreError();
      close(fd_);
    }
    store_.EndUpload(sha256_);
  }

  // Truncates the file at `offset` and computes the digest of the rest.
  absl::Status Resume(int64_t offset) {
    if (ftruncate(fd_, offset) != 0) return StoreError(errno, "cut", path_);
    while (arrived_ < offset) {
      QL_ASSIGN_OR_RETURN(const std::string data,
                          ReadRange(fd_, arrived_, std::min(kReadChunk, offset - arrived_), path_));
      if (data.empty()) return absl::OutOfRangeError(absl::StrCat(path_, " is shorter than ", offset));
      hash_.Update(data);
      arrived_ += static_cast<int64_t>(data.size());
    }
    return Sync();
  }

  absl::Status Append(absl::string_view data) override {
    QL_RETURN_IF_ERROR(CheckUsable());
    if (static_cast<int64_t>(data.size()) > size_ - arrived_) {
      return absl::OutOfRangeError(
          absl::StrCat("artifact ", sha256_, " was said to have ", size_, " bytes, and more arrive"));
    }
    status_ = WriteAll(data);
    if (!status_.ok()) {
      // Removes a chunk that did not fit, so that it can be sent again later.
      if (ftruncate(fd_, arrived_) != 0) unlink(path_.c_str());
      return status_;
    }
    hash_.Update(data);
    arrived_ += static_cast<int64_t>(data.size());
    if (arrived_ - durable_ >= kSyncEvery) status_ = Sync();
    return status_;
  }

  absl::StatusOr<int64_t> Close() override {
    QL_RETURN_IF_ERROR(CheckUsable());
    status_ = absl::FailedPreconditionError("the upload is closed");
    QL_RETURN_IF_ERROR(Sync());
    const bool closed = close(std::exchange(fd_, -1)) == 0;
    if (!closed) return StoreError(errno, "close", path_);
    if (arrived_ < size_) return arrived_;
    const std::string digest = hash_.HexDigest();
    if (digest != sha256_) {
      unlink(path_.c_str());
      return WithReason(
          absl::DataLossError(absl::StrCat("what arrived as artifact ", sha256_, " has the SHA-256 ", digest,
                                           "; it was discarded, send it again from the beginning")),
          "DIGEST_MISMATCH");
    }
    QL_RETURN_IF_ERROR(store_.Publish(sha256_));
    return size_;
  }

 private:
  absl::Status CheckUsable() const { return status_; }

  absl::Status WriteAll(absl::string_view data) {
    int64_t at = arrived_;
    while (!data.empty()) {
      const ssize_t wrote = pwrite(fd_, data.data(), data.size(), at);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return StoreError(errno, "write", path_);
      data.remove_prefix(static_cast<size_t>(wrote));
      at += wrote;
    }
    return absl::OkStatus();
  }

  absl::Status Sync() {
    if (fsync(fd_) != 0) return StoreError(errno, "sync", path_);
    durable_ = arrived_;
    store_.NoteProgress(sha256_, durable_);
    return absl::OkStatus();
  }

  FileArtifactStore& store_;
  const std::string sha256_;
  const std::string path_;
  int fd_;
  const int64_t size_;
  int64_t arrived_ = 0;
  int64_t durable_ = 0;
  Sha256 hash_;
  absl::Status status_;  // not OK: nothing more is accepted
};

absl::StatusOr<std::unique_ptr<FileArtifactStore>> FileArtifactStore::Open(
    const std::string& folder, const ArtifactStoreOptions& options) {
  QL_RETURN_IF_ERROR(MakeDirectories(folder + "/incoming"));
  QL_RETURN_IF_ERROR(SyncDirectory(folder));
  auto store = std::unique_ptr<FileArtifactStore>(new FileArtifactStore(folder, options));
  QL_RETURN_IF_ERROR(store->DeleteStaleUploads());
  QL_RETURN_IF_ERROR(store->FreeRemoved());
  return store;
}

std::string FileArtifactStore::PublishedPath(const std::string& sha256) const {
  return absl::StrCat(folder_, "/", sha256.substr(0, 2), "/", sha256.substr(2));
}

std::string FileArtifactStore::IncomingPath(const std::string& sha256) const {
  return absl::StrCat(folder_, "/incoming/", sha256);
}

absl::Status FileArtifactStore::DeleteStaleUploads() {
  return DeletePartial(options_.clock->Now() - options_.stale_upload_age).status();
}

absl::StatusOr<std::vector<ArtifactFiles::File>> FileArtifactStore::DeletePartial(absl::Time before) {
  QL_ASSIGN_OR_RETURN(std::vector<File> files, ListPartial());
  std::vector<File> deleted;
  for (File& file : files) {
    MutexLock lock(mutex_);
    if (open_.count(file.name) > 0) continue;
    // A file whose name is not a digest can never be resumed.
    if (file.last_used >= before && IsSha256Hex(file.name)) continue;
    if (unlink(IncomingPath(file.name).c_str()) == 0) deleted.push_back(std::move(file));
  }
  return deleted;
}

// ---- files -----------------------------------------------------------------------------------------------

absl::StatusOr<std::vector<ArtifactFiles::File>> FileArtifactStore::ListFolder(
    const std::string& name) const {
  const std::string folder = absl::StrCat(folder_, "/", name);
  std::vector<File> files;
  std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(folder.c_str()), closedir);
  if (!listing) {
    if (errno == ENOENT) return files;
    return StoreError(errno, "list", folder);
  }
  while (const dirent* entry = readdir(listing.get())) {
    struct stat stat;
    if (fstatat(dirfd(listing.get()), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISREG(stat.st_mode)) continue;
    files.push_back({entry->d_name, stat.st_size, absl::TimeFromTimespec(stat.st_mtim)});
  }
  return files;
}

absl::StatusOr<std::vector<ArtifactFiles::File>> FileArtifactStore::ListStored() {
  std::vector<File> stored;
  for (const std::string& prefix : Prefixes()) {
    QL_ASSIGN_OR_RETURN(std::vector<File> files, ListFolder(prefix));
    for (File& file : files) {
      file.name = prefix + file.name;
      if (IsSha256Hex(file.name)) stored.push_back(std::move(file));
    }
  }
  return stored;
}

absl::StatusOr<std::vector<ArtifactFiles::File>> FileArtifactStore::ListPartial() {
  return ListFolder("incoming");
}

absl::StatusOr<std::vector<ArtifactFiles::File>> FileArtifactStore::ListDamaged() {
  return ListFolder("damaged");
}

// Renamed rather than deleted, which takes long for a large file. Not synced: a file that is back after a
// power failure is one that nothing refers to.
absl::StatusOr<int64_t> FileArtifactStore::Remove(const std::string& sha256) {
  QL_RETURN_IF_ERROR(CheckDigest(sha256));
  const std::string from = PublishedPath(sha256), to = absl::StrCat(folder_, "/removed/", sha256);
  MutexLock lock(mutex_);
  const std::optional<int64_t> size = SizeOf(from);
  if (!size) return 0;
  QL_RETURN_IF_ERROR(MakeDirectories(DirectoryOf(to)));
  if (rename(from.c_str(), to.c_str()) != 0) return StoreError(errno, "remove", from);
  return *size;
}

absl::Status FileArtifactStore::FreeRemoved() {
  QL_ASSIGN_OR_RETURN(const std::vector<File> files, ListFolder("removed"));
  for (const File& file : files) {
    const std::string path = absl::StrCat(folder_, "/removed/", file.name);
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return StoreError(errno, "delete", path);
  }
  return absl::OkStatus();
}

void FileArtifactStore::NoteUse(const std::string& path) const {
  struct stat stat;
  const absl::Time now = options_.clock->Now();
  if (::stat(path.c_str(), &stat) != 0 || now - absl::TimeFromTimespec(stat.st_mtim) < kUseResolution) return;
  const timespec times[2] = {{0, UTIME_OMIT}, absl::ToTimespec(now)};
  // Where it fails (a store that is read-only), nothing is removed either.
  utimensat(AT_FDCWD, path.c_str(), times, 0);
}

// ---- uploads and downloads -------------------------------------------------------------------------------

absl::StatusOr<ArtifactStore::Stat> FileArtifactStore::GetStat(const std::string& sha256) {
  QL_RETURN_IF_ERROR(CheckDigest(sha256));
  if (const std::string path = PublishedPath(sha256); const auto size = SizeOf(path)) {
    NoteUse(path);
    return Stat{true, *size};
  }
  MutexLock lock(mutex_);
  const auto open = open_.find(sha256);
  if (open != open_.end()) return Stat{false, open->second};
  return Stat{false, SizeOf(IncomingPath(sha256)).value_or(0)};
}

absl::Status FileArtifactStore::CheckSpace(const std::string& sha256, int64_t size, int64_t offset) const {
  if (size > options_.max_file_bytes) {
    return Exhausted(absl::StrCat("artifact ", sha256, " has ", size, " bytes; at most ",
                                  options_.max_file_bytes, " are allowed"),
                     "ARTIFACT_TOO_LARGE");
  }
  QL_ASSIGN_OR_RETURN(const int64_t free, FreeBytes(folder_));
  // Neither is negative, so this does not overflow.
  if (free >= options_.keep_free_bytes && free - options_.keep_free_bytes >= size - offset)
    return absl::OkStatus();
  return Exhausted(
      absl::StrCat("artifact ", sha256, " needs ", size - offset, " more bytes, and ", folder_, " has ", free,
                   " left, of which ", options_.keep_free_bytes, " stay free; free some space and try again"),
      "DISK_FULL");
}

absl::StatusOr<std::unique_ptr<ArtifactStore::Writer>> FileArtifactStore::OpenWriter(
    const std::string& sha256, int64_t size, int64_t offset) {
  QL_RETURN_IF_ERROR(CheckDigest(sha256));
  if (size < 0 || offset < 0 || offset > size) {
    return absl::OutOfRangeError(
        absl::StrCat("an upload of ", size, " bytes cannot go on at ", offset, " (artifact ", sha256, ")"));
  }
  QL_RETURN_IF_ERROR(CheckSpace(sha256, size, offset));
  const std::string path = IncomingPath(sha256);
  {
    MutexLock lock(mutex_);
    if (SizeOf(PublishedPath(sha256))) {
      return absl::AlreadyExistsError(absl::StrCat("artifact ", sha256, " is in the store already"));
    }
    const int64_t arrived = SizeOf(path).value_or(0);
    if (offset > arrived) {
      return absl::OutOfRangeError(
          absl::StrCat("artifact ", sha256, " has ", arrived, " bytes so far; go on there, not at ", offset));
    }
    if (!open_.emplace(sha256, offset).second) {
      return absl::AbortedError(
          absl::StrCat("artifact ", sha256, " is being uploaded by someone else; ask again in a moment"));
    }
  }
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    const absl::Status status = StoreError(errno, "open", path);
    EndUpload(sha256);
    return status;
  }
  auto writer = std::make_unique<FileWriter>(*this, sha256, fd, size);
  QL_RETURN_IF_ERROR(writer->Resume(offset));
  return std::unique_ptr<Writer>(std::move(writer));
}

absl::StatusOr<std::unique_ptr<ArtifactStore::Reader>> FileArtifactStore::OpenReader(
    const std::string& sha256) {
  QL_RETURN_IF_ERROR(CheckDigest(sha256));
  const std::string path = PublishedPath(sha256);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat("artifact ", sha256, " is not in the store"));
  }
  if (fd < 0) return StoreError(errno, "open", path);
  struct stat stat;
  if (fstat(fd, &stat) != 0) {
    const absl::Status status = StoreError(errno, "look at", path);
    close(fd);
    return status;
  }
  return std::unique_ptr<Reader>(std::make_unique<FileReader>(fd, stat.st_size, path));
}

// Under the lock, so that no writer finds it present any more and then fails to publish.
absl::Status FileArtifactStore::SetAside(const std::string& sha256) {
  QL_RETURN_IF_ERROR(CheckDigest(sha256));
  const std::string from = PublishedPath(sha256), to = absl::StrCat(folder_, "/damaged/", sha256);
  QL_RETURN_IF_ERROR(MakeDirectories(DirectoryOf(to)));
  {
    MutexLock lock(mutex_);
    if (rename(from.c_str(), to.c_str()) != 0)
      return errno == ENOENT ? absl::OkStatus() : StoreError(errno, "set aside", from);
  }
  QL_RETURN_IF_ERROR(SyncDirectory(DirectoryOf(to)));
  return SyncDirectory(DirectoryOf(from));
}

absl::StatusOr<bool> FileArtifactStore::HasItsDigest(const std::string& sha256, Check& check) {
  QL_ASSIGN_OR_RETURN(const auto reader, OpenReader(sha256));
  Sha256 hash;
  for (int64_t offset = 0; offset < reader->size();) {
    QL_ASSIGN_OR_RETURN(const std::string data, reader->Read(offset, kReadChunk));
    if (data.empty()) return false;  // cut while it was read
    hash.Update(data);
    offset += static_cast<int64_t>(data.size());
  }
  ++check.files;
  check.bytes += reader->size();
  return hash.HexDigest() == sha256;
}

absl::Status FileArtifactStore::CheckFolder(const std::string& prefix, Check& check) {
  QL_ASSIGN_OR_RETURN(const std::vector<File> found, ListFolder(prefix));
  for (const File& file : found) {
    const std::string sha256 = prefix + file.name;
    if (!IsSha256Hex(sha256)) continue;
    QL_ASSIGN_OR_RETURN(const bool good, HasItsDigest(sha256, check));
    if (good) continue;
    QL_RETURN_IF_ERROR(SetAside(sha256));
    check.damaged.push_back(sha256);
  }
  return absl::OkStatus();
}

absl::StatusOr<FileArtifactStore::Check> FileArtifactStore::CheckAll() {
  Check check;
  for (const std::string& prefix : Prefixes()) QL_RETURN_IF_ERROR(CheckFolder(prefix, check));
  return check;
}

absl::Status FileArtifactStore::Publish(const std::string& sha256) {
  const std::string from = IncomingPath(sha256), to = PublishedPath(sha256);
  const std::string folder = DirectoryOf(to);
  QL_RETURN_IF_ERROR(MakeDirectories(folder));
  QL_RETURN_IF_ERROR(SyncDirectory(folder_));
  // Immutable from here on.
  if (chmod(from.c_str(), 0400) != 0) return StoreError(errno, "protect", from);
  if (rename(from.c_str(), to.c_str()) != 0) return StoreError(errno, "publish", to);
  return SyncDirectory(folder);
}

void FileArtifactStore::NoteProgress(const std::string& sha256, int64_t durable) {
  MutexLock lock(mutex_);
  open_[sha256] = durable;
}

void FileArtifactStore::EndUpload(const std::string& sha256) {
  MutexLock lock(mutex_);
  open_.erase(sha256);
}

}  // namespace quantlab
