#include "worker/engine/data/encoding.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

// Bytes of texts in each encoding, by Python's codecs; the texts themselves in UTF-8.
struct Sample {
  const char* encoding;  // as a user may spell it
  std::string bytes;
  std::string text;
};

const Sample kSamples[] = {
    // "服务态度很好,质量不错值得购买"
    {"gbk",
     "\xb7\xfe\xce\xf1\xcc\xac\xb6\xc8\xba\xdc\xba\xc3,\xd6\xca\xc1\xbf\xb2\xbb\xb4\xed\xd6\xb5\xb5\xc3\xb9\xba\xc2\xf2",
     "服务态度很好,质量不错值得购买"},
    {"GB18030", "\xce\xd2\xbe\xf5\xb5\xc3\xbb\xb9\xbf\xc9\xd2\xd4,\xbe\xe7\xc7\xe9\xcc\xab\xb2\xee",
     "我觉得还可以,剧情太差"},
    {"big5", "\xaa\x41\xb0\xc8\xba\x41\xab\xd7\xab\xdc\xa6\x6e,\xbb\xf9\xae\xe6\xa6\xb3\xc2\x49\xb6\x51",
     "服務態度很好,價格有點貴"},
    {"Shift_JIS", "\x82\xb1\x82\xcc\x89\x66\x89\xe6\x82\xcd\x82\xc6\x82\xc4\x82\xe0\x96\xca\x94\x92\x82\xa2",
     "この映画はとても面白い"},
    {"euc-jp", "\xa4\xb3\xa4\xce\xb1\xc7\xb2\xe8\xa4\xcf\xa4\xc8\xa4\xc6\xa4\xe2\xcc\xcc\xc7\xf2\xa4\xa4",
     "この映画はとても面白い"},
    {"EUC-KR", "\xc0\xcc \xbf\xb5\xc8\xad\xb4\xc2 \xc1\xa4\xb8\xbb \xc0\xe7\xb9\xcc\xc0\xd6\xb4\xd9",
     "이 영화는 정말 재미있다"},
    {"cp1252",
     "Ce film est tr\xe8s bon et l'acteur est g\xe9nial, une histoire rat\xe9"
     "e \xe0 \xe9viter",
     "Ce film est très bon et l'acteur est génial, une histoire ratée à éviter"},
    {"windows-1251",
     "\xdd\xf2\xee\xf2 \xf4\xe8\xeb\xfc\xec \xee\xf7\xe5\xed\xfc \xf5\xee\xf0\xee\xf8\xe8\xe9 \xef\xee\xf2\xe5\xf0\xff "
     "\xe2\xf0\xe5\xec\xe5\xed\xe8",
     "Этот фильм очень хороший потеря времени"},
    {"koi8-r",
     "\xdc\xd4\xcf\xd4 \xc6\xc9\xcc\xd8\xcd \xcf\xde\xc5\xce\xd8 \xc8\xcf\xd2\xcf\xdb\xc9\xca, \xd0\xcc\xcf\xc8\xcf",
     "этот фильм очень хороший, плохо"},
    {"IBM866",
     "\xed\xe2\xae\xe2 \xe4\xa8\xab\xec\xac \xae\xe7\xa5\xad\xec \xe5\xae\xe0\xae\xe8\xa8\xa9, \xaf\xab\xae\xe5\xae",
     "этот фильм очень хороший, плохо"},
    {"ISO-8859-5",
     "\xed\xe2\xde\xe2 \xe4\xd8\xdb\xec\xdc \xde\xe7\xd5\xdd\xec \xe5\xde\xe0\xde\xe8\xd8\xd9, \xdf\xdb\xde\xe5\xde",
     "этот фильм очень хороший, плохо"},
    {"windows-1251",
     "\xfd\xf2\xee\xf2 \xf4\xe8\xeb\xfc\xec \xee\xf7\xe5\xed\xfc \xf5\xee\xf0\xee\xf8\xe8\xe9, \xef\xeb\xee\xf5\xee",
     "этот фильм очень хороший, плохо"},
};

std::string GuessOf(const std::string& content) {
  EncodingGuess guess;
  guess.Add(content);
  return guess.Name();
}

TEST(Encoding, ConvertsWhatItNames) {
  for (const Sample& sample : kSamples) {
    const auto decoded = DecodeText(sample.bytes, sample.encoding, "d.csv");
    ASSERT_TRUE(decoded.ok()) << sample.encoding << ": " << decoded.status();
    EXPECT_EQ(decoded->text, sample.text) << sample.encoding;
    EXPECT_EQ(decoded->replaced, 0);
  }
}

TEST(Encoding, IsGuessedFromFewWordsAmongAsciiOnes) {
  for (const Sample& sample : kSamples) {
    const std::string content = "text,label\nthe film was good," + sample.bytes + "\nand a plot,0\n";
    const std::string name = GuessOf(content);
    const auto decoded = DecodeText(content, name, "d.csv");
    ASSERT_TRUE(decoded.ok()) << sample.encoding << " guessed as " << name << ": " << decoded.status();
    EXPECT_THAT(decoded->text, HasSubstr(sample.text)) << sample.encoding << " guessed as " << name;
  }
}

TEST(Encoding, TheUsualChineseLabelsAreGuessedAsChinese) {
  // 正面 and 负面, 好评 and 差评
  EXPECT_EQ(GuessOf("good,\xd5\xfd\xc3\xe6\nbad,\xb8\xba\xc3\xe6\n"), "GB18030");
  EXPECT_EQ(GuessOf("good,\xba\xc3\xc6\xc0\nbad,\xb2\xee\xc6\xc0\n"), "GB18030");
}

TEST(Encoding, WithoutOneOnlyUtf8IsRead) {
  EXPECT_EQ(DecodeText("naïve 日本 😀", "", "d.csv")->text, "naïve 日本 😀");
  EXPECT_EQ(DecodeText("", "", "d.csv")->text, "");
  for (const Sample& sample : kSamples) {
    const auto refused = DecodeText("text,label\n" + sample.bytes + ",0\n", "", "d.csv");
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.status().message()),
                HasSubstr("d.csv:2: is not UTF-8; it is most likely in "));
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("set dataset.encoding: "));
  }
}

TEST(Encoding, AByteOrderMarkDecides) {
  const std::string utf16 = "\xFF\xFEt\0\xE9\0\x2d\x4e"s, utf16be = "\xFE\xFF\0t\0\xE9\x4e\x2d"s;
  const std::string utf32 = "\xFF\xFE\0\0t\0\0\0\xE9\0\0\0\x2d\x4e\0\0"s;
  for (const std::string& content : {utf16, utf16be, utf32, "\xEF\xBB\xBFté中"s}) {
    for (const char* encoding : {"", "gbk", "utf-8"}) {
      const auto decoded = DecodeText(content, encoding, "d.csv");
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      EXPECT_EQ(decoded->text, "té中");
    }
  }
}

TEST(Encoding, Utf16WithoutAMarkAndIso2022AreNotTakenForAscii) {
  const auto utf16 = DecodeText("t\0e\0x\0t\0,\0l\0a\0b\0e\0l\0\n\0"s, "", "d.csv");
  EXPECT_THAT(std::string(utf16.status().message()),
              HasSubstr("most likely in UTF-16LE; set dataset.encoding: utf-16le"));
  EXPECT_EQ(DecodeText("t\0e\0"s, "utf-16le", "d.csv")->text, "te");
  // "日本" in ISO-2022-JP
  EXPECT_EQ(GuessOf("a,\x1B$BF|K\\\x1B(B\n"), "ISO-2022-JP");
  EXPECT_EQ(DecodeText("\x1B$BF|K\\\x1B(B", "iso-2022-jp", "d.csv")->text, "日本");
}

TEST(Encoding, AFewUndefinedBytesAreCountedAndManyRefused) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "\xb7\xfe\xce\xf1";
  const auto few = DecodeText(text + "\n\xff\n", "gbk", "d.csv");
  ASSERT_TRUE(few.ok()) << few.status();
  EXPECT_EQ(few->replaced, 1);
  EXPECT_EQ(few->first_replaced, 2);
  EXPECT_THAT(few->text, HasSubstr("\n\uFFFD\n"));
  const auto wrong = DecodeText("caf\xe9 na\xefve\n", "gbk", "d.csv");
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("d.csv:1: is not in gbk"));
}

TEST(Encoding, DamagedUtf8IsReadWhereItIsNamed) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "服务";
  text += "\xe6\x97";  // a character that was cut
  EXPECT_THAT(std::string(DecodeText(text, "", "d.csv").status().message()),
              HasSubstr("a few bytes of it are damaged"));
  EXPECT_EQ(DecodeText(text, "utf-8", "d.csv")->replaced, 1);
  EXPECT_EQ(DecodeText("a \uFFFD of the file's own", "utf-8", "d.csv")->replaced, 0);
}

TEST(Encoding, NamesOfPythonAndWindowsAreKnown) {
  for (const char* name : {"utf-8-sig", "utf_8_sig", "utf8mb4", "cp65001"}) {
    EXPECT_EQ(DecodeText("t\xC3\xA9", name, "d.csv")->text, "té") << name;
  }
  // "똠방각하", of which the first is beyond EUC-KR.
  for (const char* name : {"cp949", "uhc", "euc-kr"}) {
    EXPECT_EQ(DecodeText("\x8c\x63\xb9\xe6\xb0\xa2\xc7\xcf", name, "d.csv")->text, "똠방각하") << name;
  }
  for (const char* name : {"utf-16", "UTF16", "unicode"}) {
    EXPECT_EQ(DecodeText("t\0\xE9\0"s, name, "d.csv")->text, "té") << name;
    EXPECT_EQ(DecodeText("\0t\0e\0x\0t"s, name, "d.csv")->text, "text") << name;
  }
}

TEST(Encoding, TextWithoutAMarkThatIsHardlyAsciiIsTakenForUtf16) {
  // "好电影,好" and a line end, twice
  const std::string line = "\x7d\x59\x35\x75\x71\x5f\x2c\x00\x7d\x59\x0a\x00"s;
  EXPECT_EQ(GuessOf(line + line), "UTF-16LE");
  EXPECT_EQ(GuessOf("t\0\0\0e\0\0\0\n\0\0\0"s), "UTF-32LE");
  EXPECT_EQ(GuessOf("\0\0\0t\0\0\0e\0\0\0\n"s), "UTF-32BE");
  EXPECT_EQ(DecodeText("a text with a null\0 in it"s, "", "d.csv")->text.size(), 25u);
}

TEST(Encoding, EveryMarkAtTheBeginningIsDropped) {
  EXPECT_EQ(DecodeText("\xEF\xBB\xBF\xEF\xBB\xBFt", "", "d.csv")->text, "t");
  EXPECT_EQ(DecodeText("\xFF\xFE\xFF\xFEt\0"s, "", "d.csv")->text, "t");
}

TEST(Encoding, FilesThatMixEncodingsAreRefusedWithBothLines) {
  std::string utf8, gbk;
  for (int i = 0; i < 5; ++i) utf8 += "服务,好\n", gbk += "\xb7\xfe\xce\xf1,\xba\xc3\n";
  for (const char* encoding : {"", "gbk", "gb18030"}) {
    EXPECT_THAT(std::string(DecodeText("text,label\n" + utf8 + gbk, encoding, "d.csv").status().message()),
                HasSubstr("d.csv: mixes encodings: line 2 is UTF-8, line 7 is not"))
        << encoding;
  }
  EXPECT_TRUE(DecodeText(gbk, "gbk", "d.csv").ok());
}

TEST(Encoding, Utf8IsNotReadInAnotherEncoding) {
  for (const char* encoding : {"windows-1252", "latin-1", "gbk", "shift_jis"}) {
    EXPECT_THAT(
        std::string(DecodeText("très agréable à éviter, où ça naît", encoding, "d.csv").status().message()),
        HasSubstr(std::string("d.csv: is UTF-8, not ") + encoding));
  }
  EXPECT_THAT(std::string(DecodeText("très", "latin-1", "d.csv").status().message()),
              HasSubstr("is UTF-8, not latin-1"));
  // "女", which is valid UTF-8 by chance
  EXPECT_EQ(DecodeText("a,\xc5\xae\nb,\xc5\xae\n", "gbk", "d.csv")->text, "a,女\nb,女\n");
}

TEST(Encoding, UnknownNamesAreRefused) {
  for (const char* name :
       {"", "auto", "gbk", "GBK", "utf8", "UTF-8", "latin-1", "cp1252", "Shift_JIS", "ISO-8859-15"}) {
    EXPECT_TRUE(CheckEncodingName(name).ok()) << name;
  }
  for (const std::string& name : {"gkb"s, "../../etc/passwd"s, std::string(1000, 'x'), "gbk,swaplfnl"s}) {
    EXPECT_THAT(std::string(CheckEncodingName(name).message()),
                HasSubstr("not a known encoding; use auto or one such as"));
  }
}

}  // namespace
}  // namespace quantlab::engine
