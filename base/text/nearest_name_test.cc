#include "base/text/nearest_name.h"

#include <gtest/gtest.h>

namespace quantlab {
namespace {

TEST(NearestNameTest, FindsMistypedNames) {
  const std::vector<std::string> known = {"learning_rate", "epochs", "run", "report"};
  EXPECT_EQ(NearestName("lerning_rate", known), "learning_rate");
  EXPECT_EQ(NearestName("LEARNING_RATE", known), "learning_rate");
  EXPECT_EQ(NearestName("epcohs", known), "epochs") << "a swap of neighbours counts once";
  EXPECT_EQ(NearestName("rn", known), "run");
}

TEST(NearestNameTest, NamesNothingThatIsFar) {
  EXPECT_EQ(NearestName("dataset", {"learning_rate", "epochs"}), "");
  EXPECT_EQ(NearestName("x", {}), "");
  EXPECT_EQ(NearestName(std::string(65, 'a'), {std::string(65, 'a')}), "") << "too long to be a name";
}

}  // namespace
}  // namespace quantlab
