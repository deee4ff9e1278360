#include "report/facts/format.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "report/facts/language.h"

namespace quantlab::report {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

TEST(FormatTest, NumbersKeepTheirSignificantDigits) {
  EXPECT_EQ(FormatNumber(0), "0");
  EXPECT_EQ(FormatNumber(-0.0), "0");
  EXPECT_EQ(FormatNumber(1.5), "1.500");
  EXPECT_EQ(FormatNumber(9.9996), "10.00");
  EXPECT_EQ(FormatNumber(0.00123456), "0.001235");
  EXPECT_EQ(FormatNumber(1234567.8), "1,234,568");
  EXPECT_EQ(FormatNumber(-1234567.8), "-1,234,568");
  EXPECT_EQ(FormatNumber(1.5e-9), "1.500e-09");
  EXPECT_EQ(FormatNumber(9.87e21), "9.870e+21");
  EXPECT_EQ(FormatNumber(std::numeric_limits<double>::max(), 3), "1.80e+308");
  EXPECT_EQ(FormatNumber(std::numeric_limits<double>::denorm_min(), 3), "4.94e-324");
}

TEST(FormatTest, WhatIsNoNumberIsSaidToBeNone) {
  for (const auto format : {+[](double v) { return FormatNumber(v); }, FormatShare, FormatBytes,
                            FormatSeconds, FormatPointsBare}) {
    EXPECT_EQ(format(kNan), "NaN");
    EXPECT_EQ(format(kInf), "∞");
    EXPECT_EQ(format(-kInf), "-∞");
  }
  EXPECT_EQ(FormatRatio(kNan), "NaN×");
  EXPECT_EQ(FormatPValue(kNan), "p = NaN");
  EXPECT_EQ(FormatExact(kNan), "nan");
  EXPECT_EQ(FormatExact(-kInf), "-inf");
}

TEST(FormatTest, Counts) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(-25000), "-25,000");
  EXPECT_EQ(FormatCount(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
  EXPECT_EQ(Plural(1, "layer", "layers"), "1 layer");
  EXPECT_EQ(Plural(0, "layer", "layers"), "0 layers");
  EXPECT_EQ(Plural(1200, "layer", "layers"), "1,200 layers");
}

TEST(FormatTest, SharesAndPoints) {
  EXPECT_EQ(FormatShare(0.9123), "91.23%");
  EXPECT_EQ(FormatShare(1), "100.00%");
  EXPECT_EQ(FormatShare(-1e-9), "0.00%");
  EXPECT_EQ(FormatPoints(0.003, Language::kEnglish), "+0.30 points");
  EXPECT_EQ(FormatPoints(-0.003, Language::kChinese), "-0.30 个百分点");
  EXPECT_EQ(FormatPoints(1e-9, Language::kEnglish), "0.00 points");
  EXPECT_EQ(FormatPoints(-1e-9, Language::kEnglish), "0.00 points");
}

TEST(FormatTest, BytesInDecimalUnits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(999.6), "1.00 kB");
  EXPECT_EQ(FormatBytes(90'868'376), "90.9 MB");
  EXPECT_EQ(FormatBytes(-2048), "-2.05 kB");
  EXPECT_EQ(FormatBytes(3.2e18), "3,200 PB");
}

TEST(FormatTest, SecondsFromMicrosecondsToHours) {
  EXPECT_EQ(FormatSeconds(0), "0 s");
  EXPECT_EQ(FormatSeconds(4.2e-6), "4.20 µs");
  EXPECT_EQ(FormatSeconds(0.0123), "12.3 ms");
  EXPECT_EQ(FormatSeconds(0.99999), "1.00 s");
  EXPECT_EQ(FormatSeconds(-4.1), "-4.10 s");
  EXPECT_EQ(FormatSeconds(200), "3 min 20 s");
  EXPECT_EQ(FormatSeconds(-200), "-3 min 20 s");
  EXPECT_EQ(FormatSeconds(7500), "2 h 5 min");
}

TEST(FormatTest, RatiosAndPValues) {
  EXPECT_EQ(FormatRatio(3.214), "3.21×");
  EXPECT_EQ(FormatRatio(0.8), "0.80×");
  EXPECT_EQ(FormatRatio(12.34), "12.3×");
  EXPECT_EQ(FormatRatio(0.0123), "0.012×");
  EXPECT_EQ(FormatPValue(0.0005), "p < 0.001");
  EXPECT_EQ(FormatPValue(0.0312), "p = 0.031");
  EXPECT_EQ(FormatPValue(0.7744), "p = 0.77");
  EXPECT_EQ(FormatPValue(0.9995), "p > 0.999");
  EXPECT_EQ(FormatPValue(1), "p = 1");
}

TEST(FormatTest, NoNumberIsRoundedOntoItsThreshold) {
  EXPECT_EQ(FormatPValue(0.0496), "p = 0.0496");
  EXPECT_EQ(FormatPValue(0.0504), "p = 0.0504");
  EXPECT_EQ(FormatPValue(0.049996), "p = 0.049996");
  EXPECT_EQ(FormatPValue(0.05), "p = 0.050");
  EXPECT_EQ(FormatPValue(0.0494), "p = 0.049");
  EXPECT_EQ(FormatRatio(1.002), "1.002×");
  EXPECT_EQ(FormatRatio(0.998), "0.998×");
  EXPECT_EQ(FormatRatio(0.9996), "<1.00×");
  EXPECT_EQ(FormatRatio(1.00001), ">1.00×");
  EXPECT_EQ(FormatRatio(1), "1.00×");
  EXPECT_EQ(FormatRatio(1 + 1e-12), "1.00×");
  EXPECT_EQ(FormatCompression(0.9999), "1.00×");
  EXPECT_EQ(FormatCompression(1.534), "1.53×");
  EXPECT_EQ(FormatCompression(12.34), "12.3×");
  EXPECT_EQ(FormatPoints(0.00003, Language::kEnglish), "+0.003 points");
  EXPECT_EQ(FormatPointsBare(-0.00003), "-0.003");
  EXPECT_EQ(FormatPoints(-0.010003, Language::kChinese, -0.01), "-1.0003 个百分点");
  EXPECT_EQ(FormatAaRatio(1.006), "1.006");
  EXPECT_EQ(FormatAaRatio(1.03004), "1.03004");
  EXPECT_EQ(FormatAaRatio(0.96999), "0.96999");
}

TEST(FormatTest, ByUnit) {
  EXPECT_EQ(FormatByUnit(0.5, "1", Language::kEnglish), "0.5000");
  EXPECT_EQ(FormatByUnit(2, "s", Language::kEnglish), "2.00 s");
  EXPECT_EQ(FormatByUnit(1e6, "bytes", Language::kEnglish), "1.00 MB");
  EXPECT_EQ(FormatByUnit(123, "texts/s", Language::kChinese), "123 条/秒");
  EXPECT_EQ(FormatByUnit(3, "nats", Language::kEnglish), "3.000 nats");
}

TEST(FormatTest, ExactReadsBackAsTheSameNumber) {
  for (const double value : {0.1, 1.0 / 3, 1e300, 2.5e-308, 123456789.0, -2.5}) {
    EXPECT_EQ(std::stod(FormatExact(value)), value);
  }
  EXPECT_EQ(FormatExact(280e6), "280000000");
}

TEST(EscapeTest, MarkdownLosesItsMeaning) {
  EXPECT_EQ(EscapeMarkdown("a|b"), "a\\|b");
  EXPECT_EQ(EscapeMarkdown("*a* `b` [c](d) <e> $f$ #g ~h~ ^i @j {k} &l;"),
            "\\*a\\* \\`b\\` \\[c\\](d) \\<e\\> \\$f\\$ \\#g \\~h\\~ \\^i \\@j \\{k\\} \\&l;");
  EXPECT_EQ(EscapeMarkdown("dynamic_quantization _x_"), "dynamic_quantization \\_x\\_");
  EXPECT_EQ(EscapeMarkdown("--flag"), "-\\-flag");
  EXPECT_EQ(EscapeMarkdown(" two\nlines\t "), "two lines");
  EXPECT_EQ(EscapeMarkdown("模型 é"), "模型 é");
}

TEST(EscapeTest, WhatWasEscapedCanBeShownOnATerminal) {
  for (const char* text : {"--flag | *a* _x_ $1", "a\\b", "one ` tick", "模型 é", "end\\"}) {
    EXPECT_EQ(UnescapeMarkdown(EscapeMarkdown(text)), text);
  }
  EXPECT_EQ(UnescapeMarkdown("Run " + Code("C:\\x_y") + " failed"), "Run `C:\\x_y` failed");
}

TEST(EscapeTest, BadUtf8IsReplaced) {
  const std::string replacement = "\xEF\xBF\xBD";
  EXPECT_EQ(OneLine("a\xFFz"), "a" + replacement + "z");
  EXPECT_EQ(OneLine("\xC0\x80"), replacement + replacement);                    // overlong NUL
  EXPECT_EQ(OneLine("\xED\xA0\x80"), replacement + replacement + replacement);  // surrogate
  EXPECT_EQ(OneLine("\xF4\x90\x80\x80").substr(0, 3), replacement);             // beyond U+10FFFF
  EXPECT_EQ(OneLine("\xE6\xA8"), replacement + replacement);                    // cut short
  EXPECT_EQ(OneLine("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
}

TEST(EscapeTest, CodeSpansStayWhole) {
  EXPECT_EQ(Code("a_b"), "`a_b`");
  EXPECT_EQ(Code("a|b"), "a\\|b");
  EXPECT_EQ(Code("a`b"), "a\\`b");
  EXPECT_EQ(Code(""), "");
}

TEST(EscapeTest, CsvIsQuotedWhereItMustBe) {
  EXPECT_EQ(EscapeCsv("plain"), "plain");
  EXPECT_EQ(EscapeCsv("a,b"), "\"a,b\"");
  EXPECT_EQ(EscapeCsv("say \"x\""), "\"say \"\"x\"\"\"");
  EXPECT_EQ(EscapeCsv("two\nlines"), "two lines");
}

TEST(LanguageTest, Parses) {
  EXPECT_EQ(ParseLanguages("zh")->size(), 1);
  EXPECT_EQ(ParseLanguages("both")->size(), 2);
  EXPECT_EQ(ParseLanguages("fr").status().message(),
            "report language 'fr' is unknown; allowed: zh, en, both");
}

TEST(LanguageTest, SpacesStandBetweenChineseAndLatinArguments) {
  EXPECT_EQ(FillChinese("其$0显著下降", {"准确率"}), "其准确率显著下降");
  EXPECT_EQ(FillChinese("其$0显著下降", {"Pearson 相关系数"}), "其 Pearson 相关系数显著下降");
  EXPECT_EQ(FillChinese("$0显著下降", {"Pearson 相关系数"}), "Pearson 相关系数显著下降");
  EXPECT_EQ(FillChinese("（$0）", {"Pearson 相关系数"}), "（Pearson 相关系数）");
  EXPECT_EQ(FillChinese("使用 $0：", {"动态量化"}), "使用动态量化：");
}

}  // namespace
}  // namespace quantlab::report
