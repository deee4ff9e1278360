#include "client/quantctl/commands/storage_commands.h"

#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/messages/messages.h"
#include "base/messages/storage.h"
#include "base/status_macros.h"
#include "client/connection/storage_client.h"
#include "client/display/text.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/results/local_results.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;

// ---- du --------------------------------------------------------------------------------------------------

// A folder on this machine.
struct LocalFolder {
  const char* term;  // in tables
  const char* key;   // in documents
  std::string path;
};

// Bytes of the files below a folder; 0 where there is none. Files with a second name are not counted: it is
// in the artifact store, which counts them.
int64_t BytesBelow(const std::string& folder) {
  int64_t bytes = 0;
  std::error_code error;
  constexpr auto kOptions = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator it(folder, kOptions, error), end; !error && it != end;
       it.increment(error)) {
    struct stat info;
    if (lstat(it->path().c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1)
      bytes += info.st_size;
  }
  return bytes;
}

std::vector<LocalFolder> LocalFolders(Session& session) {
  std::vector<LocalFolder> folders;
  if (session.embedded() != nullptr) {
    const EmbeddedPaths paths(session.settings().data_dir);
    folders = {{"worker: cache", "workerCacheBytes", paths.worker_data + "/cache"},
               {"worker: attempts and spool", "workerAttemptsBytes", paths.worker_data + "/attempts"},
               {"logs", "logsBytes", paths.logs}};
  }
  folders.push_back({"results", "resultsBytes", session.settings().results_dir});
  return folders;
}

std::string Shown(const v1::StoredFiles& files) {
  return files.files() == 0 ? "" : HumanBytes(files.bytes());
}

Table ExperimentTable(const v1::StorageUsage& usage) {
  Table table({{"EXPERIMENT"},
               {"MODELS", Align::kRight},
               {"INPUTS", Align::kRight},
               {"OTHER RESULTS", Align::kRight},
               {"SHARED", Align::kRight},
               {"LOG ENTRIES", Align::kRight}});
  for (const v1::ExperimentStorage& experiment : usage.experiments()) {
    table.Add({experiment.experiment_id(), Shown(experiment.models()), Shown(experiment.inputs()),
               Shown(experiment.results()), Shown(experiment.shared()),
               absl::StrCat(experiment.log_entries())});
  }
  return table;
}

Table TotalTable(Session& session, const v1::StorageUsage& usage) {
  Table table({{"STORED"}, {"FILES", Align::kRight}, {"SIZE", Align::kRight}});
  const auto add = [&](const char* term, const v1::StoredFiles& files) {
    if (files.files() > 0)
      table.Add({session.Term(term), absl::StrCat(files.files()), HumanBytes(files.bytes())});
  };
  add("all experiments", usage.artifacts());
  add("used by several experiments", usage.shared());
  add("used by none", usage.unreferenced());
  add("unfinished uploads", usage.partial());
  add("set aside as damaged", usage.damaged());
  table.Add({session.Term("database"), "", HumanBytes(usage.database_bytes())});
  for (const LocalFolder& folder : LocalFolders(session))
    table.Add({session.Term(folder.term), "", HumanBytes(BytesBelow(folder.path))});
  table.Add({session.Term("free on the disk"), "", HumanBytes(usage.free_bytes())});
  return table;
}

absl::StatusOr<int> DiskUse(Session& session, const std::string& name) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  std::string id;
  if (!name.empty()) {
    QL_ASSIGN_OR_RETURN(id, client->ResolveExperiment(name));
  }
  QL_ASSIGN_OR_RETURN(const v1::StorageUsage usage, StorageClient(*client).GetUsage(id));
  if (session.is_table()) {
    const Table experiments = ExperimentTable(usage);
    if (!experiments.empty()) session.Print(experiments);
    if (id.empty() && !experiments.empty()) session.Print("\n");
    if (id.empty()) session.Print(TotalTable(session, usage));
    return kExitOk;
  }
  Json document = ToJsonValue(usage);
  for (const LocalFolder& folder : LocalFolders(session)) document[folder.key] = BytesBelow(folder.path);
  session.PrintDocument("StorageUsage", document);
  return kExitOk;
}

// ---- delete ----------------------------------------------------------------------------------------------

struct DeleteOptions {
  std::string name;
  bool yes = false;
};

int64_t OwnBytes(const v1::ExperimentStorage& experiment) {
  return experiment.models().bytes() + experiment.inputs().bytes() + experiment.results().bytes();
}

// Whether the user wants it. Errors: INVALID_ARGUMENT there is nobody to ask.
absl::StatusOr<bool> Confirm(Session& session, const std::string& id, const v1::StorageUsage& usage) {
  if (isatty(STDIN_FILENO) == 0)
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kDeleteNeedsYes(id));
  int64_t own = 0, shared = 0;
  for (const v1::ExperimentStorage& experiment : usage.experiments()) {
    own += OwnBytes(experiment);
    shared += experiment.shared().bytes();
  }
  std::cerr << session.Say(messages::kDeleteQuestion(id, own, shared)) << ": " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  const std::string word = absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer));
  return word == "y" || word == "yes";
}

void NoteResults(Session& session, const std::string& id) {
  const auto results = FindLocalResults(session.settings().results_dir, id);
  if (results.ok() && results->id == id) session.Note(messages::kResultsStay(results->folder));
}

absl::StatusOr<int> Delete(Session& session, const DeleteOptions& options) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const std::string id, client->ResolveExperiment(options.name));
  QL_ASSIGN_OR_RETURN(const v1::Experiment experiment, client->GetExperiment(id));
  if (experiment.state() == v1::EXPERIMENT_STATE_ACTIVE)
    return MessageStatus(absl::StatusCode::kFailedPrecondition, messages::kDeleteActive(id));
  if (!options.yes) {
    QL_ASSIGN_OR_RETURN(const v1::StorageUsage usage, StorageClient(*client).GetUsage(id));
    QL_ASSIGN_OR_RETURN(const bool wanted, Confirm(session, id, usage));
    if (!wanted) {
      session.Note(messages::kDeleteNotDone(id));
      return kExitCancelled;
    }
  }
  absl::StatusOr<v1::DeleteExperimentResponse> answer = StorageClient(*client).DeleteExperiment(id);
  // It was there a moment ago: the answer to a first call was lost.
  if (absl::IsNotFound(answer.status())) answer = v1::DeleteExperimentResponse();
  QL_RETURN_IF_ERROR(answer.status());
  if (!session.is_table()) {
    session.PrintDocument("DeletedExperiment", ToJsonValue(*answer));
    return kExitOk;
  }
  session.Note(messages::kDeleted(id, answer->removed().files(), answer->removed().bytes()));
  if (answer->kept().files() > 0) session.Note(messages::kDeleteKept(answer->kept().bytes()));
  NoteResults(session, id);
  return kExitOk;
}

// ---- gc --------------------------------------------------------------------------------------------------

struct CollectOptions {
  bool dry_run = false;
  std::string older_than;
};

constexpr int64_t kMostDays = 36'500;

// "2d", and what absl::ParseDuration reads: "90m", "12h". CLI11 has no such check.
std::optional<absl::Duration> ParseAge(const std::string& text) {
  absl::Duration age;
  int64_t days = 0;
  if (!text.empty() && text.back() == 'd' && absl::SimpleAtoi(text.substr(0, text.size() - 1), &days))
    return days >= 0 && days <= kMostDays ? std::optional(absl::Hours(24 * days)) : std::nullopt;
  if (!absl::ParseDuration(text, &age) || age < absl::ZeroDuration() || age > absl::Hours(24 * kMostDays))
    return std::nullopt;
  return age;
}

absl::StatusOr<int> Collect(Session& session, const CollectOptions& options) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  v1::CollectGarbageRequest request;
  request.set_dry_run(options.dry_run);
  if (!options.older_than.empty())
    request.set_older_than_seconds(absl::ToDoubleSeconds(*ParseAge(options.older_than)));
  QL_ASSIGN_OR_RETURN(const v1::CollectGarbageResponse answer,
                      StorageClient(*client).CollectGarbage(request));
  if (!session.is_table()) {
    session.PrintDocument("CollectedGarbage", ToJsonValue(answer));
    return kExitOk;
  }
  const auto say = [&](const auto& message) {
    session.Note(message(answer.unreferenced().files(), answer.unreferenced().bytes(),
                         answer.partial().files(), answer.partial().bytes()));
  };
  options.dry_run ? say(messages::kGarbageFound) : say(messages::kGarbageRemoved);
  if (answer.recent().files() > 0)
    session.Note(messages::kGarbageRecent(answer.recent().files(), answer.recent().bytes()));
  return kExitOk;
}

}  // namespace

void AddStorageCommands(CommandLine& line) {
  const auto experiment = std::make_shared<std::string>();
  CLI::App* command = AddCommand(line, "du", line.Say(messages::kHelpDu()),
                                 "  quantctl du\n  quantctl du latest\n  quantctl du -o json");
  command->add_option("EXPERIMENT", *experiment, line.Say(messages::kHelpDuExperiment()));
  command->callback(
      [&line, experiment] { line.action = [experiment](Session& s) { return DiskUse(s, *experiment); }; });

  const auto deletion = std::make_shared<DeleteOptions>();
  command = AddCommand(line, "delete", line.Say(messages::kHelpDelete()),
                       "  quantctl delete quick-k3f9a2\n  quantctl delete latest --yes");
  command->add_option("EXPERIMENT", deletion->name, line.Say(messages::kHelpDeleteExperiment()))->required();
  command->add_flag("-y,--yes", deletion->yes, line.Say(messages::kHelpYes()));
  command->callback(
      [&line, deletion] { line.action = [deletion](Session& s) { return Delete(s, *deletion); }; });

  const auto garbage = std::make_shared<CollectOptions>();
  command = AddCommand(line, "gc", line.Say(messages::kHelpGc()),
                       "  quantctl gc --dry-run\n  quantctl gc --older-than 12h");
  command->add_flag("--dry-run", garbage->dry_run, line.Say(messages::kHelpGcDryRun()));
  command->add_option("--older-than", garbage->older_than, line.Say(messages::kHelpGcOlderThan()))
      ->type_name("TIME")
      ->check([](const std::string& text) {
        return ParseAge(text) ? std::string()
                              : absl::StrCat("'", text, "' is not a time such as 90m, 12h, 2d");
      });
  command->callback(
      [&line, garbage] { line.action = [garbage](Session& s) { return Collect(s, *garbage); }; });
}

}  // namespace quantlab::client
