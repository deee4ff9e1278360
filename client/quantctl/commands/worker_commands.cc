// workers, worker drain, undrain, quarantine: the machines that execute runs.
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/messages/messages.h"
#include "base/messages/queue.h"
#include "base/status_macros.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "proto/convert.h"

namespace quantlab::client {
namespace {

bool IsHeld(const v1::WorkerStatus& status) {
  return status.has_held_until_time() && status.state() != v1::WORKER_STATE_GONE;
}

// A message of the coordinator; none where this version does not know it.
Message ReasonOf(const v1::Message& message) {
  return FromProto(message).value_or(Message());
}

// Why a worker gets no runs, and until when. Only administrators are given the reason of a hold.
void NoteWhyHeld(Session& session, const v1::WorkerStatus& status) {
  const auto note = [&](const Message& why) {
    session.Note(messages::kWorkerCannot(status.worker().id(), status.worker().hostname(), why));
  };
  if (status.mode() == v1::WORKER_MODE_DRAINED) {
    note(messages::kWorkerDrained(status.mode_by(), ReasonOf(status.mode_reason())));
  } else if (status.mode() == v1::WORKER_MODE_QUARANTINED) {
    note(messages::kWorkerQuarantined(status.mode_by(), ReasonOf(status.mode_reason())));
  } else if (status.has_held_until_time() && status.has_hold_reason()) {
    const absl::Duration left =
        std::max(ToTime(status.held_until_time()) - absl::Now(), absl::ZeroDuration());
    note(messages::kWorkerHeld(absl::Ceil(left, absl::Seconds(1)), status.faults(),
                               ReasonOf(status.hold_reason())));
  }
}

Cell StateCell(Session& session, const v1::WorkerStatus& status) {
  const bool busy = status.state() == v1::WORKER_STATE_BUSY;
  if (status.state() != v1::WORKER_STATE_GONE) {
    if (status.mode() == v1::WORKER_MODE_QUARANTINED) return {session.Term("QUARANTINED"), Tone::kBad};
    if (status.mode() == v1::WORKER_MODE_DRAINED)
      return {session.Term(busy ? "DRAINING" : "DRAINED"), Tone::kBusy};
    if (IsHeld(status)) return {session.Term("HELD"), Tone::kBad};
  }
  const Tone tone = status.state() == v1::WORKER_STATE_GONE ? Tone::kBad : busy ? Tone::kBusy : Tone::kGood;
  return {session.Term(StateName(status.state())), tone};
}

std::string LabelsOf(const v1::WorkerInfo& worker) {
  std::vector<std::string> labels;
  for (const auto& [key, value] : worker.labels()) labels.push_back(absl::StrCat(key, "=", value));
  std::sort(labels.begin(), labels.end());
  return absl::StrJoin(labels, " ");
}

absl::StatusOr<int> Workers(Session& session) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const v1::ListWorkersResponse answer, client->ListWorkers());
  if (!session.is_table()) {
    session.PrintDocument("WorkerList", ToJsonValue(answer));
    return kExitOk;
  }
  if (answer.workers().empty()) {
    session.Note(messages::kNoWorkers(client->address()));
    return kExitOk;
  }
  Table table({{"WORKER"},
               Table::Flexible("HOST"),
               {"STATE"},
               Table::Flexible("DEVICES"),
               Table::Flexible("LABELS"),
               Table::Flexible("RUN"),
               {"LAST SEEN"},
               {"PROCESSOR"}});
  for (const v1::WorkerStatus& status : answer.workers()) {
    const v1::WorkerInfo& worker = status.worker();
    const auto cpu = worker.facts().find("cpu_model");
    table.Add({worker.id(), worker.hostname(), StateCell(session, status),
               absl::StrJoin(worker.devices(), " "), LabelsOf(worker), status.attempt().run_id(),
               HumanTime(ToTime(status.last_seen_time()), absl::Now(), session.language()),
               cpu == worker.facts().end() ? "" : cpu->second});
  }
  session.Print(table);
  for (const v1::WorkerStatus& status : answer.workers()) NoteWhyHeld(session, status);
  return kExitOk;
}

struct ModeOptions {
  std::string worker, reason;
  v1::WorkerMode mode = v1::WORKER_MODE_ACTIVE;
};

absl::StatusOr<int> SetMode(Session& session, const ModeOptions& options) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect(/*want_worker=*/false));
  v1::SetWorkerModeRequest request;
  request.set_worker_id(options.worker);
  request.set_mode(options.mode);
  request.set_reason(options.reason);
  QL_ASSIGN_OR_RETURN(const v1::WorkerStatus status, client->SetWorkerMode(request));
  if (!session.is_table()) {
    session.PrintDocument("Worker", ToJsonValue(status));
  } else if (status.mode() == v1::WORKER_MODE_DRAINED) {
    session.Note(messages::kWorkerIsDrained(options.worker, status.attempt().run_id()));
  } else if (status.mode() == v1::WORKER_MODE_QUARANTINED) {
    session.Note(messages::kWorkerIsQuarantined(options.worker));
  } else {
    session.Note(messages::kWorkerIsActive(options.worker));
  }
  return kExitOk;
}

void AddMode(CommandLine& line, CLI::App* parent, const char* name, v1::WorkerMode mode, const Message& what,
             const char* example) {
  const auto options = std::make_shared<ModeOptions>();
  options->mode = mode;
  CLI::App* command = parent->add_subcommand(name, line.Say(what));
  command->group(RenderTerm(line.language, "Subcommands"));
  command->footer(line.Say(messages::kHelpExample(example)));
  command->fallthrough();
  command->add_option("WORKER", options->worker, line.Say(messages::kHelpWorkerId()))->required();
  if (mode != v1::WORKER_MODE_ACTIVE)
    command->add_option("--reason", options->reason, line.Say(messages::kHelpModeReason()));
  command->callback(
      [&line, options] { line.action = [options](Session& s) { return SetMode(s, *options); }; });
}

}  // namespace

void AddWorkerCommands(CommandLine& line) {
  CLI::App* command = AddCommand(line, "workers", line.Say(messages::kHelpWorkers()), "  quantctl workers");
  command->callback([&line] { line.action = Workers; });

  CLI::App* worker = AddCommand(line, "worker", line.Say(messages::kHelpWorker()),
                                "  quantctl worker drain gpu1-x7k2 --reason 'new disk'\n"
                                "  quantctl worker undrain gpu1-x7k2");
  worker->require_subcommand(1);
  AddMode(line, worker, "drain", v1::WORKER_MODE_DRAINED, messages::kHelpDrain(),
          "  quantctl worker drain gpu1-x7k2 --reason 'new disk'");
  AddMode(line, worker, "undrain", v1::WORKER_MODE_ACTIVE, messages::kHelpUndrain(),
          "  quantctl worker undrain gpu1-x7k2");
  AddMode(line, worker, "quarantine", v1::WORKER_MODE_QUARANTINED, messages::kHelpQuarantine(),
          "  quantctl worker quarantine gpu1-x7k2 --reason 'ECC errors'");
}

}  // namespace quantlab::client
