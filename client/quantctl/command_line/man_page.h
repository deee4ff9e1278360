// The man page of quantctl, made from the declarations that --help uses.
#ifndef QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_MAN_PAGE_H_
#define QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_MAN_PAGE_H_

#include <string>

#include "base/language.h"
#include "client/quantctl/command_line/command_model.h"

namespace quantlab::client {

struct ManRelease {
  std::string version;  // "0.4.0"
  std::string date;     // "2026-11-27"
};

// In the man macros, as UTF-8. The texts of `quantctl` must be in `language`.
std::string ManPage(const CommandModel& quantctl, Language language, const ManRelease& release);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_MAN_PAGE_H_
