#include "storage/folder_lock.h"

#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"
#include "platform/files.h"

namespace quantlab {

absl::StatusOr<std::unique_ptr<FileLock>> LockDataFolder(const std::string& folder) {
  const std::string path = folder + "/lock";
  QL_ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, FileLock::Try(path));
  if (lock == nullptr) {
    const auto holder = ReadFile(path, 64);
    const std::string process(absl::StripAsciiWhitespace(holder.ok() ? *holder : ""));
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "another coordinator", process.empty() ? "" : absl::StrCat(" (process ", process, ")"),
            " uses the data folder ", folder, "; stop it, or choose another data folder")),
        "DATA_FOLDER_IN_USE");
  }
  // Only for the message above, so a failed write changes nothing else.
  lock->Write(absl::StrCat(getpid(), "\n")).IgnoreError();
  return lock;
}

}  // namespace quantlab
