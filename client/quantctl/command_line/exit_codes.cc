#include "client/quantctl/command_line/exit_codes.h"

#include "absl/strings/str_format.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"

namespace quantlab::client {
namespace {

struct Entry {
  int code;
  Message meaning;
};

std::vector<Entry> Entries() {
  return {{kExitOk, messages::kExitOkMeans()},
          {kExitRunsFailed, messages::kExitRunsFailedMeans()},
          {kExitUsage, messages::kExitUsageMeans()},
          {kExitInvalidInput, messages::kExitInvalidInputMeans()},
          {kExitNotFound, messages::kExitNotFoundMeans()},
          {kExitUnreachable, messages::kExitUnreachableMeans()},
          {kExitCancelled, messages::kExitCancelledMeans()},
          {kExitConflict, messages::kExitConflictMeans()},
          {kExitNoSpace, messages::kExitNoSpaceMeans()},
          {kExitNotAllowed, messages::kExitNotAllowedMeans()},
          {kExitInternal, messages::kExitInternalMeans()},
          {kExitInterrupted, messages::kExitInterruptedMeans()}};
}

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

std::vector<std::pair<int, std::string>> ExitCodes(Language language) {
  std::vector<std::pair<int, std::string>> codes;
  for (const Entry& entry : Entries()) codes.emplace_back(entry.code, Render(language, entry.meaning));
  return codes;
}

std::string ExitCodeHelp(Language language) {
  std::string out = Render(language, messages::kExitCodes()) + "\n\n";
  for (const auto& [code, meaning] : ExitCodes(language)) {
    absl::StrAppendFormat(&out, "%5d  %s\n", code, meaning);
  }
  return out;
}

}  // namespace quantlab::client
