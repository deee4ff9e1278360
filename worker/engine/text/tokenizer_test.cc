#include "worker/engine/text/tokenizer.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"
#include "worker/engine/text/tokenizer_fields.h"

namespace quantlab::engine {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

constexpr char kTestData[] = QUANTLAB_SOURCE_DIR "/worker/engine/text/testdata/";

std::unique_ptr<Tokenizer> LoadTiny(const std::string& name) {
  auto tokenizer = Tokenizer::Load(kTestData + name);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

// Tokens between spaces, without [CLS] and [SEP] at the ends.
std::string Pieces(const Tokenizer& tokenizer, std::string_view text) {
  std::string out;
  for (const int32_t id : tokenizer.Tokenize(text)) out += (out.empty() ? "" : " ") + tokenizer.TokenText(id);
  return out;
}

constexpr char kVocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##b\n<user>\n";

// A tokenizer.json over a few tokens, with these added tokens.
std::string TokenizerJson(const std::string& added, const std::string& normalizer = R"("lowercase":true)") {
  return R"({"normalizer":{"type":"BertNormalizer",)" + normalizer +
         R"(},"pre_tokenizer":{"type":"BertPreTokenizer"},
         "added_tokens":[{"id":2,"content":"[CLS]","special":true,"normalized":false})" +
         added + R"(],"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",
         "max_input_chars_per_word":100,
         "vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"[MASK]":4,"a":5,"b":6,"##b":7,"A":8,"user":9,"<":10,">":11}}})";
}

constexpr char kBertClass[] = R"({"tokenizer_class":"BertTokenizerFast"})";
constexpr char kJapanese[] = R"({"tokenizer_class":"BertJapaneseTokenizer"})";

// A byte-level tokenizer.json of the tokens <s>, a and ab.
std::string BytePairJson(const std::string& merge, const std::string& pre_tokenizer =
                                                       R"({"type":"ByteLevel","add_prefix_space":false})") {
  return R"({"pre_tokenizer":)" + pre_tokenizer +
         R"(,"post_processor":{"type":"RobertaProcessing","cls":["<s>",0],"sep":["<s>",0]},
         "model":{"type":"BPE","vocab":{"<s>":0,"a":1,"ab":2},"merges":[)" +
         merge + "]}}";
}

TEST(Tokenizer, CutsWordsIntoTheLongestPieces) {
  const auto t = LoadTiny("tiny_uncased");
  EXPECT_EQ(Pieces(*t, "The film is unwanted, running!"), "the film is un ##want ##ed , run ##ning !");
  EXPECT_EQ(Pieces(*t, "a film's"), "a film ' [UNK]") << "a token that holds punctuation can never match";
}

TEST(Tokenizer, AWordOfWhichARestMatchesNothingIsUnknownAsAWhole) {
  const auto t = LoadTiny("tiny_uncased");
  EXPECT_EQ(Pieces(*t, "a unwantedq film"), "a [UNK] film");
}

TEST(Tokenizer, StripsAccentsAndLowersBeyondAscii) {
  const auto t = LoadTiny("tiny_uncased");
  EXPECT_EQ(Pieces(*t, "Café CAFE\u0301"), "cafe cafe");
  EXPECT_EQ(Pieces(*t, "İ"), "i") << "I with a dot: i, and a combining dot that goes";
  EXPECT_EQ(Pieces(*t, "Σ ς"), "σ ς") << "no final sigma by context";
  EXPECT_EQ(Pieces(*t, "ẞ"), "ß");
}

TEST(Tokenizer, CleansControlCharactersAndWhiteSpace) {
  const auto t = LoadTiny("tiny_uncased");
  EXPECT_EQ(Pieces(*t, "f\x01i\u200Bl\u00ADm\0"s), "film");
  EXPECT_EQ(Pieces(*t, "a\tthe\u00A0film\u2028is\u3000fine\r\n"), "a the film is fine");
  EXPECT_EQ(Pieces(*t, "fi\uFFFDlm"), "film");
}

TEST(Tokenizer, SetsIdeographsApartButNotHangul) {
  const auto t = LoadTiny("tiny_uncased");
  EXPECT_EQ(Pieces(*t, "a日本x"), "a 日 本 x");
  EXPECT_EQ(Pieces(*t, "\uF900"), "豈") << "a compatibility ideograph is decomposed";
  EXPECT_EQ(Pieces(*t, "이"), "\u110B\u1175") << "a syllable is decomposed with the accents";
}

TEST(Tokenizer, FindsSpecialTokensVerbatimOnly) {
  const auto t = LoadTiny("tiny_uncased");
  EXPECT_EQ(Pieces(*t, "a[SEP]film [MASK] [sep]"), "a [SEP] film [MASK] [ sep ]");
  EXPECT_EQ(Pieces(*t,
                   "[S\xFF"
                   "EP]"),
            "[ sep ]")
      << "bytes between its letters: not the token";
}

TEST(Tokenizer, LongWordsAreUnknown) {
  const auto t = LoadTiny("tiny_uncased");
  EXPECT_EQ(Pieces(*t, "1" + std::string(100, '0') + " a"), "[UNK] a");
  EXPECT_EQ(t->Tokenize("1" + std::string(99, '0')).size(), 100u);
}

TEST(Tokenizer, InvalidUtf8IsReadAsReplacementCharacters) {
  const auto t = LoadTiny("tiny_uncased");
  EXPECT_EQ(Pieces(*t, "fi\xFFlm \xE6\x97 \xF0\x9F\x98"), "film");
}

TEST(Tokenizer, TruncatesTokensButNeverSep) {
  const auto t = LoadTiny("tiny_uncased");
  const std::vector<int32_t> whole = t->Encode("a film is fine", 0);
  ASSERT_EQ(whole.size(), 6u);
  EXPECT_EQ(t->Encode("a film is fine", 6), whole);
  EXPECT_EQ(t->Encode("a film is fine", 4),
            (std::vector<int32_t>{t->cls_id(), whole[1], whole[2], t->sep_id()}));
  EXPECT_EQ(t->Encode("a film", 2), (std::vector<int32_t>{t->cls_id(), t->sep_id()}));
  EXPECT_EQ(t->Encode("a film", 1).size(), 2u);
  EXPECT_EQ(t->Encode("", 8).size(), 2u);
  EXPECT_EQ(t->Encode("unwanted", 3).size(), 3u) << "within a word, too";
}

TEST(Tokenizer, CasedVocabulariesKeepCaseAndAccents) {
  const auto t = LoadTiny("tiny_cased");
  EXPECT_FALSE(t->lower_case());
  EXPECT_EQ(Pieces(*t, "The the Film café cafe"), "The the Film café cafe");
  EXPECT_EQ(Pieces(*t, "İ I\u0307"), "İ I ##\u0307");
  EXPECT_EQ(Pieces(*t, "日本"), "日 本");
}

TEST(Tokenizer, ReportsIdsAndSize) {
  const auto t = LoadTiny("tiny_cased");
  EXPECT_EQ(t->pad_id(), 0);
  EXPECT_EQ(t->unk_id(), 1);
  EXPECT_EQ(t->cls_id(), 2);
  EXPECT_EQ(t->sep_id(), 3);
  EXPECT_EQ(t->mask_id(), 4);
  EXPECT_EQ(t->vocab_size(), 23);
  EXPECT_EQ(t->TokenText(5), "The");
  EXPECT_EQ(t->TokenText(-1), "");
  EXPECT_EQ(t->TokenText(1000), "");
}

TEST(Tokenizer, ConfigurationOverridesTokenizerJson) {
  const TempFolder lower({{"tokenizer.json", TokenizerJson("")}});
  const TempFolder cased(
      {{"tokenizer.json", TokenizerJson("")}, {"tokenizer_config.json", R"({"do_lower_case":false})"}});
  EXPECT_EQ(Pieces(**Tokenizer::Load(lower.path()), "A"), "a");
  EXPECT_EQ(Pieces(**Tokenizer::Load(cased.path()), "A"), "A");
}

// What tokenizers 0.23.3 gives for the same file and texts.
TEST(Tokenizer, AddedTokensAreFoundAsTheirFlagsSay) {
  const auto pieces = [](const std::string& flags, std::string_view text) {
    const TempFolder folder(
        {{"tokenizer.json", TokenizerJson(R"(,{"id":12,"content":"<User>",)" + flags + "}")}});
    auto t = Tokenizer::Load(folder.path());
    return t.ok() ? Pieces(**t, text) : t.status().ToString();
  };
  EXPECT_EQ(pieces(R"("special":true,"normalized":false)", "a<User>b<user>"), "a <User> b < user >");
  EXPECT_EQ(pieces(R"("special":false,"normalized":true)", "a<USER>b"), "a <User> b");
  EXPECT_EQ(pieces(R"("normalized":false,"single_word":true)", "a<User> <User> b"), "a < user > <User> b");
  EXPECT_EQ(pieces(R"("normalized":false,"lstrip":true,"rstrip":true)", "a <User>  b"), "a <User> b");
}

TEST(Tokenizer, TheFirstAddedTokenOfAnIdAndOfATextIsKept) {
  std::vector<AddedToken> tokens(4);
  const std::pair<const char*, int32_t> given[] = {{"a", 1}, {"b", 1}, {"a", 2}, {"c", 2}};
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i].content = given[i].first;
    tokens[i].id = given[i].second;
  }
  tokenizer_fields::KeepFirstOfEach(&tokens);
  ASSERT_EQ(tokens.size(), 2u);
  EXPECT_EQ(tokens[0].content, "a");
  EXPECT_EQ(tokens[1].content, "c") << "its id's other token was left out";
}

TEST(Tokenizer, RefusesFilesThatNestTooDeep) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  const TempFolder folder({{"vocab.txt", kVocab}, {"tokenizer_config.json", R"({"x": )" + deep + "}"}});
  const auto t = Tokenizer::Load(folder.path());
  EXPECT_TRUE(absl::IsInvalidArgument(t.status()));
  EXPECT_NE(t.status().message().find("tokenizer_config.json: its arrays and objects are nested"),
            std::string::npos)
      << t.status();
}

TEST(Tokenizer, ReadsTokensThatWereAddedBesideAVocabulary) {
  const TempFolder folder({{"vocab.txt", kVocab}, {"added_tokens.json", R"({"<url>": 9})"}});
  auto t = Tokenizer::Load(folder.path());
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_EQ(Pieces(**t, "a<URL>b"), "a <url> b");
  EXPECT_EQ((*t)->vocab_size(), 10);
}

TEST(Tokenizer, ReadsVocabulariesWithCrLf) {
  std::string vocab = kVocab;
  for (size_t at = 0; (at = vocab.find('\n', at)) != std::string::npos; at += 2) vocab.insert(at, "\r");
  const TempFolder folder({{"vocab.txt", vocab}});
  auto t = Tokenizer::Load(folder.path());
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_EQ(Pieces(**t, "ab"), "a ##b");
}

TEST(Tokenizer, BlankLinesAtTheEndOfAVocabularyAreNoTokens) {
  const TempFolder folder, whole;
  folder.Write("vocab.txt", std::string(kVocab) + "\n \r\n\n");
  whole.Write("vocab.txt", kVocab);
  const auto t = Tokenizer::Load(folder.path()), same = Tokenizer::Load(whole.path());
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_EQ((*t)->vocab_size(), (*same)->vocab_size());
}

TEST(Tokenizer, SpaceAtLineEndsAndAByteOrderMarkAreNoPartOfAToken) {
  std::string vocab = "\uFEFF";
  for (const char c : std::string(kVocab))
    vocab += c == '\n' ? std::string(" \t\u3000\r\n") : std::string(1, c);
  const TempFolder folder({{"vocab.txt", vocab}});
  auto t = Tokenizer::Load(folder.path());
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_EQ(Pieces(**t, "ab"), "a ##b");
  EXPECT_EQ((*t)->TokenText(0), "[PAD]");
}

TEST(Tokenizer, ReadsRobertasVocabularyAndMerges) {
  const std::string golden = QUANTLAB_SOURCE_DIR "/tests/golden/subword/roberta";
  auto whole = Tokenizer::Load(golden);
  ASSERT_TRUE(whole.ok()) << whole.status();
  const TempFolder folder(
      {{"vocab.json",
        R"({"<s>":0,"<pad>":1,"</s>":2,"<unk>":3,"\u0120":4,"a":5,"b":6,"\u0120a":7,"ab":8,"<mask>":9})"},
       {"merges.txt", "#version: 0.2\n\u0120 a\na b\n"},
       {"config.json", R"({"model_type":"roberta"})"},
       {"tokenizer_config.json", R"({"model_max_length":512})"}});
  auto t = Tokenizer::Load(folder.path());
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_EQ((*t)->kind(), "BPE");
  EXPECT_EQ((*t)->Encode("ab a <mask>", 0), (std::vector<int32_t>{0, 8, 7, 9, 2}));
  EXPECT_EQ((*t)->model_max_length(), 512);
  EXPECT_EQ((*t)->unk_id(), -1) << "bytes are never unknown";
  EXPECT_EQ((*whole)->kind(), "BPE");
}

TEST(Tokenizer, ReportsTheNamesOfASubwordTokenizer) {
  auto t = Tokenizer::Load(QUANTLAB_SOURCE_DIR "/tests/golden/subword/xlm_roberta");
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_EQ((*t)->kind(), "Unigram");
  EXPECT_EQ((*t)->TokenText((*t)->cls_id()), "<s>");
  EXPECT_EQ((*t)->TokenText((*t)->sep_id()), "</s>");
  EXPECT_EQ((*t)->TokenText((*t)->pad_id()), "<pad>");
  EXPECT_EQ((*t)->TokenText((*t)->mask_id()), "<mask>");
  EXPECT_EQ((*t)->TokenText((*t)->unk_id()), "<unk>");
  EXPECT_EQ((*t)->mask_id(), (*t)->vocab_size() - 1);
}

TEST(Tokenizer, BadFilesAreNamedInTheError) {
  struct Case {
    std::vector<std::pair<std::string, std::string>> files;
    absl::StatusCode code;
    std::string message;
  };
  const auto kBad = absl::StatusCode::kInvalidArgument;
  const Case cases[] = {
      {{}, absl::StatusCode::kNotFound, "has neither tokenizer.json nor vocab.txt"},
      {{{"vocab.txt", ""}}, kBad, "lacks the unk_token \"[UNK]\""},
      {{{"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n"}}, kBad, "lacks the sep_token \"[SEP]\""},
      {{{"vocab.txt", "[PAD]\n\xFF\n"}}, kBad, "vocab.txt: line 2 is not valid UTF-8"},
      {{{"vocab.txt", kVocab}, {"tokenizer_config.json", "{"}},
       kBad,
       "tokenizer_config.json: is not a JSON object"},
      {{{"vocab.txt", kVocab}, {"tokenizer_config.json", R"({"do_lower_case":1})"}},
       kBad,
       "\"do_lower_case\""},
      {{{"vocab.txt", kVocab}, {"tokenizer_config.json", R"({"unk_token":"<unk>"})"}}, kBad, "\"<unk>\""},
      {{{"vocab.txt", kVocab}, {"tokenizer_config.json", R"({"unk_token":[1]})"}}, kBad, "\"unk_token\""},
      {{{"vocab.txt", kVocab}, {"added_tokens.json", R"({"x":-1})"}}, kBad, "the id of token \"x\""},
      {{{"tokenizer.json", "[]"}}, kBad, "tokenizer.json: is not a JSON object"},
      {{{"tokenizer.json", R"({"normalizer":{"type":"NFC"},"model":{"type":"WordPiece"}})"}},
       kBad,
       "its normalizer is of type NFC, which is not supported"},
      {{{"tokenizer.json", R"({"model":{"type":"WordLevel","vocab":{}}})"}},
       kBad,
       "its model is of type WordLevel, which is not supported; supported: WordPiece, BPE, Unigram"},
      {{{"tokenizer.json", R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","b"]]}})"}},
       kBad,
       "puts no token before the text"},
      {{{"tokenizer.json", BytePairJson(R"(["a","b"])")}}, kBad, "a merge needs the token \"b\""},
      {{{"tokenizer.json", BytePairJson(R"(["a"])")}}, kBad, "merge 1 is not a pair of tokens"},
      {{{"tokenizer.json", BytePairJson("", R"({"type":"Digits"})")}},
       kBad,
       "its pre_tokenizer is of type Digits, which is not supported"},
      {{{"tokenizer.json", BytePairJson("")}, {"tokenizer_config.json", kBertClass}},
       kBad,
       "its model is of type BPE, but a BertTokenizer has one of type WordPiece"},
      {{{"tokenizer.json", TokenizerJson("")}, {"tokenizer_config.json", kJapanese}},
       kBad,
       "tokenizer_class is BertJapaneseTokenizer, which is not supported; supported: BertTokenizer, "},
      {{{"vocab.txt", kVocab}, {"config.json", kJapanese}}, kBad, "config.json: tokenizer_class is BertJap"},
      {{{"vocab.txt", kVocab}, {"config.json", R"({"model_type":"camembert"})"}},
       kBad,
       "vocab.txt: is no file of a CamembertTokenizer"},
      {{{"vocab.txt", "<unk>\n<s>\n\u2581the\n\u2581film\ns\n"}}, kBad, "holds SentencePiece pieces"},
      {{{"spiece.model", "x"}}, kBad, "is a SentencePiece model without a tokenizer.json"},
      {{{"tokenizer.json",
         R"({"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},)"
         R"("model":{"type":"WordPiece","vocab":{"a":99999999999}}})"}},
       kBad,
       "the id of token \"a\""},
      {{{"tokenizer.json", TokenizerJson("", R"("lowercase":"yes")")}}, kBad, "\"lowercase\""},
      {{{"tokenizer.json", TokenizerJson(",7")}}, kBad, "the id of token \"7\""},
  };
  for (const Case& c : cases) {
    const TempFolder folder(c.files);
    const auto t = Tokenizer::Load(folder.path());
    EXPECT_EQ(t.status().code(), c.code) << c.message;
    EXPECT_THAT(std::string(t.status().message()), HasSubstr(c.message));
  }
}

TEST(Tokenizer, NoBytesCrashIt) {
  const auto lower = LoadTiny("tiny_uncased"), cased = LoadTiny("tiny_cased");
  std::mt19937_64 random(20240601);
  const std::vector<std::string> seeds = {
      "[SEP]", "\xE6\x97\xA5", "\xF0\x9F\x98\x80", "e\u0301", "\u302E", "##", "İ"};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (size_t n = random() % 12; n > 0; --n) {
      if (random() % 2 == 0) text += seeds[random() % seeds.size()];
      if (random() % 2 == 0) text.push_back(static_cast<char>(random()));
    }
    const int limit = static_cast<int>(random() % 8);
    for (const auto* t : {lower.get(), cased.get()}) {
      const std::vector<int32_t> ids = t->Encode(text, limit);
      ASSERT_GE(ids.size(), 2u);
      if (limit > 1) {
        ASSERT_LE(ids.size(), static_cast<size_t>(limit));
      }
      for (const int32_t id : ids) ASSERT_TRUE(id >= 0 && id < t->vocab_size());
    }
  }
}

TEST(Tokenizer, NoDamagedFileCrashesLoading) {
  std::mt19937_64 random(7);
  const std::string whole = TokenizerJson(R"(,{"id":12,"content":"<User>","lstrip":true})");
  for (int i = 0; i < 200; ++i) {
    std::string json = whole;
    for (size_t n = 1 + random() % 3; n > 0; --n) json[random() % json.size()] = static_cast<char>(random());
    if (random() % 4 == 0) json.resize(random() % json.size());
    const TempFolder folder({{"tokenizer.json", json}});
    const auto t = Tokenizer::Load(folder.path());
    if (t.ok()) (*t)->Encode("a <User> b [CLS]", 4);
  }
}

TEST(Tokenizer, NoDamagedSubwordFileCrashesLoading) {
  std::mt19937_64 random(11);
  for (const char* name : {"roberta", "xlm_roberta"}) {
    const std::string path =
        std::string(QUANTLAB_SOURCE_DIR "/tests/golden/subword/") + name + "/tokenizer.json";
    std::ifstream in(path, std::ios::binary);
    const std::string whole((std::istreambuf_iterator<char>(in)), {});
    ASSERT_FALSE(whole.empty());
    for (int i = 0; i < 60; ++i) {
      std::string json = whole;
      // Digits, letters and Base64 stay what they are, so that most files still parse.
      for (size_t n = 0; n < 40; ++n) {
        char& c = json[random() % json.size()];
        if (c >= '0' && c <= '9') c = static_cast<char>('0' + random() % 10);
        if (c >= 'a' && c <= 'z') c = static_cast<char>('a' + random() % 26);
      }
      const TempFolder folder({{"tokenizer.json", json}});
      const auto t = Tokenizer::Load(folder.path());
      if (t.ok()) (*t)->Encode("the film ｅ\u0301 was™ \xFF good <mask>", 16);
    }
  }
}

// ---- pairs: the golden tests compare ids; these are the ends of what files and limits allow ----

TEST(Pairs, TheSpecialTokensStayHoweverLittleSpaceThereIs) {
  const auto tokenizer = LoadTiny("tiny_uncased");
  EXPECT_EQ(tokenizer->pair_specials(), 3);
  EXPECT_EQ(tokenizer->largest_pair_type(), 1);
  for (const int most : {1, 2, 3}) {
    const TokenizedPair pair = tokenizer->EncodePair("a film", "the film", most);
    EXPECT_THAT(pair.ids,
                testing::ElementsAre(tokenizer->cls_id(), tokenizer->sep_id(), tokenizer->sep_id()));
    EXPECT_THAT(pair.types, testing::ElementsAre(0, 0, 1));
  }
  EXPECT_EQ(tokenizer->EncodePair("", "", 0).ids.size(), 3u);
}

TEST(Pairs, ATemplateWithoutBothTextsIsNone) {
  const std::string tokens = R"("special_tokens":{"<s>":{"id":"<s>","ids":[0],"tokens":["<s>"]}})";
  const std::string single =
      R"("single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}])";
  const auto load = [&](const std::string& pair) {
    const std::string processor = R"({"type":"TemplateProcessing",)" + single + "," + pair + tokens + "}";
    const std::string roberta = R"({"type":"RobertaProcessing","cls":["<s>",0],"sep":["<s>",0]})";
    std::string json = BytePairJson("");
    json.replace(json.find(roberta), roberta.size(), processor);
    const TempFolder folder({{"tokenizer.json", json}});
    return Tokenizer::Load(folder.path());
  };
  const auto without = load("");
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_FALSE((*without)->encodes_pairs());
  const auto only_first = load(R"("pair":[{"Sequence":{"id":"A","type_id":0}}],)");
  ASSERT_TRUE(only_first.ok()) << only_first.status();
  EXPECT_FALSE((*only_first)->encodes_pairs());
  const auto both =
      load(R"("pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":3}}],)");
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_THAT((*both)->EncodePair("a", "a", 0).types, testing::ElementsAre(0, 3));
  EXPECT_FALSE(load(R"("pair":[{"SpecialToken":{"id":"<x>","type_id":0}}],)").ok());
  EXPECT_FALSE(load(R"("pair":[{"Sequence":{"id":"A","type_id":-1}}],)").ok());
}

// ---- the side of truncation ----

class TruncationTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.path() + "/" + name) << text;
  }
  // Of "a b a b b" within 5 ids, three of which are the text's.
  std::string Kept(std::optional<TruncationSide> side = {}) {
    const auto tokenizer = Tokenizer::Load(folder_.path(), side);
    if (!tokenizer.ok()) return std::string(tokenizer.status().message());
    std::string out;
    for (const int32_t id : (*tokenizer)->Encode("a b a b b", 5)) out += (*tokenizer)->TokenText(id) + " ";
    return out;
  }

  TempFolder folder_;
};

TEST_F(TruncationTest, IsOnTheRightUnlessAFileSaysOtherwise) {
  Write("tokenizer.json", TokenizerJson(""));
  EXPECT_EQ(Kept(), "[CLS] a b a [SEP] ");
  Write("tokenizer_config.json", R"({"truncation_side":"left"})");
  EXPECT_EQ(Kept(), "[CLS] a b b [SEP] ");
  EXPECT_EQ(Kept(TruncationSide::kRight), "[CLS] a b a [SEP] ");
}

// transformers takes the direction of tokenizer.json where tokenizer_config.json has no side.
TEST_F(TruncationTest, IsThatOfTokenizerJsonWithoutOneInItsConfig) {
  std::string json = TokenizerJson("");
  json.insert(1, R"("truncation":{"direction":"Left","max_length":9,"strategy":"LongestFirst","stride":0},)");
  Write("tokenizer.json", json);
  EXPECT_EQ(Kept(), "[CLS] a b b [SEP] ");
  Write("tokenizer_config.json", R"({"truncation_side":"right"})");
  EXPECT_EQ(Kept(), "[CLS] a b a [SEP] ");
}

TEST_F(TruncationTest, AnUnknownSideIsRefusedByName) {
  Write("vocab.txt", kVocab);
  for (const std::string side : {R"("middle")", "3"}) {
    Write("tokenizer_config.json", R"({"truncation_side":)" + side + "}");
    EXPECT_THAT(Kept(), AllOf(HasSubstr("tokenizer_config.json"), HasSubstr("allowed: right, left")));
  }
}

}  // namespace
}  // namespace quantlab::engine
