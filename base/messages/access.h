// The messages about identities, roles, limits, certificates and secret files.
#ifndef QUANTLAB_BASE_MESSAGES_ACCESS_H_
#define QUANTLAB_BASE_MESSAGES_ACCESS_H_

#include "base/messages/message_arguments.h"

namespace quantlab::messages {

#define QL_MESSAGE(name, ...) inline constexpr MessageCode name{__VA_ARGS__};
#include "base/messages/access.inc"
#undef QL_MESSAGE

}  // namespace quantlab::messages

#endif  // QUANTLAB_BASE_MESSAGES_ACCESS_H_
