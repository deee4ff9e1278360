#include "worker/engine/text/graphemes.h"

#include "base/text/utf8.h"
#include "worker/engine/text/unicode_data.h"

namespace quantlab::engine {
namespace {

constexpr char32_t kZeroWidthJoiner = 0x200D;

bool IsLead(char32_t c) {
  return (c >= 0x1100 && c <= 0x115F) || (c >= 0xA960 && c <= 0xA97C);
}
bool IsVowel(char32_t c) {
  return (c >= 0x1160 && c <= 0x11A7) || (c >= 0xD7B0 && c <= 0xD7C6);
}
bool IsTail(char32_t c) {
  return (c >= 0x11A8 && c <= 0x11FF) || (c >= 0xD7CB && c <= 0xD7FB);
}
bool IsSyllable(char32_t c) {
  return c >= 0xAC00 && c <= 0xD7A3;
}
bool IsOpenSyllable(char32_t c) {
  return IsSyllable(c) && (c - 0xAC00) % 28 == 0;
}

// GB6 to GB8.
bool HangulJoins(char32_t before, char32_t after) {
  if (IsLead(before)) return IsLead(after) || IsVowel(after) || IsSyllable(after);
  if (IsOpenSyllable(before) || IsVowel(before)) return IsVowel(after) || IsTail(after);
  return (IsSyllable(before) || IsTail(before)) && IsTail(after);
}

bool IsControl(char32_t c) {
  return c == 0 || IsGraphemeControl(c);
}

// What the rules ask about the part of a cluster before a code point.
class Cluster {
 public:
  explicit Cluster(char32_t first) : before_(first) { Classify(first); }

  bool JoinedBy(char32_t next) const {
    if (before_ == '\r' && next == '\n') return true;                                 // GB3
    if (IsControl(before_) || IsControl(next)) return false;                          // GB4, GB5
    if (HangulJoins(before_, next)) return true;                                      // GB6 to GB8
    if (IsGraphemeJoining(next) || IsGraphemePrepend(before_)) return true;           // GB9 to GB9b
    if (conjunct_ == Conjunct::kLinked && IsGraphemeConsonant(next)) return true;     // GB9c
    return pictograph_ && before_ == kZeroWidthJoiner && IsGraphemePictograph(next);  // GB11
  }

  void Add(char32_t next) {
    before_ = next;
    Classify(next);
  }

 private:
  enum class Conjunct { kNone, kConsonant, kLinked };

  void Classify(char32_t c) {
    if (IsGraphemeConsonant(c)) {
      conjunct_ = Conjunct::kConsonant;
    } else if (IsGraphemeLinker(c)) {
      if (conjunct_ == Conjunct::kConsonant) conjunct_ = Conjunct::kLinked;
    } else if (!IsGraphemeExtender(c)) {
      conjunct_ = Conjunct::kNone;
    }
    pictograph_ = IsGraphemePictograph(c) || (pictograph_ && IsGraphemeJoining(c));
  }

  char32_t before_;
  Conjunct conjunct_ = Conjunct::kNone;
  bool pictograph_ = false;  // one stands before nothing but Extend and a joiner
};

}  // namespace

size_t GraphemeLength(std::string_view text) {
  const DecodedCodePoint first = DecodeUtf8(text);
  size_t length = static_cast<size_t>(first.length);
  Cluster cluster(first.code_point);
  while (length < text.size()) {
    const DecodedCodePoint next = DecodeUtf8(text.substr(length));
    if (!cluster.JoinedBy(next.code_point)) break;
    length += static_cast<size_t>(next.length);
    cluster.Add(next.code_point);
  }
  return length;
}

}  // namespace quantlab::engine
