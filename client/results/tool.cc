#include "client/results/tool.h"

#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
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
    return absl::DeadlineExceededError(
        absl::StrCat(Name(call), " did not end within ", HumanDuration(call.timeout)));
  }
  if (!result.ok()) return result.status();
  if (result->exit.ok()) return absl::OkStatus();
  const std::string said = Printable(absl::StripAsciiWhitespace(result->output));
  return absl::InternalError(
      absl::StrCat(Name(call), " ", DescribeExit(result->exit), said.empty() ? "" : ": ", said));
}

}  // namespace quantlab::client
