#include "client/quantctl/exit_codes.h"

#include "absl/strings/str_format.h"

namespace quantlab::client {
namespace {

struct Entry {
  int code;
  const char* meaning;
};

constexpr Entry kEntries[] = {
    {kExitOk, "done; the experiment, if one was awaited, succeeded"},
    {kExitRunsFailed, "the experiment ended, and a run of it did not succeed"},
    {kExitUsage, "the command line is wrong"},
    {kExitInvalidInput, "an experiment file, a settings file or another input is wrong"},
    {kExitNotFound, "no such experiment, run, artifact or file"},
    {kExitUnreachable, "the coordinator cannot be reached, or could not be started"},
    {kExitCancelled, "the experiment was cancelled"},
    {kExitConflict, "the state of things does not allow it (already ended, changed meanwhile)"},
    {kExitNoSpace, "a disk is full, or a limit is reached"},
    {kExitNotAllowed, "permission denied"},
    {kExitInternal, "an error in Quantlab itself, or damaged data; please report it"},
    {kExitInterrupted, "interrupted by Ctrl-C or SIGTERM"},
};

}  // namespace

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return kExitInvalidInput;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kExitUnreachable;
    case absl::StatusCode::kCancelled:
      return kExitInterrupted;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return kExitConflict;
    case absl::StatusCode::kResourceExhausted:
      return kExitNoSpace;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kExitNotAllowed;
    default:
      return kExitInternal;
  }
}

std::string ExitCodeHelp() {
  std::string out = "Exit codes of quantctl\n\n";
  for (const Entry& entry : kEntries) absl::StrAppendFormat(&out, "%5d  %s\n", entry.code, entry.meaning);
  return out;
}

}  // namespace quantlab::client
