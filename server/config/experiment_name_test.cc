#include "server/config/experiment_name.h"

#include <gtest/gtest.h>

namespace quantlab {
namespace {

TEST(ExperimentNameTest, HasLettersAndDigitsOfAnyScript) {
  for (const char* name :
       {"quick", "quick_2.b-c", "实验一", "实验2024", "Versuch_ä", "実験ガ", "실험", "опыт-1", "परीक्षा"}) {
    EXPECT_EQ(CheckExperimentName(name), name);
    EXPECT_EQ(MakeExperimentName(name), name);
  }
  for (const char* text : {"", "../x", "a/b", "a b", ".hidden", "-a", "a\nb", "a\u200Bb", "a\u3000b", "\xFF",
                           "a😀", "\u0301a"}) {
    EXPECT_EQ(CheckExperimentName(text), std::nullopt) << text;
  }
}

TEST(ExperimentNameTest, IsInNormalFormC) {
  EXPECT_EQ(CheckExperimentName("cafe\u0301"), "caf\u00E9");
  EXPECT_EQ(MakeExperimentName("\u1112\u1161\u11AB"), "한");
}

TEST(ExperimentNameTest, IsMadeOfTheNameOfAFile) {
  EXPECT_EQ(MakeExperimentName("my experiment (2)"), "my-experiment--2-");
  EXPECT_EQ(MakeExperimentName("《实验》 一"), "实验--一");
  EXPECT_EQ(MakeExperimentName("---"), "");
  EXPECT_EQ(MakeExperimentName("a\xFF"), "a-");
}

TEST(ExperimentNameTest, IsNotLongerThanAFolderMayBe) {
  std::string latin(64, 'a'), chinese, rare;
  for (int i = 0; i < 64; ++i) chinese += "实";
  for (int i = 0; i < 64; ++i) rare += "\U00020000";
  EXPECT_EQ(CheckExperimentName(latin), latin);
  EXPECT_EQ(CheckExperimentName(latin + "a"), std::nullopt);
  EXPECT_EQ(CheckExperimentName(chinese), chinese);
  EXPECT_EQ(MakeExperimentName(chinese + "验"), chinese);
  EXPECT_EQ(MakeExperimentName(rare).size(), 200u);
}

}  // namespace
}  // namespace quantlab
