#include "client/inputs/experiment_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/testing/temp_folder.h"

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

TEST(DiagnosticsTest, OfALongLineOnlyThePartAroundTheColumnIsQuoted) {
  v1::SourceFile file;
  file.set_name("q.yaml");
  file.set_content(absl::StrCat(std::string(100000, 'a'), "X", std::string(100000, 'b')));
  v1::Diagnostic diagnostic;
  diagnostic.set_file("q.yaml");
  diagnostic.set_line(1);
  diagnostic.set_column(100001);
  diagnostic.set_message("what");
  EXPECT_EQ(FormatDiagnostics({diagnostic}, {file}, false),
            absl::StrCat("q.yaml:1:100001: warning: what\n  1 | …", std::string(80, 'a'), "X",
                         std::string(80, 'b'), "…\n    | ", std::string(81, ' '), "^\n"));
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

}  // namespace
}  // namespace quantlab::client
