#include <clocale>
#include <cstdio>
#include <exception>

#include "client/quantctl/commands.h"
#include "client/quantctl/exit_codes.h"
#include "client/quantctl/settings_command.h"

namespace quantlab::client {
namespace {

constexpr char kFooter[] =
    R"(Names of experiments may be cut to a unique beginning; 'latest' is the newest one.
Without a configured coordinator, one of your own is started in the data folder while it is needed.

Environment (flags come first, then these, then ~/.config/quantlab/config.yaml):
  QUANTLAB_COORDINATOR, QUANTLAB_DATA_DIR, QUANTLAB_RESULTS_DIR, QUANTLAB_CATALOG, QUANTLAB_OUTPUT,
  QUANTLAB_CONFIG (another settings file), NO_COLOR

Exit codes: quantctl help exit-codes

Example:
  quantctl run configs/quick.yaml)";

void AddGlobalOptions(CommandLine& line) {
  CLI::App& app = *line.app;
  const auto text = [&](const char* name, std::optional<std::string>* to, const char* what,
                        const char* type) {
    app.add_option_function<std::string>(
           name, [to](const std::string& value) { *to = value; }, what)
        ->type_name(type);
  };
  text("--coordinator", &line.flags.coordinator, "Address of the coordinator: unix:/PATH or HOST:PORT",
       "ADDRESS");
  text("--data-dir", &line.flags.data_dir, "Data folder of a service of your own", "DIR");
  text("--results-dir", &line.flags.results_dir, "Where results are written [results]", "DIR");
  text("--catalog", &line.flags.catalog, "Catalogue of models and datasets, for a service of your own",
       "FILE");
  app.add_option_function<std::string>(
         "-o,--output", [&line](const std::string& v) { line.flags.output = v; },
         "Form of answers: table, json or yaml [table]")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->type_name("FORM");
  app.add_option_function<std::string>(
         "--lang", [&line](const std::string& v) { line.flags.language = v; },
         "Language of tables, notes and errors: zh or en [by LC_ALL, LC_MESSAGES, LANG]")
      ->check(CLI::IsMember({"zh", "en"}));
  app.add_flag("--no-color", line.no_color, "No colours, as with NO_COLOR");
  app.add_flag("-q,--quiet", line.quiet, "Only answers, warnings and errors");
}

// CLI11 prints help to stdout and errors to stderr; its own codes become ours.
int ReportParseEnd(const CLI::App& app, const CLI::ParseError& end) {
  const int code = app.exit(end);
  return code == 0 ? kExitOk : kExitUsage;
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
  command->footer("Example:\n" + examples);
  command->fallthrough();
  return command;
}

int RunQuantctl(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "");
  Session session;
  CLI::App app("Quantization experiments: submit, follow, compare, report.", "quantctl");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  CommandLine line;
  line.app = &app;
  AddGlobalOptions(line);
  AddSubmitCommands(line);
  AddLookCommands(line);
  AddChangeCommands(line);
  AddResultCommands(line);
  AddDataCommands(line);
  AddDecideCommand(line);
  AddServeCommand(line);
  AddServiceCommands(line);
  AddSettingsCommand(line);
  AddDoctorCommand(line);
  AddSuperviseCommand(line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& end) {
    return ReportParseEnd(app, end);
  }
  try {
    return Perform(session, line);
  } catch (const std::exception& e) {
    session.Error(messages::kUnexpected(e.what()));
    return kExitInternal;
  }
}

}  // namespace quantlab::client
