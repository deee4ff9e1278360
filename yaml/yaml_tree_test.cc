#include "yaml/yaml_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

std::string FirstProblem(const std::string& text) {
  Diagnostics diagnostics;
  ParseYaml("f.yaml", text, diagnostics);
  return diagnostics.all().empty() ? "" : FormatDiagnostic(diagnostics.all()[0]);
}

TEST(YamlTreeTest, NodesKnowTheirPlace) {
  Diagnostics diagnostics;
  const auto root = ParseYaml("f.yaml", "a: 1\nb:\n  - x\n  - {c: \"2\"}\n", diagnostics);
  ASSERT_TRUE(root.has_value());
  EXPECT_FALSE(diagnostics.has_errors());
  const YamlNode* b = root->Find("b");
  ASSERT_NE(b, nullptr);
  ASSERT_EQ(b->items.size(), 2u);
  EXPECT_EQ(b->items[0].at.line, 3);
  EXPECT_EQ(b->items[0].at.column, 5);
  const YamlNode* c = b->items[1].Find("c");
  ASSERT_NE(c, nullptr);
  EXPECT_TRUE(c->quoted);
  EXPECT_EQ(c->at.line, 4);
  EXPECT_EQ(c->at.column, 9);
}

TEST(YamlTreeTest, AliasesRepeatWhatTheyName) {
  Diagnostics diagnostics;
  const auto root = ParseYaml("f.yaml", "a: &x {k: 1}\nb: *x\n", diagnostics);
  ASSERT_TRUE(root.has_value());
  EXPECT_EQ(root->Find("b")->Find("k")->text, "1");
}

TEST(YamlTreeTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(FirstProblem("a: [1, 2\nb: 3\n"), HasSubstr("f.yaml:"));
  EXPECT_THAT(FirstProblem("a: [1, 2\nb: 3\n"), HasSubstr("this is not YAML"));
  EXPECT_THAT(FirstProblem("a: 1\na: 2\n"),
              HasSubstr("f.yaml:2:1: the key a appears twice; first in line 1"));
  EXPECT_THAT(FirstProblem("a: !!python/object x\n"), HasSubstr("f.yaml:1:4: the tag"));
  EXPECT_THAT(FirstProblem("a: 1\n---\nb: 2\n"), HasSubstr("f.yaml:3:1: a second document"));
  EXPECT_THAT(FirstProblem(""), HasSubstr("f.yaml: the file is empty"));
  EXPECT_THAT(FirstProblem("# only a comment\n"), HasSubstr("empty"));
  EXPECT_THAT(FirstProblem("[1, 2]: x\n"), HasSubstr("a key must be a plain word"));
  EXPECT_THAT(FirstProblem(std::string("a: 1\nb: \x04\n")),
              HasSubstr("f.yaml:2:4: control character with code 4"));
  EXPECT_THAT(FirstProblem(std::string("a\0b: 1\n", 7)), HasSubstr("control character with code 0"));
  EXPECT_THAT(FirstProblem("a: *nobody\n"), HasSubstr("f.yaml:1:"));
  EXPECT_THAT(FirstProblem("a: &x [*x]\n"), HasSubstr("f.yaml:1:"));
}

TEST(YamlTreeTest, NestingIsLimited) {
  EXPECT_THAT(FirstProblem("a: " + std::string(100, '[') + std::string(100, ']')),
              HasSubstr("nested deeper"));
  EXPECT_FALSE(FirstProblem("a: " + std::string(100000, '[')).empty());
  EXPECT_FALSE(FirstProblem("a: " + std::string(100000, '{')).empty());
}

TEST(YamlTreeTest, AliasBombsAreDefused) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    absl::StrAppend(&bomb, "a", i, ": &a", i, " [");
    for (int j = 0; j < 9; ++j) absl::StrAppend(&bomb, j > 0 ? ", " : "", "*a", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(FirstProblem(bomb), HasSubstr("values, counting what aliases repeat"));
}

// A long scalar that is repeated needs few nodes and much memory.
TEST(YamlTreeTest, RepeatedLongScalarsAreBoundedByTheirBytes) {
  std::string bomb = absl::StrCat("a: &a '", std::string(100'000, 'x'), "'\nb: [*a");
  for (int i = 0; i < 19'000; ++i) bomb += ",*a";
  bomb += "]\n";
  EXPECT_THAT(FirstProblem(bomb), HasSubstr("bytes of text, counting what aliases repeat"));
}

TEST(YamlTreeTest, SeveralTextsShareABudget) {
  Diagnostics diagnostics;
  YamlBudget budget{5, 1000};
  EXPECT_TRUE(ParseYaml("a.yaml", "a: 1\n", diagnostics, &budget).has_value());
  EXPECT_FALSE(ParseYaml("b.yaml", "a: [1, 2, 3, 4]\n", diagnostics, &budget).has_value());
  EXPECT_THAT(FormatDiagnostic(diagnostics.all()[0]), HasSubstr("in all files together"));
}

TEST(YamlTreeTest, QuotedTextInMessagesIsCut) {
  Diagnostics diagnostics;
  diagnostics.Error({"a.yaml", 1, 1}, std::string(1 << 20, 'x'));
  EXPECT_LT(diagnostics.all()[0].message.size(), 10'000u);
}

TEST(YamlTreeTest, MergingReplacesAllButMaps) {
  Diagnostics diagnostics;
  auto base = ParseYaml("base.yaml", "m: {a: 1, b: 2}\nl: [1, 2]\n", diagnostics);
  const auto over = ParseYaml("over.yaml", "m: {b: 3}\nl: [9]\nn: 1\n", diagnostics);
  ASSERT_TRUE(base.has_value() && over.has_value());
  MergeYaml(*base, *over);
  EXPECT_EQ(base->Find("m")->Find("a")->text, "1");
  EXPECT_EQ(base->Find("m")->Find("b")->text, "3");
  EXPECT_EQ(base->Find("m")->Find("b")->at.file, "over.yaml");
  EXPECT_EQ(base->Find("l")->items.size(), 1u);
  EXPECT_NE(base->Find("n"), nullptr);
}

}  // namespace
}  // namespace quantlab
