// How each runtime of a comparison is started on this machine.
#ifndef QUANTLAB_RUNTIMES_RUNTIME_COMMANDS_H_
#define QUANTLAB_RUNTIMES_RUNTIME_COMMANDS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "platform/environment.h"

namespace quantlab::runtimes {

// What quant-worker sets for its runner from --runtimes-python and --runtimes-dir.
inline constexpr char kPythonVariable[] = "QUANTLAB_RUNTIMES_PYTHON";
inline constexpr char kFolderVariable[] = "QUANTLAB_RUNTIMES_DIR";

struct RuntimeSettings {
  std::string python = "python3";  // a program, which has the packages of the known runtimes
  std::string folder;              // of own programs, "x-NAME"; empty: there are none
};
RuntimeSettings RuntimeSettingsFrom(const VariableLookup& environment);

// Writes the Python programs into `folder`, which exists. Errors: those of writing.
absl::Status WriteRuntimePrograms(const std::string& folder);

// The command line of the runtime `name`, whose Python programs are in `programs`.
// Errors: NOT_FOUND there is no such program of one's own, or no folder for them; INVALID_ARGUMENT `name` is
// none of a runtime that is started.
absl::StatusOr<std::vector<std::string>> RuntimeCommand(absl::string_view name,
                                                        const RuntimeSettings& settings,
                                                        const std::string& programs);

}  // namespace quantlab::runtimes

#endif  // QUANTLAB_RUNTIMES_RUNTIME_COMMANDS_H_
