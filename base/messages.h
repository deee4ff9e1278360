// Every message of the programs, as functions that make it: messages::kRunNeedsFailed("baseline", "FAILED").
#ifndef QUANTLAB_BASE_MESSAGES_H_
#define QUANTLAB_BASE_MESSAGES_H_

#include "base/message.h"

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

#define QL_MESSAGE(name, ...) inline constexpr MessageCode name{__VA_ARGS__};
#include "base/message_list.inc"
#undef QL_MESSAGE

}  // namespace quantlab::messages

#endif  // QUANTLAB_BASE_MESSAGES_H_
