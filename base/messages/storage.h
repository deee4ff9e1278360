// The messages about stored files, deletion and garbage collection.
#ifndef QUANTLAB_BASE_MESSAGES_STORAGE_H_
#define QUANTLAB_BASE_MESSAGES_STORAGE_H_

#include "base/messages/message_arguments.h"

namespace quantlab::messages {

#define QL_MESSAGE(name, ...) inline constexpr MessageCode name{__VA_ARGS__};
#include "base/messages/storage.inc"
#undef QL_MESSAGE

}  // namespace quantlab::messages

#endif  // QUANTLAB_BASE_MESSAGES_STORAGE_H_
