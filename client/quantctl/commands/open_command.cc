// open: the report of an experiment, in the program that this desktop opens pages with.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "client/quantctl/command_line/exit_codes.h"
#include "client/quantctl/commands/commands.h"
#include "client/results/local_results.h"
#include "platform/environment.h"
#include "platform/process.h"

namespace quantlab::client {
namespace {

// The program of the desktop, or of Windows below WSL; empty where there is none.
std::string Opener(const VariableLookup& environment) {
  const bool desktop = !environment("DISPLAY").empty() || !environment("WAYLAND_DISPLAY").empty();
  std::vector<const char*> names;
  if (!environment("WSL_DISTRO_NAME").empty()) names.push_back("wslview");
  if (desktop) names.push_back("xdg-open");
  for (const char* name : names) {
    if (const auto program = FindProgram(name); program.ok()) return *program;
  }
  return "";
}

// In a session of its own, so that a browser it starts, or becomes, goes on when quantctl has ended.
absl::Status StartOpener(const std::string& opener, const std::string& path) {
  ProcessSpec spec;
  spec.argv = {opener, path};
  spec.output = ProcessSpec::Output::kLog;
  spec.new_session = true;
  return LaunchDetached(spec).status();
}

absl::StatusOr<int> Open(Session& session, const std::string& name) {
  QL_ASSIGN_OR_RETURN(const LocalResults results, FindLocalResults(session.settings().results_dir, name));
  QL_ASSIGN_OR_RETURN(const std::string report, ReportToOpen(results, session.language()));
  const std::string path = std::filesystem::absolute(report).string();
  if (!session.is_table()) {
    // A program opens the file itself, or not at all.
    Json body = Json::object();
    body["report"] = path;
    session.PrintDocument("ReportFile", body);
    return kExitOk;
  }
  session.Print(path + "\n");
  const std::string opener = Opener(ProcessEnvironment());
  if (opener.empty()) {
    session.Note(messages::kNoOpener());
    return kExitOk;
  }
  QL_RETURN_IF_ERROR(StartOpener(opener, path));
  return kExitOk;
}

}  // namespace

void AddOpenCommand(CommandLine& line) {
  const auto name = std::make_shared<std::string>("latest");
  CLI::App* const command =
      AddCommand(line, "open", line.Say(messages::kHelpOpen()), "  quantctl open latest");
  command->add_option("EXPERIMENT", *name, line.Say(messages::kHelpExperimentLatest()));
  command->callback([&line, name] { line.action = [name](Session& s) { return Open(s, *name); }; });
}

}  // namespace quantlab::client
