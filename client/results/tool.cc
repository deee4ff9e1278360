#include "client/results/tool.h"

#include <filesystem>

#include "absl/strings/ascii.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/transfer.h"
#include "client/display/text.h"
#include "platform/process.h"

namespace quantlab::client {
namespace {

constexpr size_t kShownOutput = 1000;

std::string Name(const ToolCall& call) {
  return std::filesystem::path(call.argv[0]).filename().string();
}

}  // namespace

absl::Status RunTool(const ToolCall& call, const Cancellation* cancellation) {
  ProcessSpec spec;
  spec.argv = call.argv;
  spec.working_folder = call.folder;
  CommandLimits limits{.timeout = call.timeout, .max_output = kShownOutput};
  if (cancellation != nullptr) limits.should_stop = [cancellation] { return cancellation->cancelled(); };
  const absl::StatusOr<CommandResult> result = RunCommand(*MakeProcessLauncher(), spec, limits);
  if (absl::IsDeadlineExceeded(result.status())) {
    return MessageStatus(absl::StatusCode::kDeadlineExceeded,
                         messages::kToolTooSlow(Name(call), call.timeout));
  }
  if (!result.ok()) return result.status();
  if (result->exit.ok()) return absl::OkStatus();
  const std::string said = Printable(absl::StripAsciiWhitespace(result->output));
  return MessageStatus(absl::StatusCode::kInternal,
                       messages::kToolFailed(Name(call), ExitMessage(result->exit), said));
}

}  // namespace quantlab::client
