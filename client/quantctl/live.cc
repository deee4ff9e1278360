#include "client/quantctl/live.h"

#include <set>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/records/records.h"
#include "base/status_macros.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "platform/environment.h"

namespace quantlab::client {
namespace {

constexpr absl::Duration kRedraw = absl::Milliseconds(200);
constexpr absl::Duration kPlainEvery = absl::Seconds(15);
constexpr int kPlainRepeat = 8;

void WriteError(const std::string& text) {
  if (write(STDERR_FILENO, text.data(), text.size()) < 0) return;  // the terminal has gone
}

// The progress display on the terminal.
//
// Threads: safe; draws on a separate thread.
class LiveView {
 public:
  LiveView(Session& session, Client& client, const v1::Experiment& experiment, OnInterrupt on_interrupt)
      : session_(session),
        client_(client),
        id_(experiment.id()),
        on_interrupt_(on_interrupt),
        board_(experiment, session.language()) {
    session_.interrupts().Handle([this](int count) { OnSignal(count); });
    thread_ = std::thread([this] { Loop(); });
  }

  ~LiveView() {
    session_.interrupts().Handle(nullptr);
    {
      MutexLock lock(mutex_);
      ending_ = true;
      changed_.NotifyAll();
    }
    thread_.join();
    if (drawing()) {
      MutexLock lock(mutex_);
      Draw();
    }
  }

  void Update(const v1::WatchExperimentResponse& change) {
    MutexLock lock(mutex_);
    for (const ProgressBoard::News& news : board_.Update(change)) Show(news);
  }

  void Refresh(const v1::Experiment& experiment) {
    MutexLock lock(mutex_);
    board_.Refresh(experiment);
  }

  bool interrupted() const {
    MutexLock lock(mutex_);
    return interrupted_;
  }

  // Runs for which the reason of their end was shown.
  std::set<std::string> explained() const {
    MutexLock lock(mutex_);
    return explained_;
  }

 private:
  bool drawing() const { return session_.err().is_terminal && !session_.quiet(); }

  // On the signals' thread.
  void OnSignal(int count) {
    if (count >= 2) {
      WriteError("\n");
      _exit(kExitInterrupted);
    }
    MutexLock lock(mutex_);
    interrupted_ = true;
    changed_.NotifyAll();
  }

  void Loop() {
    absl::Time next_plain = absl::Now() + kPlainEvery;
    bool answered = false;
    while (true) {
      bool answer = false;
      {
        MutexLock lock(mutex_);
        if (!ending_) changed_.WaitFor(mutex_, kRedraw);
        if (ending_) return;
        if (drawing()) Draw();
        if (!drawing() && !session_.quiet() && absl::Now() >= next_plain) {
          next_plain = absl::Now() + kPlainEvery;
          NoteProgress();
        }
        answer = interrupted_ && !answered;
        answered = interrupted_;
      }
      if (answer) AnswerInterrupt();
    }
  }

  // A line per running run if it has progressed; from time to time even if it has not.
  void NoteProgress() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<std::string> lines = board_.PlainLines();
    if (lines == plain_ && ++plain_repeats_ < kPlainRepeat) return;
    for (const std::string& line : lines) session_.Note(line);
    plain_ = std::move(lines);
    plain_repeats_ = 0;
  }

  void AnswerInterrupt() {
    if (on_interrupt_ == OnInterrupt::kDetach) {
      session_.cancellation().Cancel();
      return;
    }
    Say(session_.Say(messages::kCancelling()));
    v1::CancelExperimentRequest request;
    request.set_id(id_);
    request.set_reason("interrupted by the user");
    const auto cancelled = client_.Cancel(request);
    if (!cancelled.ok()) Say(session_.Say(messages::kCouldNotCancel(MessageOf(cancelled.status()))));
  }

  void Say(const std::string& line) {
    MutexLock lock(mutex_);
    Line(line);
  }

  void Show(const ProgressBoard::News& news) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (news.severity != v1::SEVERITY_UNSPECIFIED) {
      if (news.severity < v1::SEVERITY_WARNING) return;
      const bool error = news.severity == v1::SEVERITY_ERROR;
      // "warning:", coloured except for the colon.
      const std::string label = session_.Term(error ? "error:" : "warning:");
      const size_t colon = label.size() - (session_.language() == Language::kEnglish ? 1 : 3);
      Line(absl::StrCat(news.run, Colon(),
                        Paint(label.substr(0, colon), error ? Tone::kBad : Tone::kBusy, session_.err().color),
                        Colon(), Printable(news.text)));
      return;
    }
    // The display shows states; reasons, and output that is no terminal, need lines of text.
    if (drawing() && news.text.empty()) return;
    const bool bad_end = IsEnded(news.state) && news.state != v1::RUN_STATE_SUCCEEDED;
    if (session_.quiet() && !bad_end) return;
    if (bad_end && !news.text.empty()) explained_.insert(news.run);
    Line(absl::StrCat(news.run, Colon(), session_.Term(StateName(news.state)),
                      news.text.empty() ? "" : Colon(), Printable(news.text)));
  }

  const char* Colon() const { return session_.language() == Language::kEnglish ? ": " : "："; }

  void Line(const std::string& line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    Erase();
    WriteError(Wrap(line, session_.err().Columns()) + "\n");
    if (drawing()) Draw();
  }

  void Erase() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (drawn_ > 0) WriteError(absl::StrCat("\033[", drawn_, "A\033[J"));
    drawn_ = 0;
  }

  void Draw() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const Terminal terminal = Terminal::Of(STDERR_FILENO, !session_.err().color, ProcessEnvironment());
    const auto lines = board_.Draw(terminal.width, terminal.height - 1, absl::Now(), session_.err().color);
    std::string frame = drawn_ > 0 ? absl::StrCat("\033[", drawn_, "A") : "";
    for (const std::string& line : lines) absl::StrAppend(&frame, "\r", line, "\033[K\n");
    frame += "\033[J";
    drawn_ = static_cast<int>(lines.size());
    WriteError(frame);
  }

  Session& session_;
  Client& client_;
  const std::string id_;
  const OnInterrupt on_interrupt_;

  mutable Mutex mutex_;
  CondVar changed_;
  ProgressBoard board_ ABSL_GUARDED_BY(mutex_);
  int drawn_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::string> explained_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> plain_ ABSL_GUARDED_BY(mutex_);
  int plain_repeats_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

// That only a subset of the data is used, as a caveat or as the runner's log has it.
bool SaysSubset(const v1::Event& event) {
  return event.caveat().code() == "subset" || event.log().coded_message().code() == messages::kSubset.code();
}

void PrintChange(Session& session, const v1::WatchExperimentResponse& change) {
  session.Print(RenderLine("Change", ToJsonValue(change)));
}

}  // namespace

absl::StatusOr<Followed> Follow(Session& session, Client& client, const std::string& experiment_id,
                                OnInterrupt on_interrupt, bool stream_changes, bool subsets_said) {
  Followed followed;
  QL_ASSIGN_OR_RETURN(followed.experiment, client.GetExperiment(experiment_id));
  LiveView view(session, client, followed.experiment, on_interrupt);
  v1::WatchExperimentRequest request;
  request.set_id(experiment_id);
  if (!stream_changes) request.set_min_severity(v1::SEVERITY_WARNING);
  int64_t last = 0;
  // Another user's retry makes an ended experiment active again.
  do {
    request.set_after_sequence(last);
    const absl::Status status = client.Watch(request, [&](const v1::WatchExperimentResponse& change) {
      last = change.sequence();
      if (!subsets_said || !SaysSubset(change.event())) view.Update(change);
      if (stream_changes) PrintChange(session, change);
    });
    followed.interrupted = view.interrupted();
    followed.detached = followed.interrupted && on_interrupt == OnInterrupt::kDetach;
    if (followed.detached) return followed;
    QL_RETURN_IF_ERROR(status);
    QL_ASSIGN_OR_RETURN(followed.experiment, client.GetExperiment(experiment_id));
    view.Refresh(followed.experiment);
  } while (followed.experiment.state() == v1::EXPERIMENT_STATE_ACTIVE);
  followed.interrupted = view.interrupted();
  followed.explained = view.explained();
  return followed;
}

std::string DescribeFailures(const Followed& followed, Language language) {
  const char* const colon = language == Language::kEnglish ? ": " : "：";
  std::string text;
  for (const v1::Run& run : followed.experiment.runs()) {
    if (!IsEnded(run.state()) || run.state() == v1::RUN_STATE_SUCCEEDED) continue;
    if (followed.explained.count(SplitRunId(run.id()).second) > 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : "\n", SplitRunId(run.id()).second, colon,
                    RenderTerm(language, StateName(run.state())), run.message().empty() ? "" : colon,
                    Printable(ShownText(language, run.coded_message(), run.message())));
  }
  return text;
}

int ExitCodeOf(const Followed& followed) {
  if (followed.interrupted) return kExitInterrupted;
  if (followed.experiment.state() == v1::EXPERIMENT_STATE_SUCCEEDED) return kExitOk;
  return followed.experiment.state() == v1::EXPERIMENT_STATE_CANCELLED ? kExitCancelled : kExitRunsFailed;
}

}  // namespace quantlab::client
