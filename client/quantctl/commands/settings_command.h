// settings: lists the keys of experiment files from the table in base/config/settings.h. Needs no
// coordinator.
#ifndef QUANTLAB_CLIENT_QUANTCTL_COMMANDS_SETTINGS_COMMAND_H_
#define QUANTLAB_CLIENT_QUANTCTL_COMMANDS_SETTINGS_COMMAND_H_

#include <string>
#include <vector>

#include "client/quantctl/commands/commands.h"

namespace quantlab::client {

void AddSettingsCommand(CommandLine& line);

// The paths of all settings, for completion.
std::vector<std::string> SettingKeys();

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_COMMANDS_SETTINGS_COMMAND_H_
