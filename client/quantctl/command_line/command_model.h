// The commands of quantctl with their options and arguments as data, read from the declarations that --help
// uses: completion, the man page and `help -o json` are made from it.
#ifndef QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_COMMAND_MODEL_H_
#define QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_COMMAND_MODEL_H_

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace quantlab::client {

// What can be typed for an argument or the value of an option.
enum class ValueKind {
  kOther,        // anything
  kWords,        // one of `words`
  kFile,         // the path of a file
  kFolder,       // the path of a folder
  kExperiments,  // the others: names that `quantctl list-names` prints
  kRuns,
  kTargets,  // experiments and runs
  kMethods,
  kMetrics,
  kSettings,
};

struct ValueModel {
  ValueKind kind = ValueKind::kOther;
  std::string type;  // "DIR"; empty for a flag
  std::vector<std::string> words = {};
};

struct OptionModel {
  std::vector<std::string> names;  // "--output", "-o"
  std::string help;
  bool takes_value = false;
  bool repeatable = false;
  ValueModel value;
};

struct ArgumentModel {
  std::string name;  // "EXPERIMENT[/RUN]"
  std::string help;
  bool required = false;
  bool repeatable = false;
  ValueModel value;
};

struct CommandModel {
  std::vector<std::string> path;  // {"admin", "add-user"}; empty for quantctl itself
  std::string help;
  std::string footer;  // examples, as printed below --help
  std::vector<OptionModel> options;
  std::vector<ArgumentModel> arguments;
  std::vector<CommandModel> commands;  // without hidden ones
};

CommandModel DescribeCommand(const CLI::App& app);

// `command`, then each command below it.
void ForEachCommand(const CommandModel& command, const std::function<void(const CommandModel&)>& handle);

// The options of any command that are followed by a value.
std::vector<std::string> ValueOptions(const CommandModel& quantctl);

// Commands that have commands themselves: "admin".
std::vector<std::string> CommandGroups(const CommandModel& quantctl);

// The names of the commands directly below, and of the options as "--name".
std::vector<std::string> CommandNames(const CommandModel& command);
std::vector<std::string> LongNames(const CommandModel& command);

// The word by which `list-names` knows a kind: "experiments"; empty for those that it does not list.
const char* NamesWord(ValueKind kind);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_COMMAND_MODEL_H_
