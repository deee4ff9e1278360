// Help and errors of the command line in the user's language. CLI11 writes both in English: here its labels
// are replaced, and its errors become messages.
#ifndef QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_TEXT_H_
#define QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_TEXT_H_

#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/language.h"
#include "base/message.h"
#include "client/quantctl/settings.h"

namespace quantlab::client {

// The language before anything is parsed: that of --lang, else as ChooseLanguage says. `report` has a --lang
// of its own, so one that follows it does not count.
Language LanguageOfArguments(const std::vector<std::string>& arguments, const VariableLookup& environment);

// Writes --help with labels in `language`. Descriptions are written as they were given.
std::shared_ptr<CLI::Formatter> HelpFormatter(Language language);

// What is wrong with the command line that `app` has just refused with `error`, with the remedy.
Message ParseProblem(const CLI::App& app, const CLI::ParseError& error);

}  // namespace quantlab::client

#endif  // QUANTLAB_CLIENT_QUANTCTL_COMMAND_LINE_TEXT_H_
