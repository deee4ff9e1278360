#include "worker/agent/events/spool.h"

#include <algorithm>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "platform/files.h"

namespace quantlab::agent {
namespace {

constexpr char kMagic[] = "QLSPOOL1";
constexpr int64_t kMagicSize = 8;
constexpr int64_t kHeaderSize = 9;
constexpr uint32_t kMaxPayload = 16 << 20;
constexpr char kEvent = 1;
constexpr char kFinish = 2;

void PutU32(uint32_t value, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(value >> shift & 0xff));
}

uint32_t GetU32(const char* data) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(data[i]);
  return value;
}

uint32_t Checksum(char type, const std::string& payload) {
  uLong crc = crc32(0, reinterpret_cast<const Bytef*>(&type), 1);
  return static_cast<uint32_t>(
      crc32(crc, reinterpret_cast<const Bytef*>(payload.data()), static_cast<uInt>(payload.size())));
}

// Bytes read, fewer than `size` at the end of the file.
absl::StatusOr<int64_t> ReadAt(int fd, char* data, int64_t size, int64_t offset) {
  int64_t done = 0;
  while (done < size) {
    const ssize_t got = pread(fd, data + done, static_cast<size_t>(size - done), offset + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, "read", "the event spool");
    if (got == 0) break;
    done += got;
  }
  return done;
}

absl::Status WriteAt(int fd, const std::string& data, int64_t offset) {
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t put =
        pwrite(fd, data.data() + done, data.size() - done, offset + static_cast<int64_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return FileError(errno, "write", "the event spool");
    done += static_cast<size_t>(put);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Spool>> Spool::Open(const std::string& folder, SyncFile sync_file) {
  const std::string path = absl::StrCat(folder, "/events.spool");
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return FileError(errno, "open", path);
  std::unique_ptr<Spool> spool(new Spool(folder, std::move(file), sync_file));
  QL_RETURN_IF_ERROR(Annotate(spool->Recover(), path));
  return spool;
}

absl::StatusOr<std::optional<Spool::Record>> Spool::ReadRecord(int64_t offset, int64_t end) const {
  char header[kHeaderSize];
  if (end - offset < kHeaderSize) return std::nullopt;
  QL_ASSIGN_OR_RETURN(int64_t got, ReadAt(file_.get(), header, kHeaderSize, offset));
  const uint32_t length = GetU32(header);
  if (got < kHeaderSize || length > kMaxPayload || end - offset - kHeaderSize < length) return std::nullopt;
  Record record;
  record.type = header[8];
  record.payload.resize(length);
  QL_ASSIGN_OR_RETURN(got, ReadAt(file_.get(), record.payload.data(), length, offset + kHeaderSize));
  if (got < length || Checksum(record.type, record.payload) != GetU32(header + 4)) return std::nullopt;
  record.end = offset + kHeaderSize + length;
  return record;
}

absl::Status Spool::Recover() {
  MutexLock lock(mutex_);
  struct stat info;
  if (fstat(file_.get(), &info) != 0) return FileError(errno, "read", "the event spool");
  if (info.st_size < kMagicSize) {  // new, or torn while it was made
    QL_RETURN_IF_ERROR(WriteAt(file_.get(), kMagic, 0));
    size_ = read_offset_ = kMagicSize;
    return SyncDirectory(folder_);
  }
  char magic[kMagicSize];
  QL_RETURN_IF_ERROR(ReadAt(file_.get(), magic, kMagicSize, 0).status());
  if (memcmp(magic, kMagic, kMagicSize) != 0) {
    return absl::DataLossError("this is not an event spool of this version; remove the attempt's folder");
  }
  size_ = read_offset_ = kMagicSize;
  while (true) {
    QL_ASSIGN_OR_RETURN(std::optional<Record> record, ReadRecord(size_, info.st_size));
    if (!record.has_value()) break;
    v1::Event event;
    v1::FinishAttemptRequest finish;
    if (record->type == kEvent && event.ParseFromString(record->payload) &&
        event.number() == last_number_ + 1) {
      ++last_number_;
      if (event.has_artifact()) artifacts_.push_back(event.artifact());
    } else if (record->type == kFinish && finish.ParseFromString(record->payload)) {
      finish_ = finish;
    } else {
      break;
    }
    size_ = record->end;
  }
  if (ftruncate(file_.get(), size_) != 0) return FileError(errno, "cut", "the event spool");
  QL_RETURN_IF_ERROR(SyncLocked());
  const absl::StatusOr<std::string> stored = ReadFile(absl::StrCat(folder_, "/acknowledged"), 64);
  int64_t number = 0;
  if (stored.ok() && absl::SimpleAtoi(*stored, &number) && number > 0 && number <= last_number_) {
    // The offset is found by the first Read.
    acknowledged_ = number;
  }
  return absl::OkStatus();
}

absl::Status Spool::AppendRecord(char type, const std::string& payload) {
  std::string data;
  data.reserve(payload.size() + kHeaderSize);
  PutU32(static_cast<uint32_t>(payload.size()), data);
  PutU32(Checksum(type, payload), data);
  data.push_back(type);
  data += payload;
  const absl::Status written = WriteAt(file_.get(), data, size_);
  if (!written.ok()) {
    (void)!ftruncate(file_.get(), size_);
    return written;
  }
  size_ += static_cast<int64_t>(data.size());
  return absl::OkStatus();
}

absl::Status Spool::Append(v1::Event& event) {
  MutexLock lock(mutex_);
  event.set_number(last_number_ + 1);
  QL_RETURN_IF_ERROR(AppendRecord(kEvent, event.SerializeAsString()));
  ++last_number_;
  if (event.has_artifact()) artifacts_.push_back(event.artifact());
  return absl::OkStatus();
}

absl::Status Spool::AppendFinish(const v1::FinishAttemptRequest& finish) {
  MutexLock lock(mutex_);
  QL_RETURN_IF_ERROR(AppendRecord(kFinish, finish.SerializeAsString()));
  finish_ = finish;
  return SyncLocked();
}

absl::Status Spool::Sync() {
  MutexLock lock(mutex_);
  return SyncLocked();
}

absl::Status Spool::SyncLocked() {
  if (synced_ == size_) return absl::OkStatus();
  if (sync_failed_) QL_RETURN_IF_ERROR(RewriteUnsynced());
  sync_failed_ = sync_file_(file_.get()) != 0;
  if (sync_failed_) return FileError(errno, "write", "the event spool");
  synced_ = size_;
  return absl::OkStatus();
}

absl::Status Spool::RewriteUnsynced() {
  constexpr int64_t kChunk = 1 << 20;
  std::string buffer;
  for (int64_t offset = synced_; offset < size_;) {
    buffer.resize(static_cast<size_t>(std::min(kChunk, size_ - offset)));
    QL_ASSIGN_OR_RETURN(const int64_t got,
                        ReadAt(file_.get(), buffer.data(), static_cast<int64_t>(buffer.size()), offset));
    if (got <= 0) return absl::DataLossError("the event spool became shorter while it was in use");
    buffer.resize(static_cast<size_t>(got));
    QL_RETURN_IF_ERROR(WriteAt(file_.get(), buffer, offset));
    offset += got;
  }
  return absl::OkStatus();
}

absl::StatusOr<Spool::Batch> Spool::Read(int max_events, int64_t max_bytes) {
  MutexLock lock(mutex_);
  Batch batch;
  batch_ends_.clear();
  int64_t offset = read_offset_;
  while (static_cast<int>(batch.events.size()) < max_events) {
    QL_ASSIGN_OR_RETURN(std::optional<Record> record, ReadRecord(offset, size_));
    if (!record.has_value()) {
      if (offset == size_) break;
      return absl::DataLossError("the event spool was changed while it was in use");
    }
    offset = record->end;
    if (record->type == kFinish) continue;
    v1::Event event;
    if (!event.ParseFromString(record->payload)) return absl::DataLossError("the event spool is damaged");
    if (event.number() <= acknowledged_) {
      read_offset_ = offset;
      continue;
    }
    const auto bytes = static_cast<int64_t>(record->payload.size());
    if (!batch.events.empty() && batch.bytes + bytes > max_bytes) break;
    batch.bytes += bytes;
    if (batch.events.empty()) batch_first_ = event.number();
    batch.events.push_back(std::move(event));
    batch_ends_.push_back(offset);
  }
  return batch;
}

void Spool::Acknowledge(int64_t number) {
  MutexLock lock(mutex_);
  number = std::clamp<int64_t>(number, 0, last_number_);
  if (number < acknowledged_) {
    read_offset_ = kMagicSize;
  } else if (const int64_t index = number - batch_first_;
             index >= 0 && index < static_cast<int64_t>(batch_ends_.size())) {
    read_offset_ = batch_ends_[static_cast<size_t>(index)];
  }
  batch_ends_.clear();
  if (number == acknowledged_) return;
  acknowledged_ = number;
  StoreAcknowledged();
}

void Spool::StoreAcknowledged() {
  // Neither atomic nor synced: wrong content reads as 0 or as an older number, which only sends more.
  UniqueFd file(
      open(absl::StrCat(folder_, "/acknowledged").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const std::string text = absl::StrCat(acknowledged_);
  if (file.valid()) (void)!write(file.get(), text.data(), text.size());
}

int64_t Spool::last_number() const {
  MutexLock lock(mutex_);
  return last_number_;
}

int64_t Spool::acknowledged() const {
  MutexLock lock(mutex_);
  return acknowledged_;
}

int64_t Spool::backlog_bytes() const {
  MutexLock lock(mutex_);
  return size_ - read_offset_;
}

int64_t Spool::size_bytes() const {
  MutexLock lock(mutex_);
  return size_;
}

std::optional<v1::FinishAttemptRequest> Spool::finish() const {
  MutexLock lock(mutex_);
  return finish_;
}

std::vector<v1::Artifact> Spool::artifacts() const {
  MutexLock lock(mutex_);
  return artifacts_;
}

}  // namespace quantlab::agent
