// Help and errors of the command line in the user's language. CLI11 writes both in English; this replaces its
// labels and turns its errors into messages.
#ifndef QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_COMMAND_LINE_TEXT_H_
#define QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_COMMAND_LINE_TEXT_H_

#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/language.h"
#include "base/messages/message.h"
#include "client/quantctl/settings.h"

namespace quantlab::client {

// The language before anything is parsed: that of --lang, or else of ChooseLanguage. `report` has its own
// --lang, so one that follows it is ignored.
Language LanguageOfArguments(const std::vector<std::string>& arguments, const VariableLookup& environment);

// Writes --help with labels in `language`. Descriptions are not changed.
std::shared_ptr<CLI::Formatter> HelpFormatter(Language language);

// The error of a command line that `app` refused with `error`, with the remedy.
Message ParseProblem(const CLI::App& app, const CLI::ParseError& error);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_COMMAND_LINE_TEXT_H_
