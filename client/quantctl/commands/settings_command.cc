#include "client/quantctl/commands/settings_command.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/config/param_type_name.h"
#include "base/config/settings.h"
#include "client/quantctl/command_line/exit_codes.h"

namespace quantlab::client {
namespace {

Json ToJsonValue(const ParamValue& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

Json DefaultOf(const SettingSpec& spec) {
  if (!spec.default_words.empty()) return nullptr;
  if (!spec.list) return spec.default_value.empty() ? Json() : ToJsonValue(spec.default_value[0]);
  Json elements = Json::array();
  for (const ParamValue& element : spec.default_value) elements.push_back(ToJsonValue(element));
  return elements;
}

Json LimitOf(const SettingSpec& spec, const std::optional<double>& limit) {
  if (!limit) return nullptr;
  return spec.type == ParamType::kInt ? Json(static_cast<int64_t>(*limit)) : Json(*limit);
}

Json ToDocument(const SettingSpec& spec) {
  return {{"key", spec.path()},
          {"section", spec.section},
          {"type", ParamTypeName(spec.type)},
          {"list", spec.list},
          {"unit", spec.unit},
          {"default", DefaultOf(spec)},
          {"defaultWords", {{"en", spec.default_words}, {"zh", spec.default_words_zh}}},
          {"min", LimitOf(spec, spec.min)},
          {"max", LimitOf(spec, spec.max)},
          {"allowed", spec.allowed},
          {"allowedWords", {{"en", spec.allowed_words}, {"zh", spec.allowed_words_zh}}},
          {"olderKey", spec.older_key.empty() ? "" : absl::StrCat(spec.section, ".", spec.older_key)},
          {"inInputKey", spec.in_key != InInputKey::kNo},
          {"help", {{"en", spec.help}, {"zh", spec.help_zh}}}};
}

// Help is Markdown, for the guides; on a terminal the backticks are left unchanged.
std::string Plain(const std::string& markdown) {
  return absl::StrReplaceAll(markdown, {{"`", ""}});
}

std::string DefaultText(const SettingSpec& spec, Language language) {
  if (!spec.default_words.empty()) {
    return language == Language::kEnglish ? spec.default_words : spec.default_words_zh;
  }
  return SettingToString(spec, spec.default_value);
}

std::string HelpText(const SettingSpec& spec, Language language) {
  return Plain(language == Language::kEnglish ? spec.help : spec.help_zh);
}

void PrintSettings(Session& session, const std::vector<const SettingSpec*>& settings) {
  const Language language = session.language();
  Table table({{"KEY"}, {"DEFAULT"}, Table::Flexible("ALLOWED"), {"MEANING"}});
  for (const SettingSpec* spec : settings) {
    table.Add({spec->path(), DefaultText(*spec, language), Plain(DescribeAllowed(*spec, language)),
               HelpText(*spec, language)});
  }
  session.Print(table);
}

void PrintSetting(Session& session, const SettingSpec& spec) {
  const Language language = session.language();
  const auto print = [&](const char* label, const std::string& text) {
    session.PrintText(absl::StrFormat("  %-7s  %s\n", session.Term(label), text));
  };
  session.PrintText(absl::StrCat(spec.path(), "\n  ", HelpText(spec, language), "\n\n"));
  print("default", DefaultText(spec, language));
  print("allowed", Plain(DescribeAllowed(spec, language)));
  if (!spec.unit.empty()) print("unit", session.Term(spec.unit));
  print("reuse",
        session.Term(spec.in_key == InInputKey::kNo ? "results are reused whatever its value"
                                                    : "results are reused only where it has the same value"));
}

// The named setting, or the settings of a section.
std::vector<const SettingSpec*> Named(const std::string& key) {
  std::vector<const SettingSpec*> named;
  if (const SettingSpec* exact = FindSetting(key)) return {exact};
  for (const SettingSpec& spec : AllSettings()) {
    if (key.empty() || absl::StartsWith(spec.path(), key + ".")) named.push_back(&spec);
  }
  return named;
}

absl::StatusOr<int> ShowSettings(Session& session, const std::string& key) {
  const std::vector<const SettingSpec*> settings = Named(key);
  if (settings.empty()) {
    return MessageStatus(absl::StatusCode::kNotFound, messages::kSettingUnknown(key));
  }
  if (!session.is_table()) {
    Json list = Json::array();
    for (const SettingSpec* spec : settings) list.push_back(ToDocument(*spec));
    session.PrintDocument("SettingList", {{"settings", std::move(list)}});
  } else if (settings.size() == 1) {
    PrintSetting(session, *settings[0]);
  } else {
    PrintSettings(session, settings);
  }
  return kExitOk;
}

}  // namespace

std::vector<std::string> SettingKeys() {
  std::vector<std::string> keys;
  for (const SettingSpec& spec : AllSettings()) keys.push_back(spec.path());
  return keys;
}

void AddSettingsCommand(CommandLine& line) {
  const auto key = std::make_shared<std::string>();
  CLI::App* command = AddCommand(line, "settings", line.Say(messages::kHelpSettings()),
                                 "  quantctl settings training\n  quantctl settings training.epochs");
  command->add_option("KEY", *key, line.Say(messages::kHelpSettingsKey()));
  command->callback([&line, key] { line.action = [key](Session& s) { return ShowSettings(s, *key); }; });
}

}  // namespace quantlab::client
