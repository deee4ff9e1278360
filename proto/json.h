// The JSON mapping of messages, as text: job.json, event lines, stored run configurations, --output json.
#ifndef QUANTLAB_PROTO_JSON_H_
#define QUANTLAB_PROTO_JSON_H_

#include <string>

#include <google/protobuf/message.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quantlab {

// lowerCamelCase names, 64-bit integers as strings, fields with their default value omitted, map keys
// in order: the same message always gives the same text, on one line.
std::string ToJson(const google::protobuf::Message& message);

// Fills `message` (cleared first). Unknown fields are ignored, so that a newer writer is understood.
// Errors: INVALID_ARGUMENT says what is wrong and near which text.
absl::Status FromJson(absl::string_view text, google::protobuf::Message* message);

// RepairUtf8 (base/text/utf8.h): protobuf's strings must be UTF-8, and the output of a crashed program may be
// anything.
std::string ValidUtf8(absl::string_view text);

}  // namespace quantlab

#endif  // QUANTLAB_PROTO_JSON_H_
