#include "worker/runner/comparison/measuring_child.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/messages/message_catalogue.h"
#include "base/status_macros.h"
#include "platform/process.h"

namespace quantlab::runner {

absl::StatusOr<std::string> RunMeasuringChild(const MeasuringChild& child,
                                              const std::function<bool()>& should_stop) {
  ProcessSpec spec;
  spec.argv = child.argv;
  spec.output = ProcessSpec::Output::kTwoPipes;
  QL_ASSIGN_OR_RETURN(
      CommandResult result,
      RunCommand(*MakeProcessLauncher(), spec, {.should_stop = should_stop, .max_output = child.max_output}));
  if (result.exit.signal != 0) {
    return MessageStatus(absl::StatusCode::kResourceExhausted, child.killed(result.exit.signal));
  }
  if (result.exit.code != 0) {
    return absl::InternalError(absl::StrCat(child.doing, ": ", absl::StripAsciiWhitespace(result.errors)));
  }
  return std::move(result.output);
}

}  // namespace quantlab::runner
