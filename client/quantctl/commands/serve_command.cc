// serve: runs a private service until it is stopped, for users and for other programs.
#include <memory>
#include <poll.h>
#include <unistd.h>

#include "base/status_macros.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"

namespace quantlab::client {
namespace {

// How often the supervisor is checked.
constexpr absl::Duration kTick = absl::Milliseconds(500);

struct ServeOptions {
  bool no_worker = false;
  bool until_eof = false;
};

// Whether the other end of standard input has been closed. Input is discarded.
bool InputEnded() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  if (poll(&input, 1, 0) <= 0) return false;
  char buffer[256];
  return read(STDIN_FILENO, buffer, sizeof buffer) <= 0;
}

absl::StatusOr<int> Serve(Session& session, const ServeOptions& options) {
  if (!session.settings().coordinator.empty()) {
    return MessageStatus(absl::StatusCode::kFailedPrecondition,
                         messages::kCoordinatorConfigured(session.settings().coordinator));
  }
  QL_RETURN_IF_ERROR(session.Connect(!options.no_worker).status());
  session.interrupts().Handle([&session](int) { session.cancellation().Cancel(); });
  const std::string& address = session.embedded()->address();
  if (session.is_table()) {
    session.Print(address + "\n");
  } else {
    session.PrintDocument("Service", {{"address", address}, {"dataDir", session.settings().data_dir}});
  }
  session.Note(messages::kServing(session.settings().data_dir));
  while (!session.cancellation().WaitFor(kTick)) {
    if (options.until_eof && InputEnded()) break;
    QL_RETURN_IF_ERROR(session.embedded()->EnsureRunning());
  }
  session.Disconnect(/*wait=*/true);
  return kExitOk;
}

}  // namespace

void AddServeCommand(CommandLine& line) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* command =
      AddCommand(line, "serve", line.Say(messages::kHelpServe()),
                 "  quantctl serve --data-dir /tmp/lab\n  quantctl serve -o json --until-eof < some_pipe");
  command->add_flag("--no-worker", options->no_worker, line.Say(messages::kHelpNoWorker()));
  command->add_flag("--until-eof", options->until_eof, line.Say(messages::kHelpUntilEof()));
  command->callback([&line, options] { line.action = [options](Session& s) { return Serve(s, *options); }; });
}

}  // namespace quantlab::client
