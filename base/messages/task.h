// The messages about tasks: pairs of texts, numbers as labels.
#ifndef QUANTLAB_BASE_MESSAGES_TASK_H_
#define QUANTLAB_BASE_MESSAGES_TASK_H_

#include "base/messages/message_arguments.h"

namespace quantlab::messages {

#define QL_MESSAGE(name, ...) inline constexpr MessageCode name{__VA_ARGS__};
#include "base/messages/task.inc"
#undef QL_MESSAGE

}  // namespace quantlab::messages

#endif  // QUANTLAB_BASE_MESSAGES_TASK_H_
