// Events and times.
#include <algorithm>
#include <limits>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "absl/strings/str_cat.h"
#include "base/records/event_fields.h"
#include "base/status_macros.h"
#include "proto/checks.h"
#include "proto/convert.h"

namespace quantlab {
namespace {

using namespace proto_checks;  // NOLINT: this file is made of them

// The range of a Timestamp: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
constexpr int64_t kMinSeconds = -62'135'596'800;
constexpr int64_t kMaxSeconds = 253'402'300'799;

void SetKind(const EventKind& kind, auto* out) {
  struct Setter {
    decltype(out) to;
    void operator()(const Progress& k) { *to->mutable_progress() = ToProto(k); }
    void operator()(const Metric& k) { *to->mutable_metric() = ToProto(k); }
    void operator()(const LogLine& k) { *to->mutable_log() = ToProto(k); }
    void operator()(const Artifact& k) { *to->mutable_artifact() = ToProto(k); }
    void operator()(const Layer& k) { *to->mutable_layer() = ToProto(k); }
    void operator()(const Environment& k) { *to->mutable_environment() = ToProto(k); }
    void operator()(const Caveat& k) { *to->mutable_caveat() = ToProto(k); }
  };
  std::visit(Setter{out}, kind);
}

template <typename Message>
absl::StatusOr<EventKind> KindPart(absl::string_view field, const Message& message) {
  auto converted = FromProto(message);
  if (!converted.ok()) return Within(field, converted.status());
  return EventKind(*std::move(converted));
}

absl::Status NoKind() {
  return Bad("kind", "is not set, or of a kind that this version does not know");
}

// Event and RunnerEvent name their kinds alike. `Message::kFinished`, where it is one, is not for here.
template <typename Message>
absl::StatusOr<EventKind> GetKind(const Message& in) {
  if (in.has_progress()) return KindPart("progress", in.progress());
  if (in.has_metric()) return KindPart("metric", in.metric());
  if (in.has_log()) return KindPart("log", in.log());
  if (in.has_artifact()) return KindPart("artifact", in.artifact());
  if (in.has_layer()) return KindPart("layer", in.layer());
  if (in.has_environment()) return KindPart("environment", in.environment());
  if (in.has_caveat()) return KindPart("caveat", in.caveat());
  return NoKind();
}

}  // namespace

google::protobuf::Timestamp ToProto(absl::Time time) {
  time = std::clamp(time, absl::FromUnixSeconds(kMinSeconds), absl::FromUnixSeconds(kMaxSeconds));
  google::protobuf::Timestamp out;
  const int64_t seconds = absl::ToUnixSeconds(time);  // rounds down
  out.set_seconds(seconds);
  out.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return out;
}

absl::StatusOr<absl::Time> FromProto(const google::protobuf::Timestamp& time) {
  if (time.seconds() < kMinSeconds || time.seconds() > kMaxSeconds || time.nanos() < 0 ||
      time.nanos() > 999'999'999) {
    return Bad("", absl::StrCat(time.seconds(), " s and ", time.nanos(), " ns are no time"));
  }
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

v1::Severity ToProto(Severity severity) {
  return static_cast<v1::Severity>(severity);
}

absl::StatusOr<Severity> FromProto(v1::Severity severity) {
  if (severity < v1::SEVERITY_DEBUG || severity > v1::SEVERITY_ERROR) {
    return Bad("", absl::StrCat(static_cast<int>(severity), " is no severity that this version knows"));
  }
  return static_cast<Severity>(severity);
}

namespace {

// ---- messages of events, by the field lists of base/records/event_fields.h
// -------------------------------------

using google::protobuf::FieldDescriptor;
using ProtoMessage = google::protobuf::Message;
using Reflection = google::protobuf::Reflection;

// Sets the field `name` of `message`.
class FieldSetter {
 public:
  FieldSetter(const char* name, ProtoMessage* message)
      : to_(*message),
        in_(*message->GetReflection()),
        field_(message->GetDescriptor()->FindFieldByName(name)) {}

  void operator()(bool value) const { in_.SetBool(&to_, field_, value); }
  void operator()(int64_t value) const { in_.SetInt64(&to_, field_, value); }
  void operator()(double value) const { in_.SetDouble(&to_, field_, value); }
  void operator()(const std::string& value) const { in_.SetString(&to_, field_, ValidUtf8(value)); }
  void operator()(Severity value) const { in_.SetEnumValue(&to_, field_, ToProto(value)); }
  template <typename T>
  void operator()(const std::optional<T>& value) const {
    if (value) (*this)(*value);
  }
  void operator()(const Message& value) const {
    if (value.empty()) return;
    in_.MutableMessage(&to_, field_)->CopyFrom(ToProto(value));
  }
  void operator()(const std::map<std::string, std::string>& values) const {
    for (const auto& [key, value] : values) {
      ProtoMessage* const entry = in_.AddMessage(&to_, field_);
      FieldSetter("key", entry)(key);
      FieldSetter("value", entry)(value);
    }
  }

 private:
  ProtoMessage& to_;
  const Reflection& in_;
  const FieldDescriptor* const field_;
};

// Reads the field `name` of `message`, and checks it by the rule of its list.
class FieldGetter {
 public:
  FieldGetter(const char* name, FieldRule rule, const ProtoMessage& message)
      : name_(name),
        rule_(rule),
        from_(message),
        in_(*message.GetReflection()),
        field_(message.GetDescriptor()->FindFieldByName(name)) {}

  absl::Status operator()(bool* value) const {
    *value = in_.GetBool(from_, field_);
    return absl::OkStatus();
  }
  absl::Status operator()(int64_t* value) const {
    *value = in_.GetInt64(from_, field_);
    return rule_ == FieldRule::kCount ? AtLeast(name_, *value, 0) : absl::OkStatus();
  }
  absl::Status operator()(double* value) const {
    *value = in_.GetDouble(from_, field_);
    // A sum of shares may exceed 1 by rounding.
    return rule_ == FieldRule::kShare ? Between(name_, *value, 0, 1 + 1e-9) : absl::OkStatus();
  }
  template <typename T>
  absl::Status operator()(std::optional<T>* value) const {
    return in_.HasField(from_, field_) ? (*this)(&value->emplace()) : absl::OkStatus();
  }
  absl::Status operator()(Message* value) const {
    v1::Message message;
    if (in_.HasField(from_, field_)) message.CopyFrom(in_.GetMessage(from_, field_));
    return Part(name_, message, value);
  }
  absl::Status operator()(Severity* value) const {
    return Part(name_, static_cast<v1::Severity>(in_.GetEnumValue(from_, field_)), value);
  }
  absl::Status operator()(std::string* value) const {
    *value = in_.GetString(from_, field_);
    switch (rule_) {
      case FieldRule::kName:
        return NonEmpty(name_, *value);
      case FieldRule::kLongText:
        return Text(name_, *value, kMaxMessageBytes);
      case FieldRule::kRelativePath:
        return RelativePath(name_, *value);
      case FieldRule::kDigest:
        return Digest(name_, *value);
      default:
        return Text(name_, *value);
    }
  }
  absl::Status operator()(std::map<std::string, std::string>* values) const {
    const int count = in_.FieldSize(from_, field_);
    QL_RETURN_IF_ERROR(Items(name_, count));
    for (int i = 0; i < count; ++i) {
      const ProtoMessage& entry = in_.GetRepeatedMessage(from_, field_, i);
      std::string key;
      QL_RETURN_IF_ERROR(FieldGetter("key", FieldRule::kAny, entry)(&key));
      QL_RETURN_IF_ERROR(NonEmpty(name_, key));
      const absl::Status read = FieldGetter("value", FieldRule::kLongText, entry)(&(*values)[key]);
      if (!read.ok()) return Within(absl::StrCat(name_, "[", key, "]"), read);
    }
    return absl::OkStatus();
  }

 private:
  const char* const name_;
  const FieldRule rule_;
  const ProtoMessage& from_;
  const Reflection& in_;
  const FieldDescriptor* const field_;
};

template <typename MessageType, typename Struct>
MessageType FieldsToMessage(const Struct& event) {
  MessageType out;
  ForEachField<Struct>([&](const auto& field) { FieldSetter(field.name, &out)(event.*field.member); });
  return out;
}

template <typename Struct>
absl::StatusOr<Struct> FieldsFromMessage(const ProtoMessage& message) {
  Struct out;
  absl::Status status;
  ForEachField<Struct>([&](const auto& field) {
    if (status.ok()) status = FieldGetter(field.name, field.rule, message)(&(out.*field.member));
  });
  if (!status.ok()) return status;
  return out;
}

}  // namespace

v1::Progress ToProto(const Progress& progress) {
  return FieldsToMessage<v1::Progress>(progress);
}

absl::StatusOr<Progress> FromProto(const v1::Progress& progress) {
  return FieldsFromMessage<Progress>(progress);
}

v1::Metric ToProto(const Metric& metric) {
  return FieldsToMessage<v1::Metric>(metric);
}

absl::StatusOr<Metric> FromProto(const v1::Metric& metric) {
  return FieldsFromMessage<Metric>(metric);
}

v1::LogLine ToProto(const LogLine& line) {
  return FieldsToMessage<v1::LogLine>(line);
}

absl::StatusOr<LogLine> FromProto(const v1::LogLine& line) {
  return FieldsFromMessage<LogLine>(line);
}

v1::Artifact ToProto(const Artifact& artifact) {
  return FieldsToMessage<v1::Artifact>(artifact);
}

absl::StatusOr<Artifact> FromProto(const v1::Artifact& artifact) {
  return FieldsFromMessage<Artifact>(artifact);
}

v1::Layer ToProto(const Layer& layer) {
  return FieldsToMessage<v1::Layer>(layer);
}

absl::StatusOr<Layer> FromProto(const v1::Layer& layer) {
  return FieldsFromMessage<Layer>(layer);
}

v1::Environment ToProto(const Environment& environment) {
  return FieldsToMessage<v1::Environment>(environment);
}

absl::StatusOr<Environment> FromProto(const v1::Environment& environment) {
  return FieldsFromMessage<Environment>(environment);
}

v1::Caveat ToProto(const Caveat& caveat) {
  return FieldsToMessage<v1::Caveat>(caveat);
}

absl::StatusOr<Caveat> FromProto(const v1::Caveat& caveat) {
  return FieldsFromMessage<Caveat>(caveat);
}

v1::Event ToProto(const Event& event) {
  v1::Event out;
  out.set_number(event.number);
  *out.mutable_time() = ToProto(event.time);
  SetKind(event.kind, &out);
  return out;
}

absl::StatusOr<Event> FromProto(const v1::Event& event) {
  Event out;
  out.number = event.number();
  QL_RETURN_IF_ERROR(AtLeast("number", out.number, 1));
  if (!event.has_time()) return Bad("time", "is not set");
  QL_RETURN_IF_ERROR(Part("time", event.time(), &out.time));
  QL_ASSIGN_OR_RETURN(out.kind, GetKind(event));
  return out;
}

v1::RunnerFinished ToProto(const RunnerFinished& finished) {
  return FieldsToMessage<v1::RunnerFinished>(finished);
}

absl::StatusOr<RunnerFinished> FromProto(const v1::RunnerFinished& finished) {
  return FieldsFromMessage<RunnerFinished>(finished);
}

v1::RunnerEvent ToProto(const RunnerEvent& event) {
  v1::RunnerEvent out;
  if (const auto* finished = std::get_if<RunnerFinished>(&event)) {
    *out.mutable_finished() = ToProto(*finished);
  } else {
    SetKind(std::get<EventKind>(event), &out);
  }
  return out;
}

absl::StatusOr<RunnerEvent> FromProto(const v1::RunnerEvent& event) {
  if (event.has_finished()) {
    RunnerFinished finished;
    QL_RETURN_IF_ERROR(Part("finished", event.finished(), &finished));
    return RunnerEvent(std::move(finished));
  }
  if (event.has_artifact()) {
    // The agent sets digest and size, from the file itself; the runner's values are ignored.
    QL_RETURN_IF_ERROR(RelativePath("artifact.name", event.artifact().name()));
    return RunnerEvent(EventKind(Artifact{event.artifact().name(), "", 0}));
  }
  QL_ASSIGN_OR_RETURN(EventKind kind, GetKind(event));
  return RunnerEvent(std::move(kind));
}

absl::StatusOr<RunnerEvent> RunnerEventFromJson(absl::string_view line) {
  v1::RunnerEvent message;
  QL_RETURN_IF_ERROR(FromJson(line, &message));
  return FromProto(message);
}

}  // namespace quantlab
