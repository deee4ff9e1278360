// Output for programs: JSON and YAML documents with a version. docs/en/json.md describes them to users.
#ifndef QUANTLAB_CLIENT_QUANTCTL_OUTPUT_H_
#define QUANTLAB_CLIENT_QUANTCTL_OUTPUT_H_

#include <string>

#include <google/protobuf/message.h>
#include <nlohmann/json.hpp>

namespace quantlab::client {

using Json = nlohmann::ordered_json;

// The version of every document: grows when a field is removed, renamed or changes its type or meaning.
// Version 1 was the JSON mapping of protobuf, with 64-bit integers as strings and the names of enum
// constants.
inline constexpr int kDocumentVersion = 2;

// A message with its fields in lowerCamelCase:
//   - every integer is a number, and a floating-point number that is not finite is null;
//   - an enum is a lower-case word, "timed_out"; "unknown" if this program does not know its value;
//   - a time is RFC 3339 text in UTC; bytes are Base64;
//   - a field that is unset is null, except that a oneof has only the field that is set.
// Fields that this program does not know are left out. A method's parameter is its plain value, and the
// arguments of a coded message are an object.
Json ToJsonValue(const google::protobuf::Message& message);

// `number` for a document: null unless it is finite.
Json NumberOrNull(double number);

// The same document as one line, for streams: `{"schema": "quantlab/<schema>", "version": 2, …body}`.
std::string RenderLine(const std::string& schema, const Json& body);

// `{"schema": "quantlab/<schema>", "version": 2, …fields of `body`}` as JSON or YAML, ending in a line break.
// `body` has neither `schema` nor `version`.
std::string RenderDocument(const std::string& schema, const Json& body, const std::string& format);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_OUTPUT_H_
