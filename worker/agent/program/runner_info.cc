#include "worker/agent/program/runner_info.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/device.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "platform/digest.h"

namespace quantlab::agent {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kTimeout = absl::Minutes(2);  // LibTorch from a cold disk

absl::Status Bad(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("quant-runner info --json: ", what));
}

absl::Status ReadMethods(const Json& json, v1::WorkerInfo& info) {
  if (!json.is_array()) return Bad("'methods' is not a list");
  for (const Json& entry : json) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string() ||
        !entry.contains("version") || !entry["version"].is_number_integer()) {
      return Bad("an entry of 'methods' has no name and version");
    }
    v1::MethodVersion* method = info.add_methods();
    method->set_name(CleanText(entry["name"].get<std::string>(), 128));
    method->set_version(entry["version"].get<int32_t>());
  }
  return absl::OkStatus();
}

absl::Status ReadDevices(const Json& json, v1::WorkerInfo& info) {
  if (!json.is_array() || json.empty()) return Bad("'devices' is not a list of devices");
  for (const Json& device : json) {
    if (!device.is_string()) return Bad("'devices' has an entry that is no text");
    info.add_devices(CleanText(device.get<std::string>(), 64));
  }
  return absl::OkStatus();
}

absl::Status ReadFacts(const Json& json, v1::WorkerInfo& info) {
  if (!json.is_object()) return Bad("'facts' is not a map");
  for (const auto& [name, value] : json.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    (*info.mutable_facts())[CleanText(name, 128)] = CleanText(text, 2048);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::WorkerInfo> ParseRunnerInfo(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Bad(absl::StrCat("not a JSON object: \"", CleanText(text, 200), "\""));
  v1::WorkerInfo info;
  for (const char* key : {"devices", "methods", "fingerprint"}) {
    if (!json.contains(key)) return Bad(absl::StrCat("'", key, "' is missing"));
  }
  QL_RETURN_IF_ERROR(ReadDevices(json["devices"], info));
  QL_RETURN_IF_ERROR(ReadMethods(json["methods"], info));
  if (!json["fingerprint"].is_string()) return Bad("'fingerprint' is no text");
  info.set_fingerprint(CleanText(json["fingerprint"].get<std::string>(), 256));
  if (json.contains("facts")) QL_RETURN_IF_ERROR(ReadFacts(json["facts"], info));
  return info;
}

absl::StatusOr<v1::WorkerInfo> AskRunner(ProcessLauncher& launcher, const std::string& runner, int stop_fd) {
  ProcessSpec spec;
  spec.argv = {runner, "info", "--json"};
  const absl::StatusOr<CommandResult> result =
      RunCommand(launcher, spec, {.timeout = kTimeout, .cancel_fd = stop_fd});
  if (absl::IsNotFound(result.status())) {
    return absl::NotFoundError(
        absl::StrCat("quant-runner is not there: ", result.status().message(),
                     "; build it (scripts/setup.sh, cmake --preset release) or name it with "
                     "--runner PATH"));
  }
  QL_RETURN_IF_ERROR(result.status());
  if (result->exit.code != 0 || result->exit.signal != 0) {
    return absl::FailedPreconditionError(absl::StrCat(runner, " info ", DescribeExit(result->exit), ": ",
                                                      CleanText(result->output, 1000),
                                                      "; run it by hand to see what is missing"));
  }
  // A library may print warnings before the answer.
  const size_t start = result->output.find('{');
  absl::StatusOr<v1::WorkerInfo> info =
      ParseRunnerInfo(start == std::string::npos ? result->output : result->output.substr(start));
  if (!info.ok()) return absl::FailedPreconditionError(absl::StrCat(runner, ": ", info.status().message()));
  // The digest names the binary that will run, through links.
  std::string binary = runner;
  if (char* resolved = realpath(runner.c_str(), nullptr); resolved != nullptr) {
    binary = resolved;
    free(resolved);
  }
  QL_ASSIGN_OR_RETURN(const FileDigest digest, DigestFile(binary, nullptr));
  info->set_runner_sha256(digest.sha256);
  return info;
}

absl::Status RestrictDevices(const std::vector<std::string>& wanted, v1::WorkerInfo& info) {
  if (wanted.empty()) return absl::OkStatus();
  const std::vector<std::string> has(info.devices().begin(), info.devices().end());
  for (const std::string& device : wanted) {
    if (std::find(has.begin(), has.end(), device) != has.end()) continue;
    const DeviceKind* const kind = FindDeviceKind(device);
    if (kind == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("--devices ", device,
                       ": there is no such device; allowed: ", absl::StrJoin(DeviceKindNames(), ", ")));
    }
    return absl::FailedPreconditionError(absl::StrCat("--devices ", device,
                                                      ": this machine's runner offers only ",
                                                      absl::StrJoin(has, ", "), "; it needs ", kind->needs));
  }
  info.clear_devices();
  for (const std::string& device : wanted) info.add_devices(device);
  return absl::OkStatus();
}

}  // namespace quantlab::agent
