#include "worker/engine/text/unicode_data.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace quantlab::engine {
namespace {

struct Range {
  char32_t first, last;
};
struct ClassRange {
  char32_t first, last;
  uint8_t combining_class;
};
// `length` code points from `offset` of the parts that go with the table.
struct Mapping {
  char32_t code_point;
  uint16_t offset;
  uint8_t length;
};

#include "worker/engine/text/unicode_tables.inc"

// The blocks that BERT sets apart by spaces; not all of them, and not Hangul or kana.
constexpr Range kCjkIdeographs[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                    {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F},
                                    {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
constexpr Range kHangulSyllables[] = {{0xAC00, 0xD7A3}};

// The range of a sorted table that holds c, or nullptr.
template <typename T, size_t N>
const T* FindRange(const T (&table)[N], char32_t c) {
  const T* const after = std::upper_bound(std::begin(table), std::end(table), c,
                                          [](char32_t x, const T& r) { return x < r.first; });
  if (after == std::begin(table)) return nullptr;
  // By index: clang 16's object-size check takes `*(after - 1)` of a table of one range for an overrun.
  const T& range = table[after - std::begin(table) - 1];
  return c <= range.last ? &range : nullptr;
}

template <size_t N, size_t M>
std::u32string Map(const Mapping (&table)[N], const char32_t (&parts)[M], char32_t c) {
  const Mapping* it = std::lower_bound(std::begin(table), std::end(table), c,
                                       [](const Mapping& m, char32_t x) { return m.code_point < x; });
  if (it == std::end(table) || it->code_point != c) return std::u32string(1, c);
  return std::u32string(parts + it->offset, it->length);
}

// The Unicode Standard, section 3.12.
std::u32string DecomposeHangul(char32_t c) {
  constexpr char32_t kSyllableBase = 0xAC00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11A7;
  constexpr char32_t kVowels = 21, kTails = 28;
  const char32_t index = c - kSyllableBase;
  std::u32string parts = {kLead + index / (kVowels * kTails), kVowel + index % (kVowels * kTails) / kTails};
  if (index % kTails != 0) parts.push_back(kTail + index % kTails);
  return parts;
}

}  // namespace

bool IsRemovedByCleaning(char32_t c) {
  return FindRange(kRemoved, c) != nullptr;
}
bool IsCleanedToSpace(char32_t c) {
  return FindRange(kCleanedToSpace, c) != nullptr;
}
bool IsWhiteSpace(char32_t c) {
  return FindRange(kWhiteSpace, c) != nullptr;
}
bool IsPunctuation(char32_t c) {
  return FindRange(kPunctuation, c) != nullptr;
}
bool IsNonspacingMark(char32_t c) {
  return FindRange(kNonspacingMark, c) != nullptr;
}

bool IsWordCharacter(char32_t c) {
  return FindRange(kWordCharacter, c) != nullptr;
}
bool IsLetter(char32_t c) {
  return FindRange(kLetter, c) != nullptr;
}
bool IsNumber(char32_t c) {
  return FindRange(kNumber, c) != nullptr;
}
bool IsGraphemeControl(char32_t c) {
  return FindRange(kGraphemeControl, c) != nullptr;
}
bool IsGraphemeJoining(char32_t c) {
  return FindRange(kGraphemeJoining, c) != nullptr;
}
bool IsGraphemePrepend(char32_t c) {
  return FindRange(kGraphemePrepend, c) != nullptr;
}
bool IsGraphemePictograph(char32_t c) {
  return FindRange(kGraphemePictograph, c) != nullptr;
}
bool IsGraphemeConsonant(char32_t c) {
  return FindRange(kGraphemeConsonant, c) != nullptr;
}
bool IsGraphemeLinker(char32_t c) {
  return FindRange(kGraphemeLinker, c) != nullptr;
}
bool IsGraphemeExtender(char32_t c) {
  return FindRange(kGraphemeExtender, c) != nullptr;
}
bool IsCjkIdeograph(char32_t c) {
  return FindRange(kCjkIdeographs, c) != nullptr;
}

int CombiningClass(char32_t c) {
  const ClassRange* range = FindRange(kCombiningClass, c);
  return range == nullptr ? 0 : range->combining_class;
}

std::u32string Decompose(char32_t c) {
  if (FindRange(kHangulSyllables, c) != nullptr) return DecomposeHangul(c);
  return Map(kDecomposition, kDecompositionParts, c);
}

std::u32string LowerCase(char32_t c) {
  return Map(kLowerCase, kLowerCaseParts, c);
}

void ForEachNotable(const std::function<void(char32_t)>& visit) {
  const auto visit_ranges = [&visit](const auto& table) {
    for (const auto& range : table) {
      for (char32_t c = range.first; c <= range.last; ++c) {
        if (c >= 0x80) visit(c);
      }
    }
  };
  const auto visit_mappings = [&visit](const auto& table) {
    for (const Mapping& m : table) {
      if (m.code_point >= 0x80) visit(m.code_point);
    }
  };
  visit_ranges(kRemoved);
  visit_ranges(kCleanedToSpace);
  visit_ranges(kWhiteSpace);
  visit_ranges(kPunctuation);
  visit_ranges(kNonspacingMark);
  visit_ranges(kCombiningClass);
  visit_ranges(kCjkIdeographs);
  visit_ranges(kHangulSyllables);
  visit_mappings(kDecomposition);
  visit_mappings(kLowerCase);
}

}  // namespace quantlab::engine
