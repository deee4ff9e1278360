// quantctl's exit codes: part of its interface, documented in `quantctl help exit-codes`.
#ifndef QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_EXIT_CODES_H_
#define QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_EXIT_CODES_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/language.h"

namespace quantlab::client {

enum ExitCode : int {
  kExitOk = 0,
  kExitRunsFailed = 1,
  kExitUsage = 2,
  kExitInvalidInput = 3,
  kExitNotFound = 4,
  kExitUnreachable = 5,
  kExitCancelled = 6,
  kExitConflict = 7,
  kExitNoSpace = 8,
  kExitNotAllowed = 9,
  kExitInternal = 70,
  kExitInterrupted = 130,
};

int ExitCodeOf(const absl::Status& status);

// Each code with its meaning, in order.
std::vector<std::pair<int, std::string>> ExitCodes(Language language);

// The table as text.
std::string ExitCodeHelp(Language language = Language::kEnglish);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_EXIT_CODES_H_
