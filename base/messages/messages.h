// The messages of the programs, as functions that make them: messages::kRunNeedsFailed("baseline", "FAILED").
// A part of the product with messages of its own has a list and a header of its own (base/messages/), so that
// a new message recompiles only what uses that list.
#ifndef QUANTLAB_BASE_MESSAGES_MESSAGES_H_
#define QUANTLAB_BASE_MESSAGES_MESSAGES_H_

#include "base/messages/message_arguments.h"

namespace quantlab::messages {

#define QL_MESSAGE(name, ...) inline constexpr MessageCode name{__VA_ARGS__};
#include "base/messages/message_list.inc"
#undef QL_MESSAGE

}  // namespace quantlab::messages

#endif  // QUANTLAB_BASE_MESSAGES_MESSAGES_H_
