#include "base/text/escape.h"

#include <gtest/gtest.h>

#include "base/text/utf8.h"

namespace quantlab {
namespace {

TEST(CsvFieldTest, QuotesWhereRfc4180Demands) {
  EXPECT_EQ(CsvField("plain text"), "plain text");
  EXPECT_EQ(CsvField(""), "");
  EXPECT_EQ(CsvField("a,b"), "\"a,b\"");
  EXPECT_EQ(CsvField("say \"hi\""), "\"say \"\"hi\"\"\"");
  EXPECT_EQ(CsvField("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(CsvField("old\rmac"), "\"old\rmac\"");
  EXPECT_EQ(CsvField("名字,值"), "\"名字,值\"");
}

TEST(CsvFieldTest, NoTextIsAFormulaOfASpreadsheet) {
  EXPECT_EQ(CsvField("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
  EXPECT_EQ(CsvField("=HYPERLINK(\"x\",\"y\")"), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
  for (const char* text : {"+1+1", "-2+3", "@SUM(A1)", "\t=1"}) EXPECT_EQ(CsvField(text)[0], '\'') << text;
  EXPECT_EQ(CsvField("\r=1"), "\"'\r=1\"");
  for (const char* text : {"-1", "+0.5", "-1e-9", "-inf", "-", "a=b", "2-3"}) EXPECT_EQ(CsvField(text), text);
}

TEST(JsonQuoteTest, EscapesWhatJsonDemands) {
  EXPECT_EQ(JsonQuote("plain 文字"), "\"plain 文字\"");
  EXPECT_EQ(JsonQuote("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(JsonQuote("a\nb\tc\rd\x01\x7f"), R"("a\nb\tc\rd\u0001\u007f")");
  EXPECT_EQ(JsonQuote("\xff"), "\"\xEF\xBF\xBD\"");
}

TEST(CleanTextTest, KeepsTextAndReplacesTheRest) {
  EXPECT_EQ(CleanText("a\tb 文字", 100), "a\tb 文字");
  EXPECT_EQ(CleanText("a\r\nb\x1b[31m", 100),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD[31m");
  EXPECT_EQ(CleanText("\xff\xfe", 100), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(CleanTextTest, LeavesOnlyWhatProtobufAndTerminalsTake) {
  EXPECT_EQ(CleanText("plain\ttext", 100), "plain\ttext");
  EXPECT_EQ(CleanText("多语言 \xf0\x9f\x98\x80", 100), "多语言 \xf0\x9f\x98\x80");
  EXPECT_EQ(CleanText("a\xff"
                      "b\r",
                      100),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(CleanText("\x1b[31m", 100), "\xef\xbf\xbd[31m");
  EXPECT_EQ(CleanText("\xed\xa0\x80", 100), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // a surrogate
  EXPECT_EQ(CleanText("\xc0\x80", 100), "\xef\xbf\xbd\xef\xbf\xbd");                  // longer than needed
  EXPECT_EQ(CleanText("语言", 4), "语");  // never half a character
}

TEST(CleanTextTest, NeverExceedsItsLimitNorCutsACharacter) {
  for (size_t limit = 0; limit < 12; ++limit) {
    const std::string cut = CleanText("文\xff字é", limit);
    EXPECT_LE(cut.size(), limit);
    EXPECT_TRUE(IsValidUtf8(cut)) << limit;
  }
}

TEST(ShortenTest, EndsAtACharacterWithAnEllipsis) {
  EXPECT_EQ(Shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(Shorten("abcdefg", 6), "abc…");
  EXPECT_EQ(Shorten("文字文字", 8), "文…");
  EXPECT_EQ(Shorten("文字文字", 12), "文字文字");
}

TEST(Utf8PrefixTest, DoesNotEndWithinACharacter) {
  EXPECT_EQ(Utf8Prefix("文字", 6), "文字");
  EXPECT_EQ(Utf8Prefix("文字", 5), "文");
  EXPECT_EQ(Utf8Prefix("文字", 2), "");
}

}  // namespace
}  // namespace quantlab
