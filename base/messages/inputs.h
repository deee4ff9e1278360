// The messages about the files of models and datasets.
#ifndef QUANTLAB_BASE_MESSAGES_INPUTS_H_
#define QUANTLAB_BASE_MESSAGES_INPUTS_H_

#include "base/messages/message_arguments.h"

namespace quantlab::messages {

#define QL_MESSAGE(name, ...) inline constexpr MessageCode name{__VA_ARGS__};
#include "base/messages/inputs.inc"
#undef QL_MESSAGE

}  // namespace quantlab::messages

#endif  // QUANTLAB_BASE_MESSAGES_INPUTS_H_
