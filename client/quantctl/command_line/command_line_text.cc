#include "client/quantctl/command_line/command_line_text.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/text/nearest_name.h"

namespace quantlab::client {
namespace {

class LocalizedFormatter : public CLI::Formatter {
 public:
  explicit LocalizedFormatter(Language language) : language_(language) {
    for (const char* word : {"Usage", "OPTIONS", "Positionals", "SUBCOMMAND", "SUBCOMMANDS", "REQUIRED"}) {
      label(word, RenderTerm(language, word));
    }
  }

  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> options) const override {
    return CLI::Formatter::make_group(RenderTerm(language_, group), is_positional, std::move(options));
  }

 private:
  const Language language_;
};

// "quantctl", or "quantctl run" if that command was given.
std::string CommandOf(const CLI::App& app) {
  const std::vector<const CLI::App*> given =
      app.get_subcommands([](const CLI::App* command) { return command->parsed(); });
  return given.empty() ? app.get_name() : absl::StrCat(app.get_name(), " ", given[0]->get_name());
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  return names;
}

// The options of `app` and of the given commands.
std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App* c) { return c->parsed(); })) {
    const std::vector<std::string> own = OptionNames(*command);
    names.insert(names.end(), own.begin(), own.end());
  }
  return names;
}

// An argument that no command or option takes.
Message UnknownArgument(const CLI::App& app, const std::string& argument) {
  const bool no_command = CommandOf(app) == app.get_name();
  if (absl::StartsWith(argument, "-")) {
    return messages::kUnknownOption(
        argument, NearestName(argument.substr(0, argument.find('=')), OptionNames(app)), CommandOf(app));
  }
  if (no_command) return messages::kUnknownCommand(argument, NearestName(argument, CommandNames(app)));
  return messages::kUnexpectedArgument(argument, CommandOf(app));
}

// An unknown option also explains the arguments after it, so it is reported first.
std::string FirstUnknown(const std::vector<std::string>& unknown) {
  for (const std::string& argument : unknown) {
    if (absl::StartsWith(argument, "-")) return argument;
  }
  return unknown[0];
}

// CLI11's "--format: xml not in {csv,json}" and "--limit: Value -1 not in range 0 to 10".
Message NotAllowed(const CLI::App& app, const std::string& text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(": ", 1));
  const std::pair<std::string, std::string> value =
      absl::StrSplit(parts.second, absl::MaxSplits(" not in ", 1));
  absl::string_view allowed = value.second, number = value.first;
  if (absl::ConsumePrefix(&allowed, "{") && absl::ConsumeSuffix(&allowed, "}")) {
    return messages::kValueNotAllowed(parts.first, value.first, absl::StrSplit(allowed, ','));
  }
  if (absl::StartsWith(allowed, "range ") && absl::ConsumePrefix(&number, "Value ")) {
    return messages::kValueNotConvertible(parts.first, number);
  }
  return messages::kWrongCommandLine(text, CommandOf(app));
}

// CLI11's "Could not convert: --limit = many".
Message NotConvertible(const CLI::App& app, absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "Could not convert: ")) {
    return messages::kWrongCommandLine(text, CommandOf(app));
  }
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(" = ", 1));
  return messages::kValueNotConvertible(parts.first, parts.second);
}

}  // namespace

Language LanguageOfArguments(const std::vector<std::string>& arguments, const VariableLookup& environment) {
  SettingFlags flags;
  for (size_t i = 0; i < arguments.size() && arguments[i] != "report"; ++i) {
    absl::string_view argument = arguments[i];
    if (argument == "--lang" && i + 1 < arguments.size()) flags.language = arguments[i + 1];
    if (absl::ConsumePrefix(&argument, "--lang=")) flags.language = std::string(argument);
  }
  return ChooseLanguage(flags, environment);
}

std::shared_ptr<CLI::Formatter> HelpFormatter(Language language) {
  return std::make_shared<LocalizedFormatter>(language);
}

Message ParseProblem(const CLI::App& app, const CLI::ParseError& error) {
  const std::string text = error.what();
  const bool required = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  if ((required || dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) && !unknown.empty()) {
    return UnknownArgument(app, FirstUnknown(unknown));
  }
  absl::string_view name = text;
  if (required && absl::ConsumeSuffix(&name, " is required")) {
    return name == "A subcommand" ? messages::kMissingCommand()
                                  : messages::kMissingArgument(name, CommandOf(app));
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr &&
      absl::StrContains(text, " required ")) {
    return messages::kMissingValue(name.substr(0, name.find(':')));
  }
  if (dynamic_cast<const CLI::ValidationError*>(&error) != nullptr) return NotAllowed(app, text);
  if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr) return NotConvertible(app, text);
  return messages::kWrongCommandLine(text, CommandOf(app));
}

}  // namespace quantlab::client
