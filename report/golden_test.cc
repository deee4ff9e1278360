// Whole reports against stored bytes. QUANTLAB_UPDATE_GOLDEN=1 writes what is expected anew.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/convert.h"
#include "report/report.h"

namespace quantlab::report {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(QUANTLAB_SOURCE_DIR) / "tests/golden/report";

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> Situations() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

ReportData Load(const std::string& name) {
  v1::ReportData message;
  const absl::Status status = FromJson(ReadFile(kFolder / (name + ".json")), &message);
  EXPECT_TRUE(status.ok()) << status;
  absl::StatusOr<ReportData> data = FromProto(message);
  EXPECT_TRUE(data.ok()) << data.status();
  return data.ok() ? *data : ReportData();
}

// The complete one has a cover, and a decision to make; that of numbers a decision with a limit to the loss.
std::vector<ReportFile> Render(const ReportData& data, const std::string& name) {
  ReportOptions options;
  if (name == "complete") {
    options.decide = DecisionOptions{0.5, 12, 60, 300, "size", 0, 0};
    options.cover = CoverOptions{
        "Machine learning", "INT8 *encoders*", "A. Student", "20260001", "3", "B. Teacher", "", "2026-11-23"};
  }
  if (name == "regression") options.decide = DecisionOptions{1, {}, {}, {}, "size", 0, 0};
  return RenderReport(data, {Language::kChinese, Language::kEnglish}, /*draw=*/true, options);
}

// What is stored of a situation: a file for each language and one for what is the same in both, each with a
// section for each file of the report.
const std::vector<std::string> kParts = {"en", "zh", "data"};

std::string PartOf(const std::string& path) {
  if (path == "report.en.md" || path.ends_with(".en.md")) return "en";
  return path.ends_with(".md") ? "zh" : "data";
}

fs::path StoredPath(const std::string& name, const std::string& part) {
  return kFolder / (name + "." + part + ".txt");
}

constexpr char kHeadBegin[] = "==> ", kHeadEnd[] = " <==";
constexpr char kAsInReport[] = "(as in the report)\n";

// The sections of a file, by the path that heads each.
std::map<std::string, std::string> ParseSections(const std::string& text) {
  std::map<std::string, std::string> sections;
  std::istringstream lines(text);
  std::string line, path;
  while (std::getline(lines, line)) {
    if (line.starts_with(kHeadBegin) && line.ends_with(kHeadEnd)) {
      path = line.substr(4, line.size() - 8);
      sections[path];
    } else {
      sections[path] += line + "\n";
    }
  }
  return sections;
}

// What is to be stored of a report, by part and path. A table that the report holds is not repeated.
std::map<std::string, std::map<std::string, std::string>> SectionsOf(const std::vector<ReportFile>& files) {
  std::map<std::string, std::map<std::string, std::string>> parts;
  std::map<std::string, std::string> report;
  for (const ReportFile& file : files) {
    EXPECT_TRUE(file.content.ends_with("\n")) << file.path;
    EXPECT_EQ(file.content.find(std::string("\n") + kHeadBegin), std::string::npos) << file.path;
    const std::string part = PartOf(file.path);
    const bool repeated = report[part].find(file.content) != std::string::npos;
    EXPECT_TRUE(parts[part].emplace(file.path, repeated ? kAsInReport : file.content).second)
        << file.path << " is written twice";
    if (part != "data" && file.path.find('/') == std::string::npos) report[part] = file.content;
  }
  return parts;
}

void Store(const std::string& name, const std::vector<ReportFile>& files) {
  for (const auto& [part, sections] : SectionsOf(files)) {
    std::ofstream file(StoredPath(name, part), std::ios::binary);
    for (const auto& [path, content] : sections) file << kHeadBegin << path << kHeadEnd << "\n" << content;
  }
}

class GoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, SameDataSameBytes) {
  const ReportData data = Load(GetParam());
  const std::vector<ReportFile> files = Render(data, GetParam());
  if (std::getenv("QUANTLAB_UPDATE_GOLDEN") != nullptr) Store(GetParam(), files);
  auto rendered = SectionsOf(files);
  for (const std::string& part : kParts) {
    auto stored = ParseSections(ReadFile(StoredPath(GetParam(), part)));
    EXPECT_FALSE(stored.empty()) << StoredPath(GetParam(), part);
    for (const auto& [path, content] : rendered[part]) {
      ASSERT_TRUE(stored.count(path) > 0) << path << " is not expected";
      EXPECT_EQ(content, stored.at(path)) << path;
    }
    EXPECT_EQ(rendered[part].size(), stored.size()) << part;
  }
  const std::vector<ReportFile> again = Render(data, GetParam());
  for (size_t i = 0; i < files.size(); ++i) EXPECT_EQ(files[i].content, again[i].content);
}

INSTANTIATE_TEST_SUITE_P(All, GoldenTest, testing::ValuesIn(Situations()),
                         [](const auto& info) { return info.param; });

size_t Columns(const std::string& line) {
  size_t count = 0;
  for (size_t i = 0; i < line.size(); ++i) count += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
  return count;
}

TEST(ReportTest, EveryRowOfATableHasItsColumns) {
  for (const std::string& name : Situations()) {
    for (const ReportFile& file : Render(Load(name), name)) {
      if (!file.path.ends_with(".md")) continue;
      std::istringstream lines(file.content);
      std::string line;
      size_t columns = 0;
      while (std::getline(lines, line)) {
        if (line.empty() || line[0] != '|') {
          columns = 0;
          continue;
        }
        if (columns == 0) columns = Columns(line);
        EXPECT_EQ(Columns(line), columns) << name << "/" << file.path << ": " << line;
      }
    }
  }
}

TEST(ReportTest, TextRefersToEveryFigureAndTable) {
  for (const std::string& name : Situations()) {
    for (const ReportFile& file : Render(Load(name), name)) {
      if (file.path.find('/') != std::string::npos) continue;
      int captions = 0;
      const std::string mark = "<a id=\"";
      for (size_t at = file.content.find(mark); at != std::string::npos;
           at = file.content.find(mark, at + 1)) {
        const size_t begin = at + mark.size();
        const std::string id = file.content.substr(begin, file.content.find('"', begin) - begin);
        EXPECT_NE(file.content.find("](#" + id + ")"), std::string::npos)
            << name << "/" << file.path << ": " << id;
        ++captions;
      }
      EXPECT_GT(captions, 0) << name;
    }
  }
}

TEST(ReportTest, ReferencesLeadToWhatIsShown) {
  for (const std::string& name : Situations()) {
    for (const ReportFile& file : Render(Load(name), name)) {
      for (const std::string kind : {"figure-", "table-"}) {
        const std::string mark = "](#" + kind;
        for (size_t at = file.content.find(mark); at != std::string::npos;
             at = file.content.find(mark, at + 1)) {
          const std::string id = file.content.substr(at + 3, file.content.find(')', at) - at - 3);
          EXPECT_NE(file.content.find("<a id=\"" + id + "\"></a>"), std::string::npos) << name << ": " << id;
        }
      }
    }
  }
}

// Between the title and the references, without the paths of files.
std::string Prose(const ReportFile& file) {
  std::string text = file.content;
  for (const char* references : {"## References", "## 参考文献"}) {
    if (const size_t at = text.find(references); at != std::string::npos) text.resize(at);
  }
  for (const std::string path : {"results/accuracy"}) {
    for (size_t at = text.find(path); at != std::string::npos; at = text.find(path))
      text.erase(at, path.size());
  }
  return text;
}

TEST(ReportTest, OfNumbersSaysNothingOfClasses) {
  for (const ReportFile& file : Render(Load("regression"), "regression")) {
    if (!file.path.ends_with(".md") || file.path.find('/') != std::string::npos) continue;
    const std::string text = Prose(file);
    for (const char* word : {"accura", "Accura", "McNemar", "Wilson's", "Wilson 区间", "classif", " points",
                             "准确率", "百分点", "类别", "F1 score", "F1 分数"}) {
      const size_t at = text.find(word);
      EXPECT_EQ(at, std::string::npos) << file.path << ": " << text.substr(at < 100 ? 0 : at - 100, 200);
    }
    EXPECT_NE(text.find("Pearson"), std::string::npos) << file.path;
    EXPECT_NE(text.find("figures/results/predictions."), std::string::npos) << file.path;
  }
}

TEST(ReportTest, OneLanguageGivesOneReport) {
  const std::vector<ReportFile> files = RenderReport(Load("quick"), {Language::kEnglish});
  for (const ReportFile& file : files) {
    EXPECT_NE(file.path, "课程设计报告.md");
    EXPECT_FALSE(file.path.ends_with(".zh.md")) << file.path;
  }
  EXPECT_EQ(files[0].path, "report.en.md");
}

TEST(ReportTest, NothingAtAllIsStillAReport) {
  const std::vector<ReportFile> files = Render(ReportData(), "");
  ASSERT_GE(files.size(), 2);
  EXPECT_NE(files[1].content.find("The experiment has no runs."), std::string::npos);
}

TEST(SummaryTest, SaysTheAnswerAndWhatFailed) {
  EXPECT_EQ(
      RenderSummary(Load("failed_baseline"), Language::kEnglish),
      "Speed: Nothing can be said about speed: the comparison has no result, and nothing else measures "
      "that.\n"
      "Size: Nothing can be said about size: the comparison has no result, and nothing else measures that.\n"
      "Accuracy: Nothing can be said about accuracy: there is no baseline result.\n"
      "Run `baseline` has no result: it failed: dataset 'imdb': row 17: label 'meh' is none of negative, "
      "positive; correct the row\n"
      "Run `dynamic_quantization` has no result: it was skipped: needs baseline, which ended as FAILED\n"
      "Run `comparison` has no result: it was skipped: needs baseline, which ended as FAILED\n");
}

TEST(SummaryTest, MessagesOfOthersAreShownAsTheyAre) {
  ReportData data = Load("failed_baseline");
  data.runs[0].run.coded_message = {};
  data.runs[0].run.message = "unknown option --flag | *a* _x_ C:\\y";
  EXPECT_THAT(RenderSummary(data, Language::kEnglish),
              testing::HasSubstr("unknown option --flag | *a* _x_ C:\\y\n"));
}

}  // namespace
}  // namespace quantlab::report
