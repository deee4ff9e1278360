#include "client/quantctl/export.h"

#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <google/protobuf/util/json_util.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/records/records.h"
#include "base/text/escape.h"
#include "base/text/utf8.h"
#include "client/display/progress.h"
#include "proto/json.h"
#include "report/facts/format.h"

namespace quantlab::client {
namespace {

// Of columns that repeat what an object has, for tools that know no objects.
constexpr char kLabel[] = "label_";
constexpr char kParam[] = "param_";

// A row while it is made: cells by the name of their column.
class Row {
 public:
  Row& Set(const std::string& column, Json value) {
    cells_.emplace_back(column, std::move(value));
    return *this;
  }
  const std::vector<std::pair<std::string, Json>>& cells() const { return cells_; }

 private:
  std::vector<std::pair<std::string, Json>> cells_;
};

// Rows to a table: the fixed columns, then those of labels and parameters in order.
ExportTable MakeTable(const std::string& name, const std::vector<std::string>& fixed,
                      const std::vector<Row>& rows) {
  ExportTable table{name, fixed, {}};
  const std::set<std::string> known(fixed.begin(), fixed.end());
  std::set<std::string> more;
  for (const Row& row : rows) {
    for (const auto& [column, value] : row.cells()) {
      if (known.count(column) == 0) more.insert(column);
    }
  }
  table.columns.insert(table.columns.end(), more.begin(), more.end());
  std::map<std::string, size_t> index;
  for (size_t i = 0; i < table.columns.size(); ++i) index[table.columns[i]] = i;
  for (const Row& row : rows) {
    std::vector<Json> cells(table.columns.size());
    for (const auto& [column, value] : row.cells()) cells[index[column]] = value;
    table.rows.push_back(std::move(cells));
  }
  return table;
}

Json Text(const std::string& text) {
  return text.empty() ? Json() : Json(RepairUtf8(text));
}

template <typename Message>
Json TimeOf(const Message& time, bool present) {
  if (!present) return Json();
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", ToTime(time), absl::UTCTimeZone());
}

Json ParamOf(const v1::ParamValue& value) {
  switch (value.value_case()) {
    case v1::ParamValue::kBoolValue:
      return value.bool_value();
    case v1::ParamValue::kIntValue:
      return value.int_value();
    case v1::ParamValue::kDoubleValue:
      return value.double_value();
    case v1::ParamValue::kStringValue:
      return RepairUtf8(value.string_value());
    case v1::ParamValue::VALUE_NOT_SET:
      break;
  }
  return Json();
}

template <typename Map>
Json ObjectOf(const Map& map) {
  Json object = Json::object();
  for (const auto& [key, value] : std::map<std::string, std::string>(map.begin(), map.end())) {
    object[RepairUtf8(key)] = RepairUtf8(value);
  }
  return object;
}

// The attempt whose numbers these are.
const v1::Attempt* AttemptOf(const v1::RunReport& report) {
  if (report.has_attempt()) return &report.attempt();
  return report.attempts().empty() ? nullptr : &*report.attempts().rbegin();
}

// What tells the rows of one run from those of others.
Row RunKey(const v1::RunReport& report) {
  const auto [experiment, name] = SplitRunId(report.run().id());
  const v1::RunConfig& config = report.run().config();
  Row row;
  row.Set("experiment", Text(experiment)).Set("run", Text(name));
  row.Set("variant", Text(config.variant())).Set("method", Text(config.method().name()));
  row.Set("seed", config.seed());
  if (const v1::Attempt* attempt = AttemptOf(report)) {
    row.Set("attempt", attempt->number()).Set("worker", Text(attempt->worker_id()));
    row.Set("source_run", Text(attempt->run_id()));
  }
  return row;
}

const std::vector<std::string>& KeyColumns() {
  static const auto* const columns = new std::vector<std::string>{
      "experiment", "run", "variant", "method", "seed", "attempt", "worker", "source_run"};
  return *columns;
}

std::vector<std::string> Columns(const std::vector<std::string>& more) {
  std::vector<std::string> columns = KeyColumns();
  columns.insert(columns.end(), more.begin(), more.end());
  return columns;
}

void SetConfig(const v1::RunConfig& config, JsonOf json, Row& row) {
  row.Set("kind", absl::AsciiStrToLower(absl::StripPrefix(v1::RunKind_Name(config.kind()), "RUN_KIND_")));
  row.Set("method_version", config.method().name().empty() ? Json() : Json(config.method().version()));
  row.Set("device", Text(config.device())).Set("threads", config.threads());
  row.Set("model", Text(config.model().name())).Set("model_digest", Text(config.model().digest()));
  row.Set("dataset", Text(config.dataset().asset().name()));
  row.Set("dataset_digest", Text(config.dataset().asset().digest()));
  Json params = Json::object();
  for (const auto& [name, value] : std::map<std::string, v1::ParamValue>(config.method().params().begin(),
                                                                         config.method().params().end())) {
    params[name] = ParamOf(value);
    row.Set(kParam + name, ParamOf(value));
  }
  row.Set("params", params).Set("config", json(config));
}

void SetTimes(const v1::Run& run, Row& row) {
  row.Set("create_time", TimeOf(run.create_time(), run.has_create_time()));
  row.Set("queue_time", TimeOf(run.queue_time(), run.has_queue_time()));
  row.Set("start_time", TimeOf(run.start_time(), run.has_start_time()));
  row.Set("end_time", TimeOf(run.end_time(), run.has_end_time()));
}

ExportTable RunTable(const v1::ReportData& data, JsonOf json) {
  std::vector<Row> rows;
  for (const v1::RunReport& report : data.runs()) {
    const v1::Run& run = report.run();
    Row row = RunKey(report);
    row.Set("state", StateName(run.state())).Set("message", Text(run.message()));
    row.Set("attempts", run.attempts()).Set("reused", run.reused());
    SetConfig(run.config(), json, row);
    SetTimes(run, row);
    if (const v1::Attempt* attempt = AttemptOf(report)) row.Set("hostname", Text(attempt->worker_hostname()));
    row.Set("fingerprint", Text(report.environment().fingerprint()));
    row.Set("environment", ObjectOf(report.environment().facts()));
    Json caveats = Json::array();
    for (const v1::Caveat& caveat : report.caveats()) caveats.push_back(json(caveat));
    rows.push_back(row.Set("caveats", caveats).Set("folder", Text(run.folder())));
  }
  return MakeTable(
      "runs",
      Columns({"kind",        "state",      "message",     "attempts",     "reused",   "method_version",
               "device",      "threads",    "model",       "model_digest", "dataset",  "dataset_digest",
               "create_time", "queue_time", "start_time",  "end_time",     "hostname", "fingerprint",
               "folder",      "params",     "environment", "caveats",      "config"}),
      rows);
}

ExportTable MetricTable(const v1::ReportData& data) {
  std::vector<Row> rows;
  for (const v1::RunReport& report : data.runs()) {
    for (const v1::Metric& metric : report.metrics()) {
      Row row = RunKey(report);
      row.Set("metric", Text(metric.name())).Set("value", metric.value()).Set("unit", Text(metric.unit()));
      row.Set("low", metric.has_low() ? Json(metric.low()) : Json());
      row.Set("high", metric.has_high() ? Json(metric.high()) : Json());
      row.Set("samples", metric.samples()).Set("step", metric.step());
      row.Set("labels", ObjectOf(metric.labels()));
      for (const auto& [name, value] : metric.labels()) row.Set(kLabel + RepairUtf8(name), RepairUtf8(value));
      rows.push_back(std::move(row));
    }
  }
  return MakeTable("metrics",
                   Columns({"metric", "value", "unit", "low", "high", "samples", "step", "labels"}), rows);
}

ExportTable LayerTable(const v1::ReportData& data) {
  std::vector<Row> rows;
  for (const v1::RunReport& report : data.runs()) {
    for (const v1::Layer& layer : report.layers()) {
      Row row = RunKey(report);
      row.Set("layer", Text(layer.name()));
      row.Set("in_features", layer.in_features()).Set("out_features", layer.out_features());
      row.Set("requested", Text(layer.requested())).Set("effective", Text(layer.effective()));
      row.Set("kernel", Text(layer.kernel())).Set("reason", Text(layer.reason()));
      row.Set("macs_share", layer.macs_share());
      row.Set("bytes_fp32", layer.bytes_fp32()).Set("bytes", layer.bytes());
      row.Set("sqnr_db", layer.has_sqnr_db() ? Json(layer.sqnr_db()) : Json());
      row.Set("role", Text(layer.role())).Set("block", layer.has_block() ? Json(layer.block()) : Json());
      row.Set("median_sqnr_db", layer.has_median_sqnr_db() ? Json(layer.median_sqnr_db()) : Json());
      rows.push_back(std::move(row));
    }
  }
  return MakeTable(
      "layers",
      Columns({"layer", "in_features", "out_features", "requested", "effective", "kernel", "reason",
               "macs_share", "bytes_fp32", "bytes", "sqnr_db", "role", "block", "median_sqnr_db"}),
      rows);
}

std::string CsvText(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return report::FormatExact(value.get<double>());
  return value.dump();
}

std::string CamelCase(const std::string& name) {
  std::string camel;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '_' && i + 1 < name.size()) {
      camel += absl::ascii_toupper(name[++i]);
    } else {
      camel += name[i];
    }
  }
  return camel;
}

// A cell as documents have it: a number that JSON lacks is null, a state a lower-case word.
Json CellOf(const std::string& column, const Json& value) {
  if (value.is_number_float()) return NumberOrNull(value.get<double>());
  return column == "state" && value.is_string() ? Json(absl::AsciiStrToLower(value.get<std::string>()))
                                                : value;
}

Json RowsOf(const ExportTable& table) {
  Json rows = Json::array();
  for (const std::vector<Json>& cells : table.rows) {
    Json row = Json::object();
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string& column = table.columns[i];
      if (absl::StartsWith(column, kLabel) || absl::StartsWith(column, kParam)) continue;
      row[CamelCase(column)] = CellOf(column, cells[i]);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

Json ProtoJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return Json::object();
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::vector<ExportTable> MakeExport(const v1::ReportData& data, JsonOf json) {
  return {RunTable(data, json), MetricTable(data), LayerTable(data)};
}

std::string ExportCsv(const ExportTable& table) {
  std::string csv = absl::StrJoin(
      table.columns, ",", [](std::string* out, const std::string& column) { out->append(CsvField(column)); });
  csv += "\r\n";
  for (const std::vector<Json>& row : table.rows) {
    absl::StrAppend(
        &csv,
        absl::StrJoin(row, ",",
                      [](std::string* out, const Json& value) { out->append(CsvField(CsvText(value))); }),
        "\r\n");
  }
  return csv;
}

Json ExportJson(const v1::ReportData& data) {
  Json document = Json::object();
  const v1::Experiment& experiment = data.experiment();
  document["experiment"] = {{"id", Text(experiment.id())},
                            {"name", Text(experiment.name())},
                            {"state", absl::AsciiStrToLower(StateName(experiment.state()))},
                            {"submitter", Text(experiment.submitter())},
                            {"createTime", TimeOf(experiment.create_time(), experiment.has_create_time())},
                            {"endTime", TimeOf(experiment.end_time(), experiment.has_end_time())},
                            {"coordinatorVersion", Text(data.coordinator_version())}};
  for (const ExportTable& table : MakeExport(data, ToJsonValue)) document[table.name] = RowsOf(table);
  return document;
}

}  // namespace quantlab::client
