// du, delete, gc.
#ifndef QUANTLAB_CLIENT_QUANTCTL_COMMANDS_STORAGE_COMMANDS_H_
#define QUANTLAB_CLIENT_QUANTCTL_COMMANDS_STORAGE_COMMANDS_H_

#include "client/quantctl/commands/commands.h"

namespace quantlab::client {

void AddStorageCommands(CommandLine& line);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_COMMANDS_STORAGE_COMMANDS_H_
