#include <clocale>
#include <cstdio>
#include <exception>
#include <sstream>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "client/display/text.h"
#include "client/quantctl/command_line/command_line_text.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "client/quantctl/commands/settings_command.h"
#include "client/quantctl/commands/storage_commands.h"
#include "client/quantctl/session.h"
#include "yaml/diagnostics.h"

namespace quantlab::client {
namespace {

void AddGlobalOptions(CommandLine& line) {
  CLI::App& app = *line.app;
  const auto text = [&](const char* name, std::optional<std::string>* to, const std::string& what,
                        const char* type) {
    app.add_option_function<std::string>(
           name, [to](const std::string& value) { *to = value; }, what)
        ->type_name(type);
  };
  text("--coordinator", &line.flags.coordinator, line.Say(messages::kHelpCoordinator()), "ADDRESS");
  text("--data-dir", &line.flags.data_dir, line.Say(messages::kHelpDataDir()), "DIR");
  text("--results-dir", &line.flags.results_dir, line.Say(messages::kHelpResultsDir()), "DIR");
  text("--catalog", &line.flags.catalog, line.Say(messages::kHelpCatalog()), "FILE");
  text("--token-file", &line.flags.token_file, line.Say(messages::kHelpTokenFile()), "FILE");
  text("--ca-file", &line.flags.ca_file, line.Say(messages::kHelpCaFile()), "FILE");
  text("--ca-fingerprint", &line.flags.ca_fingerprint, line.Say(messages::kHelpCaFingerprint()), "SHA256");
  text("--client-certificate", &line.flags.client_certificate, line.Say(messages::kHelpClientCertificate()),
       "FILE");
  text("--client-key", &line.flags.client_key, line.Say(messages::kHelpClientKey()), "FILE");
  app.add_option_function<std::string>(
         "-o,--output", [&line](const std::string& v) { line.flags.output = v; },
         line.Say(messages::kHelpOutput()))
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->type_name("FORM");
  app.add_option_function<std::string>(
         "--lang", [&line](const std::string& v) { line.flags.language = v; },
         line.Say(messages::kHelpLang()))
      ->check(CLI::IsMember({"zh", "en"}));
  app.add_flag("--no-color", line.no_color, line.Say(messages::kHelpNoColor()));
  app.add_flag("-q,--quiet", line.quiet, line.Say(messages::kHelpQuiet()));
}

// Of the terminal, to which lines are wrapped; 0 where the file is none.
int ColumnsOf(int fd) {
  return Terminal::Of(fd, true, ProcessEnvironment()).Columns();
}

bool IsBare(const CLI::App& app, const CLI::ParseError& end) {
  return end.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError) &&
         app.get_subcommands().empty() && app.remaining().empty();
}

// Help goes to standard output, errors to standard error; CLI11's exit codes become ours.
int ReportParseEnd(const CommandLine& line, const CLI::ParseError& end) {
  std::ostringstream help;
  if (end.get_exit_code() == 0) {
    const int code = line.app->exit(end, help, help);
    std::fputs(Wrap(help.str(), ColumnsOf(STDOUT_FILENO)).c_str(), stdout);
    return code == 0 ? kExitOk : kExitUsage;
  }
  const int columns = ColumnsOf(STDERR_FILENO);
  if (IsBare(*line.app, end)) {
    std::fprintf(stderr, "%s\n", Wrap(line.Say(messages::kHelpFirstSteps()), columns).c_str());
    return kExitUsage;
  }
  // A Chinese colon brings its own space.
  const std::string error =
      absl::StrCat(RenderTerm(line.language, "error:"), line.language == Language::kEnglish ? " " : "",
                   line.Say(ParseProblem(*line.app, end)));
  std::fprintf(stderr, "%s\n", Wrap(error, columns).c_str());
  return kExitUsage;
}

int Perform(Session& session, const CommandLine& line) {
  absl::Status status = session.Configure(line.flags, line.no_color, line.quiet);
  if (!status.ok()) {
    session.Error(status);
    return ExitCodeOf(status);
  }
  const absl::StatusOr<int> code = line.action(session);
  session.Disconnect(/*wait=*/false);
  if (!code.ok()) {
    if (!absl::IsCancelled(code.status())) session.Error(code.status());
    return ExitCodeOf(code.status());
  }
  return session.output_ok() ? *code : *code == kExitOk ? kExitNoSpace : *code;
}

}  // namespace

CLI::App* AddCommand(CommandLine& line, const std::string& name, const std::string& what,
                     const std::string& examples) {
  CLI::App* command = line.app->add_subcommand(name, what);
  command->group(RenderTerm(line.language, "Subcommands"));
  if (!examples.empty()) command->footer(line.Say(messages::kHelpExample(examples)));
  command->fallthrough();
  return command;
}

int RunQuantctl(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "");
  Session session;
  CommandLine line;
  line.language = LanguageOfArguments({argv + 1, argv + argc}, ProcessEnvironment());
  CLI::App app(line.Say(messages::kHelpQuantctl()), "quantctl");
  line.app = &app;
  app.set_help_flag("-h,--help", line.Say(messages::kHelpFlag()));
  app.formatter(HelpFormatter(line.language));
  app.get_formatter()->column_width(34);
  app.footer(line.Say(messages::kHelpFooter()));
  app.require_subcommand(1);
  AddGlobalOptions(line);
  AddSubmitCommands(line);
  AddInspectCommands(line);
  AddChangeCommands(line);
  AddStorageCommands(line);
  AddResultCommands(line);
  AddOpenCommand(line);
  AddDataCommands(line);
  AddExportModelCommand(line);
  AddDecideCommand(line);
  AddServeCommand(line);
  AddWorkerCommands(line);
  AddServiceCommands(line);
  AddShellCommands(line);
  AddSettingsCommand(line);
  AddAdminCommands(line);
  AddDoctorCommand(line);
  AddSuperviseCommand(line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& end) {
    return ReportParseEnd(line, end);
  }
  try {
    return Perform(session, line);
  } catch (const std::exception& e) {
    session.Error(messages::kUnexpected(e.what()));
    return kExitInternal;
  }
}

}  // namespace quantlab::client
