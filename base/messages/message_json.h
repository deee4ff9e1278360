// Messages as JSON: the JSON mapping of quantlab.v1.Message, which storage, the runner's events, plan.json
// and statuses share.
#ifndef QUANTLAB_BASE_MESSAGES_MESSAGE_JSON_H_
#define QUANTLAB_BASE_MESSAGES_MESSAGE_JSON_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/messages/message.h"

namespace quantlab {

// Limits of a message from outside.
inline constexpr int kMaxMessageArguments = 32;
inline constexpr int kMaxMessageDepth = 16;
inline constexpr int kMaxNestedMessages = 256;

// One line; empty for no message. Bytes that are no UTF-8 become U+FFFD.
std::string MessageToJson(const Message& message);

// Reads what MessageToJson wrote. Unknown fields are ignored; an empty text is no message.
// Errors: INVALID_ARGUMENT it is not the JSON of a message, or exceeds a limit above.
absl::StatusOr<Message> MessageFromJson(absl::string_view json);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_MESSAGES_MESSAGE_JSON_H_
