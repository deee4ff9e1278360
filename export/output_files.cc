#include "export/output_files.h"

#include <cerrno>

#include "base/files.h"
#include "base/status_macros.h"

namespace quantlab::model_export {

absl::Status OpenOutput(const std::string& path, std::ofstream& out) {
  out.open(path, std::ios::binary | std::ios::trunc);
  return out ? absl::OkStatus() : FileError(errno, "write", path);
}

absl::Status CloseOutput(std::ofstream& out, const std::string& path) {
  errno = 0;
  out.close();
  // A stream that failed before it was closed does not say why; a full disk is the one usual cause.
  return out ? absl::OkStatus() : FileError(errno != 0 ? errno : ENOSPC, "write", path);
}

absl::Status WriteOutput(const std::string& path, absl::string_view content) {
  std::ofstream out;
  QL_RETURN_IF_ERROR(OpenOutput(path, out));
  out << content;
  return CloseOutput(out, path);
}

}  // namespace quantlab::model_export
