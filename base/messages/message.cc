#include "base/messages/message.h"

namespace quantlab {

bool operator==(const Message& a, const Message& b) {
  return a.code == b.code && a.arguments == b.arguments;
}

bool operator==(const MessageArgument& a, const MessageArgument& b) {
  return a.name == b.name && a.value == b.value;
}

}  // namespace quantlab
