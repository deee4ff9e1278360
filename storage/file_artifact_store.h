// ArtifactStore over files.
//
//   <folder>/ab/cdef…            a published file: the first two and the other 62 digits of its SHA-256
//   <folder>/incoming/abcdef…    an upload on its way; may be resumed
//   <folder>/damaged/abcdef…     a file whose content no longer had its digest, kept for whoever wants to
//   know why
//   <folder>/removed/abcdef…     a file that was taken out of the store, until it is deleted
//
// A file is published by syncing it, checking its digest, renaming it and syncing the folder: a published
// file is complete, even after a power failure.
#ifndef QUANTLAB_STORAGE_FILE_ARTIFACT_STORE_H_
#define QUANTLAB_STORAGE_FILE_ARTIFACT_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/records/deletion.h"
#include "base/records/repositories.h"

namespace quantlab {

struct ArtifactStoreOptions {
  // RESOURCE_EXHAUSTED for larger files.
  int64_t max_file_bytes = int64_t{64} << 30;
  // An upload is refused when it would leave less than this free on the disk.
  int64_t keep_free_bytes = int64_t{64} << 20;
  // Uploads without progress for so long are deleted by DeleteStaleUploads.
  absl::Duration stale_upload_age = absl::Hours(24);
  const Clock* clock = &Clock::Real();
};

// Threads: safe; each Writer and Reader belongs to one thread at a time. The store outlives its writers.
class FileArtifactStore : public ArtifactStore, public ArtifactFiles {
 public:
  static absl::StatusOr<std::unique_ptr<FileArtifactStore>> Open(const std::string& folder,
                                                                 const ArtifactStoreOptions& options);

  // Errors of all: INVALID_ARGUMENT `sha256` is malformed.
  // Whoever learns that a file is present may refer to it for a while: the time of its last use becomes now,
  // within an hour.
  absl::StatusOr<Stat> GetStat(const std::string& sha256) override;
  // Errors: ABORTED another upload of it is open; ALREADY_EXISTS it is in the store; OUT_OF_RANGE `offset`
  // is beyond the received part; RESOURCE_EXHAUSTED the disk is too full, or the file too large.
  absl::StatusOr<std::unique_ptr<Writer>> OpenWriter(const std::string& sha256, int64_t size,
                                                     int64_t offset) override;
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(const std::string& sha256) override;
  absl::Status SetAside(const std::string& sha256) override;

  // Deletes uploads that nobody has continued for a long time. Open calls it; call it from time to time.
  absl::Status DeleteStaleUploads();

  absl::StatusOr<std::vector<File>> ListStored() override;
  absl::StatusOr<std::vector<File>> ListPartial() override;
  absl::StatusOr<std::vector<File>> ListDamaged() override;
  absl::StatusOr<int64_t> Remove(const std::string& sha256) override;
  absl::Status FreeRemoved() override;
  absl::StatusOr<std::vector<File>> DeletePartial(absl::Time before) override;

  struct Check {
    int64_t files = 0;
    int64_t bytes = 0;
    std::vector<std::string> damaged;  // their names; set aside
  };
  // Reads every file in the store and compares it with its digest: as long as reading them all takes.
  absl::StatusOr<Check> CheckAll();

 private:
  friend class FileWriter;

  FileArtifactStore(std::string folder, const ArtifactStoreOptions& options)
      : folder_(std::move(folder)), options_(options) {}

  std::string PublishedPath(const std::string& sha256) const;
  std::string IncomingPath(const std::string& sha256) const;
  absl::Status CheckFolder(const std::string& prefix, Check& check);
  absl::StatusOr<bool> HasItsDigest(const std::string& sha256, Check& check);
  absl::Status CheckSpace(const std::string& sha256, int64_t size, int64_t offset) const;
  absl::StatusOr<std::vector<File>> ListFolder(const std::string& name) const;
  void NoteUse(const std::string& path) const;
  // Moves a whole, synced and checked file to its place.
  absl::Status Publish(const std::string& sha256);
  // Of an open upload: durable bytes so far; and its end.
  void NoteProgress(const std::string& sha256, int64_t durable);
  void EndUpload(const std::string& sha256);

  // Constant after construction.
  const std::string folder_;
  const ArtifactStoreOptions options_;

  Mutex mutex_;
  // Open uploads and how many bytes of each are durable.
  std::map<std::string, int64_t> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_FILE_ARTIFACT_STORE_H_
