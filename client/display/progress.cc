#include "client/display/progress.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/records/records.h"
#include "client/display/text.h"
#include "proto/convert.h"

namespace quantlab::client {
namespace {

constexpr int kBarWidth = 16;
constexpr size_t kStateWidth = 9;

const char* ColorOf(v1::RunState state) {
  if (state == v1::RUN_STATE_SUCCEEDED) return "\033[32m";
  if (state == v1::RUN_STATE_RUNNING) return "\033[36m";
  return IsEnded(state) ? "\033[31m" : "\033[2m";
}

std::string Bar(double fraction) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::lround(std::clamp(fraction, 0.0, 1.0) * kBarWidth * 8));
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) bar += "█";
  bar += kEighths[eighths % 8];
  return "▕" + Pad(bar, kBarWidth) + "▏";
}

// A newer coordinator may send a constant that this program has no name for.
std::string WordOf(absl::string_view constant, absl::string_view prefix) {
  const absl::string_view word = absl::StripPrefix(constant, prefix);
  return word.empty() || word == "UNSPECIFIED" ? "UNKNOWN" : std::string(word);
}

}  // namespace

std::string StateName(v1::RunState state) {
  return WordOf(v1::RunState_Name(state), "RUN_STATE_");
}

std::string StateName(v1::ExperimentState state) {
  return WordOf(v1::ExperimentState_Name(state), "EXPERIMENT_STATE_");
}

std::string StateName(v1::WorkerState state) {
  return WordOf(v1::WorkerState_Name(state), "WORKER_STATE_");
}

bool IsEnded(v1::RunState state) {
  return state != v1::RUN_STATE_UNSPECIFIED && state != v1::RUN_STATE_PENDING &&
         state != v1::RUN_STATE_QUEUED && state != v1::RUN_STATE_RUNNING;
}

std::string SeverityName(v1::Severity severity) {
  return WordOf(v1::Severity_Name(severity), "SEVERITY_");
}

std::string LogText(Language language, const v1::LogLine& line) {
  return line.has_coded_message() ? ShownText(language, line.coded_message(), line.message())
                                  : line.message();
}

std::string ShownText(Language language, const v1::Message& coded, const std::string& text) {
  if (language == Language::kEnglish) return text;
  return Render(language, MessageOr(FromProto(coded).value_or(Message()), text));
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void PhaseMeter::Update(const v1::Progress& progress, absl::Time at) {
  const bool anew = progress.phase() != progress_.phase() || progress.done() < progress_.done();
  progress_ = progress;
  last_at_ = at;
  if (!anew) return;
  first_done_ = progress.done();
  first_at_ = at;
}

std::optional<double> PhaseMeter::Rate() const {
  const double seconds = absl::ToDoubleSeconds(last_at_ - first_at_);
  if (seconds < 0.2 || progress_.done() <= first_done_) return std::nullopt;
  return static_cast<double>(progress_.done() - first_done_) / seconds;
}

std::optional<absl::Duration> PhaseMeter::Left() const {
  const std::optional<double> rate = Rate();
  if (!rate || progress_.total() <= progress_.done()) return std::nullopt;
  return absl::Seconds(static_cast<double>(progress_.total() - progress_.done()) / *rate);
}

std::optional<double> PhaseMeter::Fraction() const {
  if (progress_.total() <= 0) return std::nullopt;
  return std::clamp(static_cast<double>(progress_.done()) / static_cast<double>(progress_.total()), 0.0, 1.0);
}

namespace {

// "5 steps", "5 processes"; Chinese has no plural.
const char* PluralEnding(Language language, const std::string& unit) {
  if (language != Language::kEnglish) return "";
  return absl::EndsWith(unit, "s") ? "es" : "s";
}

}  // namespace

std::string PhaseMeter::Text(Language language) const {
  std::string text = ShownText(language, progress_.coded_phase(), progress_.phase());
  const bool bytes = progress_.unit() == "byte";
  const auto amount = [&](int64_t value) {
    return bytes ? HumanBytes(value) : HumanNumber(static_cast<double>(value));
  };
  if (progress_.total() > 0) {
    absl::StrAppend(&text, " ", amount(progress_.done()), "/", amount(progress_.total()));
  } else if (progress_.done() > 0) {
    absl::StrAppend(&text, " ", amount(progress_.done()));
  }
  if (!bytes && !progress_.unit().empty() && (progress_.total() > 0 || progress_.done() > 0)) {
    absl::StrAppend(&text, " ", RenderTerm(language, progress_.unit()),
                    PluralEnding(language, progress_.unit()));
  }
  const char* const comma = language == Language::kEnglish ? ", " : "，";
  if (const auto rate = Rate()) {
    if (*rate < 0.2) {
      absl::StrAppend(
          &text, comma,
          Render(language, messages::kTimeEach(HumanDuration(absl::Seconds(1 / *rate), language))));
    } else {
      absl::StrAppend(&text, comma, bytes ? HumanBytes(static_cast<int64_t>(*rate)) : HumanNumber(*rate),
                      "/s");
    }
  }
  if (const auto left = Left()) {
    absl::StrAppend(&text, comma, Render(language, messages::kTimeLeft(HumanDuration(*left, language))));
  }
  return text;
}

ProgressBoard::ProgressBoard(const v1::Experiment& experiment, Language language) : language_(language) {
  Refresh(experiment);
}

void ProgressBoard::AddRun(const v1::Run& run) {
  index_[run.id()] = runs_.size();
  RunLine line;
  line.name = SplitRunId(run.id()).second;
  if (line.name.empty()) line.name = run.config().run_name();
  runs_.push_back(std::move(line));
}

void ProgressBoard::Refresh(const v1::Experiment& experiment) {
  for (const v1::Run& run : experiment.runs()) {
    if (index_.count(run.id()) == 0) AddRun(run);
    RunLine& line = runs_[index_[run.id()]];
    line.state = run.state();
    line.attempt = run.attempts();
    line.reused = run.reused();
    if (run.has_start_time()) line.start = ToTime(run.start_time());
    if (run.has_end_time()) line.end = ToTime(run.end_time());
  }
  if (experiment.state() == v1::EXPERIMENT_STATE_ACTIVE) {
    ended_.reset();
  } else if (experiment.state() != v1::EXPERIMENT_STATE_UNSPECIFIED) {
    ended_ = experiment.state();
  }
}

std::vector<ProgressBoard::News> ProgressBoard::Update(const v1::WatchExperimentResponse& change) {
  if (change.has_experiment_state()) {
    ended_ = change.experiment_state();
    return {};
  }
  const auto found = index_.find(change.run_id());
  if (found == index_.end()) return {};
  RunLine& run = runs_[found->second];
  const absl::Time at = ToTime(change.time());
  if (change.has_run_state()) {
    run.state = change.run_state();
    if (run.state == v1::RUN_STATE_RUNNING && !run.start) run.start = at;
    if (IsEnded(run.state)) run.end = at;
    if (!IsEnded(run.state)) run.end.reset();
    if (run.state != v1::RUN_STATE_RUNNING) run.meter = PhaseMeter();
    return {{run.name, run.state, v1::SEVERITY_UNSPECIFIED,
             ShownText(language_, change.coded_message(), change.message())}};
  }
  const v1::Event& event = change.event();
  if (change.attempt() > 0) run.attempt = std::max(run.attempt, change.attempt());
  if (event.has_progress()) run.meter.Update(event.progress(), event.has_time() ? ToTime(event.time()) : at);
  if (event.has_log()) {
    return {{run.name, v1::RUN_STATE_UNSPECIFIED, event.log().severity(), LogText(language_, event.log())}};
  }
  if (event.has_caveat()) {
    return {{run.name, v1::RUN_STATE_UNSPECIFIED, v1::SEVERITY_WARNING,
             ShownText(language_, event.caveat().coded_message(), event.caveat().message())}};
  }
  return {};
}

std::string ProgressBoard::DrawRun(const RunLine& run, size_t name_width, int width, absl::Time now,
                                   bool color) const {
  std::string rest;
  if (run.state == v1::RUN_STATE_RUNNING) {
    if (const auto fraction = run.meter.Fraction()) {
      absl::StrAppend(&rest, Bar(*fraction), absl::StrFormat("%3d%% ", static_cast<int>(100 * *fraction)));
    }
    absl::StrAppend(&rest,
                    run.meter.known() ? run.meter.Text(language_) : Render(language_, messages::kStarting()));
    if (run.attempt > 1) absl::StrAppend(&rest, " ", Render(language_, messages::kOfAttempt(run.attempt)));
  } else if (IsEnded(run.state) && run.reused) {
    rest = Render(language_, messages::kTakenFromEarlier());
  } else if (IsEnded(run.state) && run.start && run.end) {
    rest = HumanDuration(*run.end - *run.start, language_);
  }
  const std::string head = Pad(TruncateMiddle(Printable(run.name), name_width), name_width) + "  ";
  const std::string state = Pad(RenderTerm(language_, StateName(run.state)), kStateWidth) + "  ";
  const size_t used = name_width + 2 + kStateWidth + 2;
  const size_t room = static_cast<size_t>(width) > used + 1 ? width - used - 1 : 0;
  return absl::StrCat(head, color ? ColorOf(run.state) : "", state, color ? "\033[0m" : "",
                      Truncate(Printable(rest), room));
}

std::vector<std::string> ProgressBoard::Draw(int width, int height, absl::Time now, bool color) const {
  const std::string overall = height > 2 ? Overall(now) : "";
  if (!overall.empty()) --height;
  std::vector<const RunLine*> shown;
  for (const RunLine& run : runs_) shown.push_back(&run);
  size_t left_out = 0;
  if (height > 1 && shown.size() > static_cast<size_t>(height)) {
    const auto rank = [](const RunLine* run) {
      return run->state == v1::RUN_STATE_RUNNING  ? 0
             : run->state == v1::RUN_STATE_QUEUED ? 1
             : IsEnded(run->state)                ? 3
                                                  : 2;
    };
    std::stable_sort(shown.begin(), shown.end(),
                     [&](const RunLine* a, const RunLine* b) { return rank(a) < rank(b); });
    left_out = shown.size() - (height - 1);
    shown.resize(height - 1);
  }
  size_t name_width = 8;
  for (const RunLine* run : shown) name_width = std::max(name_width, DisplayWidth(run->name));
  name_width = std::min<size_t>(name_width, std::max(12, width / 3));
  std::vector<std::string> lines;
  for (const RunLine* run : shown) lines.push_back(DrawRun(*run, name_width, width, now, color));
  if (left_out > 0) {
    const auto ended =
        std::count_if(runs_.begin(), runs_.end(), [](const RunLine& run) { return IsEnded(run.state); });
    lines.push_back(Render(language_, messages::kMoreLines(static_cast<int64_t>(left_out), ended,
                                                           static_cast<int64_t>(runs_.size()))));
  }
  if (!overall.empty()) lines.push_back(Truncate(overall, static_cast<size_t>(std::max(1, width - 1))));
  return lines;
}

std::optional<absl::Duration> ProgressBoard::Left(absl::Time now) const {
  absl::Duration took, left;
  int measured = 0, running = 0;
  for (const RunLine& run : runs_) {
    running += run.state == v1::RUN_STATE_RUNNING ? 1 : 0;
    // What was taken from an earlier run took no time, and says nothing of the others.
    if (!IsEnded(run.state) || run.reused || !run.start || !run.end) continue;
    took += *run.end - *run.start;
    ++measured;
  }
  if (measured == 0) return std::nullopt;
  for (const RunLine& run : runs_) {
    if (IsEnded(run.state)) continue;
    const absl::Duration so_far =
        run.start && run.state == v1::RUN_STATE_RUNNING ? now - *run.start : absl::ZeroDuration();
    left += std::max(took / measured - so_far, run.meter.Left().value_or(absl::ZeroDuration()));
  }
  return left / std::max(1, running);
}

std::string ProgressBoard::Overall(absl::Time now) const {
  if (runs_.size() < 2 || ended_.has_value()) return "";
  const auto ended =
      std::count_if(runs_.begin(), runs_.end(), [](const RunLine& run) { return IsEnded(run.state); });
  const Message overall = messages::kOverall(ended, static_cast<int64_t>(runs_.size()));
  const auto left = Left(now);
  if (!left.has_value()) return Render(language_, overall);
  return Render(language_, messages::kOverallLeft(overall, HumanDuration(*left, language_)));
}

std::vector<std::string> ProgressBoard::PlainLines() const {
  std::vector<std::string> lines;
  for (const RunLine& run : runs_) {
    if (run.state == v1::RUN_STATE_RUNNING && run.meter.known()) {
      lines.push_back(Printable(absl::StrCat(run.name, ": ", run.meter.Text(language_))));
    }
  }
  return lines;
}

}  // namespace quantlab::client
