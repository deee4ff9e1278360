#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/quantctl/command_line/completion.h"

namespace quantlab::client {
namespace {

std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::string ZshText(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {":", "\\:"}, {"[", "\\["}, {"]", "\\]"}, {"\n", " "}});
}

std::string ZshAction(const ValueModel& value) {
  switch (value.kind) {
    case ValueKind::kWords:
      return absl::StrCat("(", absl::StrJoin(value.words, " "), ")");
    case ValueKind::kFile:
      return "_files";
    case ValueKind::kFolder:
      return "_files -/";
    case ValueKind::kOther:
      return " ";
    default:
      return absl::StrCat("_quantctl_names ", NamesWord(value.kind));
  }
}

std::vector<std::string> ZshSpecs(const CommandModel& command) {
  std::vector<std::string> specs;
  for (const OptionModel& option : command.options) {
    for (const std::string& name : option.names) {
      const std::string before =
          option.repeatable ? "*" : absl::StrCat("(", absl::StrJoin(option.names, " "), ")");
      const char* const joined = !option.takes_value ? "" : absl::StartsWith(name, "--") ? "=" : "+";
      const std::string value =
          option.takes_value ? absl::StrCat(":", ZshText(option.value.type), ":", ZshAction(option.value))
                             : "";
      specs.push_back(Quoted(absl::StrCat(before, name, joined, "[", ZshText(option.help), "]", value)));
    }
  }
  for (size_t i = 0; i < command.arguments.size(); ++i) {
    const ArgumentModel& argument = command.arguments[i];
    const std::string where = argument.repeatable ? "*" : absl::StrCat(i + 1);
    specs.push_back(Quoted(absl::StrCat(where, ":", ZshText(argument.name), ":", ZshAction(argument.value))));
  }
  return specs;
}

std::string ZshFunction(const CommandModel& command) {
  return absl::StrCat("_quantctl", command.path.empty() ? "" : "_", absl::StrJoin(command.path, "_"));
}

// Completes the commands of `command`, and passes what follows one of them to its own case.
std::string ZshGroup(const CommandModel& command, const std::string& common) {
  std::string out =
      absl::StrCat(ZshFunction(command), R"sh(() {
  local curcontext="$curcontext" state line ret=1
  local -a commands
)sh",
                   command.path.empty() ? "  _quantctl_program=${(Q)words[1]}\n" : "", "  ", common);
  absl::StrAppend(&out, "  _arguments -C $common '1: :->command' '*:: :->rest' && ret=0\n  case $state in\n",
                  "    command)\n      commands=(");
  for (const CommandModel& nested : command.commands) {
    absl::StrAppend(&out, "\n        ", Quoted(absl::StrCat(nested.path.back(), ":", ZshText(nested.help))));
  }
  absl::StrAppend(&out, ")\n      _describe -t commands command commands && ret=0 ;;\n    rest)\n",
                  "      case $line[1] in\n");
  for (const CommandModel& nested : command.commands) {
    const std::string call = nested.commands.empty()
                                 ? absl::StrCat("_arguments $common ", absl::StrJoin(ZshSpecs(nested), " "))
                                 : ZshFunction(nested);
    absl::StrAppend(&out, "        ", nested.path.back(), ") ", call, " && ret=0 ;;\n");
  }
  return absl::StrCat(out, "      esac ;;\n  esac\n  return ret\n}\n");
}

}  // namespace

std::string ZshCompletion(const CommandModel& quantctl) {
  const std::string common =
      absl::StrCat("local -a common=(\n    ", absl::StrJoin(ZshSpecs(quantctl), "\n    "), ")\n");
  std::string functions;
  for (const CommandModel& command : quantctl.commands) {
    if (!command.commands.empty()) functions += ZshGroup(command, common);
  }
  return absl::StrCat(R"sh(#compdef quantctl
# Completion of quantctl for zsh. Install it as _quantctl in a folder of $fpath, or load it after compinit with:
# source <(quantctl completion zsh)
_quantctl_names() {
  local -a names
  names=(${(f)"$($_quantctl_program list-names $1 2>/dev/null)"})
  compadd -a names
}
)sh",
                      functions, ZshGroup(quantctl, common), R"sh(if [ "$funcstack[1]" = "_quantctl" ]; then
  _quantctl "$@"
else
  compdef _quantctl quantctl
fi
)sh");
}

}  // namespace quantlab::client
