#include "base/messages/message_json.h"

#include <cmath>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const Message& message);

struct ValueWriter {
  std::pair<const char*, Json> operator()(const std::string& value) const { return {"text", value}; }
  std::pair<const char*, Json> operator()(int64_t value) const { return {"integer", absl::StrCat(value)}; }
  std::pair<const char*, Json> operator()(double value) const {
    if (std::isnan(value)) return {"real", "NaN"};
    if (std::isinf(value)) return {"real", value > 0 ? "Infinity" : "-Infinity"};
    return {"real", value};
  }
  std::pair<const char*, Json> operator()(const std::vector<std::string>& value) const {
    return {"words", {{"words", value}}};
  }
  std::pair<const char*, Json> operator()(const std::vector<Message>& value) const {
    Json messages = Json::array();
    for (const Message& message : value) messages.push_back(ToJson(message));
    return {"messages", {{"messages", std::move(messages)}}};
  }
};

Json ToJson(const Message& message) {
  Json json = {{"code", message.code}};
  for (const MessageArgument& argument : message.arguments) {
    Json written = {{"name", argument.name}};
    auto [field, value] = std::visit(ValueWriter(), argument.value);
    written[field] = std::move(value);
    json["arguments"].push_back(std::move(written));
  }
  return json;
}

absl::Status Bad(absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("a message as JSON ", problem));
}

absl::StatusOr<Message> FromJson(const Json& json, int depth);

absl::StatusOr<double> RealFrom(const Json& json) {
  if (json.is_number()) return json.get<double>();
  if (json == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (json == "Infinity") return std::numeric_limits<double>::infinity();
  if (json == "-Infinity") return -std::numeric_limits<double>::infinity();
  return Bad("has a real number that is none");
}

absl::StatusOr<int64_t> IntegerFrom(const Json& json) {
  int64_t value = 0;
  if (json.is_number_integer()) return json.get<int64_t>();
  if (json.is_string() && absl::SimpleAtoi(json.get_ref<const std::string&>(), &value)) return value;
  return Bad("has an integer that is none");
}

absl::StatusOr<std::vector<std::string>> WordsFrom(const Json& json) {
  std::vector<std::string> words;
  for (const Json& word : json.value("words", Json::array())) {
    if (!word.is_string()) return Bad("has a word that is no text");
    words.push_back(word.get<std::string>());
  }
  return words;
}

absl::StatusOr<std::vector<Message>> MessagesFrom(const Json& json, int depth) {
  std::vector<Message> messages;
  const Json list = json.value("messages", Json::array());
  if (list.size() > kMaxNestedMessages) return Bad("has too many messages within");
  for (const Json& one : list) {
    QL_ASSIGN_OR_RETURN(Message message, FromJson(one, depth + 1));
    messages.push_back(std::move(message));
  }
  return messages;
}

absl::StatusOr<MessageValue> ValueFrom(const Json& argument, int depth) {
  if (argument.contains("text") && argument["text"].is_string()) {
    return MessageValue(argument["text"].get<std::string>());
  }
  if (argument.contains("integer")) {
    QL_ASSIGN_OR_RETURN(const int64_t value, IntegerFrom(argument["integer"]));
    return MessageValue(value);
  }
  if (argument.contains("real")) {
    QL_ASSIGN_OR_RETURN(const double value, RealFrom(argument["real"]));
    return MessageValue(value);
  }
  if (argument.contains("words") && argument["words"].is_object()) {
    QL_ASSIGN_OR_RETURN(std::vector<std::string> words, WordsFrom(argument["words"]));
    return MessageValue(std::move(words));
  }
  if (argument.contains("messages") && argument["messages"].is_object()) {
    QL_ASSIGN_OR_RETURN(std::vector<Message> messages, MessagesFrom(argument["messages"], depth));
    return MessageValue(std::move(messages));
  }
  return Bad("has an argument without a value of a known type");
}

absl::StatusOr<Message> FromJson(const Json& json, int depth) {
  if (depth > kMaxMessageDepth) return Bad("is nested too deeply");
  if (!json.is_object() || !json.contains("code") || !json["code"].is_string()) return Bad("lacks its code");
  Message message{json["code"].get<std::string>(), {}};
  const Json arguments = json.value("arguments", Json::array());
  if (!arguments.is_array() || arguments.size() > kMaxMessageArguments) return Bad("has too many arguments");
  for (const Json& argument : arguments) {
    if (!argument.is_object() || !argument.contains("name") || !argument["name"].is_string()) {
      return Bad("has an argument without a name");
    }
    QL_ASSIGN_OR_RETURN(MessageValue value, ValueFrom(argument, depth));
    message.arguments.push_back({argument["name"].get<std::string>(), std::move(value)});
  }
  return message;
}

}  // namespace

std::string MessageToJson(const Message& message) {
  if (message.empty()) return "";
  return ToJson(message).dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<Message> MessageFromJson(absl::string_view json) {
  if (json.empty()) return Message();
  const Json parsed = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return Bad("is not JSON");
  return FromJson(parsed, 0);
}

}  // namespace quantlab
