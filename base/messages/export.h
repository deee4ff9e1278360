// The messages about models exported for other runtimes.
#ifndef QUANTLAB_BASE_MESSAGES_EXPORT_H_
#define QUANTLAB_BASE_MESSAGES_EXPORT_H_

#include "base/messages/message_arguments.h"

namespace quantlab::messages {

#define QL_MESSAGE(name, ...) inline constexpr MessageCode name{__VA_ARGS__};
#include "base/messages/export.inc"
#undef QL_MESSAGE

}  // namespace quantlab::messages

#endif  // QUANTLAB_BASE_MESSAGES_EXPORT_H_
