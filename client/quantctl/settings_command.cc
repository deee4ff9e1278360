#include "client/quantctl/settings_command.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/settings.h"
#include "client/quantctl/exit_codes.h"

namespace quantlab::client {
namespace {

const char* TypeName(ParamType type) {
  switch (type) {
    case ParamType::kBool:
      return "bool";
    case ParamType::kInt:
      return "int";
    case ParamType::kDouble:
      return "double";
    case ParamType::kString:
      return "string";
  }
  return "";
}

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
          {"type", TypeName(spec.type)},
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

// Help is Markdown, for the guides; a terminal shows its backticks as they are.
std::string Plain(const std::string& markdown) {
  return absl::StrReplaceAll(markdown, {{"`", ""}});
}

std::string DefaultText(const SettingSpec& spec) {
  if (!spec.default_words.empty()) return spec.default_words;
  return SettingToString(spec, spec.default_value);
}

void PrintSettings(Session& session, const std::vector<const SettingSpec*>& settings) {
  Table table({{"KEY"}, {"DEFAULT"}, {"ALLOWED"}, {"MEANING"}});
  for (const SettingSpec* spec : settings) {
    table.Add({spec->path(), DefaultText(*spec), Plain(DescribeAllowed(*spec)), Plain(spec->help)});
  }
  session.Print(table);
}

void PrintSetting(Session& session, const SettingSpec& spec) {
  session.Print(absl::StrCat(spec.path(), "\n  ", Plain(spec.help), "\n  ", Plain(spec.help_zh), "\n\n"));
  session.Print(
      absl::StrCat("  default  ", DefaultText(spec), "\n  allowed  ", Plain(DescribeAllowed(spec)), "\n"));
  if (!spec.unit.empty()) session.Print(absl::StrCat("  unit     ", spec.unit, "\n"));
  session.Print(absl::StrCat(
      "  reuse    results are reused ",
      spec.in_key == InInputKey::kNo ? "whatever its value" : "only where it has the same value", "\n"));
}

// The setting that is named, or those of a section.
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
    return absl::NotFoundError(
        absl::StrCat("experiment files have no setting '", key,
                     "'; `quantctl settings` lists all, and `quantctl methods NAME` the "
                     "parameters of a method"));
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
  CLI::App* command = AddCommand(line, "settings", "Show the settings of experiment files",
                                 "  quantctl settings training\n  quantctl settings training.epochs");
  command->add_option("KEY", *key, "Only this one, or those of a section");
  command->callback([&line, key] { line.action = [key](Session& s) { return ShowSettings(s, *key); }; });
}

}  // namespace quantlab::client
