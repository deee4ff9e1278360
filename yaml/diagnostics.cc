#include "yaml/diagnostics.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/message_catalogue.h"
#include "base/messages.h"
#include "base/text/escape.h"

namespace quantlab {
namespace {

// More would only be scrolled past; the count still goes on.
constexpr size_t kMostShown = 100;
// A message may quote what the user wrote, which has any length.
constexpr size_t kMaxMessageBytes = 8192;

// Damerau-Levenshtein (adjacent swaps count once), for short names.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  std::iota(previous.begin(), previous.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    before = previous;
    previous = current;
  }
  return previous[b.size()];
}

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

std::string NearestName(absl::string_view given, const std::vector<std::string>& known) {
  if (given.size() > 64) return "";
  const std::string wanted = absl::AsciiStrToLower(given);
  // A third of the letters may be wrong, and at least one.
  size_t best = std::max<size_t>(1, wanted.size() / 3) + 1;
  std::string nearest;
  for (const std::string& name : known) {
    const size_t distance = EditDistance(wanted, absl::AsciiStrToLower(name));
    if (distance < best) {
      best = distance;
      nearest = name;
    }
  }
  return nearest;
}

std::string DidYouMean(absl::string_view given, const std::vector<std::string>& known) {
  const std::string nearest = NearestName(given, known);
  return nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?");
}

}  // namespace quantlab
