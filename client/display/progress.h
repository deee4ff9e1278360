// The progress of each run of an experiment, updated from a watch, as lines for users.
#ifndef QUANTLAB_CLIENT_DISPLAY_PROGRESS_H_
#define QUANTLAB_CLIENT_DISPLAY_PROGRESS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/language.h"
#include "quantlab/v1/experiment.pb.h"
#include "quantlab/v1/worker.pb.h"

namespace quantlab::client {

// "RUNNING": a state's name without its enum prefix; "UNKNOWN" if this program does not know it. RenderTerm
// has it in other languages.
std::string StateName(v1::RunState state);
std::string StateName(v1::ExperimentState state);
std::string StateName(v1::WorkerState state);
bool IsEnded(v1::RunState state);
std::string SeverityName(v1::Severity severity);

// A message that has an English text, in the reader's language.
std::string ShownText(Language language, const v1::Message& coded, const std::string& text);

// A line of a log; unchanged if it has no message, like most lines.
std::string LogText(Language language, const v1::LogLine& line);

absl::Time ToTime(const google::protobuf::Timestamp& time);

// The progress and speed of a phase.
class PhaseMeter {
 public:
  void Update(const v1::Progress& progress, absl::Time at);
  bool known() const { return !progress_.phase().empty(); }
  const v1::Progress& progress() const { return progress_; }
  // Per second, over the phase so far; absent until there are two points.
  std::optional<double> Rate() const;
  std::optional<absl::Duration> Left() const;
  // "training 312/1563 step, 4.2/s, 4 min 58 s left".
  std::string Text(Language language = Language::kEnglish) const;
  // 0 to 1; absent while the total is unknown.
  std::optional<double> Fraction() const;

 private:
  v1::Progress progress_;
  int64_t first_done_ = 0;
  absl::Time first_at_, last_at_;
};

// Threads: one at a time.
class ProgressBoard {
 public:
  explicit ProgressBoard(const v1::Experiment& experiment, Language language = Language::kEnglish);

  // Applies one change. Returns what should be printed as a line: a run's new state, a warning in its log.
  struct News {
    std::string run;
    v1::RunState state = v1::RUN_STATE_UNSPECIFIED;    // set for a new state
    v1::Severity severity = v1::SEVERITY_UNSPECIFIED;  // set for a log line or a caveat
    std::string text;
  };
  std::vector<News> Update(const v1::WatchExperimentResponse& change);

  // Adds runs and updates states from a new answer of the coordinator.
  void Refresh(const v1::Experiment& experiment);

  // One line per run and one for the experiment, for a terminal of `width` columns; if there are more runs
  // than `height` lines, running ones come first and the last line counts the rest.
  std::vector<std::string> Draw(int width, int height, absl::Time now, bool color) const;

  // How many runs have ended, with the time left once that can be estimated (see Left). Empty for fewer than
  // two runs, and once the experiment has ended.
  std::string Overall(absl::Time now) const;

  // One line for each run that is running: for logs.
  std::vector<std::string> PlainLines() const;

  std::optional<v1::ExperimentState> ended() const { return ended_; }

 private:
  struct RunLine {
    std::string name;
    v1::RunState state = v1::RUN_STATE_PENDING;
    int64_t attempt = 0;
    bool reused = false;
    PhaseMeter meter;
    std::optional<absl::Time> start, end;
  };
  void AddRun(const v1::Run& run);
  // As if each run took as long as those that have ended did on average, or as long as its phase still needs;
  // and as if as many ran at a time as now. None before any has ended.
  std::optional<absl::Duration> Left(absl::Time now) const;
  std::string DrawRun(const RunLine& run, size_t name_width, int width, absl::Time now, bool color) const;

  const Language language_;
  std::vector<RunLine> runs_;
  std::map<std::string, size_t> index_;  // by run id
  std::optional<v1::ExperimentState> ended_;
};

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_DISPLAY_PROGRESS_H_
