#include "worker/engine/text/normalizer.h"

#include <fstream>
#include <string>
#include <string_view>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "base/text/utf8.h"

namespace quantlab::engine {
namespace {

// Words with one space between them.
class WordsSink {
 public:
  void Letter(std::string_view utf8) {
    if (at_start_ && !words.empty()) words += ' ';
    at_start_ = false;
    words += utf8;
  }
  void Punctuation(std::string_view utf8) {
    at_start_ = true;
    Letter(utf8);
    at_start_ = true;
  }
  void Space(std::string_view) { at_start_ = true; }
  bool Full() const { return false; }

  std::string words;

 private:
  bool at_start_ = true;
};

std::string Words(const Normalizer& normalizer, std::string_view text) {
  WordsSink sink;
  normalizer.Run(text, sink);
  return sink.words;
}

TEST(Normalizer, KeptMarksAreOrderedByCombiningClass) {
  const Normalizer normalizer{NormalizerOptions()};
  // U+302E (class 224) and U+1D165 (class 216) are spacing marks, which accent stripping keeps.
  EXPECT_EQ(Words(normalizer, "a\u302E\U0001D165"), "a\U0001D165\u302E");
  EXPECT_EQ(Words(normalizer, "a\u302E\u0301\U0001D165"), "a\U0001D165\u302E") << "across a mark that goes";
  EXPECT_EQ(Words(normalizer, "a\u302E\u200D\U0001D165"), "a\U0001D165\u302E")
      << "across what was cleaned away";
  EXPECT_EQ(Words(normalizer, "a\u302Eb\U0001D165"), "a\u302Eb\U0001D165") << "but not across a letter";
}

TEST(Normalizer, WithoutStrippingNothingIsReordered) {
  const Normalizer normalizer(NormalizerOptions{true, true, false, true});
  EXPECT_EQ(Words(normalizer, "A\u302E\U0001D165\u0301"), "a\u302E\U0001D165\u0301");
}

// Every code point, alone and among marks, against tests/golden/normalizer_digests.json.
TEST(Normalizer, EveryCodePointBecomesWhatHuggingFaceMakesOfIt) {
  std::ifstream in(QUANTLAB_SOURCE_DIR "/tests/golden/normalizer_digests.json");
  const nlohmann::json golden = nlohmann::json::parse(in);
  ASSERT_GE(golden["cases"].size(), 6u);
  for (const auto& expected : golden["cases"]) {
    const Normalizer normalizer(
        NormalizerOptions{expected["clean_text"].get<bool>(), expected["handle_chinese_chars"].get<bool>(),
                          expected["strip_accents"].get<bool>(), expected["lowercase"].get<bool>()});
    Sha256 digest;
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      std::string utf8;
      AppendUtf8(c, &utf8);
      const std::string text = absl::StrCat("a", utf8, "B\u0301", utf8, "\u302E\u0323");
      digest.Update(absl::StrCat(absl::Hex(static_cast<uint32_t>(c)), ":", Words(normalizer, text), "\n"));
    }
    EXPECT_EQ(digest.HexDigest(), expected["sha256"].get<std::string>()) << expected.dump();
  }
}

}  // namespace
}  // namespace quantlab::engine
