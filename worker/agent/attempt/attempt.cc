#include "worker/agent/attempt/attempt.h"

#include <algorithm>
#include <filesystem>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/backoff.h"
#include "base/messages/checkpoint.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/checkpoint_names.h"
#include "base/status_macros.h"
#include "platform/files.h"
#include "platform/paths.h"
#include "proto/convert.h"

namespace quantlab::agent {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxAssignment = 64 << 20;
// With less free disk than this, a failure is attributed to the disk.
constexpr int64_t kFullDisk = 8 << 20;
constexpr int kOomScoreAdjustment = 500;

std::string OutputOf(const std::string& folder) {
  return folder + "/output";
}

int64_t TotalSize(const std::vector<AssetFile>& files) {
  int64_t total = 0;
  for (const AssetFile& file : files) total += file.size;
  return total;
}

// Ends calls to the coordinator when the attempt should stop: preparation has no loop that could check
// for it.
class CancelOnStop {
 public:
  CancelOnStop(AttemptControl* control, CallCanceller* canceller)
      : done_(eventfd(0, EFD_CLOEXEC)), thread_([this, control, canceller] {
          pollfd fds[] = {{control->wake_fd(), POLLIN, 0}, {done_.get(), POLLIN, 0}};
          while (poll(fds, 2, -1) < 0) {
          }
          if (fds[0].revents != 0) canceller->Cancel();
        }) {}
  ~CancelOnStop() {
    const uint64_t one = 1;
    (void)!write(done_.get(), &one, sizeof(one));
    thread_.join();
  }

 private:
  const UniqueFd done_;
  std::thread thread_;
};

}  // namespace

std::string AttemptFolder(const std::string& data_folder, const v1::AttemptRef& attempt) {
  return absl::StrCat(data_folder, "/attempts/", EscapeName(attempt.run_id()), "/", attempt.number());
}

absl::StatusOr<std::vector<std::string>> FindAttempts(const std::string& data_folder) {
  std::vector<std::string> found;
  std::error_code error;
  const fs::path root = data_folder + "/attempts";
  if (!fs::exists(root, error)) return found;
  for (const auto& run : fs::directory_iterator(root, error)) {
    if (!run.is_directory(error)) continue;
    for (const auto& attempt : fs::directory_iterator(run.path(), error))
      found.push_back(attempt.path().string());
  }
  if (error) return FileError(error.value(), "read", root.string());
  std::sort(found.begin(), found.end());
  return found;
}

absl::StatusOr<v1::Assignment> ReadAssignment(const std::string& attempt_folder) {
  const std::string path = attempt_folder + "/assignment.pb";
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxAssignment));
  v1::Assignment assignment;
  if (!assignment.ParseFromString(text) || assignment.attempt().number() < 1) {
    return absl::DataLossError(absl::StrCat(path, " is damaged"));
  }
  return assignment;
}

Attempt::Attempt(AttemptEnvironment environment, v1::Assignment assignment, AttemptControl* control)
    : environment_(std::move(environment)),
      assignment_(std::move(assignment)),
      control_(control),
      folder_(AttemptFolder(environment_.options.data_folder, assignment_.attempt())),
      log_(environment_.log.About(SubjectOf(assignment_.attempt().run_id(), assignment_.attempt().number()))),
      status_(environment_.observer->Begin(assignment_.config().device())) {}

Attempt::~Attempt() {
  // A reader may keep the status after the spool is destroyed.
  status_->SetSpool(nullptr);
}

HandOver::Result Attempt::Execute() {
  log_.Info("preparing");
  const absl::Duration start = environment_.clock->Monotonic();
  Outcome outcome;
  if (const absl::Status created = CreateFolder(); !created.ok()) {
    outcome = PreparationFailed(created, /*worker_fault=*/true);
  } else {
    outcome = PrepareAndRun();
  }
  environment_.observer->End(outcome, environment_.clock->Monotonic() - start);
  const HandOver::Result result = HandOverAll(outcome);
  CleanUp(result);
  return result;
}

HandOver::Result Attempt::Resume() {
  status_->SetPhase(AttemptPhase::kDelivering);
  absl::StatusOr<std::unique_ptr<Spool>> spool = Spool::Open(folder_);
  Outcome outcome{v1::RUN_STATE_LOST, messages::kWorkerRestarted()};
  if (spool.ok()) {
    spool_ = std::move(*spool);
    status_->SetSpool(spool_.get());
    hand_over_ = std::make_unique<HandOver>(assignment_.attempt(), OutputOf(folder_),
                                            environment_.coordinator, spool_.get(), control_,
                                            environment_.outage, log_, environment_.options.hand_over);
    hand_over_->Start();
    if (const auto finish = spool_->finish(); finish.has_value()) {
      log_.Info("delivering an attempt that ended before the worker was restarted");
      const HandOver::Result result = hand_over_->Finish(*finish);
      CleanUp(result);
      return result;
    }
  } else {
    log_.Error(absl::StrCat("the event spool cannot be read: ", spool.status().ToString()));
  }
  log_.Warn("returning an attempt that was ended by the worker's restart");
  const HandOver::Result result = HandOverAll(outcome);
  CleanUp(result);
  return result;
}

absl::Status Attempt::CreateFolder() {
  QL_RETURN_IF_ERROR(RemoveTree(folder_));
  QL_RETURN_IF_ERROR(MakeDirectories(OutputOf(folder_)));
  QL_RETURN_IF_ERROR(WriteFileAtomically(folder_ + "/assignment.pb", assignment_.SerializeAsString()));
  QL_ASSIGN_OR_RETURN(spool_, Spool::Open(folder_));
  status_->SetSpool(spool_.get());
  hand_over_ = std::make_unique<HandOver>(assignment_.attempt(), OutputOf(folder_), environment_.coordinator,
                                          spool_.get(), control_, environment_.outage, log_,
                                          environment_.options.hand_over);
  hand_over_->Start();
  recorder_ = std::make_unique<EventRecorder>(
      spool_.get(), environment_.clock, OutputOf(folder_), environment_.options.recorder,
      [this] { hand_over_->Notify(); }, [this] { return hand_over_->CheckpointPending(); });
  return absl::OkStatus();
}

Outcome Attempt::PrepareAndRun() {
  absl::StatusOr<Job> job = absl::UnknownError("not prepared");
  {
    const CancelOnStop cancel_on_stop(control_, &canceller_);
    job = Prepare();
  }
  if (control_->stopping() || !job.ok()) return PreparationFailed(job.status());
  const absl::Status written = WriteFileAtomically(folder_ + "/job.json", JobToJson(*job));
  if (!written.ok()) return PreparationFailed(written, /*worker_fault=*/true);
  Outcome outcome = RunRunner();
  // The runner reported that it cannot write; another worker may be able to.
  if (outcome.state == v1::RUN_STATE_FAILED && DiskIsFull()) outcome.worker_fault = true;
  return outcome;
}

Outcome Attempt::PreparationFailed(const absl::Status& why, bool worker_fault) const {
  switch (control_->reason()) {
    case StopReason::kCancelled:
      return {v1::RUN_STATE_CANCELLED, control_->detail()};
    case StopReason::kPreempted:
    case StopReason::kPreemptedNow:
      return {v1::RUN_STATE_PREEMPTED, control_->detail()};
    case StopReason::kFenced:
      return {v1::RUN_STATE_LOST, control_->detail()};
    case StopReason::kNone:
      break;
  }
  log_.Error(absl::StrCat("the preparation failed: ", why.ToString()));
  return {v1::RUN_STATE_FAILED, messages::kPreparationFailed(MessageOf(why)), worker_fault || DiskIsFull()};
}

bool Attempt::DiskIsFull() const {
  const absl::StatusOr<int64_t> available = FreeBytes(environment_.options.data_folder);
  return available.ok() && *available < kFullDisk;
}

absl::StatusOr<Job> Attempt::Prepare() {
  Job job;
  QL_ASSIGN_OR_RETURN(job.config, FromProto(assignment_.config()));
  job.attempt = assignment_.attempt().number();
  job.output_folder = OutputOf(folder_);
  if (job.config.threads == 0) job.config.threads = environment_.options.threads;
  if (job.config.kind == RunKind::kBaseline) {
    QL_ASSIGN_OR_RETURN(job.model_folder, ProvideAsset(job.config.model, folder_ + "/inputs/model"));
  }
  QL_ASSIGN_OR_RETURN(job.dataset_folder,
                      ProvideAsset(job.config.dataset.asset, folder_ + "/inputs/dataset"));
  QL_ASSIGN_OR_RETURN(job.inputs, PrepareInputs());
  QL_RETURN_IF_ERROR(PlaceCheckpoint());
  return job;
}

// Without it the training starts from the beginning, which costs time and is no failure.
absl::Status Attempt::PlaceCheckpoint() {
  if (!assignment_.has_checkpoint()) return absl::OkStatus();
  const v1::TrainingCheckpoint& checkpoint = assignment_.checkpoint();
  const std::string path = folder_ + "/inputs/checkpoint.safetensors";
  const Message phase = messages::kFetching(CheckpointName(checkpoint.step()));
  const absl::Status placed =
      environment_.cache->Place(checkpoint.sha256(), checkpoint.size(), path, *control_, &canceller_,
                                [&](int64_t bytes) { Progress(phase, bytes, checkpoint.size()); });
  if (placed.ok()) {
    resume_from_ = path;
    return placed;
  }
  if (absl::IsCancelled(placed) || control_->stopping()) return placed;
  const Message why = messages::kCheckpointRefused(messages::kCheckpointNotFetched(MessageOf(placed)));
  log_.Warn(English(why));
  return recorder_->RecordLog(v1::SEVERITY_WARNING, why);
}

absl::StatusOr<std::string> Attempt::ProvideAsset(const AssetRef& asset, const std::string& folder) {
  if (asset.catalog.has_value()) {
    Progress(messages::kFetching(asset.name), 0, 0);
    return environment_.assets->Provide(EscapeName(asset.name), *asset.catalog, control_->wake_fd(),
                                        [this] { return control_->stopping(); });
  }
  if (asset.files.empty()) return "";
  QL_RETURN_IF_ERROR(PlaceFiles(asset.files, folder, asset.name));
  return folder;
}

absl::StatusOr<std::vector<ModelInput>> Attempt::PrepareInputs() {
  std::vector<ModelInput> inputs;
  for (const v1::RunInput& input : assignment_.inputs()) {
    ModelInput model{input.run(), input.variant(), input.method(),
                     absl::StrCat(folder_, "/inputs/run-", EscapeName(input.run()))};
    std::vector<AssetFile> files;
    for (const v1::InputFile& file : input.files())
      files.push_back({file.path(), file.sha256(), file.size()});
    QL_RETURN_IF_ERROR(MakeDirectories(model.folder));
    QL_RETURN_IF_ERROR(PlaceFiles(files, model.folder, input.run()));
    inputs.push_back(std::move(model));
  }
  return inputs;
}

absl::Status Attempt::PlaceFiles(const std::vector<AssetFile>& files, const std::string& folder,
                                 const std::string& what) {
  const Message phase = messages::kFetching(what);
  const int64_t total = TotalSize(files);
  int64_t done = 0;
  for (const AssetFile& file : files) {
    if (!IsSafeRelativePath(file.path)) {
      return absl::InvalidArgumentError(absl::StrCat("the path '", file.path, "' leads out of its folder"));
    }
    QL_RETURN_IF_ERROR(Annotate(
        environment_.cache->Place(file.sha256, file.size, absl::StrCat(folder, "/", file.path), *control_,
                                  &canceller_, [&](int64_t bytes) { Progress(phase, done + bytes, total); }),
        absl::StrCat(what, ": ", file.path)));
    done += file.size;
    Progress(phase, done, total);
  }
  return absl::OkStatus();
}

void Attempt::Progress(const Message& phase, int64_t done, int64_t total) {
  v1::Progress progress;
  progress.set_phase(English(phase));
  *progress.mutable_coded_phase() = ToProto(phase);
  progress.set_done(done);
  progress.set_total(total);
  progress.set_unit("byte");
  if (const absl::Status status = recorder_->RecordProgress(progress); !status.ok())
    log_.Warn(status.ToString());
}

void Attempt::AddCheckpointOptions(std::vector<std::string>& argv) const {
  const absl::Duration interval = environment_.options.checkpoint_interval;
  if (interval > absl::ZeroDuration()) {
    argv.insert(argv.end(), {"--checkpoint-seconds", absl::StrCat(absl::ToDoubleSeconds(interval))});
  }
  if (!resume_from_.empty()) argv.insert(argv.end(), {"--resume-from", resume_from_});
}

Outcome Attempt::RunRunner() {
  const AttemptOptions& options = environment_.options;
  SupervisorOptions supervisor;
  supervisor.process.argv = {options.runner,        "run",         "--job",
                             folder_ + "/job.json", "--events-fd", absl::StrCat(kFirstChildFd)};
  if (assignment_.config().kind() != v1::RUN_KIND_COMPARISON) AddCheckpointOptions(supervisor.process.argv);
  supervisor.process.working_folder = folder_;
  // When memory runs out, the kernel should kill the runner and not the agent.
  supervisor.process.oom_score_adjustment = kOomScoreAdjustment;
  supervisor.grace = options.grace;
  supervisor.max_event_line = options.max_event_line;
  if (assignment_.time_limit_seconds() > 0)
    supervisor.time_limit = absl::Seconds(assignment_.time_limit_seconds());
  supervisor.started = [this](pid_t pid) { status_->SetRunner(pid); };
  status_->SetPhase(AttemptPhase::kRunning);
  Supervisor run(std::move(supervisor), environment_.launcher, recorder_.get(), control_, environment_.clock,
                 log_);
  Outcome outcome = run.Run();
  status_->SetRunner(0);
  return outcome;
}

v1::FinishAttemptRequest Attempt::FinishRequest(const Outcome& outcome) const {
  v1::FinishAttemptRequest finish;
  *finish.mutable_attempt() = assignment_.attempt();
  finish.set_outcome(outcome.state);
  finish.set_worker_fault(outcome.worker_fault);
  if (!outcome.message.empty()) {
    finish.set_message(English(outcome.message));
    *finish.mutable_coded_message() = ToProto(outcome.message);
  }
  *finish.mutable_end_time() = ToProto(environment_.clock->Now());
  return finish;
}

HandOver::Result Attempt::HandOverAll(const Outcome& outcome) {
  status_->SetPhase(AttemptPhase::kDelivering);
  log_.Info(absl::StrCat("ended as ", v1::RunState_Name(outcome.state).substr(sizeof("RUN_STATE_") - 1),
                         outcome.message.empty() ? "" : ": ", English(outcome.message)));
  if (control_->reason() == StopReason::kFenced) return HandOver::Result::kFenced;
  if (spool_ == nullptr) return FinishWithoutSpool(outcome);
  const v1::FinishAttemptRequest finish = FinishRequest(outcome);
  absl::Status written = spool_->AppendFinish(finish);
  if (absl::IsResourceExhausted(written) && outcome.state != v1::RUN_STATE_SUCCEEDED) {
    // The disk is full: the output of a failed run is removed first.
    const absl::Status removed = RemoveTree(OutputOf(folder_));
    written = removed.ok() ? spool_->AppendFinish(finish) : written;
  }
  if (!written.ok()) log_.Error(absl::StrCat("cannot store the end of the attempt: ", written.ToString()));
  return hand_over_->Finish(finish);
}

// For an attempt whose spool could not be created: no events were recorded, so only the end is reported.
HandOver::Result Attempt::FinishWithoutSpool(const Outcome& outcome) {
  const v1::FinishAttemptRequest finish = FinishRequest(outcome);
  Backoff backoff(environment_.options.hand_over.first_pause, environment_.options.hand_over.longest_pause);
  while (true) {
    const absl::Status status = environment_.coordinator->FinishAttempt(finish, nullptr);
    if (status.ok()) return HandOver::Result::kAccepted;
    if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) {
      log_.Error(absl::StrCat("the coordinator refused the end of this attempt: ", status.ToString()));
      return HandOver::Result::kFenced;
    }
    environment_.outage->Failed(status);
    const StopReason until = control_->stopping() ? StopReason::kPreemptedNow : StopReason::kPreempted;
    if (control_->Wait(backoff.Next(), until)) return HandOver::Result::kLeft;
  }
}

void Attempt::CleanUp(HandOver::Result result) {
  if (result == HandOver::Result::kLeft) {
    log_.Info("left on disk; delivered at the next start of this worker");
    return;
  }
  if (result == HandOver::Result::kAccepted) log_.Info("delivered");
  if (result == HandOver::Result::kFenced) log_.Warn("dropped: the coordinator no longer accepts it");
  if (result == HandOver::Result::kAccepted && spool_ != nullptr) {
    // Later runs on this worker may need some of these files.
    const bool checkpoints = hand_over_->checkpoints_needed();
    for (const v1::Artifact& artifact : spool_->artifacts()) {
      struct stat info;
      const std::string path = absl::StrCat(OutputOf(folder_), "/", artifact.name());
      // The runner has removed older checkpoints.
      if (IsCheckpointName(artifact.name()) && (!checkpoints || lstat(path.c_str(), &info) != 0)) continue;
      environment_.cache->Keep(path, {artifact.sha256(), artifact.size()});
    }
  }
  recorder_.reset();
  hand_over_.reset();
  status_->SetSpool(nullptr);
  spool_.reset();
  if (const absl::Status removed = RemoveTree(folder_); !removed.ok()) log_.Warn(removed.ToString());
  std::error_code error;
  fs::remove(fs::path(folder_).parent_path(), error);  // the run's folder, when this was its last attempt
}

}  // namespace quantlab::agent
