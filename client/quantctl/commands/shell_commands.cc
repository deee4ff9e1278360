// help, completion, man; and list-names, which completion calls.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/method_spec.h"
#include "base/config/metric_spec.h"
#include "base/messages/shell.h"
#include "base/records/records.h"
#include "base/status_macros.h"
#include "client/quantctl/command_line/command_model.h"
#include "client/quantctl/command_line/completion.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/command_line/man_page.h"
#include "client/quantctl/commands/commands.h"
#include "client/quantctl/commands/settings_command.h"
#include "client/results/local_results.h"
#include "platform/address.h"

#ifndef QUANTLAB_VERSION
#define QUANTLAB_VERSION "unknown"
#endif
#ifndef QUANTLAB_RELEASE_DATE
#define QUANTLAB_RELEASE_DATE ""
#endif

namespace quantlab::client {
namespace {

// Of each step of list-names that waits for the coordinator: a completion that comes later disturbs.
constexpr absl::Duration kNamesTimeout = absl::Milliseconds(700);
constexpr int kMostExperiments = 50;

Json ToJson(const OptionModel& option) {
  return {{"names", option.names},
          {"help", option.help},
          {"value", option.takes_value ? Json(option.value.type) : Json(nullptr)},
          {"allowed", option.value.words},
          {"repeatable", option.repeatable}};
}

Json ToJson(const CommandModel& command) {
  Json options = Json::array(), arguments = Json::array(), commands = Json::array();
  for (const OptionModel& option : command.options) options.push_back(ToJson(option));
  for (const ArgumentModel& argument : command.arguments) {
    arguments.push_back({{"name", argument.name},
                         {"help", argument.help},
                         {"allowed", argument.value.words},
                         {"required", argument.required},
                         {"repeatable", argument.repeatable}});
  }
  for (const CommandModel& nested : command.commands) commands.push_back(ToJson(nested));
  return {{"command", absl::StrJoin(command.path, " ")},
          {"help", command.help},
          {"arguments", std::move(arguments)},
          {"options", std::move(options)},
          {"commands", std::move(commands)}};
}

int HelpOnExitCodes(Session& session) {
  if (session.is_table()) {
    session.PrintText(ExitCodeHelp(session.language()));
    return kExitOk;
  }
  Json codes = Json::array();
  for (const auto& [code, meaning] : ExitCodes(Language::kEnglish)) {
    codes.push_back({{"code", code}, {"meaning", meaning}});
  }
  session.PrintDocument("ExitCodes", {{"exitCodes", std::move(codes)}});
  return kExitOk;
}

absl::StatusOr<int> Help(Session& session, const CLI::App& app, const std::string& topic) {
  if (topic == "exit-codes") return HelpOnExitCodes(session);
  const CLI::App* explained = &app;
  if (!topic.empty()) {
    const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
    const auto command = std::find_if(commands.begin(), commands.end(),
                                      [&](const CLI::App* c) { return c->check_name(topic); });
    if (command == commands.end()) {
      session.Error(messages::kNoSuchTopic(topic));
      return kExitUsage;
    }
    explained = *command;
  }
  if (session.is_table()) {
    session.PrintText(explained->help(topic.empty() ? "" : "quantctl"));
  } else {
    Json body = ToJson(DescribeCommand(*explained));
    body["command"] = topic;
    session.PrintDocument("Help", body);
  }
  return kExitOk;
}

absl::StatusOr<int> Completion(Session& session, const CLI::App& app, const std::string& shell) {
  const CommandModel quantctl = DescribeCommand(app);
  const std::string script = shell == "zsh"    ? ZshCompletion(quantctl)
                             : shell == "fish" ? FishCompletion(quantctl)
                                               : BashCompletion(quantctl);
  if (session.is_table()) {
    session.Print(script);
  } else {
    session.PrintDocument("Completion", {{"shell", shell}, {"script", script}});
  }
  return kExitOk;
}

absl::StatusOr<int> Man(Session& session, const CLI::App& app) {
  const std::string page =
      ManPage(DescribeCommand(app), session.language(), {QUANTLAB_VERSION, QUANTLAB_RELEASE_DATE});
  if (session.is_table()) {
    session.Print(page);
  } else {
    session.PrintDocument("ManPage", {{"page", page}});
  }
  return kExitOk;
}

// A client that gives up early, of the configured coordinator or of a private service that runs already:
// typing never starts one.
absl::StatusOr<std::unique_ptr<Client>> ConnectBriefly(const Settings& settings) {
  ClientOptions options{.address = settings.coordinator, .call_timeout = kNamesTimeout};
  options.first_patience = options.patience = absl::ZeroDuration();
  if (settings.coordinator.empty()) {
    QL_ASSIGN_OR_RETURN(const EmbeddedState state, InspectEmbedded(settings.data_dir));
    if (!state.running) return absl::NotFoundError("no service runs");
    options.address = state.address;
  } else {
    QL_ASSIGN_OR_RETURN(const Address address, ParseAddress(settings.coordinator));
    QL_ASSIGN_OR_RETURN(options.security, LoadSecurity(address, settings.security, kNamesTimeout));
  }
  return Client::Create(std::move(options));
}

absl::StatusOr<std::vector<v1::Experiment>> NewestExperiments(const Settings& settings) {
  QL_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, ConnectBriefly(settings));
  return client->ListExperiments({}, kMostExperiments);
}

// Experiments, runs or both. Without a coordinator, the experiments of the results folder.
std::vector<std::string> ExperimentNames(const Settings& settings, bool experiments, bool runs) {
  std::vector<std::string> names;
  if (experiments) names.emplace_back("latest");
  const auto found = NewestExperiments(settings);
  if (!found.ok()) {
    for (const LocalResults& results : ListLocalResults(settings.results_dir)) {
      if (experiments) names.push_back(results.id);
    }
    return names;
  }
  bool latest = true;
  for (const v1::Experiment& experiment : *found) {
    if (experiments) names.push_back(experiment.id());
    for (const v1::Run& run : experiment.runs()) {
      if (runs && latest) names.push_back(absl::StrCat("latest/", SplitRunId(run.id()).second));
      if (runs) names.push_back(run.id());
    }
    latest = false;
  }
  return names;
}

std::vector<std::string> NamesOf(const Settings& settings, const std::string& kind) {
  std::vector<std::string> names;
  if (kind == NamesWord(ValueKind::kMethods)) {
    for (const MethodSpec& method : AllMethods()) names.push_back(method.name);
  } else if (kind == NamesWord(ValueKind::kMetrics)) {
    for (const MetricSpec& metric : AllMetrics()) names.push_back(metric.name);
  } else if (kind == NamesWord(ValueKind::kSettings)) {
    names = SettingKeys();
  } else {
    names = ExperimentNames(settings, kind != NamesWord(ValueKind::kRuns),
                            kind != NamesWord(ValueKind::kExperiments));
  }
  return names;
}

absl::StatusOr<int> ListNames(Session& session, const std::string& kind) {
  const std::vector<std::string> names = NamesOf(session.settings(), kind);
  if (session.is_table()) {
    for (const std::string& name : names) session.Print(name + "\n");
  } else {
    session.PrintDocument("NameList", {{"names", names}});
  }
  return kExitOk;
}

void AddListNames(CommandLine& line) {
  const auto kind = std::make_shared<std::string>();
  CLI::App* command = AddCommand(line, "list-names", line.Say(messages::kHelpListNames()), "");
  command->group("");
  command->add_option("KIND", *kind)
      ->required()
      ->check(CLI::IsMember({"experiments", "runs", "targets", "methods", "metrics", "settings"}));
  command->callback([&line, kind] { line.action = [kind](Session& s) { return ListNames(s, *kind); }; });
}

}  // namespace

void AddShellCommands(CommandLine& line) {
  const auto topic = std::make_shared<std::string>();
  CLI::App* command = AddCommand(line, "help", line.Say(messages::kHelpHelp()), "  quantctl help exit-codes");
  command->add_option("TOPIC", *topic, line.Say(messages::kHelpTopic()));
  command->callback([&line, topic] {
    line.action = [topic, app = line.app](Session& s) { return Help(s, *app, *topic); };
  });

  const auto shell = std::make_shared<std::string>("bash");
  command = AddCommand(line, "completion", line.Say(messages::kHelpCompletion()),
                       "  source <(quantctl completion bash)\n"
                       "  quantctl completion zsh > ~/.zfunc/_quantctl\n"
                       "  quantctl completion fish > ~/.config/fish/completions/quantctl.fish");
  command->add_option("SHELL", *shell, line.Say(messages::kHelpShell()))
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&line, shell] {
    line.action = [shell, app = line.app](Session& s) { return Completion(s, *app, *shell); };
  });

  command = AddCommand(line, "man", line.Say(messages::kHelpMan()), "  quantctl man | man -l -");
  command->callback([&line] { line.action = [app = line.app](Session& s) { return Man(s, *app); }; });

  AddListNames(line);
}

}  // namespace quantlab::client
