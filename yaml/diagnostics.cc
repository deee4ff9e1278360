#include "yaml/diagnostics.h"

#include "absl/strings/str_cat.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/text/escape.h"

namespace quantlab {
namespace {

// Further problems are only counted.
constexpr size_t kMostShown = 100;
// A message may quote what the user wrote, which has any length.
constexpr size_t kMaxMessageBytes = 8192;

// "quick.yaml:3:5".
std::string PlaceOf(const Location& at) {
  return at.line > 0 ? absl::StrCat(at.file, ":", at.line, ":", at.column) : at.file;
}

}  // namespace

void Diagnostics::Add(const Location& at, const Message& message, bool error) {
  if (error) ++errors_;
  if (all_.size() < kMostShown) {
    const std::string english = English(message), shown = Shorten(english, kMaxMessageBytes);
    all_.push_back({at, shown, error, shown == english ? message : TextMessage(shown)});
  } else if (all_.size() == kMostShown) {
    const Message more = messages::kMoreProblems();
    all_.push_back({at, English(more), error, more});
  }
}

void Diagnostics::Error(const Location& at, absl::string_view text) {
  Add(at, TextMessage(text), true);
}

void Diagnostics::Warn(const Location& at, absl::string_view text) {
  Add(at, TextMessage(text), false);
}

std::string FormatDiagnostic(const Diagnostic& diagnostic) {
  std::string text = PlaceOf(diagnostic.at);
  if (!text.empty()) text += ": ";
  if (!diagnostic.error) text += "warning: ";
  return text + diagnostic.message;
}

Message PlacedMessage(const Diagnostic& diagnostic) {
  const std::string place = PlaceOf(diagnostic.at);
  return place.empty() ? diagnostic.coded_message : messages::kInContext(place, diagnostic.coded_message);
}

}  // namespace quantlab
