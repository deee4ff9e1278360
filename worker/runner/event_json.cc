#include "worker/runner/event_json.h"

#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace quantlab::runner {
namespace {

using Json = nlohmann::ordered_json;

Json Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

Json Wide(int64_t value) {
  return absl::StrCat(value);
}

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

// The field's name in RunnerEvent, and the message.
struct ToField {
  std::pair<const char*, Json> operator()(const Progress& p) const {
    return {"progress",
            {{"phase", p.phase}, {"done", Wide(p.done)}, {"total", Wide(p.total)}, {"unit", p.unit}}};
  }
  std::pair<const char*, Json> operator()(const Metric& m) const {
    Json json = {{"name", m.name},     {"value", Number(m.value)}, {"unit", m.unit},
                 {"labels", m.labels}, {"step", Wide(m.step)},     {"samples", Wide(m.samples)}};
    if (m.low) json["low"] = Number(*m.low);
    if (m.high) json["high"] = Number(*m.high);
    return {"metric", std::move(json)};
  }
  std::pair<const char*, Json> operator()(const LogLine& l) const {
    return {"log", {{"severity", SeverityName(l.severity)}, {"message", l.message}}};
  }
  std::pair<const char*, Json> operator()(const Artifact& a) const {
    Json json = {{"name", a.name}};
    if (!a.sha256.empty()) json["sha256"] = a.sha256;
    if (a.size != 0) json["size"] = Wide(a.size);
    return {"artifact", std::move(json)};
  }
  std::pair<const char*, Json> operator()(const Layer& l) const {
    Json json = {{"name", l.name},
                 {"inFeatures", Wide(l.in_features)},
                 {"outFeatures", Wide(l.out_features)},
                 {"requested", l.requested},
                 {"effective", l.effective},
                 {"kernel", l.kernel},
                 {"reason", l.reason},
                 {"macsShare", Number(l.macs_share)},
                 {"bytesFp32", Wide(l.bytes_fp32)},
                 {"bytes", Wide(l.bytes)}};
    if (l.sqnr_db) json["sqnrDb"] = Number(*l.sqnr_db);
    return {"layer", std::move(json)};
  }
  std::pair<const char*, Json> operator()(const Environment& e) const {
    return {"environment", {{"fingerprint", e.fingerprint}, {"facts", e.facts}}};
  }
  std::pair<const char*, Json> operator()(const Caveat& c) const {
    return {"caveat", {{"code", c.code}, {"message", c.message}}};
  }
};

std::string Line(const char* field, Json message) {
  Json event = Json::object();
  event[field] = std::move(message);
  return event.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string EventToJson(const EventKind& event) {
  auto [field, message] = std::visit(ToField(), event);
  return Line(field, std::move(message));
}

std::string EventToJson(const RunnerFinished& finished) {
  return Line("finished", {{"ok", finished.ok},
                           {"code", finished.code},
                           {"message", finished.message},
                           {"stopped", finished.stopped}});
}

}  // namespace quantlab::runner
