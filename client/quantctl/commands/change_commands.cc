// cancel, retry, stop; and supervise, which is internal.
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/records/records.h"
#include "base/status_macros.h"
#include "client/display/progress.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "platform/environment.h"

namespace quantlab::client {
namespace {

struct ChangeOptions {
  std::string name;
  std::string reason;
};

// "EXPERIMENT" or "EXPERIMENT/RUN".
absl::Status ResolveTarget(Client& client, const std::string& name, std::string* experiment,
                           std::string* run) {
  if (name.find('/') == std::string::npos) {
    QL_ASSIGN_OR_RETURN(*experiment, client.ResolveExperiment(name));
    return absl::OkStatus();
  }
  QL_ASSIGN_OR_RETURN(const std::string id, client.ResolveRun(name));
  std::tie(*experiment, *run) = SplitRunId(id);
  return absl::OkStatus();
}

int ShowChanged(Session& session, const v1::Experiment& experiment, const Message& what) {
  if (session.is_table()) {
    session.Note(what);
  } else {
    session.PrintDocument("Experiment", ToJsonValue(experiment));
  }
  return kExitOk;
}

// The state in which an experiment, or one run of it, has ended; empty where it has not.
std::string EndedState(const v1::Experiment& experiment, const std::string& run) {
  if (run.empty()) {
    return experiment.state() == v1::EXPERIMENT_STATE_ACTIVE ? "" : StateName(experiment.state());
  }
  for (const v1::Run& one : experiment.runs()) {
    if (SplitRunId(one.id()).second == run && IsEnded(one.state())) return StateName(one.state());
  }
  return "";
}

absl::StatusOr<int> Cancel(Session& session, const ChangeOptions& options) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  v1::CancelExperimentRequest request;
  QL_RETURN_IF_ERROR(ResolveTarget(*client, options.name, request.mutable_id(), request.mutable_run()));
  request.set_reason(options.reason);
  QL_ASSIGN_OR_RETURN(const v1::Experiment before, client->GetExperiment(request.id()));
  if (const std::string ended = EndedState(before, request.run()); !ended.empty()) {
    const std::string name =
        request.run().empty() ? before.id() : absl::StrCat(before.id(), "/", request.run());
    return ShowChanged(session, before, messages::kEndedAlready(name, ended));
  }
  QL_ASSIGN_OR_RETURN(const v1::Experiment experiment, client->Cancel(request));
  return ShowChanged(session, experiment,
                     messages::kCancelledTheRest(experiment.id(), StateName(experiment.state())));
}

absl::StatusOr<int> Retry(Session& session, const ChangeOptions& options) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  v1::RetryExperimentRequest request;
  QL_RETURN_IF_ERROR(ResolveTarget(*client, options.name, request.mutable_id(), request.mutable_run()));
  QL_ASSIGN_OR_RETURN(const v1::Experiment experiment, client->Retry(request));
  const int code = ShowChanged(session, experiment,
                               messages::kQueuedAgain(experiment.id(), StateName(experiment.state())));
  session.Note(session.embedded() != nullptr ? messages::kContinueIt(experiment.id())
                                             : messages::kFollowIt(experiment.id()));
  return code;
}

absl::StatusOr<int> Stop(Session& session) {
  QL_RETURN_IF_ERROR(StopEmbedded(session.settings().data_dir, absl::Seconds(40)));
  if (session.is_table()) {
    session.Note(messages::kServiceStopped());
  } else {
    session.PrintDocument("StoppedService", {{"dataDir", session.settings().data_dir}});
  }
  return kExitOk;
}

struct SuperviseOptions {
  std::string programs;
  int ready_fd = -1;
};

absl::StatusOr<int> Supervise(Session& session, const SuperviseOptions& options) {
  const std::string& data = session.settings().data_dir;
  const EmbeddedPaths paths(data);
  QL_ASSIGN_OR_RETURN(const std::string socket, SocketPath(data, ProcessEnvironment()("XDG_RUNTIME_DIR")));
  const std::string address = "unix:" + socket;
  SupervisorOptions supervisor{.data_dir = data, .listen = address, .ready_fd = options.ready_fd};
  supervisor.coordinator = {options.programs + "/quant-coordinator",
                            "--data-dir",
                            paths.coordinator_data,
                            "--listen",
                            address,
                            "--metrics-listen",
                            "off"};
  if (!session.settings().catalog.empty()) {
    supervisor.coordinator.insert(supervisor.coordinator.end(), {"--catalog", session.settings().catalog});
  }
  supervisor.worker = {options.programs + "/quant-worker",
                       "--coordinator",
                       address,
                       "--data-dir",
                       paths.worker_data,
                       "--local-store",
                       paths.coordinator_data + "/artifacts",
                       "--runner",
                       options.programs + "/quant-runner"};
  Cancellation stop;
  session.interrupts().Handle([&stop](int) { stop.Cancel(); });
  const int code = RunSupervisor(supervisor, stop);
  session.interrupts().Handle(nullptr);
  return code;
}

}  // namespace

void AddChangeCommands(CommandLine& line) {
  const auto cancel = std::make_shared<ChangeOptions>();
  CLI::App* command =
      AddCommand(line, "cancel", line.Say(messages::kHelpCancel()),
                 "  quantctl cancel latest --reason 'wrong dataset'\n  quantctl cancel latest/qat");
  command->add_option("EXPERIMENT[/RUN]", cancel->name, line.Say(messages::kHelpExperimentOrRun()))
      ->required();
  command->add_option("--reason", cancel->reason, line.Say(messages::kHelpReason()))->type_name("TEXT");
  command->callback([&line, cancel] { line.action = [cancel](Session& s) { return Cancel(s, *cancel); }; });

  const auto retry = std::make_shared<ChangeOptions>();
  command = AddCommand(line, "retry", line.Say(messages::kHelpRetry()),
                       "  quantctl retry latest\n  quantctl retry quick-k3f9a2/comparison");
  command->add_option("EXPERIMENT[/RUN]", retry->name, line.Say(messages::kHelpExperimentOrRun()))
      ->required();
  command->callback([&line, retry] { line.action = [retry](Session& s) { return Retry(s, *retry); }; });

  command = AddCommand(line, "stop", line.Say(messages::kHelpStop()),
                       "  quantctl stop\n  quantctl --data-dir /data/quantlab stop");
  command->callback([&line] { line.action = Stop; });
}

void AddSuperviseCommand(CommandLine& line) {
  const auto options = std::make_shared<SuperviseOptions>();
  CLI::App* command = AddCommand(line, "supervise", line.Say(messages::kHelpSupervise()), "");
  command->group("");
  command->add_option("--programs", options->programs)->required();
  command->add_option("--ready-fd", options->ready_fd);
  command->callback(
      [&line, options] { line.action = [options](Session& s) { return Supervise(s, *options); }; });
}

}  // namespace quantlab::client
