// open: the report of an experiment, in the program that this desktop opens pages with.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "client/quantctl/commands.h"
#include "client/quantctl/exit_codes.h"
#include "client/results/local_results.h"
#include "client/results/tool.h"
#include "platform/environment.h"

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

absl::StatusOr<int> Open(Session& session, const std::string& name) {
  QL_ASSIGN_OR_RETURN(const LocalResults results, FindLocalResults(session.settings().results_dir, name));
  QL_ASSIGN_OR_RETURN(const std::string report, ReportToOpen(results, session.language()));
  const std::string path = std::filesystem::absolute(report).string();
  if (session.is_table()) {
    session.Print(path + "\n");
  } else {
    Json body = Json::object();
    body["report"] = path;
    session.PrintDocument("Report", body);
  }
  const std::string opener = Opener(ProcessEnvironment());
  if (opener.empty()) {
    session.Note(messages::kNoOpener());
    return kExitOk;
  }
  ToolCall call;
  call.argv = {opener, path};
  call.folder = results.folder;
  QL_RETURN_IF_ERROR(RunTool(call, &session.cancellation()));
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
