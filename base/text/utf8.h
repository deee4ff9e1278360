// UTF-8: the decoder of the project, and functions built on it. Pure functions.
#ifndef QUANTLAB_BASE_TEXT_UTF8_H_
#define QUANTLAB_BASE_TEXT_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace quantlab {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;
inline constexpr char kReplacementUtf8[] = "\xEF\xBF\xBD";

struct DecodedCodePoint {
  char32_t code_point = kReplacementCharacter;
  int length = 0;  // bytes consumed, 1 to 4
  bool valid = false;
};

// The code point at the start of `text`, which must not be empty. Ill-formed input (stray or missing
// continuation bytes, overlong forms, surrogates, beyond U+10FFFF) gives one U+FFFD for each maximal
// subpart, as the Unicode standard recommends and Python's errors="replace" does.
DecodedCodePoint DecodeUtf8(std::string_view text);

bool IsValidUtf8(std::string_view text);

// `text` with every ill-formed subpart replaced by U+FFFD: bytes.decode("utf-8", errors="replace").
std::string RepairUtf8(std::string_view text);

// Appends one code point, which must be a Unicode scalar value.
void AppendUtf8(char32_t code_point, std::string* out);

// The longest prefix of `text` with at most `max_bytes` that does not end within a character.
std::string_view Utf8Prefix(std::string_view text, size_t max_bytes);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_TEXT_UTF8_H_
