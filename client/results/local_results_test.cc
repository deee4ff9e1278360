#include "client/results/local_results.h"

#include <chrono>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "base/testing/temp_folder.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LocalResultsTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text = "") {
    fs::create_directories((fs::path(dir_) / path).parent_path());
    std::ofstream(fs::path(dir_) / path) << text;
  }

  // Written so many seconds ago.
  void Have(const std::string& folder, const std::string& id, const std::string& name, int ago) {
    const std::string marker = folder + "/experiment.json";
    Write(marker, "{\"id\": \"" + id + "\", \"name\": \"" + name + "\"}");
    fs::last_write_time(fs::path(dir_) / marker,
                        fs::file_time_type::clock::now() - std::chrono::seconds(ago));
  }

  std::string FolderOf(const std::string& name) {
    const auto found = FindLocalResults(dir_, name);
    return found.ok() ? fs::path(found->folder).filename().string() : std::string(found.status().message());
  }

  const TempFolder folder_;
  const std::string dir_ = folder_ / "results";
};

TEST_F(LocalResultsTest, FindsByNameIdPrefixAndAge) {
  Have("quick", "quick-b2", "quick", 10);
  Have("quick@quick-a1", "quick-a1", "quick", 100);
  Have("r8", "r8-c3", "r8", 5);
  EXPECT_EQ(FolderOf("latest"), "r8");
  EXPECT_EQ(FolderOf("quick"), "quick") << "of two the one written last";
  EXPECT_EQ(FolderOf("quick-a1"), "quick@quick-a1");
  EXPECT_EQ(FolderOf("r8-c"), "r8");
}

TEST_F(LocalResultsTest, NameGoesBeforeNewerIdThatBeginsWithIt) {
  Have("quick", "quick-b2", "quick", 100);
  Have("quick-gpu", "quick-gpu-d4", "quick-gpu", 5);
  EXPECT_EQ(FolderOf("quick"), "quick");
  EXPECT_EQ(FolderOf("quick-g"), "quick-gpu");
  EXPECT_THAT(FolderOf("quick-"), AllOf(HasSubstr("quick-b2"), HasSubstr("quick-gpu-d4")));
  EXPECT_TRUE(absl::IsInvalidArgument(FindLocalResults(dir_, "qui").status()));
}

TEST_F(LocalResultsTest, PrefixOfCopiedFolderIsNotAmbiguous) {
  Have("quick", "quick-b2", "quick", 100);
  Have("kept", "quick-b2", "quick", 5);
  EXPECT_EQ(FolderOf("quick-b"), "kept");
}

TEST_F(LocalResultsTest, PassesOverWhatIsNoResultsFolder) {
  EXPECT_THAT(ListLocalResults(dir_), IsEmpty()) << "there is no such folder";
  Write("file");
  Write("mine/notes.txt");
  Write("broken/experiment.json", "{");
  Write("other/experiment.json", "[]");
  Write(".quick@quick-b2.partial/experiment.json", "{\"id\": \"quick-b2\"}");
  EXPECT_THAT(ListLocalResults(dir_), IsEmpty());
  EXPECT_THAT(FolderOf("latest"), HasSubstr("quantctl report latest"));
}

TEST_F(LocalResultsTest, OpensThePageInTheReadersLanguageElseWhatIsThere) {
  Have("quick", "quick-b2", "quick", 0);
  const LocalResults results = *FindLocalResults(dir_, "quick");
  EXPECT_THAT(std::string(ReportToOpen(results, Language::kEnglish).status().message()),
              HasSubstr("quantctl report quick-b2"));
  Write("quick/report/课程设计报告.md");
  EXPECT_THAT(*ReportToOpen(results, Language::kEnglish), EndsWith("quick/report/课程设计报告.md"));
  Write("quick/report/report.zh.html");
  EXPECT_THAT(*ReportToOpen(results, Language::kEnglish), EndsWith("report.zh.html"));
  Write("quick/report/report.en.html");
  EXPECT_THAT(*ReportToOpen(results, Language::kEnglish), EndsWith("report.en.html"));
  EXPECT_THAT(*ReportToOpen(results, Language::kChinese), EndsWith("report.zh.html"));
}

}  // namespace
}  // namespace quantlab::client
