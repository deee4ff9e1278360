#include "client/quantctl/command_line/command_model.h"

#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace quantlab::client {
namespace {

// What CLI::IsMember allows, which CLI11 tells only in the name of the type: "TEXT:{zh,en,both}".
std::vector<std::string> AllowedWords(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{'), close = type.find('}');
  if (open == std::string::npos || close == std::string::npos || close < open) return {};
  return absl::StrSplit(type.substr(open + 1, close - open - 1), ',');
}

// By the name of an argument, or by the name and the type of an option.
ValueKind KindOf(const std::string& name, const std::string& type) {
  static constexpr std::pair<const char*, ValueKind> kByName[] = {
      {"EXPERIMENT", ValueKind::kExperiments}, {"EXPERIMENT[/RUN]", ValueKind::kTargets},
      {"EXPERIMENT/RUN", ValueKind::kRuns},    {"METHOD", ValueKind::kMethods},
      {"KEY", ValueKind::kSettings},           {"FILE", ValueKind::kFile},
      {"--metric", ValueKind::kMetrics},       {"--only", ValueKind::kMethods}};
  for (const auto& [known, kind] : kByName) {
    if (name == known) return kind;
  }
  return type == "FILE" ? ValueKind::kFile : type == "DIR" ? ValueKind::kFolder : ValueKind::kOther;
}

ValueModel ValueOf(const CLI::Option& option, const std::string& name) {
  ValueModel value;
  value.type = option.get_type_name();
  value.type = value.type.substr(0, value.type.find(':'));
  value.words = AllowedWords(option);
  value.kind = value.words.empty() ? KindOf(name, value.type) : ValueKind::kWords;
  return value;
}

OptionModel DescribeOption(const CLI::Option& option) {
  OptionModel model;
  for (const std::string& name : option.get_lnames()) model.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) model.names.push_back("-" + name);
  model.help = option.get_description();
  model.takes_value = option.get_items_expected_max() > 0;
  model.repeatable = option.get_items_expected_max() > 1;
  if (model.takes_value) model.value = ValueOf(option, model.names[0]);
  return model;
}

ArgumentModel DescribeArgument(const CLI::Option& option) {
  ArgumentModel model;
  model.name = option.get_name(/*positional=*/true);
  model.help = option.get_description();
  model.required = option.get_required();
  model.repeatable = option.get_items_expected_max() > 1;
  model.value = ValueOf(option, model.name);
  return model;
}

CommandModel Describe(const CLI::App& app, std::vector<std::string> path) {
  CommandModel model;
  model.path = std::move(path);
  model.help = app.get_description();
  model.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      model.arguments.push_back(DescribeArgument(*option));
    } else {
      model.options.push_back(DescribeOption(*option));
    }
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_group().empty()) continue;
    std::vector<std::string> nested = model.path;
    nested.push_back(command->get_name());
    model.commands.push_back(Describe(*command, std::move(nested)));
  }
  return model;
}

}  // namespace

CommandModel DescribeCommand(const CLI::App& app) {
  return Describe(app, {});
}

void ForEachCommand(const CommandModel& command, const std::function<void(const CommandModel&)>& handle) {
  handle(command);
  for (const CommandModel& nested : command.commands) ForEachCommand(nested, handle);
}

// The options of any command that are followed by a value, so that it is not taken for a command.
std::vector<std::string> ValueOptions(const CommandModel& quantctl) {
  std::set<std::string> names;
  ForEachCommand(quantctl, [&names](const CommandModel& command) {
    for (const OptionModel& option : command.options) {
      if (option.takes_value) names.insert(option.names.begin(), option.names.end());
    }
  });
  return {names.begin(), names.end()};
}

// Commands that have commands themselves: "admin".
std::vector<std::string> CommandGroups(const CommandModel& quantctl) {
  std::vector<std::string> groups;
  for (const CommandModel& command : quantctl.commands) {
    if (!command.commands.empty()) groups.push_back(absl::StrJoin(command.path, " "));
  }
  return groups;
}

std::vector<std::string> CommandNames(const CommandModel& command) {
  std::vector<std::string> names;
  for (const CommandModel& nested : command.commands) names.push_back(nested.path.back());
  return names;
}

std::vector<std::string> LongNames(const CommandModel& command) {
  std::vector<std::string> names;
  for (const OptionModel& option : command.options) {
    for (const std::string& name : option.names) {
      if (absl::StartsWith(name, "--")) names.push_back(name);
    }
  }
  return names;
}

const char* NamesWord(ValueKind kind) {
  switch (kind) {
    case ValueKind::kExperiments:
      return "experiments";
    case ValueKind::kRuns:
      return "runs";
    case ValueKind::kTargets:
      return "targets";
    case ValueKind::kMethods:
      return "methods";
    case ValueKind::kMetrics:
      return "metrics";
    case ValueKind::kSettings:
      return "settings";
    case ValueKind::kOther:
    case ValueKind::kWords:
    case ValueKind::kFile:
    case ValueKind::kFolder:
      break;
  }
  return "";
}

}  // namespace quantlab::client
