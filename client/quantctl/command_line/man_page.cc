#include "client/quantctl/command_line/man_page.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/shell.h"
#include "client/quantctl/command_line/exit_codes.h"

namespace quantlab::client {
namespace {

// A line of text that troff reads neither as a request nor as an escape. A hyphen is a minus, so that options
// can be copied.
std::string Escaped(absl::string_view text) {
  const std::string plain = absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}, {"\n", " "}});
  return absl::StartsWith(plain, ".") || absl::StartsWith(plain, "'") ? absl::StrCat("\\&", plain) : plain;
}

// Of a macro.
std::string Argument(absl::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(Escaped(text), {{"\"", "\\(dq"}}), "\"");
}

// Text whose indented lines stay as they are, such as commands and lists of variables.
std::string Paragraphs(absl::string_view text) {
  std::string out;
  bool open = false, gap = true;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const bool indented = absl::StartsWith(line, "  ");
    if (open && !indented) out += ".EE\n.RE\n";
    if (indented && !open) out += ".RS\n.EX\n";
    open = indented;
    if (line.empty()) {
      gap = true;
      continue;
    }
    if (gap && !indented) out += ".PP\n";
    gap = false;
    absl::StrAppend(&out, Escaped(indented ? line.substr(2) : line), "\n");
  }
  return open ? out + ".EE\n.RE\n" : out;
}

// "\fB\-\-output\fR, \fB\-o\fR \fIFORM\fR".
std::string Names(const OptionModel& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.names) names.push_back(absl::StrCat("\\fB", Escaped(name), "\\fR"));
  const std::string value =
      option.takes_value ? absl::StrCat(" \\fI", Escaped(option.value.type), "\\fR") : std::string();
  return absl::StrJoin(names, ", ") + value;
}

std::string HelpWithWords(const std::string& help, const ValueModel& value, Language language) {
  const bool named = std::all_of(value.words.begin(), value.words.end(),
                                 [&help](const std::string& word) { return absl::StrContains(help, word); });
  if (named) return help;
  const bool english = language == Language::kEnglish;
  return absl::StrCat(help, english ? " (" : "（", absl::StrJoin(value.words, english ? ", " : "、"),
                      english ? ")" : "）");
}

std::string Entry(const std::string& head, const std::string& help) {
  return absl::StrCat(".TP\n", head, "\n", Escaped(help), "\n");
}

std::string Entries(const CommandModel& command, Language language) {
  std::string out;
  for (const ArgumentModel& argument : command.arguments) {
    out += Entry(absl::StrCat("\\fI", Escaped(argument.name), "\\fR"),
                 HelpWithWords(argument.help, argument.value, language));
  }
  for (const OptionModel& option : command.options) {
    if (!command.path.empty() && option.names[0] == "--help") continue;
    out += Entry(Names(option), HelpWithWords(option.help, option.value, language));
  }
  return out;
}

// "quantctl run [OPTIONS] FILE".
std::string Usage(const CommandModel& command, Language language) {
  std::string out = absl::StrCat("quantctl ", absl::StrJoin(command.path, " "));
  if (command.options.size() > 1) absl::StrAppend(&out, " [", RenderTerm(language, "OPTIONS"), "]");
  for (const ArgumentModel& argument : command.arguments) {
    const std::string name = argument.repeatable ? argument.name + "…" : argument.name;
    absl::StrAppend(&out, argument.required ? absl::StrCat(" ", name) : absl::StrCat(" [", name, "]"));
  }
  return out;
}

std::string Section(const CommandModel& command, Language language) {
  std::string out = absl::StrCat(".SS ", Argument(Usage(command, language)), "\n", Escaped(command.help),
                                 "\n", Entries(command, language));
  if (!command.footer.empty()) out += Paragraphs(command.footer);
  for (const CommandModel& nested : command.commands) out += Section(nested, language);
  return out;
}

}  // namespace

std::string ManPage(const CommandModel& quantctl, Language language, const ManRelease& release) {
  const auto section = [&](const char* title) {
    return absl::StrCat(".SH ", Argument(RenderTerm(language, title)), "\n");
  };
  std::string out = absl::StrCat(".\\\" Made by `quantctl man`.\n.TH QUANTCTL 1 \"", release.date, "\" ",
                                 Argument("Quantlab " + release.version), "\n.nh\n.ad l\n");
  absl::StrAppend(&out, section("NAME"), "quantctl \\- ", Escaped(Render(language, messages::kManProgram())),
                  "\n");
  absl::StrAppend(&out, section("SYNOPSIS"), "\\fBquantctl\\fR [", RenderTerm(language, "OPTIONS"), "] \\fI",
                  RenderTerm(language, "SUBCOMMAND"), "\\fR [", RenderTerm(language, "OPTIONS"), "]\n");
  absl::StrAppend(&out, section("DESCRIPTION"), Escaped(quantctl.help), "\n", Paragraphs(quantctl.footer));
  absl::StrAppend(&out, section("OPTIONS OF EVERY COMMAND"), Entries(quantctl, language));
  out += section("COMMANDS");
  for (const CommandModel& command : quantctl.commands) out += Section(command, language);
  absl::StrAppend(&out, section("EXIT STATUS"));
  for (const auto& [code, meaning] : ExitCodes(language)) out += Entry(absl::StrCat(code), meaning);
  absl::StrAppend(&out, section("SEE ALSO"), Escaped(Render(language, messages::kManSeeAlso())), "\n");
  return out;
}

}  // namespace quantlab::client
