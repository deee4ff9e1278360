// Datasets whose rows are pairs of texts: which columns they are read from, and what counts as the same pair.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "worker/engine/data/dataset.h"

namespace quantlab::engine {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

using Files = std::map<std::string, std::string>;

// All rows in train.
DatasetConfig TrainOnly(const std::string& pair_column = "") {
  DatasetConfig config;
  config.text_pair_column = pair_column;
  config.test_size = -1;
  return config;
}

absl::StatusOr<Dataset> Load(const Files& files, const DatasetConfig& config = TrainOnly()) {
  const TempFolder folder;
  for (const auto& [name, content] : files) folder.Write(name, content);
  return LoadDataset(config, folder.path());
}

std::string ErrorOf(const Files& files, const DatasetConfig& config = TrainOnly()) {
  const auto data = Load(files, config);
  EXPECT_FALSE(data.ok());
  return std::string(data.status().message());
}

std::vector<std::pair<std::string, std::string>> PairsOf(const std::vector<Example>& examples) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const Example& e : examples) pairs.emplace_back(e.text, e.pair.value_or("(none)"));
  return pairs;
}

TEST(Pairs, EveryFormatWithColumnsReadsTheSecondText) {
  DatasetConfig config = TrainOnly("b");
  config.text_column = "a";
  const Files files[] = {
      {{"d.csv", "a,b,label\n\"x, y\",z,0\nu,\"\",1\n"}},
      {{"d.tsv", "label\tb\ta\n0\tz\tx, y\n1\t\tu\n"}},
      {{"d.jsonl", "{\"a\":\"x, y\",\"b\":\"z\",\"label\":0}\n{\"a\":\"u\",\"b\":\"\",\"label\":1}\n"}},
      {{"d.tab", "a\tb\tlabel\nstring\tstring\td\n\t\tclass\nx, y\tz\t0\nu\t\t1\n"}}};
  for (const Files& file : files) {
    const auto data = Load(file, config);
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_TRUE(data->pairs);
    EXPECT_THAT(PairsOf(data->train), ElementsAre(Pair("x, y", "z"), Pair("u", ""))) << data->format;
  }
}

TEST(Pairs, AFileOfOneTextHasNone) {
  const auto data = Load({{"d.csv", "text,label\na,0\nb,1\n"}});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_FALSE(data->pairs);
  EXPECT_EQ(data->train[0].pair, std::nullopt);
}

TEST(Pairs, AMissingColumnIsAnErrorThatNamesTheSetting) {
  EXPECT_THAT(ErrorOf({{"d.csv", "text,label\na,0\nb,1\n"}}, TrainOnly("other")),
              testing::AllOf(HasSubstr("no column \"other\""), HasSubstr("Set text_pair_column")));
  EXPECT_THAT(ErrorOf({{"train/pos/0.txt", "a"}, {"train/neg/0.txt", "b"}}, TrainOnly("other")),
              HasSubstr("unset text_pair_column \"other\""));
}

TEST(Pairs, ATextIsPairedNeitherWithItselfNorWithItsLabel) {
  const Files files = {{"d.csv", "text,label\na,0\nb,1\n"}};
  EXPECT_THAT(
      ErrorOf(files, TrainOnly("text")),
      testing::AllOf(HasSubstr("d.csv"), HasSubstr("text_pair_column and text_column are both \"text\"")));
  EXPECT_THAT(ErrorOf(files, TrainOnly("label")), HasSubstr("text_pair_column and label_column are both"));
}

struct GlueCase {
  const char *name, *header, *row, *other_row;
};

// Headers as https://gluebenchmark.com/tasks has them.
TEST(Pairs, FilesOfGlueAreRecognizedByTheirHeaders) {
  const GlueCase cases[] = {
      {"MRPC", "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "1\t7\t8\tone\ttwo", "0\t7\t8\tfour\tfive"},
      {"QNLI", "index\tquestion\tsentence\tlabel", "0\tone\ttwo\tentailment",
       "1\tfour\tfive\tnot_entailment"},
      {"RTE", "index\tsentence1\tsentence2\tlabel", "0\tone\ttwo\tentailment",
       "1\tfour\tfive\tnot_entailment"},
      {"QQP", "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", "0\t1\t2\tone\ttwo\t1",
       "0\t1\t2\tfour\tfive\t0"},
      {"MNLI", "index\tgenre\tsentence1\tsentence2\tlabel1\tgold_label", "0\tx\tone\ttwo\tneutral\tneutral",
       "0\tx\tfour\tfive\tneutral\tcontradiction"}};
  for (const GlueCase& glue : cases) {
    const std::string content = std::string(glue.header) + "\n" + glue.row + "\n" + glue.other_row + "\n";
    const auto data = Load({{"train.tsv", content}});
    ASSERT_TRUE(data.ok()) << glue.name << ": " << data.status();
    EXPECT_THAT(PairsOf(data->train), ElementsAre(Pair("one", "two"), Pair("four", "five"))) << glue.name;
    EXPECT_THAT(data->summary.notes, Contains(HasSubstr("has pairs of texts"))) << glue.name;
  }
}

TEST(Pairs, AGlueFolderTestsOnDevAndLeavesOutTheTestWithoutLabels) {
  DatasetConfig config;
  const auto data = Load({{"train.tsv", "sentence1\tsentence2\tlabel\na\tb\tyes\nc\td\tno\n"},
                          {"dev.tsv", "sentence1\tsentence2\tlabel\ne\tf\tyes\na\tb\tno\n"},
                          {"test.tsv", "index\tsentence1\tsentence2\n0\tg\th\n"}},
                         config);
  ASSERT_FALSE(data.ok());  // the pair a, b of train is in dev: it is dropped, and with it the class yes
  EXPECT_THAT(std::string(data.status().message()), HasSubstr("class \"yes\" has no row in the train split"));
  const auto without_leak = Load({{"train.tsv", "sentence1\tsentence2\tlabel\na\tb\tyes\nc\td\tno\n"},
                                  {"dev.tsv", "sentence1\tsentence2\tlabel\ne\tf\tyes\na\tx\tno\n"},
                                  {"test.tsv", "index\tsentence1\tsentence2\n0\tg\th\n"}},
                                 config);
  ASSERT_TRUE(without_leak.ok()) << without_leak.status();
  EXPECT_THAT(PairsOf(without_leak->train), ElementsAre(Pair("a", "b"), Pair("c", "d")));
  EXPECT_THAT(PairsOf(without_leak->test), ElementsAre(Pair("e", "f"), Pair("a", "x")));
}

TEST(Pairs, ATextColumnThatIsNamedIsReadAlone) {
  DatasetConfig config = TrainOnly();
  config.text_column = "sentence2";
  const auto data = Load({{"d.tsv", "sentence1\tsentence2\tlabel\na\tb\tyes\nc\td\tno\n"}}, config);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_FALSE(data->pairs);
  EXPECT_EQ(data->train[0].text, "b");
}

TEST(Pairs, FilesThatDisagreeAreAnError) {
  EXPECT_THAT(ErrorOf({{"train.tsv", "sentence1\tsentence2\tlabel\na\tb\tyes\nc\td\tno\n"},
                       {"dev.tsv", "sentence\tlabel\ne\tyes\n"}},
                      DatasetConfig()),
              testing::AllOf(HasSubstr("dev.tsv"), HasSubstr("dataset.text_pair_column")));
}

TEST(Pairs, AreTheSameWhereBothTextsAre) {
  const auto data =
      Load({{"d.tsv",
             "sentence1\tsentence2\tlabel\na\tb\tyes\na\tc\tno\na\tb\tyes\nab\t\tyes\na\tc\tyes\n"
             "x\ty\tno\n"}});
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(PairsOf(data->train), ElementsAre(Pair("a", "b"), Pair("ab", ""), Pair("x", "y")));
  EXPECT_EQ(data->summary.duplicates_dropped, 1);
  EXPECT_EQ(data->summary.conflicts_dropped, 2);
}

TEST(Pairs, TheDigestNamesBothTexts) {
  const Example pair{"a", 1, 0, "b", {}};
  EXPECT_EQ(SplitDigest({pair}), Sha256Hex(Sha256Hex("a") + " " + Sha256Hex("b") + " 1\n"));
  EXPECT_NE(SplitDigest({pair}), SplitDigest({{"a", 1, 0, "c", {}}}));
  EXPECT_NE(SplitDigest({{"a", 1, 0, "", {}}}), SplitDigest({{"a", 1, 0, {}, {}}}));
}

}  // namespace
}  // namespace quantlab::engine
