// Completion scripts of shells. Commands, options and fixed values stand in the script; names of experiments,
// runs and the like come from `quantctl list-names` while the user types.
#ifndef QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_COMPLETION_H_
#define QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_COMPLETION_H_

#include <string>

#include "client/quantctl/command_line/command_model.h"

namespace quantlab::client {

// Each can be sourced; those of zsh and fish can also be installed as _quantctl and quantctl.fish. `quantctl`
// is the description of the program itself.
std::string BashCompletion(const CommandModel& quantctl);
std::string ZshCompletion(const CommandModel& quantctl);
std::string FishCompletion(const CommandModel& quantctl);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_COMPLETION_H_
