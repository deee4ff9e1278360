// Events as JSON, in the two forms that the project uses. Both follow from the field lists in
// base/records/event_fields.h. In both, numbers that JSON lacks are the strings "NaN", "Infinity" and
// "-Infinity", finite numbers read back to the same double, and bytes that are not UTF-8 become U+FFFD.
#ifndef QUANTLAB_CODEC_EVENT_JSON_H_
#define QUANTLAB_CODEC_EVENT_JSON_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/records/event.h"

namespace quantlab {

// A line of the runner's event pipe, without its end: the JSON mapping of quantlab.v1.RunnerEvent, with
// fields in lowerCamelCase and 64-bit integers as strings.
// Source: https://protobuf.dev/programming-guides/json/
std::string RunnerEventToJson(const EventKind& event);
std::string RunnerEventToJson(const RunnerFinished& finished);

// The fields of an event as stored in the database: named as in event.proto, in alphabetical order, integers
// as numbers. The kind is stored beside the text, as the index in EventKind.
std::string EventToStoredJson(const EventKind& event);

// Reads what EventToStoredJson wrote, in this version or an earlier one. Unknown fields are ignored.
// Errors: INVALID_ARGUMENT not JSON, a field is missing or of another type, or `kind` is no index of
// EventKind.
absl::StatusOr<EventKind> EventFromStoredJson(size_t kind, absl::string_view text);

}  // namespace quantlab

#endif  // QUANTLAB_CODEC_EVENT_JSON_H_
