#include "worker/engine/data/class_names.h"

#include <gtest/gtest.h>

namespace quantlab::engine {
namespace {

TEST(ClassNames, CaseNormalFormAndBlanksAtTheEndsMakeNoDifference) {
  EXPECT_TRUE(SameClassName("POSITIVE", "positive"));
  EXPECT_TRUE(SameClassName("caf\u00e9", "CAFE\u0301"));
  EXPECT_TRUE(SameClassName("\uff50os", "pos")) << "full width";
  EXPECT_TRUE(SameClassName(" pos\u3000", "pos"));
  EXPECT_TRUE(SameClassName("stra\u00dfe", "STRASSE"));
  EXPECT_TRUE(SameClassName("\xFF", "\xFF"));
  EXPECT_FALSE(SameClassName("\xFF", "\xFE"));
  EXPECT_FALSE(SameClassName("pos", "positive"));
  EXPECT_FALSE(SameClassName("", "neg"));
}

TEST(ClassNames, ClassesAreComparedByIndexAndNamesThatAreNoneFitAny) {
  EXPECT_TRUE(SameClasses({"NEGATIVE", "POSITIVE"}, {"negative", "positive"}));
  EXPECT_TRUE(SameClasses({"LABEL_0", "LABEL_1"}, {"bad", "good"}));
  EXPECT_TRUE(SameClasses({"bad", "good"}, {"0", "1"}));
  EXPECT_FALSE(SameClasses({"positive", "negative"}, {"negative", "positive"}));
  EXPECT_FALSE(SameClasses({"neg", "pos"}, {"negative", "positive"}));
  EXPECT_FALSE(SameClasses({"a", "b"}, {"a", "b", "c"}));
  EXPECT_FALSE(SameClasses({"LABEL_1", "LABEL_0"}, {"bad", "good"}));
}

}  // namespace
}  // namespace quantlab::engine
