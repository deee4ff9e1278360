// The messages about completion in shells and the man page.
#ifndef QUANTLAB_BASE_MESSAGES_SHELL_H_
#define QUANTLAB_BASE_MESSAGES_SHELL_H_

#include "base/messages/message_arguments.h"

namespace quantlab::messages {

#define QL_MESSAGE(name, ...) inline constexpr MessageCode name{__VA_ARGS__};
#include "base/messages/shell.inc"
#undef QL_MESSAGE

}  // namespace quantlab::messages

#endif  // QUANTLAB_BASE_MESSAGES_SHELL_H_
