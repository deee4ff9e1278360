#include "client/results/tool.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "client/display/text.h"
#include "client/embedded/child_keeper.h"

namespace quantlab::client {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(20);

void KillGroup(pid_t pid) {
  kill(-pid, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
}

absl::Status Ended(const ToolCall& call, int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  const std::string how = WIFSIGNALED(status) ? absl::StrCat("was killed by signal ", WTERMSIG(status))
                                              : absl::StrCat("exited with code ", WEXITSTATUS(status));
  const std::string said = Printable(TailOf(call.log_path, 3));
  return absl::InternalError(absl::StrCat(std::filesystem::path(call.argv[0]).filename().string(), " ", how,
                                          said.empty() ? "" : ": ", said));
}

bool Pause(const Cancellation* cancellation) {
  if (cancellation != nullptr) return cancellation->WaitFor(kPoll);
  absl::SleepFor(kPoll);
  return false;
}

}  // namespace

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  const char* const path = std::getenv("PATH");
  for (const absl::string_view folder : absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    // An empty part means the current folder, where anything may lie.
    if (folder.empty() || folder[0] != '/') continue;
    const std::string candidate = absl::StrCat(folder, "/", name);
    std::error_code error;
    if (std::filesystem::is_regular_file(candidate, error) && access(candidate.c_str(), X_OK) == 0)
      return candidate;
  }
  return absl::NotFoundError(absl::StrCat(name, " is not installed"));
}

absl::Status RunTool(const ToolCall& call, const Cancellation* cancellation) {
  SpawnOptions options;
  options.argv = call.argv;
  options.log_path = call.log_path;
  options.folder = call.folder;
  options.new_session = true;  // a group of its own, to be ended as a whole
  QL_ASSIGN_OR_RETURN(const pid_t pid, Spawn(options));
  const absl::Time deadline = absl::Now() + call.timeout;
  while (true) {
    int status = 0;
    const pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) return Ended(call, status);
    if (ended < 0 && errno != EINTR) {
      return absl::InternalError(absl::StrCat("cannot wait for ", call.argv[0], ": ", std::strerror(errno)));
    }
    if (Pause(cancellation)) {
      KillGroup(pid);
      return absl::CancelledError(absl::StrCat(call.argv[0], " was interrupted"));
    }
    if (absl::Now() >= deadline) {
      KillGroup(pid);
      return absl::DeadlineExceededError(
          absl::StrCat(call.argv[0], " did not end within ", HumanDuration(call.timeout)));
    }
  }
}

}  // namespace quantlab::client
