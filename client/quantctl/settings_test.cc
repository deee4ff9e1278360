#include "client/quantctl/settings.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab::client {
namespace {

using ::testing::HasSubstr;

class SettingsTest : public ::testing::Test {
 protected:
  absl::StatusOr<Settings> Load(const SettingFlags& flags = {}) {
    return LoadSettings(flags, [this](const char* name) {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::string() : found->second;
    });
  }

  TempFolder folder_;
  std::map<std::string, std::string> environment_ = {{"HOME", folder_.path()}};
};

TEST_F(SettingsTest, DefaultsFollowTheXdgFolders) {
  EXPECT_EQ(Load()->data_dir, folder_ / ".local/share/quantlab");
  EXPECT_EQ(Load()->results_dir, "results");
  EXPECT_EQ(Load()->coordinator, "");
  environment_["XDG_DATA_HOME"] = "/data";
  EXPECT_EQ(Load()->data_dir, "/data/quantlab");
}

TEST_F(SettingsTest, FlagsOverEnvironmentOverFile) {
  folder_.Write(".config/quantlab/config.yaml",
                "data_dir: /from/file\nresults_dir: ~/r\ncoordinator: unix:/file\n");
  EXPECT_EQ(Load()->data_dir, "/from/file");
  EXPECT_EQ(Load()->results_dir, folder_ / "r");
  environment_["QUANTLAB_DATA_DIR"] = "/from/environment";
  EXPECT_EQ(Load()->data_dir, "/from/environment");
  EXPECT_EQ(Load({.data_dir = "/from/flag"})->data_dir, "/from/flag");
  EXPECT_EQ(Load({.coordinator = ""})->coordinator, "");
}

TEST_F(SettingsTest, UnknownKeysAreNamedWithTheirLine) {
  folder_.Write(".config/quantlab/config.yaml", "data_dir: /x\ncolour: always\n");
  const absl::Status status = Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("config.yaml:2: unknown key 'colour'"));
}

TEST_F(SettingsTest, ANamedFileMustBeThere) {
  environment_["QUANTLAB_CONFIG"] = folder_ / "none.yaml";
  EXPECT_EQ(Load().status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SettingsTest, AnUnknownFormIsRefused) {
  environment_["QUANTLAB_OUTPUT"] = "xml";
  EXPECT_EQ(Load().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(LanguageTest, TheFlagComesFirstThenTheLocale) {
  std::map<std::string, std::string> environment;
  const auto choose = [&](const SettingFlags& flags = {}) {
    return ChooseLanguage(flags, [&](const char* name) { return environment[name]; });
  };
  EXPECT_EQ(choose(), Language::kEnglish);
  environment["LANG"] = "zh_CN.UTF-8";
  EXPECT_EQ(choose(), Language::kChinese);
  environment["LC_MESSAGES"] = "en_US.UTF-8";
  EXPECT_EQ(choose(), Language::kEnglish);
  environment["LC_ALL"] = "zh_TW";
  EXPECT_EQ(choose(), Language::kChinese);
  EXPECT_EQ(choose({.language = "en"}), Language::kEnglish);
}

}  // namespace
}  // namespace quantlab::client
