// list, get, logs, metrics, explain.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/config/metric_spec.h"
#include "base/records/records.h"
#include "base/status_macros.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"

namespace quantlab::client {
namespace {

Tone ToneOf(v1::RunState state) {
  if (state == v1::RUN_STATE_SUCCEEDED) return Tone::kGood;
  if (state == v1::RUN_STATE_RUNNING) return Tone::kBusy;
  return IsEnded(state) ? Tone::kBad : Tone::kFaint;
}

Tone ToneOf(v1::ExperimentState state) {
  if (state == v1::EXPERIMENT_STATE_SUCCEEDED) return Tone::kGood;
  return state == v1::EXPERIMENT_STATE_ACTIVE ? Tone::kBusy : Tone::kBad;
}

std::string TookText(Language language, bool started, absl::Time start, bool ended, absl::Time end) {
  if (!started) return "";
  return HumanDuration((ended ? end : absl::Now()) - start, language);
}

struct ListOptions {
  std::string state, name;
  int limit = 50;
};

absl::StatusOr<int> List(Session& session, const ListOptions& options) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  v1::ListExperimentsRequest request;
  request.set_name(options.name);
  if (!options.state.empty()) {
    v1::ExperimentState state = v1::EXPERIMENT_STATE_UNSPECIFIED;
    v1::ExperimentState_Parse("EXPERIMENT_STATE_" + absl::AsciiStrToUpper(options.state), &state);
    request.set_state(state);
  }
  QL_ASSIGN_OR_RETURN(const std::vector<v1::Experiment> experiments,
                      client->ListExperiments(request, options.limit));
  if (!session.is_table()) {
    Json body = Json::object();
    body["experiments"] = Json::array();
    for (const v1::Experiment& experiment : experiments)
      body["experiments"].push_back(ToJsonValue(experiment));
    session.PrintDocument("ExperimentList", body);
    return kExitOk;
  }
  if (experiments.empty()) {
    session.Note(messages::kNoExperiments());
    return kExitOk;
  }
  Table table({{"EXPERIMENT"},
               {"STATE"},
               {"RUNS", Align::kRight},
               {"CREATED"},
               {"TOOK", Align::kRight},
               {"BY"},
               {"NAME"}});
  for (const v1::Experiment& experiment : experiments) {
    const auto ended = std::count_if(experiment.runs().begin(), experiment.runs().end(),
                                     [](const v1::Run& run) { return IsEnded(run.state()); });
    const absl::Time created = ToTime(experiment.create_time());
    table.Add({experiment.id(),
               {session.Term(StateName(experiment.state())), ToneOf(experiment.state())},
               absl::StrCat(ended, "/", experiment.runs_size()),
               HumanTime(created, absl::Now(), session.language()),
               TookText(session.language(), true, created, experiment.has_end_time(),
                        ToTime(experiment.end_time())),
               experiment.submitter(),
               Printable(experiment.name())});
  }
  session.Print(table);
  return kExitOk;
}

// The progress of a run, or why it ended.
std::string RunDetail(const v1::Run& run, Language language) {
  if (run.state() == v1::RUN_STATE_RUNNING && run.has_progress()) {
    PhaseMeter meter;
    v1::Progress begin = run.progress();
    begin.set_done(0);
    if (run.has_phase_start_time()) meter.Update(begin, ToTime(run.phase_start_time()));
    meter.Update(run.progress(), ToTime(run.progress_time()));
    return meter.Text(language);
  }
  if (run.reused()) return Render(language, messages::kTakenFrom(run.result_run_id()));
  if (!run.message().empty()) return ShownText(language, run.coded_message(), run.message());
  if (run.state() != v1::RUN_STATE_PENDING) return "";
  std::vector<std::string> needs;
  for (const v1::RunDependency& need : run.needs()) needs.push_back(need.run());
  return Render(language, messages::kAfterRuns(needs));
}

absl::StatusOr<int> Get(Session& session, const std::string& name) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const std::string id, client->ResolveExperiment(name));
  QL_ASSIGN_OR_RETURN(const v1::Experiment experiment, client->GetExperiment(id));
  if (!session.is_table()) {
    session.PrintDocument("Experiment", ToJsonValue(experiment));
    return kExitOk;
  }
  const absl::Time created = ToTime(experiment.create_time());
  session.Print(absl::StrCat(
      Printable(experiment.id()), "  ",
      Paint(session.Term(StateName(experiment.state())), ToneOf(experiment.state()), session.out().color),
      "  ",
      session.Say(messages::kSubmittedBy(
          HumanTime(created, absl::Now(), session.language()), Printable(experiment.submitter()),
          experiment.priority() != 0 ? absl::StrCat(experiment.priority()) : "")),
      "\n\n"));
  Table table({Table::Flexible("RUN"),
               {"STATE"},
               {"TOOK", Align::kRight},
               {"ATTEMPTS", Align::kRight},
               Table::Flexible("FOLDER"),
               {"DETAIL"}});
  for (const v1::Run& run : experiment.runs()) {
    table.Add({SplitRunId(run.id()).second,
               {session.Term(StateName(run.state())), ToneOf(run.state())},
               TookText(session.language(), run.has_start_time(), ToTime(run.start_time()),
                        run.has_end_time(), ToTime(run.end_time())),
               absl::StrCat(run.attempts()),
               run.folder(),
               RunDetail(run, session.language())});
  }
  session.Print(table);
  return kExitOk;
}

struct LogOptions {
  std::string name = "latest";
  std::string severity = "info";
  bool all_attempts = false;
  bool follow = false;
};

// "EXPERIMENT" or "EXPERIMENT/RUN" to ids; the run is empty for the first.
absl::StatusOr<std::pair<std::string, std::string>> ResolveEither(Client& client, const std::string& name) {
  if (name.find('/') == std::string::npos) {
    QL_ASSIGN_OR_RETURN(std::string id, client.ResolveExperiment(name));
    return std::make_pair(std::move(id), std::string());
  }
  QL_ASSIGN_OR_RETURN(const std::string id, client.ResolveRun(name));
  return SplitRunId(id);
}

void PrintLogLine(Session& session, absl::Time time, const std::string& run, v1::Severity severity,
                  const std::string& message) {
  const Tone tone = severity == v1::SEVERITY_ERROR     ? Tone::kBad
                    : severity == v1::SEVERITY_WARNING ? Tone::kBusy
                    : severity == v1::SEVERITY_DEBUG   ? Tone::kFaint
                                                       : Tone::kPlain;
  session.Print(absl::StrCat(absl::FormatTime("%H:%M:%E3S", time, absl::LocalTimeZone()), "  ", Pad(run, 20),
                             "  ",
                             Paint(Pad(session.Term(SeverityName(severity)), 7), tone, session.out().color),
                             "  ", Printable(message), "\n"));
}

absl::Status FollowLogs(Session& session, Client& client, const std::string& id, const std::string& run,
                        v1::Severity least) {
  v1::WatchExperimentRequest request;
  request.set_id(id);
  request.set_min_severity(least);
  return client.Watch(request, [&](const v1::WatchExperimentResponse& change) {
    const std::string of = SplitRunId(change.run_id()).second;
    if (!change.event().has_log() || (!run.empty() && of != run)) return;
    const v1::LogLine& log = change.event().log();
    if (log.severity() < least) return;
    if (session.is_table())
      return PrintLogLine(session, ToTime(change.time()), of, log.severity(),
                          LogText(session.language(), log));
    v1::LogEntry entry;
    entry.set_sequence(change.sequence());
    *entry.mutable_time() = change.time();
    entry.set_run_id(change.run_id());
    entry.set_attempt(change.attempt());
    entry.set_severity(log.severity());
    entry.set_message(log.message());
    if (log.has_coded_message()) *entry.mutable_coded_message() = log.coded_message();
    session.Print(RenderLine("LogEntry", ToJsonValue(entry)));
  });
}

absl::StatusOr<int> Logs(Session& session, const LogOptions& options) {
  v1::Severity least = v1::SEVERITY_INFO;
  v1::Severity_Parse("SEVERITY_" + absl::AsciiStrToUpper(options.severity), &least);
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect(options.follow));
  QL_ASSIGN_OR_RETURN(const auto ids, ResolveEither(*client, options.name));
  if (options.follow) {
    QL_RETURN_IF_ERROR(FollowLogs(session, *client, ids.first, ids.second, least));
    return kExitOk;
  }
  v1::ListLogsRequest request;
  request.set_experiment_id(ids.first);
  request.set_run(ids.second);
  request.set_attempt(options.all_attempts ? -1 : 0);
  request.set_min_severity(least);
  Json entries = Json::array();
  QL_RETURN_IF_ERROR(client->ListLogs(request, [&](const v1::LogEntry& entry) {
    if (!session.is_table()) return entries.push_back(ToJsonValue(entry));
    PrintLogLine(session, ToTime(entry.time()), SplitRunId(entry.run_id()).second, entry.severity(),
                 entry.has_coded_message()
                     ? ShownText(session.language(), entry.coded_message(), entry.message())
                     : entry.message());
  }));
  if (!session.is_table()) {
    Json body = Json::object();
    body["entries"] = std::move(entries);
    session.PrintDocument("LogList", body);
  }
  return kExitOk;
}

struct MetricOptions {
  std::string name = "latest";
  std::string metric;
  bool curves = false;
  bool specs = false;
};

int PrintMetricSpecs(Session& session) {
  Json body = Json::object();
  body["metrics"] = Json::array();
  Table table({{"METRIC"}, {"UNIT"}, {"BETTER"}, {"MEANING"}});
  for (const MetricSpec& spec : AllMetrics()) {
    table.Add({spec.name, spec.unit, session.Term(spec.higher_is_better ? "higher" : "lower"),
               session.language() == Language::kEnglish ? spec.help : spec.title_zh});
    body["metrics"].push_back({{"name", spec.name},
                               {"unit", spec.unit},
                               {"title", spec.title},
                               {"titleZh", spec.title_zh},
                               {"help", spec.help},
                               {"higherIsBetter", spec.higher_is_better},
                               {"needsComparison", spec.needs_comparison},
                               {"aliases", spec.aliases}});
  }
  if (session.is_table()) session.Print(table);
  if (!session.is_table()) session.PrintDocument("MetricSpecList", body);
  return kExitOk;
}

std::string ValueText(double value, const std::string& unit) {
  if (unit == "bytes") return HumanBytes(static_cast<int64_t>(value));
  if (unit == "s") return value < 1 ? HumanNumber(value * 1000) + " ms" : HumanNumber(value) + " s";
  return unit == "1" ? HumanNumber(value) : absl::StrCat(HumanNumber(value), " ", unit);
}

absl::StatusOr<int> Metrics(Session& session, const MetricOptions& options) {
  if (options.specs) return PrintMetricSpecs(session);
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const auto ids, ResolveEither(*client, options.name));
  v1::ListMetricsRequest request;
  request.set_experiment_id(ids.first);
  request.set_run(ids.second);
  const MetricSpec* spec = FindMetric(options.metric);
  request.set_name(spec == nullptr ? options.metric : spec->name);
  request.set_final_only(!options.curves);
  QL_ASSIGN_OR_RETURN(const std::vector<v1::MetricEntry> entries, client->ListMetrics(request));
  if (!session.is_table()) {
    Json body = Json::object();
    body["metrics"] = Json::array();
    for (const v1::MetricEntry& entry : entries) body["metrics"].push_back(ToJsonValue(entry));
    session.PrintDocument("MetricList", body);
    return kExitOk;
  }
  Table table({Table::Flexible("RUN"),
               Table::Flexible("METRIC"),
               {"VALUE", Align::kRight},
               {"95 % INTERVAL"},
               {"STEP", Align::kRight},
               {"LABELS"}});
  for (const v1::MetricEntry& entry : entries) {
    const v1::Metric& metric = entry.metric();
    std::vector<std::string> labels;
    for (const auto& [key, value] : metric.labels()) labels.push_back(absl::StrCat(key, "=", value));
    std::sort(labels.begin(), labels.end());
    const std::string interval = metric.has_low() && metric.has_high()
                                     ? absl::StrCat(ValueText(metric.low(), metric.unit()), " – ",
                                                    ValueText(metric.high(), metric.unit()))
                                     : "";
    table.Add({SplitRunId(entry.run_id()).second, metric.name(), ValueText(metric.value(), metric.unit()),
               interval, metric.step() > 0 ? absl::StrCat(metric.step()) : "", absl::StrJoin(labels, " ")});
  }
  if (table.empty()) session.Note(messages::kNoMetrics());
  if (!table.empty()) session.Print(table);
  return kExitOk;
}

absl::StatusOr<int> Explain(Session& session, const std::string& name) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const std::string id, client->ResolveRun(name));
  QL_ASSIGN_OR_RETURN(const v1::ExplainRunResponse answer, client->Explain(id));
  if (!session.is_table()) {
    Json body = ToJsonValue(answer);
    body["runId"] = id;
    session.PrintDocument("Explanation", body);
    return kExitOk;
  }
  const std::string state =
      Paint(session.Term(StateName(answer.state())), ToneOf(answer.state()), session.out().color);
  session.Print(session.Say(messages::kRunIs(id, state)) + "\n");
  for (int i = 0; i < answer.reasons_size(); ++i) {
    const v1::Message coded = i < answer.coded_reasons_size() ? answer.coded_reasons(i) : v1::Message();
    session.PrintText(
        absl::StrCat("  - ", Printable(ShownText(session.language(), coded, answer.reasons(i))), "\n"));
  }
  if (answer.queue_position() > 0) {
    session.PrintText(
        absl::StrCat("  - ", session.Say(messages::kQueuePosition(answer.queue_position())), "\n"));
  }
  return kExitOk;
}

void AddLogs(CommandLine& line) {
  const auto options = std::make_shared<LogOptions>();
  CLI::App* command =
      AddCommand(line, "logs", line.Say(messages::kHelpLogs()),
                 "  quantctl logs latest/baseline\n  quantctl logs latest --severity warning --all-attempts");
  command->add_option("EXPERIMENT[/RUN]", options->name, line.Say(messages::kHelpExperimentOrRunLatest()));
  command->add_option("--severity", options->severity, line.Say(messages::kHelpSeverity()))
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  command->add_flag("--all-attempts", options->all_attempts, line.Say(messages::kHelpAllAttempts()));
  command->add_flag("-f,--follow", options->follow, line.Say(messages::kHelpFollow()));
  command->callback([&line, options] { line.action = [options](Session& s) { return Logs(s, *options); }; });
}

void AddMetrics(CommandLine& line) {
  const auto options = std::make_shared<MetricOptions>();
  CLI::App* command = AddCommand(line, "metrics", line.Say(messages::kHelpMetrics()),
                                 "  quantctl metrics latest --metric accuracy\n  quantctl metrics --list");
  command->add_option("EXPERIMENT[/RUN]", options->name, line.Say(messages::kHelpExperimentOrRunLatest()));
  command->add_option("--metric", options->metric, line.Say(messages::kHelpMetric()))->type_name("NAME");
  command->add_flag("--curves", options->curves, line.Say(messages::kHelpCurves()));
  command->add_flag("--list", options->specs, line.Say(messages::kHelpMetricList()));
  command->callback(
      [&line, options] { line.action = [options](Session& s) { return Metrics(s, *options); }; });
}

}  // namespace

void AddInspectCommands(CommandLine& line) {
  const auto list = std::make_shared<ListOptions>();
  CLI::App* command =
      AddCommand(line, "list", line.Say(messages::kHelpList()),
                 "  quantctl list --state active\n  quantctl list -o json | jq '.experiments[].id'");
  command->add_option("--state", list->state, line.Say(messages::kHelpState()))
      ->check(CLI::IsMember({"active", "succeeded", "failed", "cancelled"}));
  command->add_option("--name", list->name, line.Say(messages::kHelpName()));
  command->add_option("--limit", list->limit, line.Say(messages::kHelpLimit()))
      ->check(CLI::NonNegativeNumber);
  command->callback([&line, list] { line.action = [list](Session& s) { return List(s, *list); }; });

  const auto get = std::make_shared<std::string>("latest");
  command = AddCommand(line, "get", line.Say(messages::kHelpGet()), "  quantctl get latest");
  command->alias("show");
  command->add_option("EXPERIMENT", *get, line.Say(messages::kHelpExperimentLatest()));
  command->callback([&line, get] { line.action = [get](Session& s) { return Get(s, *get); }; });

  AddLogs(line);
  AddMetrics(line);

  const auto run = std::make_shared<std::string>();
  command =
      AddCommand(line, "explain", line.Say(messages::kHelpExplain()), "  quantctl explain latest/comparison");
  command->add_option("EXPERIMENT/RUN", *run, line.Say(messages::kHelpRunName()))->required();
  command->callback([&line, run] { line.action = [run](Session& s) { return Explain(s, *run); }; });
}

}  // namespace quantlab::client
