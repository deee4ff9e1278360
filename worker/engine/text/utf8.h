// UTF-8 as Python reads it. Everything behind the readers works on valid UTF-8.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_UTF8_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_UTF8_H_

#include <string>
#include <string_view>

namespace quantlab::engine {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

struct DecodedCodePoint {
  char32_t code_point = kReplacementCharacter;
  int length = 0;  // bytes consumed, 1 to 4
  bool valid = false;
};

// The code point at the start of `text`, which must not be empty. What is ill-formed (stray or missing
// continuation bytes, overlong forms, surrogates, beyond U+10FFFF) gives one U+FFFD for each maximal
// subpart, as the Unicode standard recommends and Python's errors="replace" does.
DecodedCodePoint DecodeUtf8(std::string_view text);

bool IsValidUtf8(std::string_view text);

// `text` with every ill-formed subpart replaced by U+FFFD: bytes.decode("utf-8", errors="replace").
std::string RepairUtf8(std::string_view text);

// code_point must be a Unicode scalar value.
void AppendUtf8(char32_t code_point, std::string* out);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_UTF8_H_
