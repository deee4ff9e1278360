// export, compare: results for other tools, and several experiments side by side.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "client/quantctl/export.h"
#include "client/quantctl/result_folder.h"
#include "platform/files.h"
#include "proto/convert.h"
#include "report/compare.h"

namespace quantlab::client {
namespace {

struct ExportOptions {
  std::string name = "latest";
  std::string format;  // csv or json; empty: by --output
  std::string table;   // only this one, to standard output
  std::string folder;  // empty: csv into "<id>-export", json to standard output
};

// Replaces each file atomically.
absl::Status WriteInto(const std::string& folder, const std::string& name, const std::string& content) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return FileError(error.value(), "create", folder);
  // Not WriteFileAtomically, whose files only the user can read: these are meant to be shared.
  const std::filesystem::path path = std::filesystem::path(folder) / name, part = path.string() + ".part";
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  errno = 0;
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  if (!out) {
    const int why = errno != 0 ? errno : EIO;
    std::filesystem::remove(part, error);
    return FileError(why, "write", path.string());
  }
  std::filesystem::rename(part, path, error);
  return error ? FileError(error.value(), "write", path.string()) : absl::OkStatus();
}

int SayWritten(Session& session, const std::string& folder, const std::vector<std::string>& files) {
  if (!session.is_table()) {
    session.PrintDocument("ExportedFiles", {{"folder", folder}, {"files", files}});
    return kExitOk;
  }
  session.Note(messages::kWroteFiles(files));
  session.Print(folder + "\n");
  return kExitOk;
}

absl::StatusOr<int> ExportAsCsv(Session& session, const v1::ReportData& data, const ExportOptions& options) {
  const std::vector<ExportTable> tables = MakeExport(data);
  if (!options.table.empty()) {
    for (const ExportTable& table : tables) {
      if (table.name == options.table) session.Print(ExportCsv(table));
    }
    return kExitOk;
  }
  const std::string folder = options.folder.empty() ? data.experiment().id() + "-export" : options.folder;
  std::vector<std::string> files;
  for (const ExportTable& table : tables) {
    files.push_back(table.name + ".csv");
    QL_RETURN_IF_ERROR(WriteInto(folder, files.back(), ExportCsv(table)));
  }
  return SayWritten(session, folder, files);
}

absl::StatusOr<int> ExportAsJson(Session& session, const v1::ReportData& data, const ExportOptions& options) {
  const std::string form = session.settings().output == "yaml" ? "yaml" : "json";
  const std::string document = RenderDocument("Export", ExportJson(data), form);
  if (options.folder.empty()) {
    session.Print(document);
    return kExitOk;
  }
  const std::string name = "export." + form;
  QL_RETURN_IF_ERROR(WriteInto(options.folder, name, document));
  return SayWritten(session, options.folder, {name});
}

absl::StatusOr<int> Export(Session& session, const ExportOptions& options) {
  const bool csv = options.format == "csv" || (options.format.empty() && session.is_table());
  if (!csv && !options.table.empty()) {
    session.Error(messages::kTableNeedsCsv());
    return kExitUsage;
  }
  if (!options.table.empty() && !options.folder.empty()) {
    session.Error(messages::kTableWithFolder());
    return kExitUsage;
  }
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const std::string id, client->ResolveExperiment(options.name));
  QL_ASSIGN_OR_RETURN(const v1::ReportData data, client->GetReportData(id));
  return csv ? ExportAsCsv(session, data, options) : ExportAsJson(session, data, options);
}

struct CompareCommand {
  std::vector<std::string> names;
  bool only_different = false;
  bool min_max = false;
};

absl::StatusOr<std::vector<ReportData>> FetchAll(Client& client, const std::vector<std::string>& names) {
  std::vector<ReportData> all;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    QL_ASSIGN_OR_RETURN(const std::string id, client.ResolveExperiment(name));
    if (!seen.insert(id).second) {
      return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kNamedTwice(id));
    }
    QL_ASSIGN_OR_RETURN(const v1::ReportData message, client.GetReportData(id));
    QL_ASSIGN_OR_RETURN(ReportData data, FromProto(message));
    all.push_back(std::move(data));
  }
  return all;
}

Json SpreadJson(const std::optional<report::Spread>& spread) {
  if (!spread.has_value()) return Json();
  const auto optional = [](const std::optional<double>& value) {
    return value ? NumberOrNull(*value) : Json();
  };
  Json machines = Json::array();
  for (const report::Machine& machine : spread->machines) {
    machines.push_back(
        {{"worker", machine.worker}, {"hostname", machine.hostname}, {"fingerprint", machine.fingerprint}});
  }
  return {{"n", spread->count},
          {"mean", NumberOrNull(spread->mean)},
          {"deviation", optional(spread->deviation)},
          {"min", NumberOrNull(spread->min)},
          {"max", NumberOrNull(spread->max)},
          {"low", optional(spread->low)},
          {"high", optional(spread->high)},
          {"machines", machines}};
}

Json ChangeJson(const std::optional<report::Change>& change) {
  if (!change.has_value()) return Json();
  if (change->kind == report::Change::Kind::kRefused) return {{"refused", change->reason}};
  const bool ratio = change->kind == report::Change::Kind::kRatio;
  return {{ratio ? "ratio" : "difference", NumberOrNull(change->value)}};
}

Json ComparisonJson(const report::Comparison& comparison) {
  Json body = {{"experiments", Json::array()}, {"settings", Json::array()}, {"results", Json::array()}};
  for (const report::ComparedExperiment& experiment : comparison.experiments) {
    body["experiments"].push_back({{"id", experiment.id},
                                   {"name", experiment.name},
                                   {"state", absl::AsciiStrToLower(ExperimentStateName(experiment.state))}});
  }
  for (const report::SettingRow& row : comparison.settings) {
    Json values = Json::array();
    for (const auto& value : row.values) values.push_back(value ? Json(*value) : Json());
    body["settings"].push_back({{"variant", row.variant}, {"key", row.key}, {"values", values}});
  }
  for (const report::ResultRow& row : comparison.results) {
    Json values = Json::array(), changes = Json::array();
    for (const auto& value : row.values) values.push_back(SpreadJson(value));
    for (const auto& change : row.changes) changes.push_back(ChangeJson(change));
    body["results"].push_back({{"variant", row.variant},
                               {"metric", row.metric},
                               {"labels", Json(row.labels)},
                               {"unit", row.unit},
                               {"timing", row.timing},
                               {"values", values},
                               {"changes", changes}});
  }
  body["notes"] = comparison.notes;
  return body;
}

Table SettingTable(const report::Comparison& comparison) {
  std::vector<Table::Column> columns = {{"VARIANT"}, {"SETTING"}};
  for (const report::ComparedExperiment& experiment : comparison.experiments)
    columns.push_back({experiment.id});
  Table table(columns);
  for (const report::SettingRow& row : comparison.settings) {
    std::vector<Cell> cells = {row.variant, row.key};
    for (const auto& value : row.values) cells.push_back(value.value_or("—"));
    table.Add(std::move(cells));
  }
  return table;
}

Cell ChangeCell(const report::ResultRow& row, size_t experiment) {
  const std::optional<report::Change>& change = row.changes[experiment];
  if (!change.has_value()) return "";
  const bool refused = change->kind == report::Change::Kind::kRefused;
  return {report::ChangeText(*change, row.unit), refused ? Tone::kBad : Tone::kPlain};
}

Table ResultTable(const report::Comparison& comparison, bool min_max) {
  std::vector<Table::Column> columns = {{"VARIANT"}, {"RESULT"}};
  for (size_t i = 0; i < comparison.experiments.size(); ++i) {
    columns.push_back({comparison.experiments[i].id});
    if (i > 0) columns.push_back({"AGAINST THE FIRST", Align::kRight});
  }
  Table table(columns);
  for (const report::ResultRow& row : comparison.results) {
    const std::string labels = absl::StrJoin(row.labels, " ", absl::PairFormatter("="));
    std::vector<Cell> cells = {row.variant, absl::StrCat(row.metric, labels.empty() ? "" : " ", labels)};
    for (size_t i = 0; i < row.values.size(); ++i) {
      cells.push_back(row.values[i] ? report::SpreadText(*row.values[i], row.unit, min_max) : "—");
      if (i > 0) cells.push_back(ChangeCell(row, i));
    }
    table.Add(std::move(cells));
  }
  return table;
}

absl::StatusOr<int> Compare(Session& session, const CompareCommand& options) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const std::vector<ReportData> experiments, FetchAll(*client, options.names));
  const report::Comparison comparison =
      report::CompareExperiments(experiments, {.only_different = options.only_different});
  if (!session.is_table()) {
    session.PrintDocument("ExperimentComparison", ComparisonJson(comparison));
    return kExitOk;
  }
  const Table settings = SettingTable(comparison), results = ResultTable(comparison, options.min_max);
  if (!settings.empty()) session.Print(settings);
  if (!settings.empty() && !results.empty()) session.Print("\n");
  if (!results.empty()) session.Print(results);
  if (settings.empty() && results.empty()) session.Note(messages::kNothingDiffers());
  for (const std::string& note : comparison.notes) session.Note(NoteLine(session.language(), note));
  return kExitOk;
}

void AddExport(CommandLine& line) {
  const auto options = std::make_shared<ExportOptions>();
  CLI::App* command =
      AddCommand(line, "export", line.Say(messages::kHelpExport()),
                 "  quantctl export latest --format csv --output-dir tables\n"
                 "  quantctl export latest --format json | jq '.metrics[] | select(.step == 0)'\n"
                 "  quantctl export latest --table metrics > metrics.csv");
  command->add_option("EXPERIMENT", options->name, line.Say(messages::kHelpExperimentLatest()));
  command->add_option("--format", options->format, line.Say(messages::kHelpExportFormat()))
      ->check(CLI::IsMember({"csv", "json"}));
  command->add_option("--output-dir", options->folder, line.Say(messages::kHelpExportDir()))
      ->type_name("DIR");
  command->add_option("--table", options->table, line.Say(messages::kHelpExportTable()))
      ->check(CLI::IsMember({"runs", "metrics", "layers"}))
      ->type_name("NAME");
  command->callback(
      [&line, options] { line.action = [options](Session& s) { return Export(s, *options); }; });
}

void AddCompare(CommandLine& line) {
  const auto options = std::make_shared<CompareCommand>();
  CLI::App* command = AddCommand(line, "compare", line.Say(messages::kHelpCompare()),
                                 "  quantctl compare quick-k3f9a2 latest --only-different\n"
                                 "  quantctl compare quick-k3f9a2 latest -o json | jq '.results[]'");
  command->add_option("EXPERIMENT", options->names, line.Say(messages::kHelpCompareNames()))
      ->required()
      ->expected(2, 100);
  command->add_flag("--only-different", options->only_different, line.Say(messages::kHelpOnlyDifferent()));
  command->add_flag("--min-max", options->min_max, line.Say(messages::kHelpMinMax()));
  command->callback(
      [&line, options] { line.action = [options](Session& s) { return Compare(s, *options); }; });
}

}  // namespace

void AddDataCommands(CommandLine& line) {
  AddExport(line);
  AddCompare(line);
}

}  // namespace quantlab::client
