// Environment variables, the user's folders, and the programs of this machine.
#ifndef QUANTLAB_PLATFORM_ENVIRONMENT_H_
#define QUANTLAB_PLATFORM_ENVIRONMENT_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab {

// The value of a variable; empty if it is not set.
using VariableLookup = std::function<std::string(const char* name)>;

// This process's environment.
VariableLookup ProcessEnvironment();
std::string EnvironmentVariable(const char* name);

// The user's home folder: $HOME if it is an absolute path other than "/", else the entry of the password
// database. Never a folder that several users share.
// Errors: FAILED_PRECONDITION there is neither; the message names the variable and --data-dir.
absl::StatusOr<std::string> HomeFolder(const VariableLookup& environment);

// The effective user's login name, or "uid 1000" if the password database has none.
std::string UserName();

// A base folder of the XDG specification: $<variable> if it is absolute, else `fallback` in the home folder.
//   XdgFolder(environment, "XDG_DATA_HOME", ".local/share")
// Errors: as HomeFolder.
absl::StatusOr<std::string> XdgFolder(const VariableLookup& environment, const char* variable,
                                      absl::string_view fallback);

// "~" and "~/…" with the home folder in place of "~"; any other path unchanged.
// Errors: as HomeFolder.
absl::StatusOr<std::string> ExpandHome(const std::string& path, const VariableLookup& environment);

// The absolute path of a program. A name without '/' is looked up in the absolute folders of PATH; empty and
// relative entries, which mean wherever the process happens to run, are skipped. A name with '/' must be an
// executable file.
// Errors: NOT_FOUND names the program.
absl::StatusOr<std::string> FindProgram(const std::string& name);

// The folder of this process's own executable; "." if it cannot be determined.
std::string ExecutableFolder();

}  // namespace quantlab

#endif  // QUANTLAB_PLATFORM_ENVIRONMENT_H_
