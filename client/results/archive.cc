#include "client/results/archive.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <utility>
#include <zip.h>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/transfer.h"
#include "base/status_macros.h"
#include "client/display/text.h"
#include "client/results/repeatable.h"
#include "platform/files.h"
#include "platform/paths.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;

// 1980-01-01 00:00, the first moment of the format: year since 1980, month and day in one number.
constexpr zip_uint16_t kDate = (1 << 5) | 1, kTime = 0;
// A regular file that everybody can read, in the upper half.
constexpr zip_uint32_t kMode = 0100644u << 16;
constexpr size_t kNamedFiles = 3;

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Archive = std::unique_ptr<zip_t, Discard>;

absl::Status ZipError(zip_t* archive, const char* action, const std::string& path) {
  return MessageStatus(absl::StatusCode::kInternal,
                       messages::kArchiveFailed(action, path, zip_error_strerror(zip_get_error(archive))));
}

absl::StatusOr<Archive> Open(const std::string& path) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  if (archive != nullptr) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string why = zip_error_strerror(&error);
  zip_error_fini(&error);
  return MessageStatus(absl::StatusCode::kPermissionDenied, messages::kArchiveFailed("create", path, why));
}

// Borrows the content until the archive is closed.
absl::Status Add(zip_t* archive, const TextFile& file) {
  if (!IsSafeRelativePath(file.path)) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kArchivePathLeaves(Printable(file.path)));
  }
  zip_source_t* const source = zip_source_buffer(archive, file.content.data(), file.content.size(), 0);
  if (source == nullptr) return ZipError(archive, "add", file.path);
  const zip_int64_t index = zip_file_add(archive, file.path.c_str(), source, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    zip_source_free(source);
    return zip_error_code_zip(zip_get_error(archive)) == ZIP_ER_EXISTS
               ? MessageStatus(absl::StatusCode::kInvalidArgument, messages::kArchivePathTwice(file.path))
               : ZipError(archive, "add", file.path);
  }
  const auto at = static_cast<zip_uint64_t>(index);
  if (zip_file_set_dostime(archive, at, kTime, kDate, 0) != 0 ||
      zip_file_set_external_attributes(archive, at, 0, ZIP_OPSYS_UNIX, kMode) != 0) {
    return ZipError(archive, "add", file.path);
  }
  return absl::OkStatus();
}

// "report/课程设计报告.pdf (12.1 MB)", of the largest.
std::vector<std::string> LargestFiles(std::vector<const TextFile*> files) {
  std::stable_sort(files.begin(), files.end(), [](const TextFile* a, const TextFile* b) {
    return a->content.size() > b->content.size();
  });
  if (files.size() > kNamedFiles) files.resize(kNamedFiles);
  std::vector<std::string> names;
  for (const TextFile* file : files) {
    names.push_back(
        absl::StrCat(file->path, " (", HumanBytes(static_cast<int64_t>(file->content.size())), ")"));
  }
  return names;
}

absl::Status Fill(const std::string& path, const std::vector<const TextFile*>& files) {
  QL_ASSIGN_OR_RETURN(Archive archive, Open(path));
  for (const TextFile* file : files) QL_RETURN_IF_ERROR(Add(archive.get(), *file));
  if (zip_close(archive.get()) != 0) return ZipError(archive.get(), "write", path);
  // Closing frees it.
  static_cast<void>(archive.release());
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckArchivePath(const std::string& path) {
  std::error_code error;
  const fs::path folder = fs::absolute(path, error).parent_path();
  if (!fs::is_directory(folder, error)) {
    return MessageStatus(absl::StatusCode::kFailedPrecondition,
                         messages::kArchiveNoFolder(path, folder.string()));
  }
  if (fs::is_directory(path, error)) {
    return MessageStatus(absl::StatusCode::kFailedPrecondition, messages::kArchiveIsFolder(path));
  }
  return absl::OkStatus();
}

absl::Status WriteArchive(const std::string& path, const std::vector<TextFile>& files, int64_t limit) {
  QL_RETURN_IF_ERROR(CheckArchivePath(path));
  std::vector<const TextFile*> sorted;
  for (const TextFile& file : files) sorted.push_back(&file);
  std::sort(sorted.begin(), sorted.end(),
            [](const TextFile* a, const TextFile* b) { return a->path < b->path; });
  const std::string partial = path + ".partial";
  std::error_code error;
  absl::Status filled = Fill(partial, sorted);
  const auto size = filled.ok() ? static_cast<int64_t>(fs::file_size(partial, error)) : 0;
  if (filled.ok() && error) filled = FileError(error.value(), "read", partial);
  if (filled.ok() && size > limit) {
    filled = MessageStatus(absl::StatusCode::kResourceExhausted,
                           messages::kArchiveTooLarge(size, limit, LargestFiles(sorted)));
  }
  if (!filled.ok()) {
    fs::remove(partial, error);
    return filled;
  }
  fs::rename(partial, path, error);
  return error ? FileError(error.value(), "rename", partial) : absl::OkStatus();
}

}  // namespace quantlab::client
