#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/quantctl/command_line/completion.h"

namespace quantlab::client {
namespace {

std::string FishQuoted(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}, {"\n", " "}}), "'");
}

// What completes a value, without the option that says so.
std::string FishValues(const ValueModel& value) {
  switch (value.kind) {
    case ValueKind::kWords:
      return absl::StrCat(" -x -a ", FishQuoted(absl::StrJoin(value.words, " ")));
    case ValueKind::kFile:
      return " -r -F";
    case ValueKind::kFolder:
      return " -x -a '(__fish_complete_directories)'";
    case ValueKind::kOther:
      return " -x";
    default:
      return absl::StrCat(" -x -a '(__quantctl_names ", NamesWord(value.kind), ")'");
  }
}

std::string FishOption(const std::string& condition, const OptionModel& option) {
  std::string line = absl::StrCat("complete -c quantctl", condition);
  for (const std::string& name : option.names) {
    absl::StrAppend(&line, absl::StartsWith(name, "--") ? " -l " : " -s ",
                    name.substr(absl::StartsWith(name, "--") ? 2 : 1));
  }
  if (option.takes_value) line += FishValues(option.value);
  return absl::StrCat(line, " -d ", FishQuoted(option.help), "\n");
}

// The first argument; where it may be repeated, all of them.
std::string FishArguments(const CommandModel& command) {
  std::string lines;
  const std::string path = absl::StrJoin(command.path, " ");
  for (size_t i = 0; i < command.arguments.size(); ++i) {
    const ArgumentModel& argument = command.arguments[i];
    if (argument.value.kind == ValueKind::kOther) continue;
    const std::string where = absl::StrCat(i, argument.repeatable ? "+ " : " ", path);
    std::string values = FishValues(argument.value);
    // Of an argument, -x and -r would ask for a value of an option.
    values = absl::StrReplaceAll(values, {{" -x", ""}, {" -r", ""}});
    absl::StrAppend(&lines, "complete -c quantctl -n '__quantctl_at ", where, "'", values, " -d ",
                    FishQuoted(argument.help), "\n");
  }
  return lines;
}

constexpr char kFishHelpers[] = R"sh(function __quantctl_names
    set -l tokens (commandline -opc)
    $tokens[1] list-names $argv[1] 2>/dev/null
end
# Whether the command so far is `$argv[2..]` with as many arguments as `$argv[1]` says ("0", "1+").
function __quantctl_at
    set -l tokens (commandline -opc)
    set -e tokens[1]
    set -l path
    set -l count 0
    set -l skip 0
    for token in $tokens
        if test $skip = 1
            set skip 0
            continue
        end
        switch $token
)sh";

}  // namespace

std::string FishCompletion(const CommandModel& quantctl) {
  std::string out = absl::StrCat(
      "# Completion of quantctl for fish. Load it with: quantctl completion fish | source\n", kFishHelpers,
      "            case ", absl::StrJoin(ValueOptions(quantctl), " "), R"sh(
                set skip 1
            case '-*'
            case '*'
                switch "$path"
                    case '')sh",
      [&] {
        std::string groups;
        for (const std::string& group : CommandGroups(quantctl))
          absl::StrAppend(&groups, " ", FishQuoted(group));
        return groups;
      }(),
      R"sh(
                        set path (string trim "$path $token")
                    case '*'
                        set count (math $count + 1)
                end
        end
    end
    test "$path" = "$argv[2..]"; or return 1
    switch $argv[1]
        case any
            return 0
        case '*+'
            test $count -ge (string replace '+' '' $argv[1])
        case '*'
            test $count = $argv[1]
    end
end
complete -c quantctl -e
complete -c quantctl -f
)sh");
  ForEachCommand(quantctl, [&out](const CommandModel& command) {
    const std::string path = absl::StrJoin(command.path, " ");
    const std::string condition = path.empty() ? "" : absl::StrCat(" -n '__quantctl_at any ", path, "'");
    for (const OptionModel& option : command.options) {
      // Every command has --help; it is completed once.
      if (!path.empty() && option.names[0] == "--help") continue;
      out += FishOption(condition, option);
    }
    for (const CommandModel& nested : command.commands) {
      absl::StrAppend(&out, "complete -c quantctl -n '__quantctl_at 0", path.empty() ? "" : " ", path,
                      "' -a ", nested.path.back(), " -d ", FishQuoted(nested.help), "\n");
    }
    out += FishArguments(command);
  });
  return out;
}

}  // namespace quantlab::client
