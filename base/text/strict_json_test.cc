#include "base/text/strict_json.h"

#include <gtest/gtest.h>

namespace quantlab {
namespace {

TEST(StrictJson, NumbersThatAreNoneBecomeNull) {
  EXPECT_EQ(StrictJson(R"({"a": NaN, "b": [-Infinity, Infinity]})"), R"({"a": null, "b": [null, null]})");
  EXPECT_EQ(StrictJson(R"({"NaN": "Infinity \" NaN", "x": 1})"), R"({"NaN": "Infinity \" NaN", "x": 1})");
}

TEST(StrictJson, HalvesOfSurrogatePairsBecomeTheReplacement) {
  EXPECT_EQ(StrictJson(R"("a\ud83d b")"), R"("a\ufffd b")");
  EXPECT_EQ(StrictJson(R"("\ude00\u00e9")"), R"("\ufffd\u00e9")");
  EXPECT_EQ(StrictJson(R"("\ud83d\ude00")"), R"("\ud83d\ude00")");
  EXPECT_EQ(StrictJson(R"("\\ud83d")"), R"("\\ud83d")") << "an escaped backslash";
}

TEST(StrictJson, WhatIsCutStays) {
  for (const char* text : {"", "\"", "\"\\", "\"\\u", "\"\\ud8", "{\"a\": Na"})
    EXPECT_EQ(StrictJson(text), text);
}

}  // namespace
}  // namespace quantlab
