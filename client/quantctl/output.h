// Output for programs: JSON and YAML with a versioned schema.
#ifndef QUANTLAB_CLIENT_QUANTCTL_OUTPUT_H_
#define QUANTLAB_CLIENT_QUANTCTL_OUTPUT_H_

#include <string>

#include <google/protobuf/message.h>
#include <nlohmann/json.hpp>

namespace quantlab::client {

using Json = nlohmann::ordered_json;

// The JSON mapping of protobuf (lowerCamelCase, 64-bit integers as strings), including fields with default
// values, so that programs need not know the defaults.
Json ToJsonValue(const google::protobuf::Message& message);

// `{"schema": "quantlab.v1/<schema>", …fields of `body`}` as JSON or YAML, ending in a line break.
std::string RenderDocument(const std::string& schema, const Json& body, const std::string& format);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_OUTPUT_H_
