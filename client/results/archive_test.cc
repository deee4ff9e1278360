#include "client/results/archive.h"

#include <filesystem>
#include <fstream>
#include <zip.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"
#include "tests/fakes/fake_coordinator.h"

namespace quantlab::client {
namespace {

using ::quantlab::testing::MakeExperiment;
using ::quantlab::testing::ReadAll;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ArchiveTest : public ::testing::Test {
 protected:
  // Names and contents as unzip would find them.
  static std::vector<std::pair<std::string, std::string>> Unzip(const std::string& path) {
    std::vector<std::pair<std::string, std::string>> found;
    zip_t* const archive = zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, nullptr);
    EXPECT_NE(archive, nullptr);
    if (archive == nullptr) return found;
    for (zip_int64_t i = 0; i < zip_get_num_entries(archive, 0); ++i) {
      const auto index = static_cast<zip_uint64_t>(i);
      zip_stat_t stat;
      EXPECT_EQ(zip_stat_index(archive, index, 0, &stat), 0);
      std::string content(stat.size, '\0');
      zip_file_t* const file = zip_fopen_index(archive, index, 0);
      EXPECT_EQ(zip_fread(file, content.data(), content.size()), static_cast<zip_int64_t>(content.size()));
      zip_fclose(file);
      found.emplace_back(stat.name, content);
    }
    zip_close(archive);
    return found;
  }

  const TempFolder folder_;
  const std::string path_ = folder_ / "hand-in.zip";
};

TEST_F(ArchiveTest, HoldsTheFilesSortedUnderTheirNames) {
  ASSERT_TRUE(WriteArchive(path_, {{"quick/report/课程设计报告.md", "# 报告\n"}, {"quick/a.csv", ""}}).ok());
  EXPECT_THAT(Unzip(path_), ElementsAre(std::pair("quick/a.csv", ""),
                                        std::pair("quick/report/课程设计报告.md", "# 报告\n")));
}

TEST_F(ArchiveTest, SameFilesGiveTheSameBytesInAnyOrderAndTimeZone) {
  const std::vector<TextFile> files = {{"b", std::string(100000, 'x')}, {"a", "1"}};
  setenv("TZ", "Asia/Shanghai", 1);
  ASSERT_TRUE(WriteArchive(path_, files).ok());
  const std::string first = ReadAll(path_);
  setenv("TZ", "America/New_York", 1);
  ASSERT_TRUE(WriteArchive(path_, {files[1], files[0]}).ok());
  unsetenv("TZ");
  EXPECT_EQ(ReadAll(path_), first);
  EXPECT_LT(first.size(), 2000u) << "compressed";
}

TEST_F(ArchiveTest, TooMuchIsRefusedWithTheLargestFiles) {
  std::string noise;
  for (uint32_t i = 0, x = 1; i < 5000; ++i)
    noise.push_back(static_cast<char>((x = x * 1664525 + 1013904223) >> 24));
  ASSERT_TRUE(WriteArchive(path_, {{"a", "before"}}).ok());
  const absl::Status status = WriteArchive(path_, {{"small", "1"}, {"large", noise}}, 4000);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("large (5.0 kB), small (1 B)"));
  EXPECT_EQ(Unzip(path_).at(0).second, "before") << "what was there stays";
  EXPECT_FALSE(std::filesystem::exists(path_ + ".partial"));
}

TEST_F(ArchiveTest, PathsThatLeaveTheFolderOrComeTwiceAreRefused) {
  EXPECT_EQ(WriteArchive(path_, {{"../a", ""}}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(WriteArchive(path_, {{"a", ""}, {"a", ""}}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_THAT(std::string(WriteArchive(folder_ / "nowhere/x.zip", {{"a", ""}}).message()),
              HasSubstr("nowhere/x.zip"));
}

TEST_F(ArchiveTest, OfAnExperimentComeReportConfigurationAndMetricsButNoModels) {
  v1::ReportData data;
  *data.mutable_experiment() = MakeExperiment("quick-k3f9a2", {"baseline"});
  v1::RunReport* const run = data.add_runs();
  *run->mutable_run() = data.experiment().runs(0);
  run->add_artifacts()->set_name("model/model.safetensors");
  std::vector<std::string> names;
  for (const TextFile& file : HandInFiles(data, {{"report.en.md", "# R\n"}, {"figures/a.svg", "<svg/>"}}))
    names.push_back(file.path);
  EXPECT_THAT(names, ::testing::IsSupersetOf({"quick/report/report.en.md", "quick/report/figures/a.svg",
                                              "quick/experiment.yaml", "quick/baseline/config.json",
                                              "quick/baseline/metrics.json", "quick/baseline/metrics.csv"}));
  for (const std::string& name : names) EXPECT_THAT(name, ::testing::Not(HasSubstr("model.safetensors")));
}

}  // namespace
}  // namespace quantlab::client
