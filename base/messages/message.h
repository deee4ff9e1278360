// A message to users as data: a code with typed, named arguments. Sentences are made where they are shown, in
// the reader's language (base/messages/message_catalogue.h).
//
//   Message message = messages::kRunNeedsFailed("baseline", "FAILED");   // base/messages/messages.h
//   English(message)                      "needs baseline, which ended as FAILED"
//   Render(Language::kChinese, message)   "依赖 baseline，而后者的结局是“失败”"
//
// All codes are listed in base/messages/message_list.inc, their sentences in base/messages/.
// docs/en/messages.md says how to add one.
#ifndef QUANTLAB_BASE_MESSAGES_MESSAGE_H_
#define QUANTLAB_BASE_MESSAGES_MESSAGE_H_

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace quantlab {

struct MessageArgument;

// Without a code: no message.
struct Message {
  std::string code;  // "run.needs_failed"
  std::vector<MessageArgument> arguments;

  bool empty() const { return code.empty(); }
  friend bool operator==(const Message& a, const Message& b);
};

// Texts, numbers, lists of words, and messages within the message.
using MessageValue =
    std::variant<std::string, int64_t, double, std::vector<std::string>, std::vector<Message>>;

struct MessageArgument {
  std::string name;
  MessageValue value;

  friend bool operator==(const MessageArgument& a, const MessageArgument& b);
};

// How an argument is written. The type of its value follows from it (see the structs below).
enum class ArgumentKind {
  kWord,      // a name, a path, a value that the user wrote: as it is
  kTerm,      // a word of the catalogue's section [term] ("FAILED"), translated where it is listed there
  kText,      // a text of unknown origin (an error of a library, a user's reason): quoted in Chinese
  kNumber,    // 1234
  kCount,     // 1,234
  kReal,      // 0.02
  kPercent,   // a share from 0 to 1: 12.30%
  kBytes,     // 1.5 GiB
  kDuration,  // seconds: 5 min 3 s
  kWords,     // a, b, c
  kMessage,   // a message, or several
};

namespace argument {

template <ArgumentKind kKind, typename ValueType, typename GivenType>
struct Argument {
  using Given = GivenType;
  static constexpr ArgumentKind kind = kKind;
  const char* name;

  static MessageValue Value(const Given& given) { return ValueType(given); }
};

using Word = Argument<ArgumentKind::kWord, std::string, absl::string_view>;
using Term = Argument<ArgumentKind::kTerm, std::string, absl::string_view>;
using Text = Argument<ArgumentKind::kText, std::string, absl::string_view>;
using Number = Argument<ArgumentKind::kNumber, int64_t, int64_t>;
using Count = Argument<ArgumentKind::kCount, int64_t, int64_t>;
using Real = Argument<ArgumentKind::kReal, double, double>;
using Percent = Argument<ArgumentKind::kPercent, double, double>;
using Bytes = Argument<ArgumentKind::kBytes, int64_t, int64_t>;
using Words = Argument<ArgumentKind::kWords, std::vector<std::string>, std::vector<std::string>>;

struct Duration {
  using Given = absl::Duration;
  static constexpr ArgumentKind kind = ArgumentKind::kDuration;
  const char* name;

  static MessageValue Value(absl::Duration given) { return absl::ToDoubleSeconds(given); }
};

struct Nested {
  using Given = Message;
  static constexpr ArgumentKind kind = ArgumentKind::kMessage;
  const char* name;

  // Of no message: an empty list.
  static MessageValue Value(const Message& given) {
    return given.empty() ? std::vector<Message>() : std::vector<Message>{given};
  }
};

struct NestedList {
  using Given = std::vector<Message>;
  static constexpr ArgumentKind kind = ArgumentKind::kMessage;
  const char* name;

  static MessageValue Value(const std::vector<Message>& given) { return given; }
};

}  // namespace argument

// A declared message. Calling it makes one: a wrong number or type of arguments does not compile.
template <typename... Arguments>
class MessageCode {
 public:
  constexpr MessageCode(const char* code, Arguments... arguments) : code_(code), arguments_(arguments...) {}

  Message operator()(const typename Arguments::Given&... given) const {
    Message message{code_, {}};
    message.arguments.reserve(sizeof...(Arguments));
    std::apply(
        [&](const auto&... declared) {
          (message.arguments.push_back({declared.name, Arguments::Value(given)}), ...);
        },
        arguments_);
    return message;
  }

  constexpr const char* code() const { return code_; }

  // Calls visit(name, kind) for each argument.
  template <typename Visit>
  void ForEachArgument(Visit&& visit) const {
    std::apply([&](const auto&... declared) { (visit(declared.name, declared.kind), ...); }, arguments_);
  }

 private:
  const char* code_;
  std::tuple<Arguments...> arguments_;
};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_MESSAGES_MESSAGE_H_
