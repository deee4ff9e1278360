#include "base/text/utf8.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace quantlab {
namespace {

// What may follow a lead byte: how many continuation bytes, and the range of the first of them
// (The Unicode Standard, table 3-7).
struct Lead {
  int continuations = 0;
  uint8_t low = 0x80, high = 0xBF;
};

Lead LeadOf(uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {};
}

// Length of the run of ASCII bytes at the start, eight at a time.
size_t AsciiPrefix(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    if (word & 0x8080808080808080ULL) break;
  }
  while (i < text.size() && static_cast<uint8_t>(text[i]) < 0x80) ++i;
  return i;
}

}  // namespace

DecodedCodePoint DecodeUtf8(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1, true};
  const Lead lead = LeadOf(byte(0));
  if (lead.continuations == 0) return {kReplacementCharacter, 1, false};
  char32_t code_point = byte(0) & (0x3F >> lead.continuations);
  for (int i = 1; i <= lead.continuations; ++i) {
    const uint8_t low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
    const size_t at = static_cast<size_t>(i);
    if (at >= text.size() || byte(at) < low || byte(at) > high) return {kReplacementCharacter, i, false};
    code_point = code_point << 6 | (byte(at) & 0x3F);
  }
  return {code_point, lead.continuations + 1, true};
}

bool IsValidUtf8(std::string_view text) {
  while (true) {
    text.remove_prefix(AsciiPrefix(text));
    if (text.empty()) return true;
    const DecodedCodePoint decoded = DecodeUtf8(text);
    if (!decoded.valid) return false;
    text.remove_prefix(static_cast<size_t>(decoded.length));
  }
}

std::string RepairUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t ascii = AsciiPrefix(text);
    out.append(text.substr(0, ascii));
    text.remove_prefix(ascii);
    if (text.empty()) break;
    const DecodedCodePoint decoded = DecodeUtf8(text);
    out.append(decoded.valid ? text.substr(0, static_cast<size_t>(decoded.length)) : kReplacementUtf8);
    text.remove_prefix(static_cast<size_t>(decoded.length));
  }
  return out;
}

void AppendUtf8(char32_t c, std::string* out) {
  const auto tail = [out](char32_t bits) { out->push_back(static_cast<char>(0x80 | (bits & 0x3F))); };
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xC0 | c >> 6));
    tail(c);
  } else if (c < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | c >> 12));
    tail(c >> 6);
    tail(c);
  } else {
    out->push_back(static_cast<char>(0xF0 | c >> 18));
    tail(c >> 12);
    tail(c >> 6);
    tail(c);
  }
}

std::string_view Utf8Prefix(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace quantlab
