#include "server/service/experiment_pages.h"

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"
#include "proto/convert.h"
#include "server/service/views.h"

namespace quantlab {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kRoot[] = "/api/v1/experiments";
constexpr char kBearer[] = "Bearer ";
constexpr int kMaxExperiments = 200;
constexpr size_t kMaxRows = 50'000;
// Of one curve: more than a dashboard has pixels for.
constexpr size_t kMaxPoints = 1000;

int HttpStatus(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    default:
      return 503;
  }
}

// Text of users may be no UTF-8; NaN becomes null.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// A client whose token is not configured may send an empty one.
bool HasNoToken(const HttpRequest& request) {
  return request.authorization.empty() || absl::StripAsciiWhitespace(request.authorization) == "Bearer";
}

// The RPC that gives the same content; empty: there is no such page.
std::string MethodOf(absl::string_view path) {
  if (path == kRoot) return "ListExperiments";
  if (!absl::StartsWith(path, absl::StrCat(kRoot, "/"))) return "";
  if (absl::EndsWith(path, "/runs")) return "GetExperiment";
  if (absl::EndsWith(path, "/metrics")) return "ListMetrics";
  return "";
}

Json Millis(const std::optional<absl::Time>& time) {
  return time ? Json(absl::ToUnixMillis(*time)) : Json(nullptr);
}

Json Optional(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// What is asked of an experiment's metrics.
struct MetricQuery {
  std::string name;
  bool final_only = false;
  std::map<std::string, std::string> labels;

  bool Fits(const Metric& metric) const {
    if (metric.name != name || (final_only && metric.step != 0)) return false;
    for (const auto& [label, value] : labels) {
      const auto it = metric.labels.find(label);
      if (it == metric.labels.end() || it->second != value) return false;
    }
    return true;
  }
};

absl::StatusOr<MetricQuery> ParseMetricQuery(const std::string& query) {
  MetricQuery parsed;
  for (const auto& [key, value] : ParseHttpQuery(query)) {
    if (key == "name") {
      parsed.name = value;
    } else if (key == "final") {
      parsed.final_only = value != "0";
    } else {
      parsed.labels[key] = value;
    }
  }
  if (parsed.name.empty())
    return absl::InvalidArgumentError("the query has no name=METRIC, for example ?name=accuracy&split=test");
  return parsed;
}

struct Point {
  absl::Time time;
  Metric metric;
};

// Every n-th point and the last one, so that at most kMaxPoints are left.
std::vector<Point> Thinned(std::vector<Point> curve) {
  if (curve.size() <= kMaxPoints) return curve;
  const size_t every = (curve.size() + kMaxPoints - 2) / (kMaxPoints - 1);
  std::vector<Point> kept;
  for (size_t i = 0; i < curve.size(); i += every) kept.push_back(std::move(curve[i]));
  if ((curve.size() - 1) % every != 0) kept.push_back(std::move(curve.back()));
  return kept;
}

// The metrics of an attempt that fit, as curves by their labels.
std::vector<Point> SelectPoints(const std::vector<Event>& events, const MetricQuery& query) {
  std::map<std::map<std::string, std::string>, std::vector<Point>> curves;
  for (const Event& event : events) {
    const auto* metric = std::get_if<Metric>(&event.kind);
    if (metric != nullptr && query.Fits(*metric)) curves[metric->labels].push_back({event.time, *metric});
  }
  std::vector<Point> points;
  for (auto& [labels, curve] : curves) {
    std::vector<Point> thinned = Thinned(std::move(curve));
    points.insert(points.end(), std::make_move_iterator(thinned.begin()),
                  std::make_move_iterator(thinned.end()));
  }
  return points;
}

// What a chart writes beside a value: the variant and, where several were measured, the shape of the input.
std::string LabelOf(const std::string& variant, const std::map<std::string, std::string>& labels) {
  const auto batch = labels.find("batch_size"), length = labels.find("sequence_length");
  if (batch == labels.end() || length == labels.end()) return variant;
  return absl::StrCat(variant, ", ", batch->second, "×", length->second);
}

Json MetricRow(const RunRecord& run, const std::string& variant, const Point& point) {
  const Metric& metric = point.metric;
  Json row = {{"run", run.name},
              {"variant", variant},
              {"method", run.method},
              {"state", RunStateName(run.state)},
              {"time", absl::ToUnixMillis(point.time)},
              {"metric", metric.name},
              {"unit", metric.unit},
              {"value", metric.value},
              {"low", Optional(metric.low)},
              {"high", Optional(metric.high)},
              {"step", metric.step},
              {"samples", metric.samples}};
  // Of the comparison's metrics, run and variant are labels: those that were measured.
  for (const auto& [label, value] : metric.labels) {
    if (!row.contains(label) || label == "run" || label == "variant") row[label] = value;
  }
  row["label"] = LabelOf(row["variant"].get<std::string>(), metric.labels);
  return row;
}

Json RunRow(const RunRecord& run, const std::string& variant) {
  Json seconds = nullptr;
  if (run.start_time && run.end_time) seconds = absl::ToDoubleSeconds(*run.end_time - *run.start_time);
  return {{"run", run.name},
          {"variant", variant},
          {"method", run.method},
          {"device", run.device},
          {"state", RunStateName(run.state)},
          {"attempts", run.attempts},
          {"reused", run.reused},
          {"queue_time", Millis(run.queue_time)},
          {"start_time", Millis(run.start_time)},
          {"end_time", Millis(run.end_time)},
          {"duration", seconds},
          {"message", run.message}};
}

absl::StatusOr<std::string> VariantOf(const RunRecord& run) {
  QL_ASSIGN_OR_RETURN(const RunConfig config, RunConfigFromJson(run.config_json));
  return config.variant.empty() ? run.name : config.variant;
}

}  // namespace

absl::Status ExperimentPages::Admit(const HttpRequest& request, const std::string& method, Caller* caller) {
  if (HasNoToken(request) && !needs_token_) {
    if (IsLoopbackHost(request.host)) return absl::OkStatus();
    return absl::PermissionDeniedError("the Host header must name this machine's loopback address");
  }
  if (!absl::StartsWith(request.authorization, kBearer)) {
    return WithReason(MessageStatus(absl::StatusCode::kUnauthenticated, messages::kTokenMissing()),
                      "TOKEN_MISSING");
  }
  QL_ASSIGN_OR_RETURN(caller->identity,
                      access_->identities().FindByToken(request.authorization.substr(sizeof(kBearer) - 1)));
  const IdentityRecord& identity = *caller->identity;
  QL_RETURN_IF_ERROR(access_->limits().CountRequest(identity.name));
  const AccessRule* rule = FindAccessRule(method);
  if (rule != nullptr && rule->For(identity.role) == Grant::kYes && !identity.joins) return absl::OkStatus();
  return WithReason(MessageStatus(absl::StatusCode::kPermissionDenied,
                                  messages::kRoleMayNot(identity.name, RoleName(identity.role), method)),
                    "ROLE_MAY_NOT");
}

HttpResponse ExperimentPages::Answer(const HttpRequest& request) {
  const std::string method = MethodOf(request.path);
  if (method.empty()) return {404, "application/json", "{\"error\":\"there is no such page\"}"};
  Caller caller;
  absl::Status status = Admit(request, method, &caller);
  access_->Audit({caller.name(), "", method, "http", "", {}}, caller, status);
  if (status.ok()) {
    absl::StatusOr<std::string> page = Render(request, method);
    if (page.ok()) return {200, "application/json", *std::move(page)};
    status = page.status();
  }
  return {HttpStatus(status), "application/json", Dump({{"error", std::string(status.message())}})};
}

absl::StatusOr<std::string> ExperimentPages::Render(const HttpRequest& request, const std::string& method) {
  if (method == "ListExperiments") return Experiments();
  const std::vector<std::string> parts = absl::StrSplit(request.path.substr(sizeof(kRoot)), '/');
  if (parts.size() != 2) return absl::NotFoundError("there is no such page");
  return method == "GetExperiment" ? Runs(parts[0]) : Metrics(parts[0], request.query);
}

absl::StatusOr<std::string> ExperimentPages::Experiments() {
  Json rows = Json::array();
  std::string token;
  do {
    QL_ASSIGN_OR_RETURN(const Page<ExperimentRecord> page,
                        states_->ListExperiments({}, kMaxExperiments, token));
    for (const ExperimentRecord& experiment : page.items) {
      rows.push_back({{"id", experiment.id},
                      {"name", experiment.name},
                      {"state", ExperimentStateName(experiment.state)},
                      {"create_time", absl::ToUnixMillis(experiment.create_time)},
                      {"end_time", Millis(experiment.end_time)}});
    }
    token = page.next_page_token;
  } while (!token.empty() && rows.size() < kMaxExperiments);
  return Dump(rows);
}

absl::StatusOr<std::string> ExperimentPages::Runs(const std::string& id) {
  QL_RETURN_IF_ERROR(states_->GetExperiment(id).status());
  QL_ASSIGN_OR_RETURN(const std::vector<RunRecord> runs, states_->ListRuns(id));
  Json rows = Json::array();
  for (const RunRecord& run : runs) {
    QL_ASSIGN_OR_RETURN(const std::string variant, VariantOf(run));
    rows.push_back(RunRow(run, variant));
  }
  return Dump(rows);
}

absl::StatusOr<std::string> ExperimentPages::Metrics(const std::string& id, const std::string& query) {
  QL_ASSIGN_OR_RETURN(const MetricQuery asked, ParseMetricQuery(query));
  QL_RETURN_IF_ERROR(states_->GetExperiment(id).status());
  QL_ASSIGN_OR_RETURN(const std::vector<RunRecord> runs, states_->ListRuns(id));
  Json rows = Json::array();
  for (const RunRecord& run : runs) {
    const std::optional<AttemptKey> attempt = AttemptOfInterest(run);
    if (!attempt) continue;
    QL_ASSIGN_OR_RETURN(const std::string variant, VariantOf(run));
    QL_ASSIGN_OR_RETURN(const std::vector<Event> events, events_->ListResultEvents(*attempt));
    for (const Point& point : SelectPoints(events, asked)) {
      if (rows.size() >= kMaxRows)
        return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxRows, " rows; ask for one label"));
      rows.push_back(MetricRow(run, variant, point));
    }
  }
  return Dump(rows);
}

}  // namespace quantlab
