// methods, catalog, version: the service and the program themselves.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/config/method_text.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "client/display/progress.h"
#include "client/display/text.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "proto/convert.h"

#ifndef QUANTLAB_VERSION
#define QUANTLAB_VERSION "unknown"
#endif

namespace quantlab::client {
namespace {

// The coordinator's texts are English. Where this program knows the same text, it is shown in the user's
// language; a coordinator of another version may say something else.
v1::Method Translated(v1::Method method, Language language) {
  const MethodSpec* const spec = FindMethod(method.name());
  if (language == Language::kEnglish || spec == nullptr) return method;
  if (method.help() == spec->help) method.set_help(HelpText(*spec, language));
  for (v1::DeviceSupport& support : *method.mutable_devices()) {
    support.set_detail(DetailText({support.device(), support.level(), support.detail()}, language));
  }
  for (v1::ParamSpec& param : *method.mutable_params()) {
    for (const ParamSpec& known : spec->params) {
      if (known.name != param.name()) continue;
      if (param.help() == known.help) param.set_help(HelpText(*spec, known, language));
      if (param.allowed() == DescribeAllowed(known)) param.set_allowed(AllowedText(known, language));
    }
  }
  return method;
}

void PrintMethod(Session& session, const v1::Method& method) {
  const std::string titles = absl::StrCat(method.title(), ", ", method.title_zh());
  session.PrintText(absl::StrCat(session.Say(messages::kMethodVersion(
                                     method.name(), method.version(),
                                     session.language() == Language::kEnglish ? titles : method.title_zh())),
                                 "\n  ", Printable(method.help()), "\n"));
  for (const v1::DeviceSupport& device : method.devices()) {
    session.PrintText(absl::StrCat(
        "  ",
        session.Say(messages::kMethodOnDevice(device.device(), device.level(), Printable(device.detail()))),
        "\n"));
  }
  session.Print("\n");
  Table table({{"PARAMETER"}, {"DEFAULT"}, Table::Flexible("ALLOWED"), {"MEANING"}});
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
  for (const std::string& device : devices) columns.push_back(Table::Flexible(absl::AsciiStrToUpper(device)));
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
    for (v1::Method& method : *answer.mutable_methods())
      method = Translated(std::move(method), session.language());
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
  Table table({{"NAME"}, {"ROLE"}, {"LICENCE"}, Table::Flexible("SOURCE"), {"DESCRIPTION"}});
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
    session.PrintDocument("Version", {{"quantctl", QUANTLAB_VERSION}});
  }
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
}

}  // namespace quantlab::client
