#include "server/service/worker_service.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/messages/access.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/mutex.h"
#include "base/records/error_reason.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "proto/convert.h"
#include "proto/status_bridge.h"
#include "quantlab/v1/worker.grpc.pb.h"

namespace quantlab {
namespace {

constexpr int kMaxEvents = 1000;
constexpr int64_t kMaxEventBytes = 2 << 20;
constexpr int kMaxArtifacts = 10000;
constexpr size_t kMaxReasonBytes = 1000;
// An answer must be on its way before the caller's deadline.
constexpr absl::Duration kAnswerTime = absl::Milliseconds(500);

// ---- Sync ------------------------------------------------------------------------------------------------

absl::StatusOr<v1::Assignment> ToMessage(const Assignment& assignment) {
  v1::Assignment message;
  *message.mutable_attempt() = ToProto(assignment.attempt);
  absl::Status config;
  *message.mutable_config() = ToProto(assignment.run, &config).config();
  QL_RETURN_IF_ERROR(Annotate(config, absl::StrCat("the stored configuration of ", assignment.run.id)));
  message.set_time_limit_seconds(absl::ToDoubleSeconds(assignment.run.time_limit));
  if (assignment.checkpoint) {
    v1::TrainingCheckpoint* const checkpoint = message.mutable_checkpoint();
    checkpoint->set_sha256(assignment.checkpoint->file.sha256);
    checkpoint->set_size(assignment.checkpoint->file.size);
    checkpoint->set_attempt(assignment.checkpoint->attempt);
    checkpoint->set_step(assignment.checkpoint->step);
  }
  for (const AssignmentInput& input : assignment.inputs) {
    QL_ASSIGN_OR_RETURN(const RunConfig needed, RunConfigFromJson(input.run.config_json));
    v1::RunInput* out = message.add_inputs();
    out->set_run(input.run.name);
    out->set_variant(needed.variant);
    out->set_method(input.run.method);
    for (const Artifact& artifact : input.files) {
      v1::InputFile* file = out->add_files();
      file->set_path(artifact.name);
      file->set_sha256(artifact.sha256);
      file->set_size(artifact.size);
    }
  }
  return message;
}

absl::Status Fill(const SyncAnswer& answer, v1::SyncResponse* response) {
  if (answer.assignment) {
    QL_ASSIGN_OR_RETURN(*response->mutable_assignment(), ToMessage(*answer.assignment));
  }
  response->set_cancel(answer.cancel);
  if (!answer.cancel_reason.empty()) {
    response->set_cancel_reason(English(answer.cancel_reason));
    *response->mutable_coded_cancel_reason() = ToProto(answer.cancel_reason);
  }
  response->set_fenced(answer.fenced);
  response->set_next_sync_seconds(absl::ToDoubleSeconds(answer.next_sync));
  response->set_lease_seconds(absl::ToDoubleSeconds(answer.lease_term));
  return absl::OkStatus();
}

absl::StatusOr<SyncCall> ReadCall(const v1::SyncRequest& request,
                                  std::chrono::system_clock::time_point deadline) {
  SyncCall call;
  QL_ASSIGN_OR_RETURN(call.worker, FromProto(request.worker()));
  if (call.worker.id.empty()) return absl::InvalidArgumentError("worker.id is missing");
  if (request.has_attempt()) {
    QL_ASSIGN_OR_RETURN(call.attempt, FromProto(request.attempt()));
  }
  call.wants_run = request.wants_run() && !call.attempt;
  const double wait = request.max_wait_seconds();
  if (!(wait >= 0 && wait <= 60)) {
    return absl::InvalidArgumentError(absl::StrCat("max_wait_seconds is ", wait, "; allowed: 0 to 60"));
  }
  const absl::Duration left = absl::FromChrono(deadline) - absl::Now() - kAnswerTime;
  call.max_wait = std::clamp(absl::Seconds(wait), absl::ZeroDuration(), std::max(left, absl::ZeroDuration()));
  return call;
}

// ---- what a worker may touch -----------------------------------------------------------------------------

absl::Status Denied(const Message& message, absl::string_view reason) {
  return WithReason(MessageStatus(absl::StatusCode::kPermissionDenied, message), reason);
}

absl::Status CheckWorkerId(const RpcRecord& record, const std::string& claimed) {
  if (record.grant() != Grant::kLease) return absl::OkStatus();
  const IdentityRecord& identity = *record.caller().identity;
  if (identity.worker_id == claimed) return absl::OkStatus();
  return Denied(messages::kWorkerIdOfOther(identity.name, identity.worker_id, claimed), "WORKER_ID_OF_OTHER");
}

// The same answer for another's attempt and for one that does not exist.
absl::Status CheckHolder(const RpcRecord& record, Coordinator& coordinator, const AttemptKey& attempt) {
  if (record.grant() != Grant::kLease) return absl::OkStatus();
  const IdentityRecord& identity = *record.caller().identity;
  const absl::StatusOr<std::string> holder = coordinator.HolderOf(attempt);
  if (!holder.ok() && !absl::IsNotFound(holder.status())) return holder.status();
  if (holder.ok() && *holder == identity.worker_id) return absl::OkStatus();
  return Denied(messages::kAttemptNotHeld(attempt.run_id, attempt.number, identity.name), "ATTEMPT_NOT_HELD");
}

// Leaves what submitters need to know: which devices and methods there are.
void RemoveMachine(v1::WorkerInfo* worker) {
  worker->clear_hostname();
  worker->clear_fingerprint();
  worker->clear_runner_sha256();
  worker->clear_version();
  worker->clear_facts();
  worker->clear_machine_id();
}

// One call of Sync, which may wait. The coordinator's answer and the caller's disconnection race; the one
// that takes the reactor out of the shared state finishes the call.
class SyncReactor : public grpc::ServerUnaryReactor {
 public:
  SyncReactor(const RpcEnvironment& rpc, grpc::ServerContextBase& context, Coordinator* coordinator,
              v1::SyncResponse* response)
      : coordinator_(coordinator), state_(std::make_shared<State>(rpc, context)) {
    state_->reactor = this;
    state_->response = response;
    state_->record.frequent = true;
    state_->record.EndWithIdentity(
        context, [weak = std::weak_ptr<State>(state_), coordinator](const absl::Status& status) {
          if (const auto state = weak.lock()) Abandon(state, coordinator, status);
        });
  }

  void Start(const RpcEnvironment& rpc, const v1::SyncRequest* request,
             std::chrono::system_clock::time_point deadline) {
    absl::Status allowed = state_->record.admitted();
    if (allowed.ok()) allowed = CheckWorkerId(state_->record, request->worker().id());
    if (!allowed.ok()) return Finish(state_, allowed);
    const bool accepted = rpc.pool->Submit(
        [state = state_, coordinator = coordinator_, call = ReadCall(*request, deadline)] {
          const absl::Status status = CallHandler([&] {
            Run(state, coordinator, call);
            return absl::OkStatus();
          });
          if (!status.ok()) Finish(state, status);
        },
        state_->record.lane());
    if (!accepted) Finish(state_, MessageStatus(absl::StatusCode::kUnavailable, messages::kOverloaded()));
  }

  void OnCancel() override {
    Abandon(state_, coordinator_, absl::CancelledError("the worker disconnected, or its deadline passed"));
  }

  void OnDone() override { delete this; }

 private:
  struct State {
    State(const RpcEnvironment& rpc, const grpc::ServerContextBase& context) : record(rpc, context, "Sync") {}
    RpcRecord record;
    Mutex mutex;
    SyncReactor* reactor ABSL_GUARDED_BY(mutex) = nullptr;  // nullptr: finished
    v1::SyncResponse* response ABSL_GUARDED_BY(mutex) = nullptr;
    int64_t waiting ABSL_GUARDED_BY(mutex) = 0;
  };

  static void Run(const std::shared_ptr<State>& state, Coordinator* coordinator,
                  const absl::StatusOr<SyncCall>& call) {
    if (!call.ok()) return Finish(state, call.status());
    if (call->attempt) state->record.subject = SubjectOf(call->attempt->run_id, call->attempt->number);
    const int64_t waiting = coordinator->Sync(*call, [state](const absl::StatusOr<SyncAnswer>& answer) {
      Finish(state, CallHandler([&] { return Respond(state, answer); }));
    });
    if (waiting == 0) return;
    bool gone = false;
    {
      MutexLock lock(state->mutex);
      state->waiting = waiting;
      gone = state->reactor == nullptr;
    }
    if (gone) coordinator->DropSync(waiting);  // the caller disconnected before the id was known
  }

  // Finishes the call without waiting for the coordinator's answer.
  static void Abandon(const std::shared_ptr<State>& state, Coordinator* coordinator,
                      const absl::Status& status) {
    int64_t waiting = 0;
    {
      MutexLock lock(state->mutex);
      waiting = state->waiting;
    }
    if (waiting > 0) coordinator->DropSync(waiting);
    Finish(state, status);
  }

  static absl::Status Respond(const std::shared_ptr<State>& state, const absl::StatusOr<SyncAnswer>& answer) {
    QL_RETURN_IF_ERROR(answer.status());
    v1::SyncResponse response;
    QL_RETURN_IF_ERROR(Fill(*answer, &response));
    if (answer->assignment) {
      const AttemptKey& attempt = answer->assignment->attempt;
      state->record.subject = SubjectOf(attempt.run_id, attempt.number);
    }
    MutexLock lock(state->mutex);
    if (state->reactor != nullptr) state->response->Swap(&response);
    return absl::OkStatus();
  }

  static void Finish(const std::shared_ptr<State>& state, const absl::Status& status) {
    SyncReactor* reactor = nullptr;
    {
      MutexLock lock(state->mutex);
      std::swap(reactor, state->reactor);
    }
    if (reactor == nullptr) return;
    state->record.End(status);
    reactor->grpc::ServerUnaryReactor::Finish(ToGrpcStatus(status));
  }

  Coordinator* const coordinator_;
  const std::shared_ptr<State> state_;
};

// ---- events ----------------------------------------------------------------------------------------------

absl::StatusOr<std::vector<Event>> ReadEvents(const v1::ReportEventsRequest& request) {
  if (request.events_size() > kMaxEvents) {
    return absl::InvalidArgumentError(absl::StrCat(request.events_size(), " events; allowed: ", kMaxEvents));
  }
  const auto bytes = static_cast<int64_t>(request.ByteSizeLong());
  if (bytes > kMaxEventBytes) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kRequestTooLarge("ReportEvents", bytes, kMaxEventBytes));
  }
  std::vector<Event> events;
  for (int i = 0; i < request.events_size(); ++i) {
    QL_ASSIGN_OR_RETURN(Event event, FromProto(request.events(i)));
    if (event.number != request.first_number() + i) {
      return absl::InvalidArgumentError(
          absl::StrCat("events[", i, "].number is ", event.number, ", not ", request.first_number() + i));
    }
    events.push_back(std::move(event));
  }
  return events;
}

class WorkerService final : public v1::WorkerService::CallbackService {
 public:
  WorkerService(const RpcEnvironment& rpc, Coordinator* coordinator) : rpc_(rpc), coordinator_(coordinator) {}

  grpc::ServerUnaryReactor* Sync(grpc::CallbackServerContext* context, const v1::SyncRequest* request,
                                 v1::SyncResponse* response) override;
  grpc::ServerUnaryReactor* ReportEvents(grpc::CallbackServerContext* context,
                                         const v1::ReportEventsRequest* request,
                                         v1::ReportEventsResponse* response) override;
  grpc::ServerUnaryReactor* FinishAttempt(grpc::CallbackServerContext* context,
                                          const v1::FinishAttemptRequest* request,
                                          v1::FinishAttemptResponse* response) override;
  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context,
                                        const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) override;
  grpc::ServerUnaryReactor* SetWorkerMode(grpc::CallbackServerContext* context,
                                          const v1::SetWorkerModeRequest* request,
                                          v1::WorkerStatus* response) override;

 private:
  const RpcEnvironment rpc_;
  Coordinator* const coordinator_;
};

}  // namespace

grpc::ServerUnaryReactor* WorkerService::Sync(grpc::CallbackServerContext* context,
                                              const v1::SyncRequest* request, v1::SyncResponse* response) {
  auto* reactor = new SyncReactor(rpc_, *context, coordinator_, response);
  reactor->Start(rpc_, request, context->deadline());
  return reactor;
}

grpc::ServerUnaryReactor* WorkerService::ReportEvents(grpc::CallbackServerContext* context,
                                                      const v1::ReportEventsRequest* request,
                                                      v1::ReportEventsResponse* response) {
  return RunUnary(rpc_, context, "ReportEvents", [=, this](RpcRecord& record) -> absl::Status {
    record.frequent = true;
    QL_ASSIGN_OR_RETURN(const AttemptKey attempt, FromProto(request->attempt()));
    record.subject = SubjectOf(attempt.run_id, attempt.number);
    QL_RETURN_IF_ERROR(CheckHolder(record, *coordinator_, attempt));
    QL_ASSIGN_OR_RETURN(const std::vector<Event> events, ReadEvents(*request));
    QL_ASSIGN_OR_RETURN(const int64_t through, coordinator_->ReportEvents(attempt, events));
    rpc_.metrics->OnEvents(events, rpc_.clock->Now());
    response->set_acknowledged_through(through);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* WorkerService::FinishAttempt(grpc::CallbackServerContext* context,
                                                       const v1::FinishAttemptRequest* request,
                                                       v1::FinishAttemptResponse*) {
  return RunUnary(rpc_, context, "FinishAttempt", [=, this](RpcRecord& record) -> absl::Status {
    record.subject = SubjectOf(request->attempt().run_id(), request->attempt().number());
    if (request->artifacts_size() > kMaxArtifacts) {
      return absl::InvalidArgumentError(
          absl::StrCat(request->artifacts_size(), " artifacts; allowed: ", kMaxArtifacts));
    }
    QL_ASSIGN_OR_RETURN(const AttemptEnd end, FromProto(*request));
    QL_RETURN_IF_ERROR(CheckHolder(record, *coordinator_, end.key));
    return coordinator_->Finish(end);
  });
}

namespace {

v1::WorkerMode ToProto(WorkerMode mode) {
  switch (mode) {
    case WorkerMode::kActive:
      return v1::WORKER_MODE_ACTIVE;
    case WorkerMode::kDrained:
      return v1::WORKER_MODE_DRAINED;
    case WorkerMode::kQuarantined:
      return v1::WORKER_MODE_QUARANTINED;
  }
  return v1::WORKER_MODE_UNSPECIFIED;
}

absl::StatusOr<WorkerMode> FromProto(v1::WorkerMode mode) {
  for (const WorkerMode known : {WorkerMode::kActive, WorkerMode::kDrained, WorkerMode::kQuarantined}) {
    if (ToProto(known) == mode) return known;
  }
  return absl::InvalidArgumentError("mode is missing or unknown");
}

void FillMode(const std::optional<WorkerModeRecord>& mode, v1::WorkerStatus* out) {
  out->set_mode(ToProto(mode ? mode->mode : WorkerMode::kActive));
  if (!mode) return;
  if (!mode->reason.empty()) *out->mutable_mode_reason() = quantlab::ToProto(mode->reason);
  out->set_mode_by(mode->by);
  *out->mutable_mode_time() = quantlab::ToProto(mode->time);
}

// `names_only`: without what submitters need not know of the machine.
v1::WorkerStatus ToProto(const WorkerStatus& status, bool names_only) {
  v1::WorkerStatus out;
  *out.mutable_worker() = quantlab::ToProto(status.worker);
  if (names_only) RemoveMachine(out.mutable_worker());
  out.set_state(status.state == WorkerState::kBusy   ? v1::WORKER_STATE_BUSY
                : status.state == WorkerState::kIdle ? v1::WORKER_STATE_IDLE
                                                     : v1::WORKER_STATE_GONE);
  if (status.attempt) *out.mutable_attempt() = quantlab::ToProto(*status.attempt);
  *out.mutable_last_seen_time() = quantlab::ToProto(status.worker.last_seen);
  FillMode(status.mode, &out);
  if (!status.hold) return out;
  out.set_faults(status.hold->faults);
  // The reason names paths of the machine.
  if (!names_only) *out.mutable_hold_reason() = quantlab::ToProto(status.hold->last_fault);
  if (status.hold->left > absl::ZeroDuration()) {
    *out.mutable_held_until_time() = quantlab::ToProto(Clock::Real().Now() + status.hold->left);
  }
  return out;
}

}  // namespace

grpc::ServerUnaryReactor* WorkerService::ListWorkers(grpc::CallbackServerContext* context,
                                                     const v1::ListWorkersRequest*,
                                                     v1::ListWorkersResponse* response) {
  return RunUnary(rpc_, context, "ListWorkers", [=, this](RpcRecord& record) {
    record.frequent = true;
    const bool names_only = record.grant() == Grant::kNames;
    for (const WorkerStatus& status : coordinator_->Workers()) {
      *response->add_workers() = ToProto(status, names_only);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* WorkerService::SetWorkerMode(grpc::CallbackServerContext* context,
                                                       const v1::SetWorkerModeRequest* request,
                                                       v1::WorkerStatus* response) {
  return RunUnary(rpc_, context, "SetWorkerMode", [=, this](RpcRecord& record) -> absl::Status {
    record.object = absl::StrCat(request->worker_id(), ":", v1::WorkerMode_Name(request->mode()));
    if (request->reason().size() > kMaxReasonBytes) {
      return MessageStatus(
          absl::StatusCode::kInvalidArgument,
          messages::kReasonTooLong(static_cast<int64_t>(request->reason().size()), kMaxReasonBytes));
    }
    WorkerModeRecord mode;
    QL_ASSIGN_OR_RETURN(mode.mode, FromProto(request->mode()));
    mode.worker_id = request->worker_id();
    mode.reason = TextMessage(CleanText(request->reason(), kMaxReasonBytes));
    mode.by = record.caller().name();
    mode.time = rpc_.clock->Now();
    QL_ASSIGN_OR_RETURN(const WorkerStatus status, coordinator_->SetWorkerMode(mode));
    *response = ToProto(status, /*names_only=*/false);
    return absl::OkStatus();
  });
}

std::unique_ptr<grpc::Service> MakeWorkerService(const RpcEnvironment& rpc, Coordinator* coordinator) {
  return std::make_unique<WorkerService>(rpc, coordinator);
}

}  // namespace quantlab
