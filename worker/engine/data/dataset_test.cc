// Single formats beyond the conformance suite, and how a dataset is found and its columns chosen.
#include "worker/engine/data/dataset.h"

#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab::engine {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

// All rows in train.
DatasetConfig TrainOnly() {
  DatasetConfig config;
  config.test_size = -1;
  return config;
}

std::vector<std::string> TextsOf(const std::vector<Example>& examples) {
  std::vector<std::string> texts;
  for (const Example& e : examples) texts.push_back(e.text);
  return texts;
}

std::vector<int> LabelsOf(const std::vector<Example>& examples) {
  std::vector<int> labels;
  for (const Example& e : examples) labels.push_back(e.label);
  return labels;
}

absl::StatusOr<Dataset> LoadFile(const std::string& name, const std::string& content,
                                 const DatasetConfig& config = TrainOnly()) {
  const TempFolder folder({{name, content}});
  return LoadDataset(config, folder.path());
}

// The message of the error; what is loaded must be one.
std::string ErrorOf(const std::string& name, const std::string& content,
                    const DatasetConfig& config = TrainOnly()) {
  const auto data = LoadFile(name, content, config);
  EXPECT_FALSE(data.ok()) << content;
  return std::string(data.status().message());
}

TEST(Csv, ReadsWhatRfc4180Allows) {
  const auto data =
      LoadFile("d.csv", "label,text,more\r\n0,\"a \"\"b\"\", c\r\nd\",\r\n\r\n1,plain,\"\"\r\n0,,x");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->train), ElementsAre("a \"b\", c\r\nd", "plain", ""));
  EXPECT_THAT(LabelsOf(data->train), ElementsAre(0, 1, 0));
}

TEST(Csv, SkipsAByteOrderMark) {
  const auto data = LoadFile("d.csv", "\xEF\xBB\xBFtext,label\na,0\nb,1\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(ErrorOf("d.csv", "\xFF\xFEt\0e\0"), HasSubstr("d.csv: is UTF-16"));
}

TEST(Csv, ABrokenQuoteNamesFileAndLine) {
  EXPECT_THAT(ErrorOf("d.csv", "text,label\n\"a\nb\",0\n\"c,1\nd,0\n"),
              HasSubstr("d.csv:4: the quote that opens"));
  EXPECT_THAT(ErrorOf("d.csv", "text,label\n\"a\"b,0\n"), HasSubstr("d.csv:2: text after a closing quote"));
  EXPECT_THAT(ErrorOf("d.csv", "text,label\na,0\nb\"c,0\n"), HasSubstr("d.csv:3: a quote inside a field"));
}

TEST(Csv, ARowOfAnotherLengthNamesFileAndLine) {
  EXPECT_THAT(ErrorOf("d.csv", "text,label\n\"a\n\",0\nb\n"),
              HasSubstr("d.csv:4: 1 field, but the header has 2"));
  EXPECT_THAT(ErrorOf("d.csv", "text,label\na,0,1\n"), HasSubstr("d.csv:2: 3 fields"));
}

TEST(Csv, FiltersByAColumn) {
  DatasetConfig config = TrainOnly();
  config.filter_column = "source";
  config.filter_value = "imdb";
  const std::string csv = "text,label,source\na,0,imdb\nb,7,other\nc,1,imdb\n";
  const auto data = LoadFile("d.csv", csv, config);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->train), ElementsAre("a", "c"));
  EXPECT_EQ(data->train[1].row, 2) << "counted among all rows";
  EXPECT_EQ(data->summary.rows_filtered, 1);
  config.filter_value = "none";
  EXPECT_THAT(ErrorOf("d.csv", csv, config), HasSubstr("is empty: 3 rows were read, 3 filtered out"));
  config.filter_column = "from";
  EXPECT_THAT(ErrorOf("d.csv", csv, config), HasSubstr("no column \"from\"; it has text, label, source"));
}

TEST(Columns, UsualNamesCountInPlaceOfTheDefaults) {
  const auto data = LoadFile("d.csv", "review,sentiment\na,positive\nb,negative\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->labels, ElementsAre("negative", "positive"));
  EXPECT_THAT(data->summary.notes, Contains(HasSubstr("\"review\" was taken for it")));
  DatasetConfig config = TrainOnly();
  config.text_column = "body";
  EXPECT_THAT(ErrorOf("d.csv", "review,sentiment\na,0\n", config), HasSubstr("no column \"body\""));
  EXPECT_THAT(ErrorOf("d.csv", "text,label,text\na,0,b\n"), HasSubstr("column \"text\" is there twice"));
}

TEST(Tsv, KnowsNoQuotes) {
  const auto data = LoadFile("d.tsv", "sentence\tlabel\n\"a \t1\nit 's \"fine\t0\r\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->train), ElementsAre("\"a ", "it 's \"fine"));
}

TEST(Tsv, Sst2TestsOnDevWhereTestHasNoLabels) {
  const TempFolder folder({{"train.tsv", "sentence\tlabel\na\t0\nb\t1\nc\t0\nd\t1\nx\t0\n"},
                           {"dev.tsv", "sentence\tlabel\nx\t0\ny\t1\n"},
                           {"test.tsv", "index\tsentence\n0\tz\n"}});
  DatasetConfig config;
  config.validation_size = 2;
  const auto data = LoadDataset(config, folder.path());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->test), ElementsAre("x", "y"));
  EXPECT_EQ(data->validation.size(), 2u);
  EXPECT_EQ(data->train.size(), 2u);
  EXPECT_EQ(data->summary.leaked_dropped, 1) << "x of train is in the test split";
  EXPECT_TRUE(data->summary.official_test);
  EXPECT_THAT(data->summary.notes, Contains(HasSubstr("test.tsv has no column \"label\" and was left out")));
}

TEST(Jsonl, ReadsTextNumbersAndTruthValuesAsLabels) {
  const auto data = LoadFile("d.jsonl",
                             "{\"text\": \"a\\u00e9\", \"label\": 0}\r\n\n"
                             "{\"label\": 1.0, \"text\": \"\\ud83d\\ude00\", \"more\": {\"x\": []}}\n"
                             "{\"text\": \"go\xFFod\", \"label\": \"1\"}");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->train), ElementsAre("aé", "😀", "go\uFFFDod"));
  EXPECT_THAT(LabelsOf(data->train), ElementsAre(0, 1, 1));
}

TEST(Jsonl, BadLinesAreNamed) {
  const std::string good = "{\"text\": \"a\", \"label\": 0}\n";
  EXPECT_THAT(ErrorOf("d.jsonl", good + "{\"text\": \"a\", \"label\": }"),
              HasSubstr("d.jsonl:2: is not a JSON object"));
  EXPECT_THAT(ErrorOf("d.jsonl", good + "[1]"), HasSubstr("d.jsonl:2: is not a JSON object"));
  EXPECT_THAT(ErrorOf("d.jsonl", good + "{\"text\": \"a\"}"),
              HasSubstr("d.jsonl:2: the object has no \"label\""));
  EXPECT_THAT(ErrorOf("d.jsonl", good + "{\"text\": [], \"label\": 0}"),
              HasSubstr("d.jsonl:2: \"text\" is a list"));
  EXPECT_THAT(ErrorOf("d.jsonl", good + "{\"text\": \"a\", \"label\": null}"),
              HasSubstr("d.jsonl:2: the label is empty"));
  EXPECT_THAT(ErrorOf("d.jsonl", std::string(100000, '[')), HasSubstr("d.jsonl:1: is nested too deeply"));
  EXPECT_THAT(ErrorOf("d.jsonl", "{\"txt\": \"a\", \"label\": 0}"), HasSubstr("no column \"text\""));
}

TEST(OrangeTab, TheHeaderSaysWhichColumnsHoldTextAndLabel) {
  const auto data = LoadFile("d.tab",
                             "Score\tTitle\tKind\tBody\n"
                             "continuous\tstring\tdiscrete\tstring\n"
                             "\tmeta\tclass\tmeta include=True\n"
                             "1\tfirst\tb\t\"a\ttab, a \"\"quote\"\"\"\r\n"
                             "?\tsecond\ta\tan \"inner\" quote\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->labels, ElementsAre("a", "b"));
  EXPECT_THAT(TextsOf(data->train), ElementsAre("a\ttab, a \"quote\"", "an \"inner\" quote"));
  EXPECT_THAT(LabelsOf(data->train), ElementsAre(1, 0));
}

TEST(OrangeTab, TheConfigurationWinsOverTheHeader) {
  DatasetConfig config = TrainOnly();
  config.text_column = "Title";
  config.label_column = "Group";
  const auto data = LoadFile("d.tab",
                             "Kind\tGroup\tTitle\tBody\nd\td\ts\ts\nc\t\t\tinclude=True\n"
                             "a\tx\tone\tbody\na\ty\ttwo\tbody\n",
                             config);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->labels, ElementsAre("x", "y"));
  EXPECT_THAT(TextsOf(data->train), ElementsAre("one", "two"));
}

TEST(OrangeTab, ARoleRowWithoutSeparatorsAndEmptyRowsAreUnderstood) {
  const auto data = LoadFile("d.tab", "label\ttext\nd\tstring\n\n\t\n0\ta\n\n1\tb");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->train), ElementsAre("a", "b"));
}

TEST(OrangeTab, ErrorsNameFileAndLine) {
  const std::string header = "Kind\tBody\nd\tstring\nclass\t\n";
  EXPECT_THAT(ErrorOf("d.tab", header + "a\tone\nb\n"), HasSubstr("d.tab:5: 1 field, but the header has 2"));
  EXPECT_THAT(ErrorOf("d.tab", header + "?\tone\n"), HasSubstr("d.tab:4: the label is empty"));
  EXPECT_THAT(ErrorOf("d.tab", "Kind\tBody\n"), HasSubstr("d.tab:1: expected three header rows"));
  EXPECT_THAT(ErrorOf("d.tab", "Kind\tBody\na\nb\tx\n"), HasSubstr("d.tab:2: 1 types and 2 roles for 2"));
  EXPECT_THAT(ErrorOf("d.tab", "A\tB\nd\td\nclass\t\nx\ty\n"), HasSubstr("no column \"text\"; it has A, B"));
  EXPECT_THAT(ErrorOf("d.tab", "A\tB\ns\td\n\t\nx\ty\n"), HasSubstr("no column \"label\""));
}

TEST(Finding, FilesWhoseNamesEndInTheSplitAreTheSplits) {
  const std::string header = "Category\tText\nd\tstring\nclass\t\n\n";
  const TempFolder folder({{"r8-train.tab", header + "a\tone\nb\ttwo\nc\tsix\na\tseven\n"},
                           {"r8-test.tab", header + "a\tthree\nb\tfour\nc\tfive\n"}});
  DatasetConfig config;
  config.validation_size = 1;
  const auto data = LoadDataset(config, folder.path());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_TRUE(data->summary.official_test);
  EXPECT_THAT(TextsOf(data->test), ElementsAre("three", "four", "five"));
  EXPECT_EQ(data->train.size(), 3u);
  EXPECT_EQ(data->validation.size(), 1u);
}

TEST(Finding, AFileAloneIsTheWholeDatasetWhateverItsNameEndsIn) {
  const auto data = LoadFile("films-test.csv", "text,label\na,0\nb,1\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->train.size(), 2u);
}

TEST(AclImdb, TestComesFromItsOwnFolderAndUnsupIsLeftOut) {
  TempFolder folder;
  for (int i = 0; i < 10; ++i) {
    for (const char* label : {"pos", "neg"}) {
      folder.Write(absl::StrCat("aclImdb/train/", label, "/", i, "_5.txt"),
                   absl::StrCat(label, " train ", i));
      folder.Write(absl::StrCat("aclImdb/test/", label, "/", i, "_5.txt"), absl::StrCat(label, " test ", i));
    }
  }
  folder.Write("aclImdb/train/unsup/0_0.txt", "no label");
  folder.Write("aclImdb/README", "text");
  DatasetConfig config;
  config.validation_size = 4;
  const auto data = LoadDataset(config, folder.path());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->labels, ElementsAre("neg", "pos"));
  EXPECT_EQ(data->train.size(), 16u);
  EXPECT_EQ(data->validation.size(), 4u);
  EXPECT_EQ(data->test.size(), 20u);
  for (const Example& e : data->test) EXPECT_THAT(e.text, HasSubstr("test"));
  for (const Example& e : data->validation) EXPECT_THAT(e.text, HasSubstr("train"));
}

TEST(Labels, IntegersAreSortedByNumber) {
  std::string csv = "text,label\n";
  for (const int label : {10, 2, 0, 1, 3, 4, 5, 6, 7, 8, 9})
    absl::StrAppend(&csv, "t", label, ", ", label, " \n");
  const auto data = LoadFile("d.csv", csv);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->labels[2], "2");
  EXPECT_EQ(data->labels[10], "10");
  EXPECT_EQ(data->train[0].label, 10);
}

TEST(Labels, NamesAndIndicesOfTheGivenLabelsAreBothUnderstood) {
  DatasetConfig config = TrainOnly();
  config.labels = {"negative", "positive"};
  const auto data = LoadFile("d.csv", "text,label\na,positive\nb,0\nc,1\n", config);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(LabelsOf(data->train), ElementsAre(1, 0, 1));
  EXPECT_THAT(
      ErrorOf("d.csv", "text,label\na,1\nb,2\n", config),
      HasSubstr("d.csv:3: label \"2\" is out of range: expected one of negative, positive, or a class index "
                "of 0 to 1"));
  EXPECT_THAT(ErrorOf("d.csv", "text,label\na,-1\n", config),
              HasSubstr("d.csv:2: label \"-1\" is out of range"));
}

TEST(Labels, OneClassOrFarTooManyAreErrors) {
  EXPECT_THAT(ErrorOf("d.csv", "text,label\na,1\nb,1\n"), HasSubstr("at least two classes"));
  EXPECT_THAT(ErrorOf("d.csv", "text,label\na,\n"), HasSubstr("d.csv:2: the label is empty"));
  std::string csv = "text,label\n";
  for (int i = 0; i < 1100; ++i) absl::StrAppend(&csv, "t", i, ",", i, "\n");
  EXPECT_THAT(ErrorOf("d.csv", csv), HasSubstr("d.csv:1002: more than 1000 different labels"));
}

TEST(Finding, OneFileMayBeNamedAndDoubtIsAnError) {
  const TempFolder folder({{"a.csv", "text,label\na,0\nb,1\n"}, {"b.csv", "text,label\nc,0\nd,1\n"}});
  const auto one = LoadDataset(TrainOnly(), folder.path() + "/b.csv");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_THAT(TextsOf(one->train), ElementsAre("c", "d"));
  const auto both = LoadDataset(TrainOnly(), folder.path());
  EXPECT_THAT(std::string(both.status().message()), HasSubstr("it is unclear which of a.csv, b.csv to read"));
  const TempFolder formats({{"a.csv", "text,label\na,0\nb,1\n"}, {"b.tsv", "text\tlabel\nc\t0\nd\t1\n"}});
  EXPECT_THAT(std::string(LoadDataset(TrainOnly(), formats.path()).status().message()),
              HasSubstr("files of the formats csv and tsv; set format to one"));
  DatasetConfig tsv = TrainOnly();
  tsv.format = "tsv";
  EXPECT_TRUE(LoadDataset(tsv, formats.path()).ok());
  tsv.format = "parquet";
  EXPECT_THAT(std::string(LoadDataset(tsv, formats.path()).status().message()),
              HasSubstr("expected auto, acl_imdb, csv, tsv, jsonl, tab"));
}

}  // namespace
}  // namespace quantlab::engine
