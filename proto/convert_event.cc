// Events and times.
#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "proto/checks.h"
#include "proto/convert.h"

namespace quantlab {
namespace {

using namespace proto_checks;  // NOLINT: this file is made of them

// What a Timestamp can say: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
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

void CopyFacts(const std::map<std::string, std::string>& from,
               google::protobuf::Map<std::string, std::string>* to) {
  for (const auto& [key, value] : from) (*to)[ValidUtf8(key)] = ValidUtf8(value);
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

v1::Progress ToProto(const Progress& progress) {
  v1::Progress out;
  out.set_phase(ValidUtf8(progress.phase));
  out.set_done(progress.done);
  out.set_total(progress.total);
  out.set_unit(ValidUtf8(progress.unit));
  return out;
}

absl::StatusOr<Progress> FromProto(const v1::Progress& progress) {
  QL_RETURN_IF_ERROR(Text("phase", progress.phase()));
  QL_RETURN_IF_ERROR(AtLeast("done", progress.done(), 0));
  QL_RETURN_IF_ERROR(AtLeast("total", progress.total(), 0));
  QL_RETURN_IF_ERROR(Text("unit", progress.unit()));
  return Progress{progress.phase(), progress.done(), progress.total(), progress.unit()};
}

v1::Metric ToProto(const Metric& metric) {
  v1::Metric out;
  out.set_name(ValidUtf8(metric.name));
  out.set_value(metric.value);
  out.set_unit(ValidUtf8(metric.unit));
  CopyFacts(metric.labels, out.mutable_labels());
  out.set_step(metric.step);
  if (metric.low) out.set_low(*metric.low);
  if (metric.high) out.set_high(*metric.high);
  out.set_samples(metric.samples);
  return out;
}

absl::StatusOr<Metric> FromProto(const v1::Metric& metric) {
  Metric out;
  out.name = metric.name();
  // NaN and infinities are measurements too: a loss that diverged.
  out.value = metric.value();
  out.unit = metric.unit();
  out.step = metric.step();
  if (metric.has_low()) out.low = metric.low();
  if (metric.has_high()) out.high = metric.high();
  out.samples = metric.samples();
  QL_RETURN_IF_ERROR(NonEmpty("name", out.name));
  QL_RETURN_IF_ERROR(Text("unit", out.unit));
  QL_RETURN_IF_ERROR(Facts("labels", metric.labels(), &out.labels));
  QL_RETURN_IF_ERROR(AtLeast("step", out.step, 0));
  QL_RETURN_IF_ERROR(AtLeast("samples", out.samples, 0));
  return out;
}

v1::LogLine ToProto(const LogLine& line) {
  v1::LogLine out;
  out.set_severity(ToProto(line.severity));
  out.set_message(ValidUtf8(line.message));
  return out;
}

absl::StatusOr<LogLine> FromProto(const v1::LogLine& line) {
  LogLine out;
  QL_RETURN_IF_ERROR(Part("severity", line.severity(), &out.severity));
  QL_RETURN_IF_ERROR(Text("message", line.message(), kMaxMessageBytes));
  out.message = line.message();
  return out;
}

v1::Artifact ToProto(const Artifact& artifact) {
  v1::Artifact out;
  out.set_name(ValidUtf8(artifact.name));
  out.set_sha256(ValidUtf8(artifact.sha256));
  out.set_size(artifact.size);
  return out;
}

absl::StatusOr<Artifact> FromProto(const v1::Artifact& artifact) {
  QL_RETURN_IF_ERROR(RelativePath("name", artifact.name()));
  QL_RETURN_IF_ERROR(Digest("sha256", artifact.sha256()));
  QL_RETURN_IF_ERROR(AtLeast("size", artifact.size(), 0));
  return Artifact{artifact.name(), artifact.sha256(), artifact.size()};
}

v1::Layer ToProto(const Layer& layer) {
  v1::Layer out;
  out.set_name(ValidUtf8(layer.name));
  out.set_in_features(layer.in_features);
  out.set_out_features(layer.out_features);
  out.set_requested(ValidUtf8(layer.requested));
  out.set_effective(ValidUtf8(layer.effective));
  out.set_kernel(ValidUtf8(layer.kernel));
  out.set_reason(ValidUtf8(layer.reason));
  out.set_macs_share(layer.macs_share);
  out.set_bytes_fp32(layer.bytes_fp32);
  out.set_bytes(layer.bytes);
  if (layer.sqnr_db) out.set_sqnr_db(*layer.sqnr_db);
  return out;
}

absl::StatusOr<Layer> FromProto(const v1::Layer& layer) {
  QL_RETURN_IF_ERROR(NonEmpty("name", layer.name()));
  QL_RETURN_IF_ERROR(AtLeast("in_features", layer.in_features(), 0));
  QL_RETURN_IF_ERROR(AtLeast("out_features", layer.out_features(), 0));
  QL_RETURN_IF_ERROR(Text("requested", layer.requested()));
  QL_RETURN_IF_ERROR(Text("effective", layer.effective()));
  QL_RETURN_IF_ERROR(Text("kernel", layer.kernel()));
  QL_RETURN_IF_ERROR(Text("reason", layer.reason(), kMaxMessageBytes));
  // A sum of shares may miss 1 by rounding.
  QL_RETURN_IF_ERROR(Between("macs_share", layer.macs_share(), 0, 1 + 1e-9));
  QL_RETURN_IF_ERROR(AtLeast("bytes_fp32", layer.bytes_fp32(), 0));
  QL_RETURN_IF_ERROR(AtLeast("bytes", layer.bytes(), 0));
  return Layer{layer.name(),
               layer.in_features(),
               layer.out_features(),
               layer.requested(),
               layer.effective(),
               layer.kernel(),
               layer.reason(),
               layer.macs_share(),
               layer.bytes_fp32(),
               layer.bytes(),
               layer.has_sqnr_db() ? std::optional<double>(layer.sqnr_db()) : std::nullopt};
}

v1::Environment ToProto(const Environment& environment) {
  v1::Environment out;
  out.set_fingerprint(ValidUtf8(environment.fingerprint));
  CopyFacts(environment.facts, out.mutable_facts());
  return out;
}

absl::StatusOr<Environment> FromProto(const v1::Environment& environment) {
  Environment out;
  out.fingerprint = environment.fingerprint();
  QL_RETURN_IF_ERROR(Text("fingerprint", out.fingerprint, kMaxMessageBytes));
  QL_RETURN_IF_ERROR(Facts("facts", environment.facts(), &out.facts));
  return out;
}

v1::Caveat ToProto(const Caveat& caveat) {
  v1::Caveat out;
  out.set_code(ValidUtf8(caveat.code));
  out.set_message(ValidUtf8(caveat.message));
  return out;
}

absl::StatusOr<Caveat> FromProto(const v1::Caveat& caveat) {
  QL_RETURN_IF_ERROR(NonEmpty("code", caveat.code()));
  QL_RETURN_IF_ERROR(Text("message", caveat.message(), kMaxMessageBytes));
  return Caveat{caveat.code(), caveat.message()};
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
  v1::RunnerFinished out;
  out.set_ok(finished.ok);
  out.set_code(ValidUtf8(finished.code));
  out.set_message(ValidUtf8(finished.message));
  out.set_stopped(finished.stopped);
  return out;
}

absl::StatusOr<RunnerFinished> FromProto(const v1::RunnerFinished& finished) {
  QL_RETURN_IF_ERROR(Text("code", finished.code()));
  QL_RETURN_IF_ERROR(Text("message", finished.message(), kMaxMessageBytes));
  return RunnerFinished{finished.ok(), finished.code(), finished.message(), finished.stopped()};
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
    // The agent gives digest and size, from the file itself; what the runner says of them is not asked.
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
