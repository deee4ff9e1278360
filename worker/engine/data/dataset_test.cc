// Single formats beyond the conformance suite, and how a dataset is found and its columns chosen.
#include "worker/engine/data/dataset.h"

#include <algorithm>
#include <filesystem>
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

// Two files of about a megabyte each.
TempFolder LargeFolder() {
  const auto rows = [](const std::string& name) {
    std::string content = "text,label\n";
    for (int i = 0; i < 4000; ++i) {
      absl::StrAppend(&content, name, i, std::string(250, 'x'), i % 2 == 0 ? ",good\n" : ",bad\n");
    }
    return content;
  };
  return TempFolder({{"train.csv", rows("a")}, {"test.csv", rows("b")}});
}

TEST(LoadDataset, ReportsBytesUntilAllAreRead) {
  const TempFolder folder = LargeFolder();
  int64_t all = 0;
  for (const char* name : {"/train.csv", "/test.csv"})
    all += static_cast<int64_t>(std::filesystem::file_size(folder.path() + name));
  std::vector<int64_t> reported;
  DatasetConfig config;
  const auto data = LoadDataset(config, folder.path(), [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, all);
    reported.push_back(done);
    return true;
  });
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_GT(reported.size(), 6u);
  EXPECT_TRUE(std::is_sorted(reported.begin(), reported.end()));
  EXPECT_LT(reported.front(), all / 4);
  EXPECT_EQ(reported.back(), all);
}

TEST(LoadDataset, StopsWhereItIsAsked) {
  const TempFolder folder = LargeFolder();
  int calls = 0;
  const auto data =
      LoadDataset(DatasetConfig(), folder.path(), [&](int64_t, int64_t) { return ++calls < 3; });
  EXPECT_TRUE(absl::IsCancelled(data.status())) << data.status();
  EXPECT_EQ(calls, 3);
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
}

TEST(Csv, ReadsUtf16WithAByteOrderMark) {
  std::string utf16 = "\xFF\xFE";
  for (const char c : std::string("text,label\na,0\nb,1\n")) utf16 += {c, '\0'};
  const auto data = LoadFile("d.csv", utf16);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->train), ElementsAre("a", "b"));
}

TEST(Csv, SkipsAndCountsRowsWithoutAnyValue) {
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    std::string csv;
    for (const char* line : {"text,label,more", "a,0,", "b,1,x", ",,", "\"\",\"\",\"\"", "  ", " ,\u3000,\t"})
      csv += line + end;
    const auto data = LoadFile("d.csv", csv);
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_THAT(TextsOf(data->train), ElementsAre("a", "b"));
    EXPECT_EQ(data->summary.rows_empty, 4);
    EXPECT_EQ(data->summary.rows_read, 2);
    EXPECT_THAT(data->summary.notes, Contains("4 rows without any value were skipped."));
  }
  EXPECT_EQ(LoadFile("d.tsv", "text\tlabel\na\t0\nb\t1\n\t\n")->summary.rows_empty, 1);
  EXPECT_EQ(
      LoadFile(
          "d.jsonl",
          "{\"text\":\"a\",\"label\":0}\n{}\n{\"text\":null,\"label\":\" \"}\n{\"text\":\"b\",\"label\":1}\n")
          ->summary.rows_empty,
      2);
}

TEST(Csv, ALoneCarriageReturnEndsALine) {
  const auto data = LoadFile("d.csv", "text,label\ra,0\r\"b\rc\",1\rd,0");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->train), ElementsAre("a", "b\rc", "d"));
  EXPECT_THAT(ErrorOf("d.csv", "text,label\r\"a\rb\",0\rc\r"), HasSubstr("d.csv:4: 1 field, but"));
  EXPECT_TRUE(LoadFile("d.tsv", "text\tlabel\ra\t0\rb\t1\r").ok());
  EXPECT_TRUE(LoadFile("d.jsonl", "{\"text\":\"a\",\"label\":0}\r{\"text\":\"b\",\"label\":1}\r").ok());
}

TEST(Csv, SeparatorsOfSpreadsheetsAreUnderstood) {
  for (const char* csv :
       {"text;label\na, b;0\n\"c;d\";1\n", "sep=;\ntext;label\na, b;0\n\"c;d\";1\n",
        "sep=,\r\ntext,label\r\n\"a, b\",0\r\nc;d,1\r\n", "text\tlabel\na, b\t0\nc;d\t1\n"}) {
    const auto data = LoadFile("d.csv", csv);
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_THAT(TextsOf(data->train), ElementsAre("a, b", "c;d"));
  }
  EXPECT_THAT(ErrorOf("d.csv", "sep=;\n"), HasSubstr("d.csv: is empty"));
  EXPECT_THAT(ErrorOf("d.csv", "a fine film,1\na bad one,0\n"),
              HasSubstr("the first line must name the columns"));
}

TEST(Columns, ALongListIsCutWithACount) {
  std::string header = "c0";
  for (int i = 1; i < 5000; ++i) absl::StrAppend(&header, ",column ", i);
  const std::string error = ErrorOf("d.csv", header + "\nx\n");
  EXPECT_LT(error.size(), 1000u);
  EXPECT_THAT(error, HasSubstr("column 9, and 4990 more"));
  EXPECT_LT(ErrorOf("d.csv", std::string(100000, 'x') + "\n1\n").size(), 1000u);
}

TEST(Columns, CaseAndBlanksMakeNoDifferenceWhereOneColumnIsMeant) {
  for (const char* header :
       {"Text,LABEL", " text,label ", "text\u00a0,\u3000label", "\"text\" , \"label\""}) {
    const auto data = LoadFile("d.csv", std::string(header) + "\na,0\nb,1\n");
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_THAT(TextsOf(data->train), ElementsAre("a", "b"));
  }
  EXPECT_THAT(ErrorOf("d.csv", "Text,TEXT,label\na,b,0\n"), HasSubstr("no column \"text\""));
}

TEST(Csv, BarsSeparateWhereNothingElseDoesAndQuotesHideSeparators) {
  for (const char* csv : {"text|label\na, b|0\nc|1\n", "text|\"label\" \na, b|0\nc|1\n"}) {
    const auto data = LoadFile("d.csv", csv);
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_THAT(TextsOf(data->train), ElementsAre("a, b", "c"));
  }
  EXPECT_TRUE(LoadFile("d.csv", "text;label;\"a, b\"\na;0;x\nb;1;y\n").ok());
}

TEST(Csv, AHeaderInTheMiddleIsNoRow) {
  const auto data = LoadFile("d.csv", "text,label\na,0\n\uFEFFtext,label\nb,1\ntext,label\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->train), ElementsAre("a", "b"));
  EXPECT_THAT(data->summary.notes,
              testing::Contains(HasSubstr("2 rows that repeat the header were skipped")));
}

TEST(Dataset, FilesThatAreNotTextAreNamedForWhatTheyAre) {
  const std::pair<std::string, const char*> files[] = {
      {std::string("\x1F\x8B\x08\0\0", 5), "is compressed (gzip); unpack it first"},
      {"BZh91AY&SY\x01", "is compressed (bzip2)"},
      {"PK\x03\x04\x14", "is not text but ZIP / Excel (.xlsx); save it as CSV"},
      {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "is not text but Excel (.xls)"},
      {"PAR1\x15\x04", "is not text but Parquet"},
      {"%PDF-1.7\n", "is not text but PDF"},
      {"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer"},
      {"<!DOCTYPE html>\n<html>", "is an HTML page"}};
  for (const auto& [content, why] : files) {
    for (const char* name : {"d.csv", "d.jsonl"}) EXPECT_THAT(ErrorOf(name, content), HasSubstr(why)) << name;
    const TempFolder folder({{"d.csv.gz", content}});
    EXPECT_THAT(std::string(LoadDataset(TrainOnly(), folder / "d.csv.gz").status().message()),
                HasSubstr(why));
  }
  EXPECT_TRUE(LoadFile("d.csv", "text,label,PAR1\na,0,x\nb,1,y\n").ok());
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
  EXPECT_THAT(ErrorOf("d.csv", "text,label,text\na,0,b\n"), HasSubstr("column \"text\" appears twice"));
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
                             "{\"text\": \"good\", \"label\": \"1\"}");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->train), ElementsAre("aé", "😀", "good"));
  EXPECT_THAT(LabelsOf(data->train), ElementsAre(0, 1, 1));
}

TEST(Jsonl, BadLinesAreNamed) {
  const std::string good = "{\"text\": \"a\", \"label\": 0}\n";
  EXPECT_THAT(ErrorOf("d.jsonl", good + "{\"text\": \"a\", \"label\": }"),
              HasSubstr("d.jsonl:2: is not JSON: column 24: syntax error"));
  EXPECT_THAT(ErrorOf("d.jsonl", good + "[1]"),
              HasSubstr("d.jsonl:2: is a JSON list; each line must be one"));
  EXPECT_THAT(ErrorOf("d.jsonl", good + "1"), HasSubstr("d.jsonl:2: is not a JSON object"));
  EXPECT_THAT(ErrorOf("d.jsonl", good + "// a comment"), HasSubstr("d.jsonl:2: is not JSON: column 1"));
  EXPECT_THAT(ErrorOf("d.jsonl", good + "{\"text\": \"a\"}"),
              HasSubstr("d.jsonl:2: the object has no \"label\""));
  EXPECT_THAT(ErrorOf("d.jsonl", good + "{\"text\": [], \"label\": 0}"),
              HasSubstr("d.jsonl:2: \"text\" is a list"));
  EXPECT_THAT(ErrorOf("d.jsonl", good + "{\"text\": \"a\", \"label\": null}"),
              HasSubstr("d.jsonl:2: the label is empty"));
  EXPECT_THAT(ErrorOf("d.jsonl", std::string(100000, '[')), HasSubstr("d.jsonl:1: is nested too deeply"));
  EXPECT_THAT(ErrorOf("d.jsonl", "{\"txt\": \"a\", \"label\": 0}"), HasSubstr("no column \"text\""));
}

TEST(Jsonl, ReadsWhatPythonWritesBeyondJson) {
  const auto data = LoadFile(
      "d.jsonl",
      "{\"text\": \"a NaN \\\" Infinity\", \"label\": 0, \"score\": NaN}\n"
      "{\"text\": \"cut \\ud83d\", \"label\": 1, \"score\": [-Infinity, Infinity]}\n"
      "{\"text\": \"\\ude00 \\ud83d\\ude00 \\ud83d\\u0041 \\\\ud83d\", \"label\": 1, \"score\": 1}\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->train), ElementsAre("a NaN \" Infinity", "cut \uFFFD",
                                                "\uFFFD 😀 \uFFFD"
                                                "A \\ud83d"));
  EXPECT_THAT(ErrorOf("d.jsonl", "{\"text\": \"a\", \"label\": NaN}\n"),
              HasSubstr("d.jsonl:1: the label is empty"));
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

TEST(Labels, BlanksOfUnicodeAreTrimmed) {
  const auto data = LoadFile("d.csv", "text,label\na,\u3000好\u00A0\nb,好\nc,\uFEFF差\u200B\n");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->labels, ElementsAre("好", "差"));
  EXPECT_THAT(data->summary.class_rows, ElementsAre(2, 1));
}

TEST(Labels, ThatLookAlikeAreACaveat) {
  for (const char* csv : {"text,label\na,Positive\nb,positive\nc,x\n", "text,label\na,1\nb,1.0\nc,x\n",
                          "text,label\na,01\nb,1\nc,x\n", "text,label\na,caf\u00E9\nb,cafe\u0301\nc,x\n",
                          "text,label\na,ＡＢ\nb,AB\nc,x\n"}) {
    const auto data = LoadFile("d.csv", csv);
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_EQ(data->labels.size(), 3u);
    ASSERT_EQ(data->summary.caveats.size(), 1u) << csv;
    EXPECT_EQ(data->summary.caveats[0].code, "caveat.labels_look_alike");
  }
  EXPECT_TRUE(LoadFile("d.csv", "text,label\na,1\nb,10\nc,0.1\nd,-1\n")->summary.caveats.empty());
}

TEST(Labels, OneClassOrFarTooManyAreErrors) {
  EXPECT_THAT(ErrorOf("d.csv", "text,label\na,1\nb,1\n"), HasSubstr("at least two classes"));
  EXPECT_THAT(ErrorOf("d.csv", "text,label\na,\n"), HasSubstr("d.csv:2: the label is empty"));
  std::string csv = "text,label\n";
  for (int i = 0; i < 1100; ++i) absl::StrAppend(&csv, "t", i, ",", i, "\n");
  EXPECT_THAT(ErrorOf("d.csv", csv), HasSubstr("d.csv:1002: more than 1000 different labels"));
}

TEST(Labels, ClassesTakeTheOrderOfAModel) {
  auto data = LoadFile("d.csv", "text,label\na,negative\nb,positive\nc,negative\n");
  ASSERT_TRUE(data.ok()) << data.status();
  const std::string digest = data->train_digest;
  ASSERT_TRUE(AlignClasses({"POS", "NEGATIVE"}, {"POS: positive"}, &*data).ok());
  EXPECT_THAT(data->labels, ElementsAre("positive", "negative"));
  EXPECT_THAT(LabelsOf(data->train), ElementsAre(1, 0, 1));
  EXPECT_THAT(data->summary.class_rows, ElementsAre(1, 2));
  EXPECT_EQ(data->train_digest, digest);
  EXPECT_FALSE(AlignClasses({"POS", "NEG"}, {}, &*data).ok());
}

// ---- numbers as labels ----

DatasetConfig Numbers() {
  DatasetConfig config = TrainOnly();
  config.task = "regression";
  return config;
}

TEST(Numbers, AnyFiniteNumberIsALabel) {
  const auto data = LoadFile("d.csv", "text,label\na,4.750\nb,-1\nc, 1e2 \nd,0\n", Numbers());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_TRUE(data->numeric);
  EXPECT_THAT(data->labels, ElementsAre("LABEL_0"));
  std::vector<double> values;
  for (const Example& e : data->train) values.push_back(e.value.value());
  EXPECT_THAT(values, ElementsAre(4.75, -1, 100, 0));
  EXPECT_EQ(data->summary.lowest, -1);
  EXPECT_EQ(data->summary.highest, 100);
}

TEST(Numbers, JsonKeepsAllDigits) {
  const auto data = LoadFile(
      "d.jsonl", "{\"text\":\"a\",\"label\":3.123456789}\n{\"text\":\"b\",\"label\":2}\n", Numbers());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->train[0].value, 3.123456789);
}

TEST(Numbers, OtherLabelsAreErrorsThatNameFileAndLine) {
  for (const char* label : {"good", "nan", "inf", "1e10", "1,5"}) {
    const std::string csv = std::string("text\tlabel\na\t1\nb\t") + label + "\n";
    EXPECT_THAT(ErrorOf("d.tsv", csv, Numbers()), HasSubstr("d.tsv:3: the label \"")) << label;
  }
  EXPECT_THAT(ErrorOf("d.tsv", "text\tlabel\na\t1\nb\t\n", Numbers()),
              HasSubstr("d.tsv:3: the label is empty"));
  EXPECT_THAT(ErrorOf("d.tsv", "text\tlabel\na\t1.0\nb\t1\n", Numbers()),
              HasSubstr("all rows have the label 1"));
}

TEST(Numbers, TextsWithOneNumberAreDuplicatesAndWithTwoConflicts) {
  const auto data = LoadFile("d.tsv", "text\tlabel\na\t1\na\t1.0\nb\t1\nb\t2\nc\t3\n", Numbers());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(TextsOf(data->train), ElementsAre("a", "c"));
  EXPECT_EQ(data->summary.duplicates_dropped, 1);
  EXPECT_EQ(data->summary.conflicts_dropped, 2);
}

TEST(Numbers, TheDigestNamesTheNumber) {
  const auto digest = [](double value) { return SplitDigest({{"a", 0, 0, {}, value}}); };
  EXPECT_NE(digest(1), digest(1.5));
  EXPECT_NE(digest(1), SplitDigest({{"a", 0, 0, {}, {}}}));
}

TEST(Numbers, StsBIsRecognizedByItsHeader) {
  const std::string header =
      "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n";
  const std::string rows = "0\tg\tf\t2012\t1\tn\tn\ta\tb\t5.000\n1\tg\tf\t2012\t1\tn\tn\tc\td\t3.800\n";
  const auto data = LoadFile("train.tsv", header + rows, Numbers());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_TRUE(data->pairs);
  EXPECT_EQ(data->train[1].value, 3.8);
  EXPECT_THAT(ErrorOf("train.tsv", header + rows), HasSubstr("Set label_column"))
      << "numbers are not taken for classes";
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

TEST(Finding, AFormatThatIsNamedWinsOverTheExtension) {
  struct Case {
    const char* name;
    const char* format;
    const char* content;
  };
  for (const Case& c :
       {Case{"d.json", "jsonl", "{\"text\":\"a\",\"label\":0}\n{\"text\":\"b\",\"label\":1}\n"},
        Case{"d.txt", "csv", "text,label\na,0\nb,1\n"}, Case{"d.csv", "tsv", "text\tlabel\na\t0\nb\t1\n"},
        Case{"d", "tab", "text\tlabel\ns\td\n\t\na\t0\nb\t1\n"}}) {
    TempFolder folder;
    folder.Write(c.name, c.content);
    DatasetConfig config = TrainOnly();
    config.format = c.format;
    for (const std::string& path : {folder.path(), absl::StrCat(folder.path(), "/", c.name)}) {
      const auto data = LoadDataset(config, path);
      ASSERT_TRUE(data.ok()) << data.status();
      EXPECT_EQ(data->format, c.format);
      EXPECT_THAT(TextsOf(data->train), ElementsAre("a", "b"));
    }
  }
  EXPECT_THAT(ErrorOf("d.json", "{}"), HasSubstr("where a file has another extension, set dataset.format"));
}

}  // namespace
}  // namespace quantlab::engine
