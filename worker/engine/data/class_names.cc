#include "worker/engine/data/class_names.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <utility>

#include <utf8proc.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/text/list.h"
#include "base/text/utf8.h"

namespace quantlab::engine {
namespace {

// The form in which names are compared; the name itself where it is not valid UTF-8.
std::string Folded(const std::string& name) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
                                                      UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
  const utf8proc_ssize_t length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(name.data()),
                                               static_cast<utf8proc_ssize_t>(name.size()), &mapped, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (length < 0) return name;
  // The compatibility form turns every blank into a space.
  const std::string folded(reinterpret_cast<const char*>(mapped), static_cast<size_t>(length));
  return std::string(absl::StripAsciiWhitespace(folded));
}

// White space as Unicode's property White_Space has it, and the invisible characters that editors leave.
bool IsBlank(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200B) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000 || c == 0xFEFF;
}

// The start of the last character of `text`, which must not be empty.
size_t LastCharacter(std::string_view text) {
  return Utf8Prefix(text, text.size() - 1).size();
}

// The form in which labels are compared: that of names, and one form for each number.
std::string PlainForm(const std::string& name) {
  const std::string folded = Folded(name);
  double number = 0;
  if (folded.empty() || !absl::SimpleAtod(folded, &number) || !std::isfinite(number)) return folded;
  return absl::StrFormat("%.17g", number);
}

// Whether the names are `prefix` with their index.
bool AreNumbered(const std::vector<std::string>& names, const char* prefix) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] != absl::StrCat(prefix, i)) return false;
  }
  return true;
}

// What the map calls a class of the model; the name itself where it has none.
std::string MappedName(const std::string& name, const std::vector<std::string>& label_map) {
  for (const std::string& pair : label_map) {
    const size_t colon = pair.find(": ");
    if (colon != std::string::npos && SameClassName(pair.substr(0, colon), name))
      return pair.substr(colon + 2);
  }
  return name;
}

// The one of `names` that is spelled alike, else the only one that is the same name; -1 where there is none.
int IndexOf(const std::string& name, const std::vector<std::string>& names) {
  int found = -1;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<int>(i);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (!SameClassName(names[i], name)) continue;
    if (found >= 0) return -1;
    found = static_cast<int>(i);
  }
  return found;
}

// Of a message: entries of a list.
constexpr size_t kMaxListed = 20, kMaxSuggested = 8;

// How much two names that differ have in common: the characters with which both begin, where they are the
// whole of one (an abbreviation) or several. 0: nothing.
size_t Likeness(const std::string& a, const std::string& b) {
  constexpr size_t kSeveral = 3;
  const std::string left = PlainForm(a), right = PlainForm(b);
  size_t characters = 0, at = 0;
  while (at < left.size() && at < right.size()) {
    const auto length = static_cast<size_t>(DecodeUtf8(std::string_view(left).substr(at)).length);
    if (left.compare(at, length, right, at, length) != 0) break;
    at += length;
    ++characters;
  }
  return characters >= kSeveral || at == left.size() || at == right.size() ? characters : 0;
}

// The classes on both sides that have no counterpart.
struct Unmatched {
  std::vector<std::string> model, dataset;
};

Unmatched FindUnmatched(const std::vector<std::string>& model, const std::vector<std::string>& dataset,
                        const std::vector<int>& matched) {
  Unmatched unmatched;
  std::set<int> taken;
  for (size_t i = 0; i < model.size(); ++i) {
    if (matched[i] < 0 || !taken.insert(matched[i]).second) unmatched.model.push_back(model[i]);
  }
  for (size_t i = 0; i < dataset.size(); ++i) {
    if (taken.count(static_cast<int>(i)) == 0) unmatched.dataset.push_back(dataset[i]);
  }
  return unmatched;
}

// The only name of `names` that is most like `name`; -1 where there is none, or more than one.
int OnlyLikeliest(const std::string& name, const std::vector<std::string>& names) {
  size_t best = 0;
  int found = -1;
  for (size_t i = 0; i < names.size(); ++i) {
    const size_t likeness = Likeness(name, names[i]);
    if (likeness == best) found = -1;
    if (likeness > best) {
      best = likeness;
      found = static_cast<int>(i);
    }
  }
  return found;
}

// What `name` of the model may be called in the dataset: one name where only one is left or like it, else
// some of the names to choose from, as a guess would be taken for knowledge.
std::string SuggestedName(const std::string& name, const Unmatched& unmatched) {
  constexpr size_t kMaxAlternatives = 3;
  const std::vector<std::string>& names = unmatched.dataset;
  if (names.size() == 1) return names[0];
  const int likeliest = OnlyLikeliest(name, names);
  if (likeliest >= 0) {
    const std::string& found = names[static_cast<size_t>(likeliest)];
    const int back = OnlyLikeliest(found, unmatched.model);
    if (back >= 0 && unmatched.model[static_cast<size_t>(back)] == name) return found;
  }
  std::string alternatives = absl::StrJoin(
      names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kMaxAlternatives)),
      "|");
  if (names.size() > kMaxAlternatives) alternatives += "|…";
  return alternatives;
}

// Entries for the map: the classes without a match, in the model's order.
std::vector<std::string> SuggestedMap(const std::vector<std::string>& model,
                                      const std::vector<std::string>& dataset,
                                      const std::vector<int>& matched) {
  Unmatched unmatched = FindUnmatched(model, dataset, matched);
  const bool more = unmatched.model.size() > kMaxSuggested;
  for (auto* names : {&unmatched.model, &unmatched.dataset}) {
    if (names->size() > kMaxListed) names->resize(kMaxListed);
  }
  std::vector<std::string> entries;
  for (size_t i = 0; i < unmatched.model.size() && i < kMaxSuggested; ++i) {
    entries.push_back(absl::StrCat(unmatched.model[i], ": ", SuggestedName(unmatched.model[i], unmatched)));
  }
  if (more) entries.emplace_back("…");
  return entries;
}

}  // namespace

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty()) {
    const DecodedCodePoint first = DecodeUtf8(text);
    if (!first.valid || !IsBlank(first.code_point)) break;
    text.remove_prefix(static_cast<size_t>(first.length));
  }
  while (!text.empty()) {
    const size_t last = LastCharacter(text);
    const DecodedCodePoint decoded = DecodeUtf8(text.substr(last));
    if (!decoded.valid || !IsBlank(decoded.code_point)) break;
    text.remove_suffix(text.size() - last);
  }
  return text;
}

std::vector<std::string> LookAlikes(const std::vector<std::string>& names) {
  std::map<std::string, std::vector<std::string>> by_form;
  for (const std::string& name : names) by_form[PlainForm(name)].push_back(name);
  for (const std::string& name : names) {
    std::vector<std::string>& alike = by_form[PlainForm(name)];
    if (alike.size() > 1) return std::move(alike);
  }
  return {};
}

bool SameClassName(const std::string& a, const std::string& b) {
  return a == b || PlainForm(a) == PlainForm(b);
}

bool AreDefaultNames(const std::vector<std::string>& names) {
  return AreNumbered(names, "LABEL_");
}

absl::StatusOr<std::vector<int>> MatchClasses(const std::vector<std::string>& model,
                                              const std::vector<std::string>& dataset,
                                              const std::vector<std::string>& label_map) {
  const std::vector<std::string> own = FirstOf(model, kMaxListed), labels = FirstOf(dataset, kMaxListed);
  if (model.size() != dataset.size()) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kClassCountsDiffer(static_cast<int64_t>(model.size()), own,
                                                      static_cast<int64_t>(dataset.size()), labels));
  }
  std::vector<int> matched;
  std::vector<std::string> names;
  bool mapped = false;
  for (const std::string& name : model) {
    names.push_back(MappedName(name, label_map));
    mapped |= names.back() != name;
    matched.push_back(IndexOf(names.back(), dataset));
  }
  std::vector<int> sorted = matched, identity(model.size());
  std::iota(identity.begin(), identity.end(), 0);
  std::sort(sorted.begin(), sorted.end());
  if (sorted == identity) return matched;
  if (!mapped && (AreDefaultNames(model) || AreNumbered(dataset, ""))) return identity;
  return MessageStatus(absl::StatusCode::kInvalidArgument,
                       messages::kClassesUnmatched(own, labels, SuggestedMap(model, dataset, matched)));
}

}  // namespace quantlab::engine
