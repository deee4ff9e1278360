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

std::string BashValues(const ValueModel& value) {
  switch (value.kind) {
    case ValueKind::kWords:
      return absl::StrCat("_quantctl_words '", absl::StrJoin(value.words, " "), "'");
    case ValueKind::kFile:
      return "_quantctl_paths -f";
    case ValueKind::kFolder:
      return "_quantctl_paths -d";
    case ValueKind::kOther:
      return ":";
    default:
      return absl::StrCat("_quantctl_names ", NamesWord(value.kind));
  }
}

// Options of a command come before those of every command: the first case that fits counts.
std::string BashOptionCases(const CommandModel& quantctl) {
  std::string cases, common;
  ForEachCommand(quantctl, [&](const CommandModel& command) {
    for (const OptionModel& option : command.options) {
      if (!option.takes_value) continue;
      for (const std::string& name : option.names) {
        const std::string path = command.path.empty() ? "*" : Quoted(absl::StrJoin(command.path, " "));
        absl::StrAppend(command.path.empty() ? &common : &cases, "    ", path, "' ", name, "') ",
                        BashValues(option.value), "; return ;;\n");
      }
    }
  });
  return cases + common;
}

std::string BashWordCases(const CommandModel& quantctl) {
  std::string cases;
  ForEachCommand(quantctl, [&](const CommandModel& command) {
    absl::StrAppend(&cases, "    ", Quoted(absl::StrJoin(command.path, " ")), ") options='",
                    absl::StrJoin(LongNames(command), " "), "' commands='",
                    absl::StrJoin(CommandNames(command), " "), "' ;;\n");
  });
  return cases;
}

std::string BashArgumentCases(const CommandModel& quantctl) {
  std::string cases;
  ForEachCommand(quantctl, [&](const CommandModel& command) {
    for (size_t i = 0; i < command.arguments.size(); ++i) {
      const ArgumentModel& argument = command.arguments[i];
      absl::StrAppend(&cases, "    ", Quoted(absl::StrJoin(command.path, " ")),
                      argument.repeatable ? "' '*" : absl::StrCat("' ", i, "'"), ") ",
                      BashValues(argument.value), " ;;\n");
    }
  });
  return cases;
}

// compgen -W expands its words, command substitutions included, and what is completed is typed as it stands:
// names, which come from folders of results and from the coordinator, are compared here and quoted.
constexpr char kBashHelpers[] = R"sh(_quantctl_words() { COMPREPLY=($(compgen -W "$1" -- "$current")); }
_quantctl_names() {
  local name
  while IFS= read -r name; do
    [ "${name:0:${#current}}" = "$current" ] && COMPREPLY+=("$(printf %q "$name")")
  done < <("${COMP_WORDS[0]/#\~/$HOME}" list-names "$1" 2>/dev/null)
}
_quantctl_paths() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}
_quantctl() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
  local path="" index=0 skip="" word i options commands
  COMPREPLY=()
  # The shell splits --lang=zh at the equals sign.
  if [ "$current" = "=" ]; then
    current=""
  elif [ "$previous" = "=" ]; then
    previous="${COMP_WORDS[COMP_CWORD-2]}"
  fi
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word="${COMP_WORDS[i]}"
    if [ -n "$skip" ]; then
      [ "$word" = "=" ] || skip=""
      continue
    fi
    case "$word" in
)sh";

}  // namespace

std::string BashCompletion(const CommandModel& quantctl) {
  std::vector<std::string> groups = {"''"};
  for (const std::string& group : CommandGroups(quantctl)) groups.push_back(Quoted(group));
  return absl::StrCat("# Completion of quantctl for bash. Load it with: source <(quantctl completion bash)\n",
                      kBashHelpers, "      ", absl::StrJoin(ValueOptions(quantctl), "|"), R"sh() skip=1 ;;
      -*|=) ;;
      *)
        case "$path" in
          )sh",
                      absl::StrJoin(groups, "|"), R"sh() path="${path:+$path }$word" ;;
          *) index=$((index + 1)) ;;
        esac ;;
    esac
  done
  case "$path $previous" in
)sh",
                      BashOptionCases(quantctl), R"sh(  esac
  case "$path" in
)sh",
                      BashWordCases(quantctl), R"sh(  esac
  case "$current" in -*) _quantctl_words "$options )sh",
                      absl::StrJoin(LongNames(quantctl), " "), R"sh("; return ;; esac
  [ -z "$commands" ] || { _quantctl_words "$commands"; return; }
  case "$path $index" in
)sh",
                      BashArgumentCases(quantctl), R"sh(  esac
}
complete -F _quantctl quantctl
)sh");
}

}  // namespace quantlab::client
