#include "worker/agent/program/placement.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/records/worker_labels.h"
#include "base/sha256.h"

namespace quantlab::agent {

std::string MachineId(const std::string& root, const std::string& hostname) {
  for (const char* file : {"proc/sys/kernel/random/boot_id", "etc/machine-id"}) {
    const std::string text = ReadFile(absl::StrCat(root, file), 4096).value_or("");
    const absl::string_view id = absl::StripAsciiWhitespace(text);
    // machine-id(5) asks for its hash to be used, with a text of the application, and not the id itself.
    if (!id.empty()) return Sha256Hex(absl::StrCat("quantlab machine ", id)).substr(0, 16);
  }
  return Sha256Hex(absl::StrCat("quantlab machine ", hostname)).substr(0, 16);
}

absl::StatusOr<std::map<std::string, std::string>> ParseLabels(const std::vector<std::string>& labels) {
  std::map<std::string, std::string> parsed;
  for (const std::string& label : labels) {
    const size_t equals = label.find('=');
    const std::string key = label.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : label.substr(equals + 1);
    if (!IsLabelText(key) || !IsLabelText(value)) {
      return absl::InvalidArgumentError(absl::StrCat("--label ", label, ": not KEY=VALUE, each of 1 to ",
                                                     kMaxLabelBytes, " letters, digits and . _ - /"));
    }
    if (!parsed.emplace(key, value).second)
      return absl::InvalidArgumentError(absl::StrCat("--label ", key, " is given twice"));
  }
  if (parsed.size() > kMaxLabels) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", parsed.size(), " labels; allowed: ", kMaxLabels));
  }
  return parsed;
}

}  // namespace quantlab::agent
