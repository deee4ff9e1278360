// The messages about connections, archives and external programs of quantctl.
#ifndef QUANTLAB_BASE_MESSAGES_TRANSFER_H_
#define QUANTLAB_BASE_MESSAGES_TRANSFER_H_

#include "base/messages/message_arguments.h"

namespace quantlab::messages {

#define QL_MESSAGE(name, ...) inline constexpr MessageCode name{__VA_ARGS__};
#include "base/messages/transfer.inc"
#undef QL_MESSAGE

}  // namespace quantlab::messages

#endif  // QUANTLAB_BASE_MESSAGES_TRANSFER_H_
