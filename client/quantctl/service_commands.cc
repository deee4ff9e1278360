// methods, catalog, version, help, completion: the service and the program themselves.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/messages.h"
#include "base/status_macros.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/quantctl/commands.h"
#include "client/quantctl/exit_codes.h"
#include "client/quantctl/settings_command.h"
#include "proto/convert.h"

#ifndef QUANTLAB_VERSION
#define QUANTLAB_VERSION "unknown"
#endif

namespace quantlab::client {
namespace {

void PrintMethod(Session& session, const v1::Method& method) {
  const std::string titles = absl::StrCat(method.title(), ", ", method.title_zh());
  session.Print(absl::StrCat(session.Say(messages::kMethodVersion(
                                 method.name(), method.version(),
                                 session.language() == Language::kEnglish ? titles : method.title_zh())),
                             "\n  ", Printable(method.help()), "\n"));
  for (const v1::DeviceSupport& device : method.devices()) {
    session.Print(absl::StrCat(
        "  ",
        session.Say(messages::kMethodOnDevice(device.device(), device.level(), Printable(device.detail()))),
        "\n"));
  }
  session.Print("\n");
  Table table({{"PARAMETER"}, {"DEFAULT"}, {"ALLOWED"}, {"MEANING"}});
  for (const v1::ParamSpec& param : method.params()) {
    table.Add({"  " + param.name(), param.default_value(), param.allowed(), param.help()});
  }
  if (!table.empty()) session.Print(table);
  session.Print("\n");
}

// Where each method runs natively, falls back or is refused.
void PrintDeviceTable(Session& session, const v1::ListMethodsResponse& answer) {
  std::vector<std::string> devices;
  for (const v1::Method& method : answer.methods()) {
    for (const v1::DeviceSupport& support : method.devices()) {
      if (std::find(devices.begin(), devices.end(), support.device()) == devices.end()) {
        devices.push_back(support.device());
      }
    }
  }
  std::vector<Table::Column> columns = {{"METHOD"}};
  for (const std::string& device : devices) columns.push_back({absl::AsciiStrToUpper(device)});
  Table table(std::move(columns));
  for (const v1::Method& method : answer.methods()) {
    std::vector<Cell> row = {method.name()};
    for (const std::string& device : devices) {
      std::string text = session.Term("refused");
      for (const v1::DeviceSupport& support : method.devices()) {
        if (support.device() != device) continue;
        text = session.Term(support.level());
        if (!support.detail().empty()) absl::StrAppend(&text, " (", support.detail(), ")");
      }
      row.push_back(text);
    }
    table.Add(row);
  }
  session.Print(table);
}

absl::StatusOr<int> Methods(Session& session, const std::string& name) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(v1::ListMethodsResponse answer, client->ListMethods());
  if (!name.empty()) {
    std::vector<std::string> names;
    for (const v1::Method& method : answer.methods()) names.push_back(method.name());
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return MessageStatus(absl::StatusCode::kNotFound, messages::kNoSuchMethod(name, names));
    }
    auto* methods = answer.mutable_methods();
    methods->erase(std::remove_if(methods->begin(), methods->end(),
                                  [&](const v1::Method& m) { return m.name() != name; }),
                   methods->end());
  }
  if (!session.is_table()) {
    session.PrintDocument("MethodList", ToJsonValue(answer));
  } else {
    for (const v1::Method& method : answer.methods()) PrintMethod(session, method);
    PrintDeviceTable(session, answer);
  }
  return kExitOk;
}

absl::StatusOr<int> Catalog(Session& session) {
  QL_ASSIGN_OR_RETURN(Client * client, session.Connect());
  QL_ASSIGN_OR_RETURN(const v1::ListCatalogResponse answer, client->ListCatalog());
  if (!session.is_table()) {
    session.PrintDocument("Catalog", ToJsonValue(answer));
    return kExitOk;
  }
  Table table({{"NAME"}, {"ROLE"}, {"LICENCE"}, {"SOURCE"}, {"DESCRIPTION"}});
  for (const v1::CatalogEntry& entry : answer.entries()) {
    table.Add(
        {entry.name(), session.Term(entry.role()), entry.license(), entry.source(), entry.description()});
  }
  if (table.empty()) session.Note(messages::kCatalogueEmpty());
  if (!table.empty()) session.Print(table);
  return kExitOk;
}

absl::StatusOr<int> Version(Session& session) {
  if (session.is_table()) {
    session.Print("quantctl " QUANTLAB_VERSION "\n");
  } else {
    session.PrintDocument("Version", {{"version", QUANTLAB_VERSION}});
  }
  return kExitOk;
}

absl::StatusOr<int> Help(Session& session, CLI::App& app, const std::string& topic) {
  if (topic == "exit-codes") {
    session.Print(ExitCodeHelp(session.language()));
    return kExitOk;
  }
  if (topic.empty()) {
    session.Print(app.help());
    return kExitOk;
  }
  const std::vector<CLI::App*> commands = app.get_subcommands({});
  const auto command =
      std::find_if(commands.begin(), commands.end(), [&](const CLI::App* c) { return c->check_name(topic); });
  if (command == commands.end()) {
    session.Error(messages::kNoSuchTopic(topic));
    return kExitUsage;
  }
  session.Print((*command)->help("quantctl"));
  return kExitOk;
}

// "--lang", or "--output" and "-o".
std::vector<std::string> NamesOf(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  return names;
}

// What CLI::IsMember allows, which CLI11 tells only in the name of the type: "TEXT:{zh,en,both}".
std::vector<std::string> AllowedValues(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{'), close = type.find('}');
  if (open == std::string::npos || close == std::string::npos || close < open) return {};
  return absl::StrSplit(type.substr(open + 1, close - open - 1), ',');
}

// Cases for "COMMAND --option", each with the values that may follow; `command` may be a pattern.
std::string ValueCases(const std::string& command, const CLI::App& app) {
  std::string cases;
  for (const CLI::Option* option : app.get_options()) {
    const std::vector<std::string> values = AllowedValues(*option);
    if (values.empty()) continue;
    for (const std::string& name : NamesOf(*option)) {
      absl::StrAppend(&cases, "    ", command, "\" ", name, "\") values=\"", absl::StrJoin(values, " "),
                      "\" ;;\n");
    }
  }
  return cases;
}

// Commands, their options and the values of these, for bash and (through bashcompinit) zsh.
absl::StatusOr<int> Completion(Session& session, CLI::App& app) {
  std::vector<std::string> commands;
  std::string cases, values;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_group().empty()) continue;
    commands.push_back(command->get_name());
    std::vector<std::string> options;
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
    }
    for (const CLI::App* nested : command->get_subcommands([](const CLI::App*) { return true; }))
      options.push_back(nested->get_name());
    if (command->get_name() == "settings") {
      for (std::string& key : SettingKeys()) options.push_back(std::move(key));
    }
    absl::StrAppend(&cases, "    ", command->get_name(), ") words=\"", absl::StrJoin(options, " "),
                    "\" ;;\n");
    absl::StrAppend(&values, ValueCases(command->get_name(), *command));
  }
  // An option of a command comes before one of every command: the first case that fits counts.
  values += ValueCases("*", app);
  std::vector<std::string> global;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) global.push_back("--" + name);
  }
  session.Print(absl::StrCat(R"(# Load with: source <(quantctl completion)
# In zsh first: autoload -U +X bashcompinit && bashcompinit
_quantctl() {
  local command="" words="" values="" word current="${COMP_WORDS[COMP_CWORD]}"
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) command="$word"; break ;; esac
  done
  case "$command ${COMP_WORDS[COMP_CWORD-1]}" in
)",
                             values, R"(  esac
  [ -z "$values" ] || { COMPREPLY=($(compgen -W "$values" -- "$current")); return; }
  case "$command" in
    "") words=")",
                             absl::StrJoin(commands, " "), "\" ;;\n", cases, R"(  esac
  words="$words )",
                             absl::StrJoin(global, " "), R"("
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case "$current" in -*) ;; *) [ -n "$command" ] && COMPREPLY+=($(compgen -f -- "$current")) ;; esac
}
complete -o filenames -F _quantctl quantctl
)"));
  return kExitOk;
}

}  // namespace

void AddServiceCommands(CommandLine& line) {
  const auto method = std::make_shared<std::string>();
  CLI::App* command = AddCommand(line, "methods", line.Say(messages::kHelpMethods()),
                                 "  quantctl methods dynamic_quantization");
  command->add_option("METHOD", *method, line.Say(messages::kHelpMethod()));
  command->callback([&line, method] { line.action = [method](Session& s) { return Methods(s, *method); }; });

  command = AddCommand(line, "catalog", line.Say(messages::kHelpCatalogList()), "  quantctl catalog");
  command->callback([&line] { line.action = Catalog; });

  command = AddCommand(line, "version", line.Say(messages::kHelpVersion()), "  quantctl version -o json");
  command->callback([&line] { line.action = Version; });

  const auto topic = std::make_shared<std::string>();
  command = AddCommand(line, "help", line.Say(messages::kHelpHelp()), "  quantctl help exit-codes");
  command->add_option("TOPIC", *topic, line.Say(messages::kHelpTopic()));
  command->callback([&line, topic] {
    line.action = [topic, app = line.app](Session& s) { return Help(s, *app, *topic); };
  });

  command = AddCommand(line, "completion", line.Say(messages::kHelpCompletion()),
                       "  source <(quantctl completion)");
  command->callback([&line] { line.action = [app = line.app](Session& s) { return Completion(s, *app); }; });
}

}  // namespace quantlab::client
