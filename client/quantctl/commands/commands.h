// The commands of quantctl. Each Add… declares a subcommand; its work runs after parsing.
#ifndef QUANTLAB_CLIENT_QUANTCTL_COMMANDS_COMMANDS_H_
#define QUANTLAB_CLIENT_QUANTCTL_COMMANDS_COMMANDS_H_

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "absl/status/statusor.h"
#include "client/quantctl/session.h"

namespace quantlab::client {

// What the chosen command does: its exit code, or an error whose code decides that.
using Action = std::function<absl::StatusOr<int>(Session&)>;

// What parsing fills, and the language of help.
struct CommandLine {
  CLI::App* app = nullptr;
  Language language = Language::kEnglish;
  Action action;
  SettingFlags flags;
  bool no_color = false;
  bool quiet = false;

  std::string Say(const Message& message) const { return Render(language, message); }
};

// A subcommand with its example in the help.
CLI::App* AddCommand(CommandLine& line, const std::string& name, const std::string& what,
                     const std::string& examples);

void AddSubmitCommands(CommandLine& line);      // run, submit, validate, watch
void AddInspectCommands(CommandLine& line);     // list, get, logs, metrics, explain
void AddChangeCommands(CommandLine& line);      // cancel, retry, stop
void AddWorkerCommands(CommandLine& line);      // workers, worker drain, undrain, quarantine
void AddServiceCommands(CommandLine& line);     // methods, catalog, version
void AddShellCommands(CommandLine& line);       // help, completion, man, list-names (hidden)
void AddResultCommands(CommandLine& line);      // download, report
void AddOpenCommand(CommandLine& line);         // open
void AddDataCommands(CommandLine& line);        // export, compare
void AddExportModelCommand(CommandLine& line);  // export-model
void AddDecideCommand(CommandLine& line);       // decide
void AddServeCommand(CommandLine& line);        // serve
void AddAdminCommands(CommandLine& line);       // admin add-user, add-worker, revoke, list, init-ca
void AddDoctorCommand(CommandLine& line);       // doctor
void AddSuperviseCommand(CommandLine& line);    // supervise (hidden)

// Parses, runs, reports; returns the exit status. `argv` as of main.
int RunQuantctl(int argc, char** argv);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_COMMANDS_COMMANDS_H_
