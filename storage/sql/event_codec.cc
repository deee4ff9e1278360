#include "storage/sql/event_codec.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/records/error_reason.h"
#include "codec/event_json.h"
#include "codec/json_values.h"

namespace quantlab {
namespace {

using nlohmann::json;

absl::Status Damaged(absl::string_view what, absl::string_view problem) {
  return WithReason(absl::DataLossError(absl::StrCat(what, " in the database is damaged: ", problem,
                                                     ". Restore quantlab.db from a backup")),
                    "DATABASE_DAMAGED");
}

}  // namespace

std::string EncodeEvent(const EventKind& event) {
  if (const auto* line = std::get_if<LogLine>(&event)) return line->message;
  return EventToStoredJson(event);
}

std::optional<int64_t> SeverityOf(const EventKind& event) {
  if (const auto* line = std::get_if<LogLine>(&event)) return static_cast<int64_t>(line->severity);
  return std::nullopt;
}

absl::StatusOr<EventKind> DecodeEvent(ChangeKind kind, const std::string& content, int64_t severity) {
  if (kind == ChangeKind::kLog) return EventKind(LogLine{static_cast<Severity>(severity), content});
  // A kind below kProgress wraps around, and is refused as too large.
  const size_t index = static_cast<size_t>(kind) - static_cast<size_t>(ChangeKind::kProgress);
  absl::StatusOr<EventKind> event = EventFromStoredJson(index, content);
  if (!event.ok()) return Damaged("an event", event.status().message());
  return event;
}

std::string EncodeWorker(const WorkerRecord& worker) {
  json methods = json::array();
  for (const MethodVersion& method : worker.methods) {
    methods.push_back({{"name", method.name}, {"version", method.version}});
  }
  const json out = {{"hostname", worker.hostname},
                    {"devices", worker.devices},
                    {"methods", methods},
                    {"fingerprint", worker.fingerprint},
                    {"runner_sha256", worker.runner_sha256},
                    {"version", worker.version},
                    {"facts", worker.facts},
                    {"labels", worker.labels},
                    {"machine_id", worker.machine_id}};
  return DumpJson(out);
}

absl::Status DecodeWorker(const std::string& text, WorkerRecord* worker) {
  try {
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
    // Absent where an earlier version stored it.
    worker->labels = in.value("labels", std::map<std::string, std::string>());
    worker->machine_id = in.value("machine_id", "");
    return absl::OkStatus();
  } catch (const json::exception& error) {
    return Damaged("a worker", error.what());
  }
}

std::string EncodeRequirements(const RunRequirements& requirements) {
  if (requirements == RunRequirements()) return "";
  return DumpJson(json{{"memory_bytes", requirements.memory_bytes},
                       {"labels", requirements.labels},
                       {"alone", requirements.alone}});
}

absl::Status DecodeRequirements(const std::string& text, RunRequirements* requirements) {
  if (text.empty()) return absl::OkStatus();
  try {
    const json in = json::parse(text);
    requirements->memory_bytes = in.at("memory_bytes");
    requirements->labels = in.at("labels").get<std::map<std::string, std::string>>();
    requirements->alone = in.at("alone");
    return absl::OkStatus();
  } catch (const json::exception& error) {
    return Damaged("a run", error.what());
  }
}

}  // namespace quantlab
