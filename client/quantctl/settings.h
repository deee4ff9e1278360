// Where quantctl talks to and keeps things: flags over environment over the user's file over defaults.
#ifndef QUANTLAB_CLIENT_QUANTCTL_SETTINGS_H_
#define QUANTLAB_CLIENT_QUANTCTL_SETTINGS_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/language.h"
#include "platform/environment.h"
#include "proto/channel_security.h"

namespace quantlab::client {

// What was given on the command line; absent: not given.
struct SettingFlags {
  std::optional<std::string> coordinator = {}, data_dir = {}, results_dir = {}, catalog = {}, output = {},
                             language = {}, token_file = {}, ca_file = {}, ca_fingerprint = {},
                             client_certificate = {}, client_key = {};
};

struct Settings {
  std::string coordinator;  // empty: embedded
  std::string data_dir;     // absolute
  std::string results_dir;
  std::string catalog;      // empty: search
  std::string output;       // table, json, yaml
  SecurityFiles security;   // of connections to `coordinator`
  std::string config_file;  // the file that was read; empty: none
};

// The language of answers to people: as the flag says ("zh" or "en"), else by the first that is set of
// LC_ALL, LC_MESSAGES and LANG. Chinese where it begins with "zh", else English.
Language ChooseLanguage(const SettingFlags& flags, const VariableLookup& environment);
// Reads QUANTLAB_{COORDINATOR,DATA_DIR,RESULTS_DIR,CATALOG,OUTPUT,TOKEN_FILE,CA_FILE,CA_FINGERPRINT,
// CLIENT_CERTIFICATE,CLIENT_KEY} and the file named by QUANTLAB_CONFIG, else
// $XDG_CONFIG_HOME/quantlab/config.yaml or ~/.config/quantlab/config.yaml with keys of the same names in
// lower case. A missing default file is none.
// Errors: INVALID_ARGUMENT names the file, the line and the keys that are allowed.
absl::StatusOr<Settings> LoadSettings(const SettingFlags& flags, const VariableLookup& environment);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_SETTINGS_H_
