// The fields of every event, listed once. The JSON codec (codec/event_json.h) and the conversion to
// messages (proto/convert_event.cc) are generated from these lists.
//
// To add a field: declare it in base/records/event.h and proto/quantlab/v1/event.proto under one name, and
// list it here as kMayBeAbsent, because events stored by earlier versions lack it.
#ifndef QUANTLAB_BASE_RECORDS_EVENT_FIELDS_H_
#define QUANTLAB_BASE_RECORDS_EVENT_FIELDS_H_

#include <tuple>

#include "base/records/event.h"

namespace quantlab {

// The rule for a field's value in a received message.
enum class FieldRule {
  kAny,
  kName,          // a text, not empty, of at most kMaxNameBytes (proto/convert.h)
  kShortText,     // a text of at most kMaxNameBytes
  kLongText,      // a text of at most kMaxMessageBytes
  kRelativePath,  // of a file within the run's output folder
  kDigest,        // SHA-256, lower-case hex
  kCount,         // at least 0
  kShare,         // from 0 to 1
};

enum class Presence {
  kAlways,
  kMayBeAbsent,  // not written at its default; read as its default where it is absent
};

template <typename Struct, typename T>
struct EventField {
  constexpr EventField(const char* field_name, T Struct::*field, FieldRule field_rule,
                       Presence field_presence = Presence::kAlways)
      : name(field_name), member(field), rule(field_rule), presence(field_presence) {}

  const char* name;  // as in event.proto
  T Struct::*member;
  FieldRule rule;
  Presence presence;
};

// The name of a kind of event in event.proto, and its fields in the order in which they are written.
template <typename Struct>
struct EventFields;

template <>
struct EventFields<Progress> {
  static constexpr const char* kName = "progress";
  static constexpr auto kFields = std::make_tuple(
      EventField("phase", &Progress::phase, FieldRule::kShortText),
      EventField("done", &Progress::done, FieldRule::kCount),
      EventField("total", &Progress::total, FieldRule::kCount),
      EventField("unit", &Progress::unit, FieldRule::kShortText),
      EventField("coded_phase", &Progress::coded_phase, FieldRule::kAny, Presence::kMayBeAbsent));
};

template <>
struct EventFields<Metric> {
  static constexpr const char* kName = "metric";
  // NaN and infinities are valid: the loss of a training that diverged.
  static constexpr auto kFields =
      std::make_tuple(EventField("name", &Metric::name, FieldRule::kName),
                      EventField("value", &Metric::value, FieldRule::kAny),
                      EventField("unit", &Metric::unit, FieldRule::kShortText),
                      EventField("labels", &Metric::labels, FieldRule::kAny, Presence::kMayBeAbsent),
                      EventField("step", &Metric::step, FieldRule::kCount, Presence::kMayBeAbsent),
                      EventField("samples", &Metric::samples, FieldRule::kCount, Presence::kMayBeAbsent),
                      EventField("low", &Metric::low, FieldRule::kAny, Presence::kMayBeAbsent),
                      EventField("high", &Metric::high, FieldRule::kAny, Presence::kMayBeAbsent));
};

template <>
struct EventFields<LogLine> {
  static constexpr const char* kName = "log";
  static constexpr auto kFields = std::make_tuple(
      EventField("severity", &LogLine::severity, FieldRule::kAny),
      EventField("message", &LogLine::message, FieldRule::kLongText),
      EventField("coded_message", &LogLine::coded_message, FieldRule::kAny, Presence::kMayBeAbsent));
};

template <>
struct EventFields<Artifact> {
  static constexpr const char* kName = "artifact";
  // The runner sets only the name; the agent adds the rest.
  static constexpr auto kFields =
      std::make_tuple(EventField("name", &Artifact::name, FieldRule::kRelativePath),
                      EventField("sha256", &Artifact::sha256, FieldRule::kDigest, Presence::kMayBeAbsent),
                      EventField("size", &Artifact::size, FieldRule::kCount, Presence::kMayBeAbsent));
};

template <>
struct EventFields<Layer> {
  static constexpr const char* kName = "layer";
  static constexpr auto kFields = std::make_tuple(
      EventField("name", &Layer::name, FieldRule::kName),
      EventField("in_features", &Layer::in_features, FieldRule::kCount),
      EventField("out_features", &Layer::out_features, FieldRule::kCount),
      EventField("requested", &Layer::requested, FieldRule::kShortText),
      EventField("effective", &Layer::effective, FieldRule::kShortText),
      EventField("kernel", &Layer::kernel, FieldRule::kShortText),
      EventField("reason", &Layer::reason, FieldRule::kLongText),
      EventField("macs_share", &Layer::macs_share, FieldRule::kShare),
      EventField("bytes_fp32", &Layer::bytes_fp32, FieldRule::kCount),
      EventField("bytes", &Layer::bytes, FieldRule::kCount),
      EventField("sqnr_db", &Layer::sqnr_db, FieldRule::kAny, Presence::kMayBeAbsent),
      EventField("coded_reason", &Layer::coded_reason, FieldRule::kAny, Presence::kMayBeAbsent),
      EventField("role", &Layer::role, FieldRule::kShortText, Presence::kMayBeAbsent),
      EventField("block", &Layer::block, FieldRule::kCount, Presence::kMayBeAbsent),
      EventField("median_sqnr_db", &Layer::median_sqnr_db, FieldRule::kAny, Presence::kMayBeAbsent));
};

template <>
struct EventFields<Environment> {
  static constexpr const char* kName = "environment";
  static constexpr auto kFields =
      std::make_tuple(EventField("fingerprint", &Environment::fingerprint, FieldRule::kLongText),
                      EventField("facts", &Environment::facts, FieldRule::kAny));
};

template <>
struct EventFields<Caveat> {
  static constexpr const char* kName = "caveat";
  static constexpr auto kFields = std::make_tuple(
      EventField("code", &Caveat::code, FieldRule::kName),
      EventField("message", &Caveat::message, FieldRule::kLongText),
      EventField("coded_message", &Caveat::coded_message, FieldRule::kAny, Presence::kMayBeAbsent));
};

template <>
struct EventFields<RunnerFinished> {
  static constexpr const char* kName = "finished";
  static constexpr auto kFields = std::make_tuple(
      EventField("ok", &RunnerFinished::ok, FieldRule::kAny),
      EventField("code", &RunnerFinished::code, FieldRule::kShortText),
      EventField("message", &RunnerFinished::message, FieldRule::kLongText),
      EventField("stopped", &RunnerFinished::stopped, FieldRule::kAny),
      EventField("coded_message", &RunnerFinished::coded_message, FieldRule::kAny, Presence::kMayBeAbsent));
};

// Calls `visit(field)` for each field of `Struct`, in order.
template <typename Struct, typename Visit>
void ForEachField(Visit&& visit) {
  std::apply([&](const auto&... field) { (visit(field), ...); }, EventFields<Struct>::kFields);
}

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_EVENT_FIELDS_H_
