#include "server/service/watch.h"

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "proto/convert.h"
#include "proto/status_bridge.h"

namespace quantlab {
namespace {

// Limit of a stream's memory while its client does not read.
constexpr int kReadAtOnce = 500;
constexpr int64_t kReadBytesAtOnce = 256 << 10;

// Does one thing at a time: reads from storage (on the pool), writes to the client, or waits for the feed.
// Threads: safe. Kept alive by `self_` until gRPC is done with it, and by tasks that still run.
class Watch : public grpc::ServerWriteReactor<v1::WatchExperimentResponse>,
              public std::enable_shared_from_this<Watch> {
 public:
  Watch(const WatchParts& parts, grpc::ServerContextBase& context, const v1::WatchExperimentRequest& request,
        std::atomic<int>& open)
      : parts_(parts),
        experiment_(request.id()),
        min_severity_(request.min_severity()),
        open_(open),
        record_(*parts.rpc, context, "WatchExperiment"),
        sequence_(request.after_sequence()) {
    record_.subject.experiment = experiment_;
    ++open_;
  }

  void Start(grpc::ServerContextBase& context, bool refused) {
    self_ = shared_from_this();
    if (!record_.admitted().ok()) return End(record_.admitted());
    if (sequence_ < 0) return End(absl::InvalidArgumentError("after_sequence is negative"));
    if (refused) return End(MessageStatus(absl::StatusCode::kResourceExhausted, messages::kTooManyStreams()));
    record_.EndWithIdentity(context, [weak = weak_from_this()](const absl::Status& status) {
      if (auto watch = weak.lock()) watch->EndAfterStep(status);
    });
    subscription_ = parts_.feed->Subscribe(experiment_, [weak = weak_from_this()] {
      if (auto watch = weak.lock()) watch->OnChange();
    });
    Read();
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      MutexLock lock(mutex_);
      ending_.Update(absl::CancelledError("the caller disconnected"));
    }
    WriteOrRead();
  }

  void OnCancel() override {
    EndAfterStep(absl::CancelledError("the caller disconnected, or its deadline passed"));
  }

  void OnDone() override {
    --open_;
    auto keep = std::move(self_);  // the last reference, unless a task still runs
  }

 private:
  enum class Step { kReading, kWriting, kWaiting, kEnded };

  // Ends the stream: now, or when the running step is done. The first of several reasons counts.
  void EndAfterStep(const absl::Status& status) {
    {
      MutexLock lock(mutex_);
      ending_.Update(status);
      if (step_ != Step::kWaiting) return;
      step_ = Step::kReading;
    }
    End(status);
  }

  void OnChange() {
    {
      MutexLock lock(mutex_);
      changed_ = true;
      if (step_ != Step::kWaiting) return;
      step_ = Step::kReading;
    }
    Read();
  }

  void Read() {
    const bool accepted =
        parts_.rpc->pool->Submit([self = shared_from_this()] { self->ReadNow(); }, Lane::kRead);
    if (!accepted)
      End(absl::UnavailableError("the coordinator is overloaded; resume from the last sequence number"));
  }

  void ReadNow() {
    {
      MutexLock lock(mutex_);
      changed_ = false;
    }
    const absl::Status status = CallHandler([this] { return Fetch(); });
    if (!status.ok()) return End(status);
    WriteOrRead();
  }

  absl::Status Fetch() {
    // The state first: what was written before it ended is then among the changes. Read once, since reading
    // it reads the experiment's files too; later states are among the changes.
    if (!state_) {
      QL_ASSIGN_OR_RETURN(const ExperimentRecord experiment, parts_.state->GetExperiment(experiment_));
      state_ = experiment.state;
    }
    QL_ASSIGN_OR_RETURN(const std::vector<Change> changes,
                        parts_.events->ReadChanges(experiment_, sequence_, kReadAtOnce, kReadBytesAtOnce));
    for (const Change& change : changes) {
      sequence_ = change.sequence;
      if (change.experiment_state) state_ = change.experiment_state;
      if (Wanted(change)) messages_.push_back(ToProto(change));
    }
    ended_ = changes.empty() && state_ != ExperimentState::kActive;
    empty_ = changes.empty();
    return absl::OkStatus();
  }

  bool Wanted(const Change& change) const {
    if (!change.event || min_severity_ == v1::SEVERITY_UNSPECIFIED) return true;
    if (std::holds_alternative<Progress>(change.event->kind)) return true;
    const auto* line = std::get_if<LogLine>(&change.event->kind);
    return line != nullptr && static_cast<int>(line->severity) >= static_cast<int>(min_severity_);
  }

  // The next message; when all are written, the next ones; when there are none, waits.
  void WriteOrRead() {
    Step next = Step::kReading;
    absl::Status ending;
    {
      MutexLock lock(mutex_);
      ending = ending_;
      if (!messages_.empty()) {
        next = Step::kWriting;
      } else if (empty_ && !ended_ && !changed_) {
        next = Step::kWaiting;
      }
      if (!ending.ok()) next = Step::kReading;
      step_ = next;
    }
    // From here on another thread may run this object.
    if (next == Step::kWaiting) return;
    if (!ending.ok()) return End(ending);
    if (next == Step::kWriting) {
      current_ = std::move(messages_.front());
      messages_.pop_front();
      return StartWrite(&current_);
    }
    if (ended_) return End(absl::OkStatus());
    Read();
  }

  void End(const absl::Status& status) {
    {
      MutexLock lock(mutex_);
      if (step_ == Step::kEnded) return;
      step_ = Step::kEnded;
    }
    parts_.feed->Unsubscribe(experiment_, subscription_);
    record_.End(status);
    Finish(ToGrpcStatus(status));
  }

  // Constant after construction.
  const WatchParts parts_;
  const std::string experiment_;
  const v1::Severity min_severity_;
  std::atomic<int>& open_;
  RpcRecord record_;
  int64_t subscription_ = 0;
  std::shared_ptr<Watch> self_;

  // Of whoever reads or writes: one thread at a time.
  int64_t sequence_;
  std::optional<ExperimentState> state_;  // after sequence_, or later; none: not read yet
  std::deque<v1::WatchExperimentResponse> messages_;
  v1::WatchExperimentResponse current_;
  bool ended_ = false, empty_ = false;

  Mutex mutex_;
  Step step_ ABSL_GUARDED_BY(mutex_) = Step::kReading;
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status ending_ ABSL_GUARDED_BY(mutex_);  // why the stream is to end; OK: it goes on
};

}  // namespace

grpc::ServerWriteReactor<v1::WatchExperimentResponse>* StartWatch(const WatchParts& parts,
                                                                  grpc::ServerContextBase& context,
                                                                  const v1::WatchExperimentRequest& request,
                                                                  std::atomic<int>& open, int most) {
  auto watch = std::make_shared<Watch>(parts, context, request, open);
  watch->Start(context, open.load() > most);
  return watch.get();
}

}  // namespace quantlab
