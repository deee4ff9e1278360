#include "report/facts/message_text.h"

#include "base/messages/message_catalogue.h"
#include "report/facts/format.h"
#include "report/facts/stored_text.h"

namespace quantlab::report {

std::string MessageText(Language language, const Message& message, absl::string_view text) {
  if (text.empty()) return "";
  if (language == Language::kEnglish) return EscapeMarkdown(text);
  const std::string sentence = Render(language, message);
  return sentence.empty() ? StoredText(text) : EscapeMarkdown(sentence);
}

std::string CaveatText(Language language, const Caveat& caveat) {
  if (language == Language::kEnglish || IsRenderable(caveat.coded_message)) {
    return MessageText(language, caveat.coded_message, caveat.message);
  }
  return StoredCaveatText(caveat.code, caveat.message);
}

}  // namespace quantlab::report
