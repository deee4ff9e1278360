#include "base/text/list.h"

#include <gtest/gtest.h>

namespace quantlab {
namespace {

TEST(SomeOfTest, CutsALongListWithACount) {
  EXPECT_EQ(SomeOf({}, 2), "");
  EXPECT_EQ(SomeOf({"a", "b"}, 2), "a, b");
  EXPECT_EQ(SomeOf({"a", "b", "c"}, 2), "a, b and 1 more");
  EXPECT_EQ(FirstOf({"a", "b"}, 2), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(FirstOf({"a", "b", "c"}, 1), (std::vector<std::string>{"a", "and 2 more"}));
}

TEST(ListTest, WhatWasLeftOutCanBeReadAgain) {
  EXPECT_EQ(LeftOut(FirstOf({"a", "b", "c"}, 1).back()), 2u);
  EXPECT_EQ(LeftOut("and b more"), std::nullopt);
  EXPECT_EQ(LeftOut("c"), std::nullopt);
}

}  // namespace
}  // namespace quantlab
