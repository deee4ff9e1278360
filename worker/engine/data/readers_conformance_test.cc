// What every dataset format must do. A new format adds a FormatCase.
#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/messages/message_catalogue.h"
#include "base/testing/temp_folder.h"
#include "base/text/utf8.h"
#include "worker/engine/data/dataset.h"
#include "worker/engine/data/readers.h"

namespace quantlab::engine {
namespace {

using testing::HasSubstr;

using Rows = std::vector<std::pair<std::string, std::string>>;  // text, label

std::string Csv(const Rows& rows) {
  std::string out = "text,label\n";
  for (const auto& [text, label] : rows) {
    absl::StrAppend(&out, "\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\",", label, "\n");
  }
  return out;
}

std::string Tsv(const Rows& rows) {
  std::string out = "sentence\tlabel\n";
  for (const auto& [text, label] : rows) absl::StrAppend(&out, text, "\t", label, "\n");
  return out;
}

// Bytes that are not UTF-8, which JSON cannot hold, are written as they are.
std::string Jsonl(const Rows& rows) {
  std::string out;
  for (const auto& [text, label] : rows) {
    const std::string quoted =
        IsValidUtf8(text) ? nlohmann::json(text).dump() : absl::StrCat("\"", text, "\"");
    absl::StrAppend(&out, "{\"label\": \"", label, "\", \"text\": ", quoted, "}\n");
  }
  return out;
}

// A tab-separated file with rows for names, types and roles; quotes as in CSV.
std::string OrangeTab(const Rows& rows) {
  std::string out = "Category\tText\nd\tstring\nclass\t\n\n";
  for (const auto& [text, label] : rows) {
    absl::StrAppend(&out, label, "\t\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"\n");
  }
  return out;
}

struct FormatCase {
  std::string format;
  // Writes a dataset of this format; labels are "neg" and "pos".
  std::function<void(const TempFolder&, const Rows&)> write;
  // Puts these bytes where a file of the format would be.
  std::function<void(const TempFolder&, const std::string&)> write_raw;
  bool line_breaks = true;        // texts may hold line ends and tabs
  bool order_is_kept = true;      // rows come in the order in which they were written
  bool empty_is_an_error = true;  // a file of no bytes
};

void WriteAclImdb(const TempFolder& folder, const Rows& rows) {
  folder.Write("train/pos/.keep", "");
  folder.Write("train/neg/.keep", "");
  for (size_t i = 0; i < rows.size(); ++i) {
    folder.Write(absl::StrCat("train/", rows[i].second, "/", 10000 + i, "_1.txt"), rows[i].first);
  }
}

std::vector<FormatCase> Cases() {
  return {
      {"acl_imdb", WriteAclImdb,
       [](const TempFolder& f, const std::string& bytes) {
         f.Write("train/pos/0_9.txt", bytes);
         f.Write("train/neg/0_1.txt", bytes + "x");
       },
       true, false, false},
      {"csv", [](const TempFolder& f, const Rows& rows) { f.Write("d.csv", Csv(rows)); },
       [](const TempFolder& f, const std::string& bytes) { f.Write("d.csv", bytes); }},
      {"tsv", [](const TempFolder& f, const Rows& rows) { f.Write("d.tsv", Tsv(rows)); },
       [](const TempFolder& f, const std::string& bytes) { f.Write("d.tsv", bytes); }, false},
      {"jsonl", [](const TempFolder& f, const Rows& rows) { f.Write("d.jsonl", Jsonl(rows)); },
       [](const TempFolder& f, const std::string& bytes) { f.Write("d.jsonl", bytes); }},
      {"tab", [](const TempFolder& f, const Rows& rows) { f.Write("d.tab", OrangeTab(rows)); },
       [](const TempFolder& f, const std::string& bytes) { f.Write("d.tab", bytes); }},
  };
}

class ReaderConformance : public testing::TestWithParam<FormatCase> {
 protected:
  // All rows in train.
  static DatasetConfig Config() {
    DatasetConfig config;
    config.labels = {"neg", "pos"};
    config.test_size = -1;
    return config;
  }
  static std::set<std::pair<std::string, int>> TrainOf(const Dataset& data) {
    std::set<std::pair<std::string, int>> rows;
    for (const Example& e : data.train) rows.emplace(e.text, e.label);
    return rows;
  }
};

TEST(AllFormats, EveryFormatHasAConformanceCase) {
  std::set<std::string> listed, tested;
  for (const auto& format : AllFormats()) listed.insert(std::string(format->name()));
  for (const FormatCase& c : Cases()) tested.insert(c.format);
  EXPECT_EQ(listed, tested);
  listed.insert("auto");
  EXPECT_EQ(listed, std::set<std::string>(DatasetFormatNames().begin(), DatasetFormatNames().end()));
}

TEST_P(ReaderConformance, ReadsTextsAndLabelsAsTheyStand) {
  Rows rows = {{"A \"fine\" film, really; it's 100% & <br />more", "pos"},
               {"naïve 日本 😀 \\n {\"a\": 1} ''", "neg"},
               {" leading and trailing ", "pos"},
               {"[SEP]", "neg"}};
  if (GetParam().line_breaks) rows.push_back({"two\nlines\r\nand\ttabs\n\"quoted\"", "pos"});
  const TempFolder folder;
  GetParam().write(folder, rows);
  const auto data = LoadDataset(Config(), folder.path());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->format, GetParam().format);
  EXPECT_EQ(data->summary.rows_read, static_cast<int64_t>(rows.size()));
  std::set<std::pair<std::string, int>> expected;
  for (const auto& [text, label] : rows) expected.emplace(text, label == "pos" ? 1 : 0);
  EXPECT_EQ(TrainOf(*data), expected);
  for (size_t i = 0; GetParam().order_is_kept && i < rows.size(); ++i) {
    EXPECT_EQ(data->train[i].text, rows[i].first);
    EXPECT_EQ(data->train[i].row, static_cast<int64_t>(i));
  }
}

TEST_P(ReaderConformance, NamingTheFormatGivesTheSame) {
  const TempFolder folder;
  GetParam().write(folder, {{"bad", "neg"}, {"good", "pos"}});
  DatasetConfig config = Config();
  const auto found = LoadDataset(config, folder.path());
  config.format = GetParam().format;
  const auto named = LoadDataset(config, folder.path());
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(found->train_digest, named->train_digest);
}

TEST_P(ReaderConformance, LabelsAreTheSortedDistinctValuesWhenNoneAreGiven) {
  const TempFolder folder;
  GetParam().write(folder, {{"good", "pos"}, {"bad", "neg"}});
  DatasetConfig config = Config();
  config.labels = {};
  const auto data = LoadDataset(config, folder.path());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->labels, testing::ElementsAre("neg", "pos"));
}

TEST_P(ReaderConformance, ALabelOutOfRangeNamesTheFile) {
  const TempFolder folder;
  GetParam().write(folder, {{"good", "pos"}, {"bad", "neg"}});
  DatasetConfig config = Config();
  config.labels = {"pos", "other"};
  const auto data = LoadDataset(config, folder.path());
  EXPECT_EQ(data.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(data.status().message()), HasSubstr(folder.path()));
  EXPECT_THAT(std::string(data.status().message()), HasSubstr("label \"neg\" is out of range"));
}

// "这部电影非常好看" in GBK; as Latin-1 characters no text at all.
constexpr char kGbk[] = "\xd5\xe2\xb2\xbf\xb5\xe7\xd3\xb0\xb7\xc7\xb3\xa3\xba\xc3\xbf\xb4";

TEST_P(ReaderConformance, RefusesWhatIsNotUtf8AndNamesTheLikelyEncoding) {
  const TempFolder folder;
  GetParam().write(folder, {{kGbk, "pos"}, {"bad", "neg"}});
  const auto data = LoadDataset(Config(), folder.path());
  EXPECT_EQ(data.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(data.status().message()), HasSubstr("is not UTF-8; it is most likely in GB18030"));
  EXPECT_THAT(std::string(data.status().message()), HasSubstr(folder.path()));
}

TEST_P(ReaderConformance, ReadsAnotherEncodingWhereItIsNamedOrGuessed) {
  const TempFolder folder;
  GetParam().write(folder, {{kGbk, "pos"}, {"bad", "neg"}});
  DatasetConfig config = Config();
  for (const char* encoding : {"gbk", "auto"}) {
    config.encoding = encoding;
    const auto data = LoadDataset(config, folder.path());
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_EQ(TrainOf(*data).count({"这部电影非常好看", 1}), 1u);
    EXPECT_EQ(data->summary.encoding, encoding == std::string("auto") ? "GB18030" : "gbk");
    EXPECT_EQ(data->summary.caveats.size(), encoding == std::string("auto") ? 1u : 0u);
  }
  config.encoding = "gkb";
  EXPECT_THAT(std::string(LoadDataset(config, folder.path()).status().message()),
              HasSubstr("not a known encoding"));
}

TEST_P(ReaderConformance, CountsTheCharactersThatTheEncodingDoesNotDefine) {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "很好";
  GetParam().write(folder, {{text + "\xFF", "pos"}, {"bad", "neg"}});
  EXPECT_THAT(std::string(LoadDataset(Config(), folder.path()).status().message()),
              HasSubstr("a few bytes of it are damaged"));
  DatasetConfig config = Config();
  config.encoding = "utf-8";
  const auto data = LoadDataset(config, folder.path());
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(TrainOf(*data).count({text + "\uFFFD", 1}), 1u);
  ASSERT_EQ(data->summary.caveats.size(), 1u);
  EXPECT_THAT(English(data->summary.caveats[0]),
              HasSubstr("1 characters of the dataset's files are not defined"));
}

TEST_P(ReaderConformance, NothingIsAnError) {
  const TempFolder empty;
  EXPECT_EQ(LoadDataset(Config(), empty.path()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(LoadDataset(Config(), empty.path() + "/none").status().code(), absl::StatusCode::kNotFound);
  const TempFolder no_rows;
  GetParam().write(no_rows, {});
  EXPECT_EQ(LoadDataset(Config(), no_rows.path()).status().code(), absl::StatusCode::kInvalidArgument);
  if (!GetParam().empty_is_an_error) return;
  const TempFolder no_bytes;
  GetParam().write_raw(no_bytes, "");
  EXPECT_EQ(LoadDataset(Config(), no_bytes.path()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(ReaderConformance, LimitsAreHeld) {
  const TempFolder folder;
  GetParam().write(folder, {{std::string(1000, 'x'), "pos"}, {"bad", "neg"}});
  for (const auto& format : AllFormats()) {
    if (format->name() != GetParam().format) continue;
    const auto files = format->Find(folder.path(), /*chosen=*/true);
    ASSERT_TRUE(files.ok());
    ReadLimits limits;
    limits.max_field_bytes = 999;
    absl::Status status;
    const RowSink sink{[](const RawRow&) { return absl::OkStatus(); }, [](std::string) {}};
    for (const DataFile& file : *files) status.Update(format->Read(file, Config(), limits, sink));
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(folder.path()));
  }
}

TEST_P(ReaderConformance, NoBytesCrashIt) {
  std::mt19937_64 random(99);
  const std::string valid = GetParam().format == "jsonl" ? Jsonl({{"a \"b\"", "pos"}, {"c", "neg"}})
                            : GetParam().format == "tsv" ? Tsv({{"a", "pos"}, {"c", "neg"}})
                            : GetParam().format == "tab" ? OrangeTab({{"a \"b\"", "pos"}, {"c", "neg"}})
                                                         : Csv({{"a \"b\"", "pos"}, {"c", "neg"}});
  const std::string alphabet = "\",\t\n\r{}[]:\\a0\xFF\xE6\xEF\xBB\xBF";
  for (int i = 0; i < 200; ++i) {
    std::string bytes = valid;
    for (size_t n = random() % 5; n > 0 && !bytes.empty(); --n) {
      const size_t at = random() % bytes.size();
      if (random() % 3 == 0) bytes.erase(at, 1 + random() % 4);
      if (random() % 3 == 0) bytes.insert(at, 1, alphabet[random() % alphabet.size()]);
      if (random() % 5 == 0) bytes.resize(at);
    }
    const TempFolder folder;
    GetParam().write_raw(folder, bytes);
    DatasetConfig config = Config();
    if (i % 2 == 0) config.labels = {};
    const auto data = LoadDataset(config, folder.path());
    if (!data.ok()) {
      EXPECT_FALSE(data.status().message().empty());
      continue;
    }
    for (const Example& e : data->train) ASSERT_TRUE(IsValidUtf8(e.text));
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, ReaderConformance, testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.format; });

}  // namespace
}  // namespace quantlab::engine
