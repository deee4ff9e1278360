// download, report: write results on this machine.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/records/records.h"
#include "base/status_macros.h"
#include "client/display/text.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "client/quantctl/result_folder.h"
#include "client/results/archive.h"
#include "platform/paths.h"

namespace quantlab::client {
namespace {

struct DownloadOptions {
  std::string name = "latest";
  std::vector<std::string> artifacts;
  std::string to = ".";
  bool list = false;
};

// An artifact with the name that users give: "baseline/model/config.json".
struct NamedArtifact {
  std::string name;
  v1::Artifact artifact;
};

std::vector<NamedArtifact> AllArtifacts(const v1::ReportData& data) {
  std::vector<NamedArtifact> all;
  for (const v1::RunReport& run : data.runs()) {
    for (const v1::Artifact& artifact : run.artifacts()) {
      all.push_back({absl::StrCat(SplitRunId(run.run().id()).second, "/", artifact.name()), artifact});
    }
  }
  return all;
}

int ListArtifacts(Session& session, const std::vector<NamedArtifact>& all) {
  Table table({{"ARTIFACT"}, {"SIZE", Align::kRight}, {"SHA-256"}});
  Json body = Json::object();
  body["artifacts"] = Json::array();
  for (const NamedArtifact& one : all) {
    table.Add({one.name, HumanBytes(one.artifact.size()), one.artifact.sha256()});
    body["artifacts"].push_back(
        {{"name", one.name}, {"size", one.artifact.size()}, {"sha256", one.artifact.sha256()}});
  }
  if (!session.is_table()) {
    session.PrintDocument("ArtifactList", body);
  } else if (table.empty()) {
    session.Note(messages::kNoArtifacts());
  } else {
    session.Print(table);
  }
  return kExitOk;
}

// By name, or everything below it: "baseline/model".
absl::StatusOr<int> DownloadSome(Session& session, Client& client, const std::vector<NamedArtifact>& all,
                                 const DownloadOptions& options) {
  Json files = Json::array();
  for (const std::string& wanted : options.artifacts) {
    int found = 0;
    for (const NamedArtifact& one : all) {
      if (one.name != wanted && !absl::StartsWith(one.name, wanted + "/")) continue;
      ++found;
      if (!IsSafeRelativePath(one.name)) {
        return MessageStatus(absl::StatusCode::kInvalidArgument,
                             messages::kArtifactLeavesFolder(Printable(one.name)));
      }
      const std::filesystem::path path = std::filesystem::path(options.to) / one.name;
      std::error_code error;
      std::filesystem::create_directories(path.parent_path(), error);
      if (error)
        return absl::PermissionDeniedError(
            absl::StrCat("cannot create ", path.parent_path().string(), ": ", error.message()));
      QL_RETURN_IF_ERROR(
          DownloadFile(client, {path.string(), one.artifact.sha256(), one.artifact.size()}, {}));
      session.Note(absl::StrCat(path.string(), " (", HumanBytes(one.artifact.size()), ")"));
      files.push_back(
          {{"path", path.string()}, {"size", one.artifact.size()}, {"sha256", one.artifact.sha256()}});
    }
    if (found == 0) {
      return MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchArtifact(wanted, options.name));
    }
  }
  if (!session.is_table()) session.PrintDocument("DownloadedFiles", {{"files", std::move(files)}});
  return kExitOk;
}

absl::StatusOr<int> Download(Session& session, const DownloadOptions& options) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const std::string id, client->ResolveExperiment(options.name));
  if (options.list || !options.artifacts.empty()) {
    QL_ASSIGN_OR_RETURN(const v1::ReportData data, client->GetReportData(id));
    const std::vector<NamedArtifact> all = AllArtifacts(data);
    return options.list ? ListArtifacts(session, all) : DownloadSome(session, *client, all, options);
  }
  QL_ASSIGN_OR_RETURN(const WrittenResults results, FetchResults(session, *client, id, {}));
  QL_RETURN_IF_ERROR(results.written);
  if (session.is_table()) {
    session.Print(results.folder + "\n");
  } else {
    session.PrintDocument("ResultsFolder", {{"folder", results.folder}});
  }
  return kExitOk;
}

struct ReportOptions {
  std::string name = "latest";
  std::string language;
  std::vector<std::string> formats = {"md", "html", "pdf"};
  std::string archive;

  bool Wants(const char* format) const {
    return std::find(formats.begin(), formats.end(), format) != formats.end();
  }
};

// A document's own version stands where the data has that of its format.
Json ReportDocument(const v1::ReportData& data) {
  Json body = ToJsonValue(data);
  body.erase("version");
  body["dataVersion"] = data.version();
  return body;
}

// What was written, for programs that asked for an archive.
Json ReportFiles(const std::string& folder, const std::string& archive) {
  std::error_code error;
  const auto size = static_cast<int64_t>(std::filesystem::file_size(archive, error));
  return {{"folder", folder}, {"archive", archive}, {"archiveSize", error ? Json(nullptr) : Json(size)}};
}

absl::StatusOr<int> Report(Session& session, const ReportOptions& options) {
  if (!options.archive.empty()) QL_RETURN_IF_ERROR(CheckArchivePath(options.archive));
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const std::string id, client->ResolveExperiment(options.name));
  if (!session.is_table() && options.archive.empty()) {
    QL_ASSIGN_OR_RETURN(const v1::ReportData data, client->GetReportData(id));
    session.PrintDocument("ReportData", ReportDocument(data));
    return kExitOk;
  }
  FetchOptions fetch;
  fetch.artifacts = Artifacts::kKeep;
  fetch.language = options.language;
  fetch.html = options.Wants("html");
  fetch.pdf = options.Wants("pdf");
  fetch.archive = options.archive;
  QL_ASSIGN_OR_RETURN(const WrittenResults results, FetchResults(session, *client, id, fetch));
  QL_RETURN_IF_ERROR(results.written);
  if (!session.is_table()) {
    session.PrintDocument("ReportFiles", ReportFiles(results.folder, options.archive));
    return kExitOk;
  }
  session.Print(results.summary);
  if (!options.archive.empty()) {
    std::error_code error;
    const auto size = static_cast<int64_t>(std::filesystem::file_size(options.archive, error));
    session.Print(session.Say(messages::kArchiveIn(options.archive, error ? "?" : HumanBytes(size))) + "\n");
  }
  return kExitOk;
}

}  // namespace

void AddResultCommands(CommandLine& line) {
  const auto download = std::make_shared<DownloadOptions>();
  CLI::App* command = AddCommand(line, "download", line.Say(messages::kHelpDownload()),
                                 "  quantctl download latest\n  quantctl download latest --list\n"
                                 "  quantctl download latest baseline/model --to /tmp/models");
  command->add_option("EXPERIMENT", download->name, line.Say(messages::kHelpExperimentLatest()));
  command->add_option("ARTIFACT", download->artifacts, line.Say(messages::kHelpArtifact()));
  command->add_option("--to", download->to, line.Say(messages::kHelpTo()))->type_name("DIR");
  command->add_flag("--list", download->list, line.Say(messages::kHelpArtifactList()));
  command->callback(
      [&line, download] { line.action = [download](Session& s) { return Download(s, *download); }; });

  const auto report = std::make_shared<ReportOptions>();
  command = AddCommand(line, "report", line.Say(messages::kHelpReport()),
                       "  quantctl report latest --lang en\n  quantctl report latest --format html\n"
                       "  quantctl report latest --archive hand-in.zip");
  command->add_option("EXPERIMENT", report->name, line.Say(messages::kHelpExperimentLatest()));
  command->add_option("--lang", report->language, line.Say(messages::kHelpReportLang()))
      ->check(CLI::IsMember({"zh", "en", "both"}));
  command->add_option("--format", report->formats, line.Say(messages::kHelpReportFormat()))
      ->delimiter(',')
      ->check(CLI::IsMember({"md", "html", "pdf"}));
  command->add_option("--archive", report->archive, line.Say(messages::kHelpReportArchive()))
      ->type_name("FILE");
  command->callback([&line, report] { line.action = [report](Session& s) { return Report(s, *report); }; });
}

}  // namespace quantlab::client
