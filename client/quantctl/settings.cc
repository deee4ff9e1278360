#include "client/quantctl/settings.h"

#include <filesystem>
#include <map>

#include <yaml-cpp/yaml.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "platform/files.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;
using Values = std::map<std::string, std::string>;

constexpr const char* kKeys[] = {
    "coordinator", "data_dir",       "results_dir",        "catalog",   "output", "token_file",
    "ca_file",     "ca_fingerprint", "client_certificate", "client_key"};
constexpr int64_t kMaxBytes = 64 << 10;

absl::Status Wrong(const std::string& path, const YAML::Mark& mark, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ":", mark.is_null() ? 1 : mark.line + 1, ": ", what));
}

absl::StatusOr<Values> Parse(const std::string& path, const std::string& content) {
  Values values;
  try {
    const YAML::Node root = YAML::Load(content);
    if (root.IsNull()) return values;
    if (!root.IsMap()) return Wrong(path, root.Mark(), "expected 'key: value' lines");
    for (const auto& entry : root) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      bool known = false;
      for (const char* name : kKeys) known = known || key == name;
      if (!known) {
        return Wrong(path, entry.first.Mark(),
                     absl::StrCat("unknown key '", key, "'; allowed: ", absl::StrJoin(kKeys, ", ")));
      }
      if (!entry.second.IsScalar())
        return Wrong(path, entry.second.Mark(), absl::StrCat("'", key, "' must be one text"));
      values[key] = entry.second.Scalar();
    }
  } catch (const YAML::Exception& e) {
    return Wrong(path, e.mark, absl::StrCat("is not YAML: ", e.msg));
  }
  return values;
}

absl::StatusOr<Values> ReadConfig(const VariableLookup& environment, std::string* path) {
  const std::string named = environment("QUANTLAB_CONFIG");
  *path = named;
  if (named.empty()) {
    // Without a home folder there is no default file; what needs one says so.
    const absl::StatusOr<std::string> folder = XdgFolder(environment, "XDG_CONFIG_HOME", ".config");
    if (!folder.ok()) return Values();
    *path = *folder + "/quantlab/config.yaml";
  }
  const absl::StatusOr<std::string> content = ReadFile(*path, kMaxBytes);
  if (absl::IsNotFound(content.status()) && named.empty()) {
    path->clear();
    return Values();
  }
  if (!content.ok()) return Annotate(content.status(), "the settings file");
  return Parse(*path, *content);
}

}  // namespace

Language ChooseLanguage(const SettingFlags& flags, const VariableLookup& environment) {
  std::string chosen = flags.language.value_or("");
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    if (chosen.empty()) chosen = environment(name);
  }
  return absl::StartsWith(chosen, "zh") ? Language::kChinese : Language::kEnglish;
}

absl::StatusOr<Settings> LoadSettings(const SettingFlags& flags, const VariableLookup& environment) {
  Settings settings;
  QL_ASSIGN_OR_RETURN(Values file, ReadConfig(environment, &settings.config_file));
  const auto choose = [&](const std::optional<std::string>& flag, const char* key, std::string fallback) {
    if (flag.has_value()) return *flag;
    const std::string from_environment =
        environment(absl::StrCat("QUANTLAB_", absl::AsciiStrToUpper(key)).c_str());
    if (!from_environment.empty()) return from_environment;
    const auto found = file.find(key);
    return found == file.end() ? std::move(fallback) : found->second;
  };
  settings.coordinator = choose(flags.coordinator, "coordinator", "");
  settings.data_dir = choose(flags.data_dir, "data_dir", "");
  if (settings.data_dir.empty()) {
    const absl::StatusOr<std::string> folder = XdgFolder(environment, "XDG_DATA_HOME", ".local/share");
    // A data folder is not needed where the coordinator is not embedded.
    if (!folder.ok() && settings.coordinator.empty()) return folder.status();
    if (folder.ok()) settings.data_dir = *folder + "/quantlab";
  }
  settings.results_dir = choose(flags.results_dir, "results_dir", "results");
  settings.catalog = choose(flags.catalog, "catalog", "");
  SecurityFiles& security = settings.security;
  security.token = choose(flags.token_file, "token_file", "");
  security.ca = choose(flags.ca_file, "ca_file", "");
  security.ca_fingerprint = choose(flags.ca_fingerprint, "ca_fingerprint", "");
  security.certificate = choose(flags.client_certificate, "client_certificate", "");
  security.key = choose(flags.client_key, "client_key", "");
  for (std::string* path : {&settings.data_dir, &settings.results_dir, &settings.catalog, &security.token,
                            &security.ca, &security.certificate, &security.key}) {
    QL_ASSIGN_OR_RETURN(*path, ExpandHome(*path, environment));
  }
  settings.output = choose(flags.output, "output", "table");
  if (settings.output != "table" && settings.output != "json" && settings.output != "yaml") {
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kOutputUnknown(settings.output));
  }
  if (settings.data_dir.empty()) return settings;
  std::error_code error;
  settings.data_dir = fs::absolute(settings.data_dir, error).lexically_normal().string();
  while (settings.data_dir.size() > 1 && settings.data_dir.back() == '/') settings.data_dir.pop_back();
  return settings;
}

}  // namespace quantlab::client
