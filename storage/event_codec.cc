#include "storage/event_codec.h"

#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"

namespace quantlab {
namespace {

using nlohmann::json;

json Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

double GetNumber(const json& value) {
  if (value.is_number()) return value.get<double>();
  const std::string text = value.get<std::string>();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  return text == "Infinity" ? infinity : -infinity;
}

std::string Dump(const json& value) {
  // Bytes that are no UTF-8 are replaced rather than refused.
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

struct Encoder {
  json operator()(const Progress& p) const {
    return {{"phase", p.phase}, {"done", p.done}, {"total", p.total}, {"unit", p.unit}};
  }
  json operator()(const Metric& m) const {
    json out = {{"name", m.name}, {"value", Number(m.value)}, {"unit", m.unit}};
    if (!m.labels.empty()) out["labels"] = m.labels;
    if (m.step != 0) out["step"] = m.step;
    if (m.low) out["low"] = Number(*m.low);
    if (m.high) out["high"] = Number(*m.high);
    if (m.samples != 0) out["samples"] = m.samples;
    return out;
  }
  json operator()(const LogLine&) const { return nullptr; }  // not JSON: see EncodeEvent
  json operator()(const Artifact& a) const {
    return {{"name", a.name}, {"sha256", a.sha256}, {"size", a.size}};
  }
  json operator()(const Layer& l) const {
    json out = {
        {"name", l.name},           {"in_features", l.in_features},       {"out_features", l.out_features},
        {"requested", l.requested}, {"effective", l.effective},           {"kernel", l.kernel},
        {"reason", l.reason},       {"macs_share", Number(l.macs_share)}, {"bytes_fp32", l.bytes_fp32},
        {"bytes", l.bytes}};
    if (l.sqnr_db) out["sqnr_db"] = Number(*l.sqnr_db);
    return out;
  }
  json operator()(const Environment& e) const { return {{"fingerprint", e.fingerprint}, {"facts", e.facts}}; }
  json operator()(const Caveat& c) const { return {{"code", c.code}, {"message", c.message}}; }
};

Progress DecodeProgress(const json& in) {
  return {in.at("phase"), in.at("done"), in.at("total"), in.at("unit")};
}

Metric DecodeMetric(const json& in) {
  Metric out;
  out.name = in.at("name");
  out.value = GetNumber(in.at("value"));
  out.unit = in.at("unit");
  if (in.contains("labels")) out.labels = in.at("labels").get<std::map<std::string, std::string>>();
  out.step = in.value("step", int64_t{0});
  if (in.contains("low")) out.low = GetNumber(in.at("low"));
  if (in.contains("high")) out.high = GetNumber(in.at("high"));
  out.samples = in.value("samples", int64_t{0});
  return out;
}

Layer DecodeLayer(const json& in) {
  Layer out{in.at("name"),
            in.at("in_features"),
            in.at("out_features"),
            in.at("requested"),
            in.at("effective"),
            in.at("kernel"),
            in.at("reason"),
            GetNumber(in.at("macs_share")),
            in.at("bytes_fp32"),
            in.at("bytes"),
            {}};
  if (in.contains("sqnr_db")) out.sqnr_db = GetNumber(in.at("sqnr_db"));
  return out;
}

EventKind DecodeJson(ChangeKind kind, const json& in) {
  switch (kind) {
    case ChangeKind::kProgress:
      return DecodeProgress(in);
    case ChangeKind::kMetric:
      return DecodeMetric(in);
    case ChangeKind::kArtifact:
      return Artifact{in.at("name"), in.at("sha256"), in.at("size")};
    case ChangeKind::kLayer:
      return DecodeLayer(in);
    case ChangeKind::kEnvironment:
      return Environment{in.at("fingerprint"), in.at("facts").get<std::map<std::string, std::string>>()};
    default:
      return Caveat{in.at("code"), in.at("message")};
  }
}

// The one place where nlohmann's exceptions stop.
template <typename Body>
absl::Status GuardJson(absl::string_view what, Body&& body) {
  try {
    body();
    return absl::OkStatus();
  } catch (const json::exception& error) {
    return WithReason(absl::DataLossError(absl::StrCat(what, " in the database is damaged: ", error.what(),
                                                       ". Restore quantlab.db from a backup")),
                      "DATABASE_DAMAGED");
  }
}

}  // namespace

std::string EncodeEvent(const EventKind& event) {
  if (const auto* line = std::get_if<LogLine>(&event)) return line->message;
  return Dump(std::visit(Encoder(), event));
}

std::optional<int64_t> SeverityOf(const EventKind& event) {
  if (const auto* line = std::get_if<LogLine>(&event)) return static_cast<int64_t>(line->severity);
  return std::nullopt;
}

absl::StatusOr<EventKind> DecodeEvent(ChangeKind kind, const std::string& content, int64_t severity) {
  if (kind == ChangeKind::kLog) return EventKind(LogLine{static_cast<Severity>(severity), content});
  EventKind event;
  const absl::Status status = GuardJson("an event", [&] { event = DecodeJson(kind, json::parse(content)); });
  if (!status.ok()) return status;
  return event;
}

std::string EncodeWorker(const WorkerRecord& worker) {
  json methods = json::array();
  for (const MethodVersion& method : worker.methods) {
    methods.push_back({{"name", method.name}, {"version", method.version}});
  }
  return Dump({{"hostname", worker.hostname},
               {"devices", worker.devices},
               {"methods", methods},
               {"fingerprint", worker.fingerprint},
               {"runner_sha256", worker.runner_sha256},
               {"version", worker.version},
               {"facts", worker.facts}});
}

absl::Status DecodeWorker(const std::string& text, WorkerRecord* worker) {
  return GuardJson("a worker", [&] {
    const json in = json::parse(text);
    worker->hostname = in.at("hostname");
    worker->devices = in.at("devices").get<std::vector<std::string>>();
    for (const json& method : in.at("methods")) {
      worker->methods.push_back({method.at("name"), method.at("version")});
    }
    worker->fingerprint = in.at("fingerprint");
    worker->runner_sha256 = in.at("runner_sha256");
    worker->version = in.at("version");
    worker->facts = in.at("facts").get<std::map<std::string, std::string>>();
  });
}

}  // namespace quantlab
