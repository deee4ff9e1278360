#include "base/text/utf8.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab {
namespace {

using namespace std::string_literals;

struct Case {
  std::string bytes;
  std::string repaired;  // b"…".decode("utf-8", errors="replace") of Python 3.11
};

// R stands for U+FFFD.
const std::string R = "\xEF\xBF\xBD";

TEST(Utf8, ReplacesWhatIsIllFormedAsPythonDoes) {
  const Case cases[] = {
      {"", ""},
      {"abc", "abc"},
      {"caf\xC3\xA9 \xE6\x97\xA5 \xF0\x9F\x98\x80", "caf\xC3\xA9 \xE6\x97\xA5 \xF0\x9F\x98\x80"},
      {"\x80", R},
      {"\xBF\xBF", R + R},
      {"\xC0\xAF", R + R},                  // overlong '/'
      {"\xC1\xBF", R + R},                  // overlong DEL
      {"\xE0\x80\xAF", R + R + R},          // overlong in three bytes
      {"\xED\xA0\x80", R + R + R},          // a surrogate
      {"\xF0\x80\x80\xAF", R + R + R + R},  // overlong in four bytes
      {"\xF4\x90\x80\x80", R + R + R + R},  // beyond U+10FFFF
      {"\xF5\x80", R + R},
      {"\xFE\xFF", R + R},
      {"\xE6\x97", R},  // cut off: one for the part that could have gone on
      {"\xF0\x9F\x98", R},
      {"\xF0\x9F\x98z", R + "z"},
      {"\xE6\x97\xE6\x97\xA5", R + "\xE6\x97\xA5"},
      {"\xC3\xC3\xA9", R + "\xC3\xA9"},
      {"a\0b"s, "a\0b"s},
      {"0123456789\xFF"
       "0123456789",
       "0123456789" + R + "0123456789"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(RepairUtf8(c.bytes), c.repaired) << testing::PrintToString(c.bytes);
    EXPECT_EQ(IsValidUtf8(c.bytes), c.bytes == c.repaired) << testing::PrintToString(c.bytes);
    EXPECT_TRUE(IsValidUtf8(c.repaired));
  }
}

TEST(Utf8, EveryScalarValueSurvivesEncodingAndDecoding) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string bytes;
    AppendUtf8(c, &bytes);
    const DecodedCodePoint decoded = DecodeUtf8(bytes);
    ASSERT_TRUE(decoded.valid) << static_cast<uint32_t>(c);
    ASSERT_EQ(decoded.code_point, c);
    ASSERT_EQ(static_cast<size_t>(decoded.length), bytes.size());
  }
}

}  // namespace
}  // namespace quantlab
