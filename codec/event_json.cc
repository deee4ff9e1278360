#include "codec/event_json.h"

#include <optional>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/messages/message_json.h"
#include "base/records/event_fields.h"
#include "codec/json_values.h"

namespace quantlab {
namespace {

struct RunnerForm {
  using Json = nlohmann::ordered_json;
  static std::string Name(const char* name) { return LowerCamelCase(name); }
  static Json Integer(int64_t value) { return absl::StrCat(value); }
};

struct StoredForm {
  using Json = nlohmann::json;
  static std::string Name(const char* name) { return name; }
  static Json Integer(int64_t value) { return value; }
};

// ---- writing -------------------------------------------------------------------------------------------

const char* SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return "SEVERITY_DEBUG";
    case Severity::kInfo:
      return "SEVERITY_INFO";
    case Severity::kWarning:
      return "SEVERITY_WARNING";
    case Severity::kError:
      return "SEVERITY_ERROR";
  }
  return "SEVERITY_UNSPECIFIED";
}

template <typename Form>
struct ValueWriter {
  using Json = typename Form::Json;
  Json operator()(const std::string& value) const { return value; }
  Json operator()(bool value) const { return value; }
  Json operator()(int64_t value) const { return Form::Integer(value); }
  Json operator()(double value) const { return NumberToJson<Json>(value); }
  template <typename T>
  Json operator()(const std::optional<T>& value) const {
    return (*this)(*value);
  }
  Json operator()(const Message& value) const { return Json::parse(MessageToJson(value)); }
  Json operator()(Severity value) const { return SeverityName(value); }
  Json operator()(const std::map<std::string, std::string>& value) const { return value; }
};

template <typename Form, typename Struct>
typename Form::Json FieldsToJson(const Struct& event) {
  auto json = Form::Json::object();
  ForEachField<Struct>([&](const auto& field) {
    const auto& value = event.*field.member;
    if (field.presence == Presence::kMayBeAbsent && value == Struct().*field.member) return;
    json[Form::Name(field.name)] = ValueWriter<Form>()(value);
  });
  return json;
}

template <typename Struct>
std::string RunnerLine(const Struct& event) {
  auto line = RunnerForm::Json::object();
  line[EventFields<Struct>::kName] = FieldsToJson<RunnerForm>(event);
  return DumpJson(line);
}

// ---- reading -------------------------------------------------------------------------------------------

using StoredJson = StoredForm::Json;

void ReadValue(const StoredJson& json, std::string* value) {
  *value = json.get<std::string>();
}

void ReadValue(const StoredJson& json, int64_t* value) {
  *value = json.get<int64_t>();
}

void ReadValue(const StoredJson& json, std::map<std::string, std::string>* value) {
  *value = json.get<std::map<std::string, std::string>>();
}

void ReadValue(const StoredJson& json, double* value) {
  // Where it is not a number, get() throws with a message that names its type.
  if (!NumberFromJson(json, value)) *value = json.get<double>();
}

template <typename T>
void ReadValue(const StoredJson& json, std::optional<T>* value) {
  ReadValue(json, &value->emplace());
}

// A message that only a later version can read is dropped: the text beside it is shown instead.
void ReadValue(const StoredJson& json, Message* value) {
  *value = MessageFromJson(json.dump()).value_or(Message());
}

// A severity that only a later version knows is read as information.
void ReadValue(const StoredJson& json, Severity* value) {
  for (const Severity severity : {Severity::kDebug, Severity::kInfo, Severity::kWarning, Severity::kError}) {
    if (json == SeverityName(severity)) *value = severity;
  }
}

template <typename Struct>
Struct FieldsFromJson(const StoredJson& json) {
  Struct event;
  ForEachField<Struct>([&](const auto& field) {
    if (field.presence == Presence::kMayBeAbsent && !json.contains(field.name)) return;
    ReadValue(json.at(field.name), &(event.*field.member));
  });
  return event;
}

template <size_t Index = 0>
EventKind KindFromJson(size_t kind, const StoredJson& json) {
  if constexpr (Index + 1 < std::variant_size_v<EventKind>) {
    if (kind != Index) return KindFromJson<Index + 1>(kind, json);
  }
  return FieldsFromJson<std::variant_alternative_t<Index, EventKind>>(json);
}

}  // namespace

std::string RunnerEventToJson(const EventKind& event) {
  return std::visit([](const auto& kind) { return RunnerLine(kind); }, event);
}

std::string RunnerEventToJson(const RunnerFinished& finished) {
  return RunnerLine(finished);
}

std::string EventToStoredJson(const EventKind& event) {
  return DumpJson(std::visit([](const auto& kind) { return FieldsToJson<StoredForm>(kind); }, event));
}

absl::StatusOr<EventKind> EventFromStoredJson(size_t kind, absl::string_view text) {
  if (kind >= std::variant_size_v<EventKind>) {
    return absl::InvalidArgumentError(absl::StrCat("there is no kind of event ", kind));
  }
  try {
    return KindFromJson(kind, StoredJson::parse(text.begin(), text.end()));
  } catch (const StoredJson::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

}  // namespace quantlab
