// The kinds of arguments by their short names, for the lists of messages.
#ifndef QUANTLAB_BASE_MESSAGES_MESSAGE_ARGUMENTS_H_
#define QUANTLAB_BASE_MESSAGES_MESSAGE_ARGUMENTS_H_

#include "base/messages/message.h"

namespace quantlab::messages {

using argument::Bytes;
using argument::Count;
using argument::Duration;
using argument::Nested;
using argument::NestedList;
using argument::Number;
using argument::Percent;
using argument::Real;
using argument::Term;
using argument::Text;
using argument::Word;
using argument::Words;

}  // namespace quantlab::messages

#endif  // QUANTLAB_BASE_MESSAGES_MESSAGE_ARGUMENTS_H_
