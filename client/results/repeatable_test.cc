#include "client/results/repeatable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"
#include "client/inputs/experiment_files.h"

namespace quantlab::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// An experiment of these files: each a name and a content, the main one first.
v1::Experiment Submitted(const std::string& name,
                         const std::vector<std::pair<std::string, std::string>>& files) {
  v1::Experiment experiment;
  experiment.set_name(name);
  for (const auto& [path, content] : files) {
    v1::SourceFile& file = *experiment.add_files();
    file.set_name(path);
    file.set_content(content);
  }
  return experiment;
}

std::vector<std::string> Paths(const std::vector<TextFile>& files) {
  std::vector<std::string> paths;
  for (const TextFile& file : files) paths.push_back(file.path);
  return paths;
}

// What quantctl reads when experiment.yaml is run from where the files were written.
ExperimentFiles ReadAgain(const std::vector<TextFile>& files) {
  const TempFolder folder;
  for (const TextFile& file : files) folder.Write(file.path, file.content);
  auto read = ReadExperimentFiles(folder / "experiment.yaml");
  EXPECT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->diagnostics.size(), 0);
  return *read;
}

TEST(RepeatableFilesTest, AFileThatStandsAloneIsKeptAsItIs) {
  const auto files = RepeatableFiles(Submitted("quick", {{"configs/quick.yaml", "name: quick\nseed: 1\n"}}));
  ASSERT_THAT(Paths(files), ElementsAre("experiment.yaml"));
  EXPECT_EQ(files[0].content, "name: quick\nseed: 1\n");
}

TEST(RepeatableFilesTest, TheNameThatCameFromTheFilesNameIsKept) {
  const auto files = RepeatableFiles(Submitted("my test: 1", {{"my test: 1.yaml", "seed: 1\n"}}));
  EXPECT_THAT(Paths(files), ElementsAre("experiment.yaml", "source/my test: 1.yaml"));
  EXPECT_THAT(files[0].content, HasSubstr("name: \"my test: 1\"\n"));
  EXPECT_EQ(ReadAgain(files).files.size(), 2u);
}

TEST(RepeatableFilesTest, IncludesAreFoundAgainWhereverTheyLay) {
  const std::string main = "include: [../base.yaml, parts/data.yaml]\nname: exp\n";
  for (const std::string& root : {std::string(), std::string("/home/me/"), std::string("../")}) {
    const auto files = RepeatableFiles(Submitted("exp", {{root + "exps/exp.yaml", main},
                                                         {root + "exps/parts/data.yaml", "seed: 1\n"},
                                                         {root + "base.yaml", "device: cpu\n"}}));
    EXPECT_THAT(Paths(files), ElementsAre("experiment.yaml", "source/folder/exp.yaml",
                                          "source/folder/parts/data.yaml", "source/base.yaml"))
        << root;
    const ExperimentFiles again = ReadAgain(files);
    ASSERT_EQ(again.files.size(), 4u) << root;
    EXPECT_EQ(again.files[1].content(), main);
  }
}

TEST(RepeatableFilesTest, WithoutFilesThereIsNothing) {
  EXPECT_THAT(RepeatableFiles(v1::Experiment()), ElementsAre());
}

}  // namespace
}  // namespace quantlab::client
