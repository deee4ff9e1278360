// run, submit, validate, watch.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/messages/transfer.h"
#include "base/records/ids.h"
#include "base/records/records.h"
#include "base/status_macros.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/inputs/assets.h"
#include "client/inputs/experiment_files.h"
#include "client/inputs/input_checks.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "client/quantctl/hub_inputs.h"
#include "client/quantctl/live.h"
#include "client/quantctl/result_folder.h"
#include "client/quantctl/status_line.h"
#include "platform/environment.h"

namespace quantlab::client {
namespace {

struct SubmitOptions {
  std::string file;
  std::vector<std::string> only;
  std::vector<std::string> assets;  // NAME=PATH
  bool no_reuse = false;
  bool keep = false;
};

absl::StatusOr<std::map<std::string, std::string>> ParseAssets(const std::vector<std::string>& given) {
  std::map<std::string, std::string> assets;
  for (const std::string& text : given) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == text.size()) {
      return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kAssetNotPair(text));
    }
    assets[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return assets;
}

// Prints diagnostics; fails if one of them is an error.
absl::Status ReportDiagnostics(Session& session, const std::vector<v1::Diagnostic>& diagnostics,
                               const ExperimentFiles& read) {
  int errors = 0;
  for (const v1::Diagnostic& diagnostic : diagnostics) errors += diagnostic.error() ? 1 : 0;
  const std::string text =
      FormatDiagnostics(diagnostics, read.files, session.err().color, session.language());
  if (!text.empty()) {
    if (write(STDERR_FILENO, text.data(), text.size()) < 0) return absl::OkStatus();
  }
  if (errors == 0) return absl::OkStatus();
  return MessageStatus(absl::StatusCode::kInvalidArgument,
                       messages::kFileHasErrors(read.files[0].name(), errors));
}

struct Prepared {
  ExperimentFiles read;
  v1::SubmitExperimentRequest request;
  v1::SubmitExperimentResponse checked;
  std::string folder;                         // of the experiment file
  std::map<std::string, std::string> assets;  // name -> path: --asset, and models of a hub
};

// Reads the file and lets the coordinator check it.
absl::StatusOr<Prepared> Check(Session& session, const SubmitOptions& options, bool want_worker) {
  Prepared prepared;
  QL_ASSIGN_OR_RETURN(prepared.read, ReadExperimentFiles(options.file));
  QL_RETURN_IF_ERROR(ReportDiagnostics(session, prepared.read.diagnostics, prepared.read));
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect(want_worker));
  v1::SubmitExperimentRequest& request = prepared.request;
  for (const v1::SourceFile& file : prepared.read.files) *request.add_files() = file;
  for (const std::string& only : options.only) request.add_only(only);
  request.set_no_reuse(options.no_reuse);
  request.set_submitter(UserName());
  request.set_validate_only(true);
  QL_ASSIGN_OR_RETURN(prepared.checked, client->Submit(request));
  const std::vector<v1::Diagnostic> diagnostics(prepared.checked.diagnostics().begin(),
                                                prepared.checked.diagnostics().end());
  QL_RETURN_IF_ERROR(ReportDiagnostics(session, diagnostics, prepared.read));
  return prepared;
}

// Refuses an unused override, which must be a mistake.
absl::Status CheckAssetsAreNeeded(const std::map<std::string, std::string>& overrides,
                                  const v1::SubmitExperimentResponse& checked) {
  std::vector<std::string> needed;
  for (const v1::RequiredInput& input : checked.required_inputs()) needed.push_back(input.name());
  for (const auto& [name, path] : overrides) {
    if (std::find(needed.begin(), needed.end(), name) != needed.end()) continue;
    return MessageStatus(absl::StatusCode::kInvalidArgument, needed.empty()
                                                                 ? messages::kNoAssetNeeded(name)
                                                                 : messages::kAssetNotNeeded(name, needed));
  }
  return absl::OkStatus();
}

// Finds the inputs on this machine; with `fetch`, models of a hub are downloaded.
absl::Status LocateInputs(Session& session, const SubmitOptions& options, bool fetch, Prepared* prepared) {
  QL_ASSIGN_OR_RETURN(prepared->assets, ParseAssets(options.assets));
  QL_RETURN_IF_ERROR(CheckAssetsAreNeeded(prepared->assets, prepared->checked));
  prepared->folder = std::filesystem::path(options.file).parent_path().string();
  std::vector<Message> notes;
  absl::Status resolved;
  {
    StatusLine line(session);
    resolved = ResolveHubModels(
        session, prepared->folder, fetch, [&line](const Message& step) { line.Update(step); },
        &prepared->checked, &prepared->assets, &notes);
  }
  for (const Message& note : notes) session.Note(Printable(session.Say(note)));
  return resolved;
}

// Checks that the inputs that `run` would upload exist and are acceptable. A missing input of the catalogue
// may still be downloaded before the run, so it is only a note.
absl::Status ReportInputs(Session& session, const Prepared& prepared) {
  StatusLine line(session);
  if (prepared.checked.required_inputs_size() > 0) {
    line.Show(messages::kReadingPath(prepared.checked.required_inputs().rbegin()->name()));
  }
  QL_ASSIGN_OR_RETURN(const InputFindings findings,
                      CheckInputs(prepared.checked, prepared.folder, prepared.assets));
  line.Clear();
  for (const std::string& absent : findings.absent) {
    session.Note(absl::StrCat("not yet: ", Printable(absent)));
  }
  if (findings.dataset) session.Note(Printable(session.Say(*findings.dataset)));
  for (const Message& caveat : findings.caveats) session.Warn(Printable(session.Say(caveat)));
  return absl::OkStatus();
}

absl::Status UploadInputs(Session& session, Client& client, Prepared& prepared) {
  std::vector<LocalFile> files;
  StatusLine line(session);
  for (const v1::RequiredInput& required : prepared.checked.required_inputs()) {
    QL_ASSIGN_OR_RETURN(LocalAsset asset,
                        FindAsset(required, prepared.folder, prepared.assets,
                                  [&](const std::string& path, int64_t done, int64_t total) {
                                    line.Update(messages::kHashing(path, done, total));
                                  }));
    *prepared.request.add_inputs() = std::move(asset.input);
    files.insert(files.end(), asset.files.begin(), asset.files.end());
  }
  return UploadFiles(client, files, [&](int64_t done, int64_t total) {
    line.Update(messages::kUploading(HumanBytes(done), HumanBytes(total)));
  });
}

// One line for each dataset of which only a subset is used.
std::vector<Message> DescribeSubsets(const v1::Experiment& experiment) {
  std::vector<Message> lines;
  for (const v1::Run& run : experiment.runs()) {
    const v1::DatasetConfig& dataset = run.config().dataset();
    std::vector<Message> parts;
    if (dataset.train_size() > 0) parts.push_back(messages::kForTraining(dataset.train_size()));
    if (dataset.validation_size() > 0) parts.push_back(messages::kForValidation(dataset.validation_size()));
    if (dataset.test_size() > 0) parts.push_back(messages::kForTesting(dataset.test_size()));
    if (parts.empty()) continue;
    const Message line = messages::kSubsetOf(dataset.asset().name(), parts);
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
  }
  return lines;
}

// Checks the file, uploads its inputs and submits the experiment.
absl::StatusOr<v1::Experiment> SubmitFile(Session& session, const SubmitOptions& options, bool want_worker) {
  QL_ASSIGN_OR_RETURN(Prepared prepared, Check(session, options, want_worker));
  QL_RETURN_IF_ERROR(LocateInputs(session, options, /*fetch=*/true, &prepared));
  QL_RETURN_IF_ERROR(ReportInputs(session, prepared));
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect(want_worker));
  QL_RETURN_IF_ERROR(UploadInputs(session, *client, prepared));
  prepared.request.set_validate_only(false);
  prepared.request.set_request_id(RandomId(20));
  QL_ASSIGN_OR_RETURN(v1::SubmitExperimentResponse response, client->Submit(prepared.request));
  const v1::Experiment& experiment = response.experiment();
  session.Note(messages::kExperimentOfRuns(experiment.id(), experiment.runs_size()));
  for (const Message& line : DescribeSubsets(experiment)) session.Note(line);
  // An embedded worker may not have reported its capabilities yet.
  if (session.embedded() == nullptr) {
    for (int i = 0; i < response.unplaceable_size(); ++i) {
      const v1::Message coded =
          i < response.coded_unplaceable_size() ? response.coded_unplaceable(i) : v1::Message();
      session.Warn(Printable(ShownText(session.language(), coded, response.unplaceable(i))));
    }
  }
  return experiment;
}

// Other experiments of the data folder that the embedded worker now continues.
void MentionUnfinished(Session& session, Client& client, const std::string& except) {
  v1::ListExperimentsRequest request;
  request.set_state(v1::EXPERIMENT_STATE_ACTIVE);
  const auto active = client.ListExperiments(request, 20);
  if (!active.ok()) return;
  for (const v1::Experiment& experiment : *active) {
    if (experiment.id() == except) continue;
    session.Note(messages::kAlsoUnfinished(experiment.id()));
  }
}

void ExplainKeep(Session& session) {
  const std::string folder = session.settings().data_dir;
  session.Note(messages::kServiceGoesOn(session.embedded()->address(), folder));
}

absl::StatusOr<int> Finish(Session& session, Client& client, const Followed& followed) {
  const std::string& id = followed.experiment.id();
  if (followed.detached) {
    session.Note("\n" + session.Say(messages::kGoesOnWithoutWindow(id)));
    return kExitInterrupted;
  }
  const std::string failures = DescribeFailures(followed, session.language());
  if (!failures.empty()) session.Note(failures);
  FetchOptions fetch;
  fetch.subsets_said = true;
  QL_ASSIGN_OR_RETURN(const WrittenResults results, FetchResults(session, client, id, fetch));
  if (session.is_table()) {
    session.Print(results.summary);
    if (results.written.ok()) session.Note(messages::kAsPdfToo(id));
  } else {
    Json body = Json::object();
    body["experiment"] = ToJsonValue(followed.experiment);
    body["results"] = results.folder;
    session.PrintDocument("RunResult", body);
  }
  // The service still has all results.
  if (!results.written.ok()) session.Error(messages::kResultsNotWritten(MessageOf(results.written), id));
  const int code = ExitCodeOf(followed);
  return code == kExitOk ? ExitCodeOf(results.written) : code;
}

absl::StatusOr<int> RunFile(Session& session, const SubmitOptions& options) {
  QL_RETURN_IF_ERROR(CheckResultsDir(session.settings().results_dir));
  QL_ASSIGN_OR_RETURN(const v1::Experiment experiment, SubmitFile(session, options, /*want_worker=*/true));
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect(true));
  const bool embedded = session.embedded() != nullptr;
  if (embedded && options.keep) QL_RETURN_IF_ERROR(session.embedded()->Keep());
  if (embedded) MentionUnfinished(session, *client, experiment.id());
  QL_ASSIGN_OR_RETURN(const Followed followed, Follow(session, *client, experiment.id(),
                                                      embedded ? OnInterrupt::kCancel : OnInterrupt::kDetach,
                                                      /*stream_changes=*/false, /*subsets_said=*/true));
  QL_ASSIGN_OR_RETURN(const int code, Finish(session, *client, followed));
  if (embedded && options.keep) ExplainKeep(session);
  session.Disconnect(/*wait=*/true);
  return code;
}

absl::StatusOr<int> SubmitDetached(Session& session, const SubmitOptions& options) {
  QL_ASSIGN_OR_RETURN(const v1::Experiment experiment, SubmitFile(session, options, /*want_worker=*/true));
  if (session.embedded() != nullptr) {
    QL_RETURN_IF_ERROR(session.embedded()->Keep());
    ExplainKeep(session);
  }
  if (session.is_table()) {
    session.Print(experiment.id() + "\n");
    session.Note(messages::kFollowIt(experiment.id()));
  } else {
    session.PrintDocument("Experiment", ToJsonValue(experiment));
  }
  return kExitOk;
}

absl::StatusOr<int> ValidateFile(Session& session, const SubmitOptions& options) {
  QL_RETURN_IF_ERROR(CheckResultsDir(session.settings().results_dir));
  QL_ASSIGN_OR_RETURN(Prepared prepared, Check(session, options, /*want_worker=*/false));
  const v1::SubmitExperimentResponse checked = prepared.checked;
  QL_RETURN_IF_ERROR(LocateInputs(session, options, /*fetch=*/false, &prepared));
  QL_RETURN_IF_ERROR(ReportInputs(session, prepared));
  const v1::Experiment& experiment = prepared.checked.experiment();
  if (!session.is_table()) {
    session.PrintDocument("Validation", ToJsonValue(checked));
    return kExitOk;
  }
  Table table({Table::Flexible("RUN"), {"METHOD"}, {"SEED", Align::kRight}, {"DEVICE"}, {"NEEDS"}});
  for (const v1::Run& run : experiment.runs()) {
    std::vector<std::string> needs;
    for (const v1::RunDependency& need : run.needs()) needs.push_back(need.run());
    const v1::RunConfig& config = run.config();
    table.Add({config.run_name(), config.method().name(), absl::StrCat(config.seed()), config.device(),
               absl::StrJoin(needs, ", ")});
  }
  session.Print(table);
  session.Note(messages::kFileIsValid(options.file, experiment.runs_size()));
  for (const v1::RequiredInput& input : prepared.checked.required_inputs()) {
    session.Note(messages::kWillBeUploaded(input.role(), Printable(input.name())));
  }
  for (const Message& line : DescribeSubsets(experiment)) session.Note(line);
  return kExitOk;
}

absl::StatusOr<int> Watch(Session& session, const std::string& name) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const std::string id, client->ResolveExperiment(name));
  QL_ASSIGN_OR_RETURN(const v1::Experiment experiment, client->GetExperiment(id));
  // A private service has no other worker to execute the runs.
  if (experiment.state() == v1::EXPERIMENT_STATE_ACTIVE) QL_RETURN_IF_ERROR(session.Connect(true).status());
  QL_ASSIGN_OR_RETURN(const Followed followed,
                      Follow(session, *client, id, OnInterrupt::kDetach, !session.is_table()));
  if (followed.detached) {
    session.Note("\n" + session.Say(session.embedded() != nullptr ? messages::kGoesOnWithNextWatch(id)
                                                                  : messages::kGoesOn(id)));
    return kExitInterrupted;
  }
  const std::string failures = DescribeFailures(followed, session.language());
  if (!failures.empty()) session.Note(failures);
  session.Note(messages::kExperimentEnded(id, StateName(followed.experiment.state())));
  return ExitCodeOf(followed);
}

void AddFileOptions(const CommandLine& line, CLI::App* command,
                    const std::shared_ptr<SubmitOptions>& options) {
  command->add_option("FILE", options->file, line.Say(messages::kHelpFile()))->required();
  command->add_option("--only", options->only, line.Say(messages::kHelpOnly()))
      ->type_name("RUN")
      ->allow_extra_args(false);
  command->add_flag("--no-reuse", options->no_reuse, line.Say(messages::kHelpNoReuse()));
}

void AddAssetOption(const CommandLine& line, CLI::App* command,
                    const std::shared_ptr<SubmitOptions>& options) {
  command->add_option("--asset", options->assets, line.Say(messages::kHelpAsset()))
      ->type_name("NAME=PATH")
      ->allow_extra_args(false);
}

}  // namespace

void AddSubmitCommands(CommandLine& line) {
  const auto run = std::make_shared<SubmitOptions>();
  CLI::App* command =
      AddCommand(line, "run", line.Say(messages::kHelpRun()),
                 "  quantctl run configs/quick.yaml\n"
                 "  quantctl run configs/quick.yaml --only dynamic_quantization --results-dir /tmp/results");
  AddFileOptions(line, command, run);
  AddAssetOption(line, command, run);
  command->add_flag("--keep", run->keep, line.Say(messages::kHelpKeep()));
  command->callback(
      [&line, run] { line.action = [run](Session& session) { return RunFile(session, *run); }; });

  const auto submit = std::make_shared<SubmitOptions>();
  command = AddCommand(line, "submit", line.Say(messages::kHelpSubmit()),
                       "  id=$(quantctl submit configs/imdb_minilm.yaml)");
  AddFileOptions(line, command, submit);
  AddAssetOption(line, command, submit);
  command->callback(
      [&line, submit] { line.action = [submit](Session& s) { return SubmitDetached(s, *submit); }; });

  const auto validate = std::make_shared<SubmitOptions>();
  command = AddCommand(line, "validate", line.Say(messages::kHelpValidate()),
                       "  quantctl validate configs/quick.yaml");
  AddFileOptions(line, command, validate);
  AddAssetOption(line, command, validate);
  command->callback(
      [&line, validate] { line.action = [validate](Session& s) { return ValidateFile(s, *validate); }; });

  const auto name = std::make_shared<std::string>("latest");
  command = AddCommand(line, "watch", line.Say(messages::kHelpWatch()), "  quantctl watch latest");
  command->add_option("EXPERIMENT", *name, line.Say(messages::kHelpExperimentLatest()));
  command->callback([&line, name] { line.action = [name](Session& s) { return Watch(s, *name); }; });
}

}  // namespace quantlab::client
