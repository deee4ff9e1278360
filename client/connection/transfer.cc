#include "client/connection/transfer.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <map>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "platform/files.h"
#include "proto/status_bridge.h"

namespace quantlab::client {
namespace {

constexpr size_t kChunkBytes = 1 << 20;
constexpr int kStatBatch = 1000;
// Broken streams in a row by which nothing more has arrived.
constexpr int kMaxStalled = 10;
constexpr absl::Duration kStalledPause = absl::Milliseconds(200);
// While somebody else uploads the same file, how long nothing more of it may arrive. Longer than the
// coordinator keeps the place of a transfer that stands still.
constexpr absl::Duration kOthersPatience = absl::Minutes(1);
// Of one stream; a transfer that takes longer goes on in the next.
constexpr absl::Duration kStreamDeadline = absl::Minutes(10);

absl::Status Changed(const LocalFile& file) {
  return MessageStatus(absl::StatusCode::kAborted, messages::kFileChanged(file.path));
}

// One stream from `offset` to the end; OK when the coordinator has all of it.
absl::Status UploadFrom(Client& client, const LocalFile& file, int64_t offset,
                        const std::function<void(int64_t)>& sent) {
  const int fd = open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return FileError(errno, "read", file.path);
  const auto close_fd = absl::MakeCleanup([fd] { close(fd); });

  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kStreamDeadline));
  const Cancellation::Registration registration(client.options().cancellation,
                                                [&context] { context.TryCancel(); });
  v1::UploadArtifactResponse response;
  const auto stream = client.artifacts().UploadArtifact(&context, &response);
  v1::UploadArtifactRequest request;
  request.set_sha256(file.sha256);
  request.set_size(file.size);
  request.set_offset(offset);
  std::string buffer;
  do {
    buffer.resize(std::min<int64_t>(kChunkBytes, file.size - offset));
    const ssize_t got = pread(fd, buffer.data(), buffer.size(), offset);
    if (got < 0 || (got == 0 && offset < file.size)) {
      const int error = errno;
      context.TryCancel();
      stream->Finish();
      return got < 0 ? FileError(error, "read", file.path) : Changed(file);
    }
    buffer.resize(got);
    request.set_data(buffer);
    if (!stream->Write(request)) break;
    offset += got;
    sent(offset);
    request.Clear();
  } while (offset < file.size);
  stream->WritesDone();
  return FromGrpcStatus(stream->Finish());
}

absl::StatusOr<v1::ArtifactStat> StatOne(Client& client, const std::string& sha256) {
  v1::StatArtifactsRequest request;
  request.add_sha256(sha256);
  QL_ASSIGN_OR_RETURN(v1::StatArtifactsResponse response, client.StatArtifacts(request));
  if (response.artifacts_size() != 1) return absl::InternalError("the coordinator answered for no artifact");
  return response.artifacts(0);
}

// Another client's upload of the same file is open: its bytes are ours, too.
bool IsOthersUpload(const absl::Status& status) {
  return absl::IsAborted(status) && MessageOf(status).code != messages::kFileChanged.code();
}

// Where the content is wrong the file may have changed, or a byte on its way: look before a second try.
absl::Status CheckUnchanged(const LocalFile& file) {
  QL_ASSIGN_OR_RETURN(const std::string now, Sha256OfFile(file.path));
  return now == file.sha256 ? absl::OkStatus() : Changed(file);
}

absl::Status UploadOne(Client& client, const LocalFile& file, v1::ArtifactStat stat,
                       const std::function<void(int64_t)>& sent) {
  int stalled = 0;
  absl::Duration moved = Clock::Real().Monotonic();  // when more of the file was last seen to have arrived
  for (bool corrected = false; !stat.present();) {
    const int64_t offset = std::clamp<int64_t>(stat.size(), 0, file.size);
    absl::Status status = UploadFrom(client, file, offset, sent);
    if (status.ok()) return status;
    if (absl::IsDataLoss(status) && !corrected) {
      corrected = true;
      QL_RETURN_IF_ERROR(CheckUnchanged(file));
    } else if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status) &&
               !absl::IsOutOfRange(status) && !IsOthersUpload(status)) {
      return Annotate(status, absl::StrCat("uploading ", file.path));
    } else if (client.options().cancellation == nullptr) {
      absl::SleepFor(kStalledPause);
    } else if (client.options().cancellation->WaitFor(kStalledPause)) {
      return absl::CancelledError(absl::StrCat("stopped while uploading ", file.path));
    }
    const int64_t before = stat.size();
    QL_ASSIGN_OR_RETURN(stat, StatOne(client, file.sha256));  // waits while the coordinator is away
    if (stat.size() > before) moved = Clock::Real().Monotonic();
    stalled = stat.size() > before || IsOthersUpload(status) ? 0 : stalled + 1;
    if (!stat.present() && (stalled > kMaxStalled || Clock::Real().Monotonic() - moved > kOthersPatience))
      return Annotate(status, absl::StrCat("uploading ", file.path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::map<std::string, v1::ArtifactStat>> StatAll(Client& client,
                                                                const std::vector<LocalFile>& files) {
  std::set<std::string> wanted;
  for (const LocalFile& file : files) wanted.insert(file.sha256);
  std::map<std::string, v1::ArtifactStat> stats;
  v1::StatArtifactsRequest request;
  const auto ask = [&]() -> absl::Status {
    QL_ASSIGN_OR_RETURN(v1::StatArtifactsResponse response, client.StatArtifacts(request));
    for (v1::ArtifactStat& stat : *response.mutable_artifacts()) stats[stat.sha256()] = std::move(stat);
    request.Clear();
    return absl::OkStatus();
  };
  for (const std::string& sha256 : wanted) {
    request.add_sha256(sha256);
    if (request.sha256_size() == kStatBatch) QL_RETURN_IF_ERROR(ask());
  }
  if (request.sha256_size() > 0) QL_RETURN_IF_ERROR(ask());
  return stats;
}

// The part of a download that is on the disk, open for more, with the digest of what it has.
class PartFile {
 public:
  ~PartFile() {
    if (fd_ >= 0) close(fd_);
  }

  absl::Status Open(const std::string& path, int64_t limit) {
    path_ = path;
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) return FileError(errno, "create", path);
    std::string buffer(kChunkBytes, '\0');
    ssize_t got = 0;
    while (size_ < limit && (got = pread(fd_, buffer.data(), buffer.size(), size_)) > 0) {
      got = std::min<int64_t>(got, limit - size_);
      digest_.Update(absl::string_view(buffer.data(), got));
      size_ += got;
    }
    if (got < 0) return FileError(errno, "read", path);
    if (ftruncate(fd_, size_) != 0) return FileError(errno, "write", path);
    return absl::OkStatus();
  }

  absl::Status Append(const std::string& data) {
    for (size_t done = 0; done < data.size();) {
      const ssize_t wrote = pwrite(fd_, data.data() + done, data.size() - done, size_ + done);
      if (wrote < 0 && errno != EINTR) return FileError(errno, "write", path_);
      if (wrote > 0) done += wrote;
    }
    digest_.Update(data);
    size_ += data.size();
    return absl::OkStatus();
  }

  // Checks the content, makes it durable and gives it its name. Call once.
  absl::Status Finish(const LocalFile& file) {
    if (size_ != file.size || digest_.HexDigest() != file.sha256) {
      unlink(path_.c_str());
      return absl::DataLossError(
          absl::StrCat("what arrived for ", file.path,
                       " is not what its digest says; it was "
                       "removed: try again, and look at the coordinator's disk if it stays so"));
    }
    if (fsync(fd_) != 0) return FileError(errno, "write", path_);
    if (fchmod(fd_, 0644) != 0) return FileError(errno, "write", path_);
    if (rename(path_.c_str(), file.path.c_str()) != 0) return FileError(errno, "rename", path_);
    return absl::OkStatus();
  }

  int64_t size() const { return size_; }

 private:
  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
  Sha256 digest_;
};

absl::Status DownloadInto(Client& client, const LocalFile& file, PartFile& part,
                          const TransferProgress& progress) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kStreamDeadline));
  const Cancellation::Registration registration(client.options().cancellation,
                                                [&context] { context.TryCancel(); });
  v1::DownloadArtifactRequest request;
  request.set_sha256(file.sha256);
  request.set_offset(part.size());
  const auto stream = client.artifacts().DownloadArtifact(&context, request);
  v1::DownloadArtifactResponse response;
  absl::Status written;
  while (written.ok() && stream->Read(&response)) {
    if (part.size() + static_cast<int64_t>(response.data().size()) > file.size) {
      written = absl::DataLossError(
          absl::StrCat("more arrives for ", file.path, " than its ", file.size, " bytes"));
      break;
    }
    written = part.Append(response.data());
    if (progress) progress(part.size(), file.size);
  }
  if (!written.ok()) context.TryCancel();
  const absl::Status status = FromGrpcStatus(stream->Finish());
  if (!written.ok()) return written;
  if (status.ok() && part.size() < file.size) return absl::UnavailableError("the stream ended too early");
  return status;
}

bool IsThere(const LocalFile& file) {
  struct stat info;
  if (lstat(file.path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size != file.size)
    return false;
  const absl::StatusOr<std::string> digest = Sha256OfFile(file.path);
  return digest.ok() && *digest == file.sha256;
}

}  // namespace

absl::Status UploadFiles(Client& client, const std::vector<LocalFile>& files,
                         const TransferProgress& progress) {
  QL_ASSIGN_OR_RETURN(const auto stats, StatAll(client, files));
  std::set<std::string> seen;
  std::vector<std::pair<const LocalFile*, v1::ArtifactStat>> missing;
  int64_t total = 0, done = 0;
  for (const LocalFile& file : files) {
    if (!seen.insert(file.sha256).second) continue;
    const auto found = stats.find(file.sha256);
    const v1::ArtifactStat stat = found == stats.end() ? v1::ArtifactStat() : found->second;
    if (stat.present()) continue;
    missing.emplace_back(&file, stat);
    total += file.size;
  }
  for (const auto& [file, stat] : missing) {
    const auto sent = [&, done](int64_t of_file) {
      if (progress) progress(done + of_file, total);
    };
    QL_RETURN_IF_ERROR(UploadOne(client, *file, stat, sent));
    done += file->size;
  }
  return absl::OkStatus();
}

absl::Status DownloadFile(Client& client, const LocalFile& file, const TransferProgress& progress) {
  if (IsThere(file)) return absl::OkStatus();
  PartFile part;
  QL_RETURN_IF_ERROR(part.Open(file.path + ".part", file.size));
  if (part.size() < file.size || file.size == 0) {
    const absl::Status status = client.Repeat([&]() -> absl::Status {
      const int64_t before = part.size();
      absl::Status once = DownloadInto(client, file, part, progress);
      while (!once.ok() && part.size() > before && absl::IsUnavailable(once) && part.size() < file.size) {
        const int64_t reached = part.size();
        once = DownloadInto(client, file, part, progress);
        if (part.size() == reached) break;
      }
      return once;
    });
    if (!status.ok()) return Annotate(status, absl::StrCat("downloading ", file.path));
  }
  return part.Finish(file);
}

}  // namespace quantlab::client
