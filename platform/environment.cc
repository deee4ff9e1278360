#include "platform/environment.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

constexpr size_t kMaxPasswordEntry = 1 << 20;

bool IsHome(absl::string_view path) {
  return !path.empty() && path[0] == '/' && path.find_first_not_of('/') != absl::string_view::npos;
}

// One field of the effective user's entry in the password database; empty if there is none.
std::string PasswordEntry(char* passwd::*field) {
  std::vector<char> buffer(4096);
  while (buffer.size() <= kMaxPasswordEntry) {
    passwd entry, *found = nullptr;
    const int error = getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    return error == 0 && found != nullptr && found->*field != nullptr ? found->*field : "";
  }
  return "";
}

bool IsExecutableFile(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string EnvironmentVariable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

VariableLookup ProcessEnvironment() {
  return EnvironmentVariable;
}

absl::StatusOr<std::string> HomeFolder(const VariableLookup& environment) {
  std::string home = environment("HOME");
  if (!IsHome(home)) home = PasswordEntry(&passwd::pw_dir);
  if (IsHome(home)) return home;
  return absl::FailedPreconditionError(absl::StrCat(
      "HOME is not set and user ", geteuid(),
      " has no home folder in the password database; set HOME, or name the folders with --data-dir (or "
      "QUANTLAB_DATA_DIR) and QUANTLAB_ASSETS"));
}

std::string UserName() {
  std::string name = PasswordEntry(&passwd::pw_name);
  return name.empty() ? absl::StrCat("uid ", geteuid()) : name;
}

absl::StatusOr<std::string> XdgFolder(const VariableLookup& environment, const char* variable,
                                      absl::string_view fallback) {
  std::string given = environment(variable);
  if (!given.empty() && given[0] == '/') return given;
  QL_ASSIGN_OR_RETURN(const std::string home, HomeFolder(environment));
  return absl::StrCat(home, "/", fallback);
}

absl::StatusOr<std::string> ExpandHome(const std::string& path, const VariableLookup& environment) {
  if (path != "~" && path.rfind("~/", 0) != 0) return path;
  QL_ASSIGN_OR_RETURN(const std::string home, HomeFolder(environment));
  return home + path.substr(1);
}

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    if (IsExecutableFile(name)) return std::filesystem::absolute(name).string();
    return absl::NotFoundError(absl::StrCat(name, " is not an executable file"));
  }
  std::string path = EnvironmentVariable("PATH");
  if (path.empty()) path = "/usr/local/bin:/usr/bin:/bin";
  for (const absl::string_view folder : absl::StrSplit(path, ':')) {
    if (folder.empty() || folder[0] != '/' || name.empty()) continue;
    std::string candidate = absl::StrCat(folder, "/", name);
    if (IsExecutableFile(candidate)) return candidate;
  }
  return absl::NotFoundError(absl::StrCat(name, " is not installed: no folder in PATH has it"));
}

std::string ExecutableFolder() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "." : self.parent_path().string();
}

}  // namespace quantlab
