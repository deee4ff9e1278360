// Experiment files with includes, diagnostics, settings, local assets.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "client/assets.h"
#include "client/catalog_assets.h"
#include "client/embedded.h"
#include "client/experiment_files.h"
#include "client/settings.h"
#include "tests/fakes/fake_coordinator.h"

namespace quantlab::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Names(const ExperimentFiles& read, const TempFolder& folder) {
  std::vector<std::string> names;
  for (const v1::SourceFile& file : read.files) names.push_back(file.name().substr(folder.path().size() + 1));
  return names;
}

TEST(ExperimentFilesTest, IncludesAreReadOnceAndRelativeToTheirFile) {
  TempFolder folder;
  folder.Write("shared/base.yaml", "include: training/fast.yaml\n");
  folder.Write("shared/training/fast.yaml", "include: [../base.yaml]\ntraining: {}\n");
  const std::string path =
      folder.Write("a.yaml", "include:\n  - shared/base.yaml\n  - shared/training/fast.yaml\n");
  const auto read = ReadExperimentFiles(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(Names(*read, folder), ElementsAre("a.yaml", "shared/base.yaml", "shared/training/fast.yaml"));
  EXPECT_TRUE(read->diagnostics.empty());
}

TEST(ExperimentFilesTest, AMissingIncludeIsADiagnosticAtItsPlace) {
  TempFolder folder;
  const auto read = ReadExperimentFiles(folder.Write("a.yaml", "name: x\ninclude: [gone.yaml]\n"));
  ASSERT_TRUE(read.ok());
  ASSERT_EQ(read->diagnostics.size(), 1u);
  EXPECT_EQ(read->diagnostics[0].line(), 2);
  EXPECT_EQ(read->diagnostics[0].column(), 11);
  EXPECT_THAT(read->diagnostics[0].message(), HasSubstr("gone.yaml"));
}

TEST(ExperimentFilesTest, AnIncludeThatIsNoListOfNamesIsADiagnostic) {
  TempFolder folder;
  const auto read = ReadExperimentFiles(folder.Write("a.yaml", "include: {a: b}\n"));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->diagnostics.size(), 1u);
}

TEST(ExperimentFilesTest, BrokenYamlIsLeftToTheCoordinator) {
  TempFolder folder;
  const auto read = ReadExperimentFiles(folder.Write("a.yaml", "experiments: [\n"));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->files.size(), 1u);
  EXPECT_TRUE(read->diagnostics.empty());
}

TEST(ExperimentFilesTest, WhatCannotBeReadIsAnError) {
  TempFolder folder;
  EXPECT_EQ(ReadExperimentFiles(folder / "none.yaml").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadExperimentFiles(folder.Write("latin1.yaml", "name: \xe9t\xe9\n")).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadExperimentFiles(folder.Write("big.yaml", std::string((1 << 20) + 1, '#'))).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(DiagnosticsTest, QuoteTheLineWithACaretBelowTheColumn) {
  v1::SourceFile file;
  file.set_name("q.yaml");
  file.set_content("a: 1\n名字: {dtype: qint9}\n");
  v1::Diagnostic diagnostic;
  diagnostic.set_file("q.yaml");
  diagnostic.set_line(2);
  diagnostic.set_column(6);
  diagnostic.set_message("what");
  diagnostic.set_error(true);
  EXPECT_EQ(FormatDiagnostics({diagnostic}, {file}, false),
            "q.yaml:2:6: error: what\n"
            "  2 | 名字: {dtype: qint9}\n"
            "    |        ^\n");
}

TEST(DiagnosticsTest, PlacesOutsideTheFileAreNotQuoted) {
  v1::SourceFile file;
  file.set_name("q.yaml");
  v1::Diagnostic diagnostic;
  diagnostic.set_file("q.yaml");
  diagnostic.set_line(99);
  diagnostic.set_message("what");
  EXPECT_EQ(FormatDiagnostics({diagnostic}, {file}, false), "q.yaml:99: warning: what\n");
}

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

v1::RequiredInput Required(const std::string& name, const std::string& path, const std::string& role) {
  v1::RequiredInput required;
  required.set_name(name);
  required.set_path(path);
  required.set_role(role);
  required.set_remedy("Get it from there.");
  return required;
}

TEST(AssetsTest, AModelIsItsConfigurationVocabularyAndSafetensors) {
  TempFolder folder;
  for (const char* name : {"config.json", "model.safetensors", "vocab.txt"})
    folder.Write(std::string("m/") + name, name);
  folder.Write("m/pytorch_model.bin", "no");
  folder.Write("m/.git/config.json", "no");
  const auto asset = FindAsset(Required("./m", "./m", "model"), folder.path(), {}, {});
  ASSERT_TRUE(asset.ok()) << asset.status();
  ASSERT_EQ(asset->input.files_size(), 3);
  EXPECT_EQ(asset->input.files(0).path(), "config.json");
  EXPECT_EQ(asset->input.files(0).sha256(), Sha256Hex("config.json"));
  EXPECT_EQ(asset->files[2].path, folder.path() + "/m/vocab.txt");
}

TEST(AssetsTest, AFolderThatIsNoModelIsRefused) {
  TempFolder folder;
  folder.Write("m/readme.txt", "x");
  EXPECT_THAT(std::string(FindAsset(Required("m", "m", "model"), folder.path(), {}, {}).status().message()),
              HasSubstr("config.json"));
  folder.Write("m/config.json", "{}");
  EXPECT_THAT(std::string(FindAsset(Required("m", "m", "model"), folder.path(), {}, {}).status().message()),
              HasSubstr(".safetensors"));
}

TEST(AssetsTest, UnlabelledReviewsStayAtHome) {
  TempFolder folder;
  folder.Write("aclImdb/train/pos/0_9.txt", "good");
  folder.Write("aclImdb/train/neg/0_1.txt", "bad");
  folder.Write("aclImdb/train/unsup/0_0.txt", "?");
  folder.Write("aclImdb/train/labeledBow.feat", "?");
  const auto asset =
      FindAsset(Required("imdb", "aclImdb", "dataset"), folder.path(), {{"imdb", folder / "aclImdb"}}, {});
  ASSERT_TRUE(asset.ok()) << asset.status();
  EXPECT_EQ(asset->input.files_size(), 2);
}

TEST(AssetsTest, ADatasetMayBeOneFile) {
  TempFolder folder;
  folder.Write("d/reviews.csv", "text,label\n");
  const auto asset = FindAsset(Required("d/reviews.csv", "d/reviews.csv", "dataset"), folder.path(), {}, {});
  ASSERT_TRUE(asset.ok()) << asset.status();
  EXPECT_EQ(asset->input.files(0).path(), "reviews.csv");
}

TEST(AssetsTest, WhatIsMissingSaysWhereItWasLookedForAndWhatToDo) {
  TempFolder folder;
  const absl::Status status =
      FindAsset(Required("bert", "models/bert", "model"), folder.path(), {}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  for (const std::string& part : {std::string("models/bert and "), folder / "models/bert",
                                  std::string("Get it from there."), std::string("--asset 'bert=PATH'")}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

TEST(CatalogAssetsTest, DamagedAndMissingFilesAreTold) {
  TempFolder folder;
  const std::string catalog =
      folder.Write("catalog.yaml", "entries:\n  tiny:\n    wheel:\n      files: [{path: a.txt, sha256: " +
                                       Sha256Hex("abc") + ", size: 3}]\n  own: {path: x}\n");
  const auto assets = ReadCatalogAssets(catalog);
  ASSERT_TRUE(assets.ok()) << assets.status();
  ASSERT_EQ(assets->size(), 1u);
  EXPECT_EQ(CheckAsset(folder.path(), assets->front()).state, AssetCheck::kMissing);
  folder.Write("tiny/a.txt", "abd");
  EXPECT_EQ(CheckAsset(folder.path(), assets->front()).state, AssetCheck::kDamaged);
  folder.Write("tiny/a.txt", "abc");
  EXPECT_EQ(CheckAsset(folder.path(), assets->front()).state, AssetCheck::kPresent);
}

TEST(SocketPathTest, AShortFolderHoldsItsSocket) {
  EXPECT_EQ(*SocketPath("/data/q", ""), "/data/q/coordinator.sock");
}

TEST(SocketPathTest, ALongFolderGetsAPrivateOneElsewhere) {
  TempFolder runtime;
  const std::string long_folder = "/data/" + std::string(120, 'x');
  const auto path = SocketPath(long_folder, runtime.path());
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_LE(path->size(), 107u);
  EXPECT_EQ(path->rfind(runtime.path(), 0), 0u);
  const std::string folder = std::filesystem::path(*path).parent_path().string();
  EXPECT_EQ(std::filesystem::status(folder).permissions(), std::filesystem::perms::owner_all);
  EXPECT_EQ(*SocketPath(long_folder, runtime.path()), *path);
  // Somebody else could have prepared it.
  std::filesystem::permissions(folder, std::filesystem::perms::all);
  EXPECT_EQ(SocketPath(long_folder, runtime.path()).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(FindCatalogTest, AnInstallationsComesFirstThenTheFoldersAbove) {
  TempFolder folder;
  folder.Write("src/configs/catalog.yaml", "");
  std::filesystem::create_directories(folder / "src/a/b");
  EXPECT_EQ(FindCatalog("/nowhere/bin", folder / "src/a/b"), folder / "src/configs/catalog.yaml");
  folder.Write("usr/share/quantlab/catalog.yaml", "");
  EXPECT_EQ(FindCatalog(folder / "usr/bin", folder / "src"), folder / "usr/share/quantlab/catalog.yaml");
}

}  // namespace
}  // namespace quantlab::client
