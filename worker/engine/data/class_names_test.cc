#include "worker/engine/data/class_names.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Names = std::vector<std::string>;

TEST(ClassNames, CaseNormalFormAndBlanksAtTheEndsMakeNoDifference) {
  EXPECT_TRUE(SameClassName("POSITIVE", "positive"));
  EXPECT_TRUE(SameClassName("caf\u00e9", "CAFE\u0301"));
  EXPECT_TRUE(SameClassName("\uff50os", "pos")) << "full width";
  EXPECT_TRUE(SameClassName(" pos\u3000", "pos"));
  EXPECT_TRUE(SameClassName("stra\u00dfe", "STRASSE"));
  EXPECT_TRUE(SameClassName("1.0", "1"));
  EXPECT_FALSE(SameClassName("1.5", "1"));
  EXPECT_TRUE(SameClassName("\xFF", "\xFF"));
  EXPECT_FALSE(SameClassName("\xFF", "\xFE"));
  EXPECT_FALSE(SameClassName("pos", "positive"));
  EXPECT_FALSE(SameClassName("", "neg"));
}

TEST(ClassNames, ClassesAreMatchedByNameAndByIndexWhereOneSideHasNoNames) {
  const Names kBadGood = {"bad", "good"}, kSigns = {"negative", "positive"};
  EXPECT_THAT(*MatchClasses({"NEGATIVE", "POSITIVE"}, kSigns, {}), ElementsAre(0, 1));
  EXPECT_THAT(*MatchClasses({"POSITIVE", "NEGATIVE"}, kSigns, {}), ElementsAre(1, 0));
  EXPECT_THAT(*MatchClasses({"LABEL_0", "LABEL_1"}, kBadGood, {}), ElementsAre(0, 1));
  EXPECT_THAT(*MatchClasses(kBadGood, {"0", "1"}, {}), ElementsAre(0, 1));
  EXPECT_THAT(*MatchClasses({"1.0", "0.0"}, {"0", "1"}, {}), ElementsAre(1, 0));
  EXPECT_THAT(*MatchClasses({"A", "a"}, {"a", "A"}, {}), ElementsAre(1, 0));
  EXPECT_FALSE(MatchClasses({"LABEL_1", "LABEL_0"}, kBadGood, {}).ok());
  EXPECT_FALSE(MatchClasses({"x", "X"}, {"x", "y"}, {}).ok());
}

TEST(ClassNames, NamesThatCannotBeMatchedAreRefusedWithBothListsAndTheKey) {
  const std::string error(MatchClasses({"neg", "pos"}, {"negative", "positive"}, {}).status().message());
  EXPECT_EQ(
      error,
      "the model's classes are neg, pos; those of the dataset are negative, positive; if they are the same, "
      "map them with dataset.label_map: {neg: negative, pos: positive}");
  EXPECT_THAT(std::string(MatchClasses({"a", "b"}, {"a", "b", "c"}, {}).status().message()),
              HasSubstr("the model has 2 classes (a, b), the dataset 3 (a, b, c)"));
  Names many, others;
  for (int i = 0; i < 900; ++i) {
    many.push_back("class " + std::to_string(i));
    others.push_back("label " + std::to_string(i));
  }
  EXPECT_LT(MatchClasses(many, others, {}).status().message().size(), 1500u);
}

TEST(ClassNames, TheSuggestedMapPairsWhatIsAlike) {
  const auto suggested = [](const Names& model, const Names& dataset, const Names& map = {}) {
    const std::string error(MatchClasses(model, dataset, map).status().message());
    const size_t at = error.find("label_map: ");
    return at == std::string::npos ? error : error.substr(at + 11);
  };
  EXPECT_EQ(suggested({"POSITIVE", "NEGATIVE"}, {"neg", "pos"}), "{POSITIVE: pos, NEGATIVE: neg}");
  EXPECT_EQ(suggested({"负面", "正面"}, {"正", "负"}), "{负面: 负, 正面: 正}");
  EXPECT_EQ(suggested({"1 star", "2 stars", "3 stars", "4 stars", "5 stars"}, {"1", "2", "3", "4", "5"}),
            "{1 star: 1, 2 stars: 2, 3 stars: 3, 4 stars: 4, 5 stars: 5}");
  EXPECT_EQ(suggested({"neg", "pos"}, {"bad", "good"}, {"neg: bad", "pos: bad"}), "{pos: good}");
  EXPECT_EQ(suggested({"a", "neg", "pos"}, {"a", "negative", "good"}), "{neg: negative, pos: negative|good}");
}

TEST(ClassNames, ASuggestionThatWouldBeAGuessNamesTheAlternatives) {
  const auto suggested = [](const Names& model, const Names& dataset) {
    const std::string error(MatchClasses(model, dataset, {}).status().message());
    return error.substr(error.find("label_map: ") + 11);
  };
  EXPECT_EQ(suggested({"POSITIVE", "NEGATIVE"}, {"bad", "good"}), "{POSITIVE: bad|good, NEGATIVE: bad|good}");
  EXPECT_EQ(suggested({"差评", "好评"}, {"好", "坏"}), "{差评: 好|坏, 好评: 好}");
  EXPECT_EQ(suggested({"class 1", "class 2"}, {"class_0", "class_1"}),
            "{class 1: class_0|class_1, class 2: class_0|class_1}");
  EXPECT_EQ(suggested({"a", "b", "c", "d"}, {"w", "x", "y", "z"}).substr(0, 16), "{a: w|x|y|…, b");
}

TEST(ClassNames, TheMapSaysWhichClassesAreTheSame) {
  const Names model = {"pos", "neg"}, dataset = {"negative", "positive"};
  EXPECT_THAT(*MatchClasses(model, dataset, {"pos: positive", "neg: negative"}), ElementsAre(1, 0));
  EXPECT_THAT(*MatchClasses(model, dataset, {"POS: Positive", "NEG: Negative", "none: such"}),
              ElementsAre(1, 0));
  EXPECT_THAT(*MatchClasses({"LABEL_0", "LABEL_1"}, dataset, {"LABEL_0: positive", "LABEL_1: negative"}),
              ElementsAre(1, 0));
  EXPECT_THAT(*MatchClasses(model, {"0", "1"}, {"pos: 0", "neg: 1"}), ElementsAre(0, 1));
  EXPECT_THAT(std::string(MatchClasses(model, dataset, {"pos: positive"}).status().message()),
              HasSubstr("label_map: {neg: negative}"));
  EXPECT_FALSE(MatchClasses(model, dataset, {"pos: positive", "neg: positive"}).ok());
}

TEST(ClassNames, BlanksOfUnicodeAreTrimmed) {
  EXPECT_EQ(TrimBlanks(" \t\u3000\u00A0\uFEFFa b\u2003\u200B\r\n"), "a b");
  EXPECT_EQ(TrimBlanks("\u3000"), "");
  EXPECT_EQ(TrimBlanks("\xFF \xFF"), "\xFF \xFF");
}

}  // namespace
}  // namespace quantlab::engine
