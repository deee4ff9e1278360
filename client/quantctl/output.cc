#include "client/quantctl/output.h"

#include <cmath>
#include <map>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/timestamp.pb.h>
#include <yaml-cpp/yaml.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "quantlab/v1/message.pb.h"
#include "quantlab/v1/run_config.pb.h"

namespace quantlab::client {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// "RUN_STATE_" for RunState.
std::string ValuePrefix(const google::protobuf::EnumDescriptor& type) {
  std::string prefix;
  for (const char c : type.name()) {
    if (absl::ascii_isupper(c) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(c);
  }
  return prefix + "_";
}

Json OfEnum(const FieldDescriptor& field, int number) {
  const EnumValueDescriptor* const value = field.enum_type()->FindValueByNumber(number);
  if (value == nullptr) return "unknown";
  absl::string_view name = value->name();
  absl::ConsumePrefix(&name, ValuePrefix(*field.enum_type()));
  if (name == "UNSPECIFIED") return nullptr;
  return absl::AsciiStrToLower(name);
}

Json OfTime(const google::protobuf::Timestamp& time) {
  const absl::Time at = absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", at, absl::UTCTimeZone());
}

Json OfText(const FieldDescriptor& field, const std::string& text) {
  return field.type() == FieldDescriptor::TYPE_BYTES ? absl::Base64Escape(text) : text;
}

// The value of a field that is not repeated; `index` < 0 for that, else that of an element.
Json OfValue(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool one = index < 0;
  std::string scratch;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return one ? reflection.GetInt32(message, &field) : reflection.GetRepeatedInt32(message, &field, index);
    case FieldDescriptor::CPPTYPE_INT64:
      return one ? reflection.GetInt64(message, &field) : reflection.GetRepeatedInt64(message, &field, index);
    case FieldDescriptor::CPPTYPE_UINT32:
      return one ? reflection.GetUInt32(message, &field)
                 : reflection.GetRepeatedUInt32(message, &field, index);
    case FieldDescriptor::CPPTYPE_UINT64:
      return one ? reflection.GetUInt64(message, &field)
                 : reflection.GetRepeatedUInt64(message, &field, index);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberOrNull(one ? reflection.GetDouble(message, &field)
                              : reflection.GetRepeatedDouble(message, &field, index));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return NumberOrNull(one ? reflection.GetFloat(message, &field)
                              : reflection.GetRepeatedFloat(message, &field, index));
    case FieldDescriptor::CPPTYPE_BOOL:
      return one ? reflection.GetBool(message, &field) : reflection.GetRepeatedBool(message, &field, index);
    case FieldDescriptor::CPPTYPE_ENUM:
      return OfEnum(field, one ? reflection.GetEnumValue(message, &field)
                               : reflection.GetRepeatedEnumValue(message, &field, index));
    case FieldDescriptor::CPPTYPE_STRING:
      return OfText(field, one ? reflection.GetStringReference(message, &field, &scratch)
                               : reflection.GetRepeatedStringReference(message, &field, index, &scratch));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return ToJsonValue(one ? reflection.GetMessage(message, &field)
                         : reflection.GetRepeatedMessage(message, &field, index));
}

std::string KeyText(const Json& key) {
  return key.is_string() ? key.get<std::string>() : key.dump();
}

// Sorted by key, because the order of a map differs from one process to another.
Json OfMap(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  std::map<std::string, Json> entries;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    const google::protobuf::Descriptor& type = *entry.GetDescriptor();
    entries[KeyText(OfValue(entry, *type.map_key(), -1))] = OfValue(entry, *type.map_value(), -1);
  }
  Json object = Json::object();
  for (auto& [key, value] : entries) object[key] = std::move(value);
  return object;
}

Json OfField(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (field.is_map()) return OfMap(message, field);
  if (field.is_repeated()) {
    Json list = Json::array();
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i)
      list.push_back(OfValue(message, field, i));
    return list;
  }
  if (field.has_presence() && !reflection.HasField(message, &field)) return nullptr;
  return OfValue(message, field, -1);
}

// The one field of a oneof that is set.
const FieldDescriptor* SetField(const Message& message, const char* oneof) {
  return message.GetReflection()->GetOneofFieldDescriptor(message,
                                                          message.GetDescriptor()->FindOneofByName(oneof));
}

Json OfParam(const v1::ParamValue& value) {
  const FieldDescriptor* const field = SetField(value, "value");
  return field == nullptr ? Json(nullptr) : OfField(value, *field);
}

Json OfCoded(const v1::Message& message) {
  Json arguments = Json::object();
  for (const v1::MessageArgument& argument : message.arguments()) {
    const FieldDescriptor* const field = SetField(argument, "value");
    Json value = field == nullptr ? Json(nullptr) : OfField(argument, *field);
    if (argument.has_words()) value = value["words"];
    if (argument.has_messages()) value = value["messages"];
    arguments[argument.name()] = std::move(value);
  }
  return {{"code", message.code()}, {"arguments", std::move(arguments)}};
}

void EmitYaml(const Json& value, YAML::Emitter& out) {
  if (value.is_object()) {
    if (value.empty()) out << YAML::Flow;
    out << YAML::BeginMap;
    for (const auto& [key, item] : value.items()) {
      out << YAML::Key << key << YAML::Value;
      EmitYaml(item, out);
    }
    out << YAML::EndMap;
  } else if (value.is_array()) {
    if (value.empty()) out << YAML::Flow;
    out << YAML::BeginSeq;
    for (const Json& item : value) EmitYaml(item, out);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    // Quoted always: "1", "true" and "null" are texts here.
    out << YAML::DoubleQuoted << value.get<std::string>();
  } else if (value.is_null()) {
    out << YAML::Null;
  } else {
    out << value.dump();
  }
}

Json Document(const std::string& schema, const Json& body) {
  Json document = {{"schema", "quantlab/" + schema}, {"version", kDocumentVersion}};
  for (const auto& [key, value] : body.items()) document[key] = value;
  return document;
}

}  // namespace

Json NumberOrNull(double number) {
  return std::isfinite(number) ? Json(number) : Json(nullptr);
}

Json ToJsonValue(const Message& message) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  if (&type == google::protobuf::Timestamp::descriptor()) {
    return OfTime(static_cast<const google::protobuf::Timestamp&>(message));
  }
  if (&type == v1::ParamValue::descriptor()) return OfParam(static_cast<const v1::ParamValue&>(message));
  if (&type == v1::Message::descriptor()) return OfCoded(static_cast<const v1::Message&>(message));
  Json object = Json::object();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const bool alternative = field.real_containing_oneof() != nullptr;
    if (alternative && !message.GetReflection()->HasField(message, &field)) continue;
    object[field.json_name()] = OfField(message, field);
  }
  return object;
}

std::string RenderLine(const std::string& schema, const Json& body) {
  return Document(schema, body).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string RenderDocument(const std::string& schema, const Json& body, const std::string& format) {
  const Json document = Document(schema, body);
  if (format == "json") return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  YAML::Emitter out;
  out.SetOutputCharset(YAML::EmitNonAscii);
  EmitYaml(document, out);
  return std::string(out.c_str()) + "\n";
}

}  // namespace quantlab::client
