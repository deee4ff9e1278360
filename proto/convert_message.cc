// Messages: codes with arguments.
#include "absl/strings/str_cat.h"
#include "base/messages/message_json.h"
#include "base/status_macros.h"
#include "proto/checks.h"
#include "proto/convert.h"

namespace quantlab {
namespace {

using namespace proto_checks;  // NOLINT: this file is made of them

struct ValueSetter {
  v1::MessageArgument* to;
  void operator()(const std::string& value) { to->set_text(ValidUtf8(value)); }
  void operator()(int64_t value) { to->set_integer(value); }
  void operator()(double value) { to->set_real(value); }
  void operator()(const std::vector<std::string>& value) {
    auto* words = to->mutable_words();
    for (const std::string& word : value) words->add_words(ValidUtf8(word));
  }
  void operator()(const std::vector<Message>& value) {
    auto* messages = to->mutable_messages();
    for (const Message& message : value) *messages->add_messages() = ToProto(message);
  }
};

absl::StatusOr<Message> FromProtoAt(const v1::Message& in, int depth);

absl::StatusOr<MessageValue> WordsOf(const v1::MessageWords& in) {
  std::vector<std::string> words;
  QL_RETURN_IF_ERROR(Items("words", in.words_size()));
  for (const std::string& word : in.words()) {
    QL_RETURN_IF_ERROR(Text("words", word, kMaxMessageBytes));
    words.push_back(word);
  }
  return MessageValue(std::move(words));
}

absl::StatusOr<MessageValue> MessagesOf(const v1::MessageList& in, int depth) {
  std::vector<Message> messages;
  QL_RETURN_IF_ERROR(Items("messages", in.messages_size(), kMaxNestedMessages));
  for (const v1::Message& one : in.messages()) {
    QL_ASSIGN_OR_RETURN(Message message, FromProtoAt(one, depth + 1));
    messages.push_back(std::move(message));
  }
  return MessageValue(std::move(messages));
}

absl::StatusOr<MessageValue> ValueOf(const v1::MessageArgument& in, int depth) {
  switch (in.value_case()) {
    case v1::MessageArgument::kText:
      QL_RETURN_IF_ERROR(Text("text", in.text(), kMaxMessageBytes));
      return MessageValue(in.text());
    case v1::MessageArgument::kInteger:
      return MessageValue(in.integer());
    case v1::MessageArgument::kReal:
      return MessageValue(in.real());
    case v1::MessageArgument::kWords:
      return WordsOf(in.words());
    case v1::MessageArgument::kMessages:
      return MessagesOf(in.messages(), depth);
    case v1::MessageArgument::VALUE_NOT_SET:
      break;
  }
  return Bad("value", "is not set, or of a type that this version does not know");
}

absl::StatusOr<Message> FromProtoAt(const v1::Message& in, int depth) {
  if (depth > kMaxMessageDepth) {
    return Bad("messages", absl::StrCat("are nested deeper than ", kMaxMessageDepth, " levels"));
  }
  QL_RETURN_IF_ERROR(Text("code", in.code()));
  QL_RETURN_IF_ERROR(Items("arguments", in.arguments_size(), kMaxMessageArguments));
  Message out{in.code(), {}};
  for (const v1::MessageArgument& argument : in.arguments()) {
    QL_RETURN_IF_ERROR(NonEmpty("arguments.name", argument.name()));
    auto value = ValueOf(argument, depth);
    if (!value.ok()) return Within("arguments", value.status());
    out.arguments.push_back({argument.name(), *std::move(value)});
  }
  return out;
}

}  // namespace

v1::Message ToProto(const Message& message) {
  v1::Message out;
  out.set_code(ValidUtf8(message.code));
  for (const MessageArgument& argument : message.arguments) {
    auto* added = out.add_arguments();
    added->set_name(ValidUtf8(argument.name));
    std::visit(ValueSetter{added}, argument.value);
  }
  return out;
}

absl::StatusOr<Message> FromProto(const v1::Message& message) {
  return FromProtoAt(message, 0);
}

}  // namespace quantlab
