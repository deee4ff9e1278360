#include "runtimes/runtime_commands.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/config/runtime_names.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "runtimes/programs.h"

namespace quantlab::runtimes {
namespace {

constexpr char kServer[] = "/serve_runtime.py";

}  // namespace

RuntimeSettings RuntimeSettingsFrom(const VariableLookup& environment) {
  RuntimeSettings settings;
  if (std::string python = environment(kPythonVariable); !python.empty()) settings.python = std::move(python);
  settings.folder = environment(kFolderVariable);
  return settings;
}

absl::Status WriteRuntimePrograms(const std::string& folder) {
  QL_RETURN_IF_ERROR(WriteFileAtomically(folder + "/quantlab_runtimes.py", kQuantlabRuntimes));
  return WriteFileAtomically(folder + kServer, kServeRuntime);
}

absl::StatusOr<std::vector<std::string>> RuntimeCommand(absl::string_view name,
                                                        const RuntimeSettings& settings,
                                                        const std::string& programs) {
  if (IsOwnProgramName(name)) {
    if (settings.folder.empty()) return absl::NotFoundError("no folder of programs was named");
    QL_ASSIGN_OR_RETURN(std::string program, FindProgram(absl::StrCat(settings.folder, "/", name)));
    return std::vector<std::string>{std::move(program)};
  }
  if (FindRuntime(name) == nullptr || name == kOwnRuntime) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is no runtime that is started"));
  }
  return std::vector<std::string>{settings.python, programs + kServer, std::string(name)};
}

}  // namespace quantlab::runtimes
