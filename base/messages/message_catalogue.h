// The sentences of all messages, in English and in Chinese.
//
// They are data: base/messages/en.ini and zh.ini, built into the programs. Each line is `name = sentence`
// below a [section]; the code of a message is "section.name". In a sentence
//   {argument}            is replaced by the argument as its kind is written in that language;
//   {argument|one|many}   is replaced by the first text where the integer argument is 1, else by the second;
//   {argument?before|after}  is replaced by the argument between two texts, or by nothing where the argument
//                         is empty; `|after` may be left out;
//   {{ and }}             are braces, \n is the end of a line.
// A test compares both files with base/messages/message_list.inc: no message may lack a sentence or an
// argument.
//
// Threads: safe; pure functions.
#ifndef QUANTLAB_BASE_MESSAGES_MESSAGE_CATALOGUE_H_
#define QUANTLAB_BASE_MESSAGES_MESSAGE_CATALOGUE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/language.h"
#include "base/messages/message.h"

namespace quantlab {

// A declared message: its entry in base/messages/message_list.inc.
struct MessageSpec {
  std::string code;
  std::vector<std::pair<std::string, ArgumentKind>> arguments;
};

// Every declared message, in the order of the list.
const std::vector<MessageSpec>& AllMessages();
// nullptr: unknown here, for instance of a later version.
const MessageSpec* FindMessage(absl::string_view code);

// True where this program can render `message`: its code is known, each declared argument is present with a
// value of its type, and the same holds for the messages within it.
bool IsRenderable(const Message& message);

// The sentence, without a full stop. Empty for a message that is not renderable.
std::string Render(Language language, const Message& message);
inline std::string English(const Message& message) {
  return Render(Language::kEnglish, message);
}

// The text to show for a message that was received with its English text: the sentence in the reader's
// language, or the text where there is no message or it is unknown here.
std::string RenderOr(Language language, const Message& message, absl::string_view text);

// A word of section [term] ("FAILED"); other words are returned unchanged.
std::string RenderTerm(Language language, absl::string_view word);

// A message that only repeats a text of unknown origin; no message for an empty text.
Message TextMessage(absl::string_view text);

// `message` where it is renderable here; else `text` as TextMessage.
Message MessageOr(const Message& message, absl::string_view text);

// ---- statuses ------------------------------------------------------------------------------------------

// A status whose message is the English sentence and which carries the message itself.
absl::Status MessageStatus(absl::StatusCode code, const Message& message);
// `status`, whose message is the English sentence of `message` already, with the message itself.
absl::Status WithMessage(absl::Status status, const Message& message);
// The message of a status; else its text as TextMessage. No message for OK.
Message MessageOf(const absl::Status& status);

// ---- for tests -----------------------------------------------------------------------------------------

// The text of base/messages/en.ini or zh.ini.
absl::string_view CatalogueText(Language language);
// Sentences by "section.name".
// Errors: INVALID_ARGUMENT with the line: no section, no '=', an empty sentence, a name that is there twice.
absl::StatusOr<std::map<std::string, std::string>> ParseCatalogue(absl::string_view text);
// Every way in which `sentence` does not fit the arguments of `spec`; empty where it fits.
std::vector<std::string> CheckSentence(const MessageSpec& spec, absl::string_view sentence);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_MESSAGES_MESSAGE_CATALOGUE_H_
