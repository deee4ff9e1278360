#include "client/results/render.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <signal.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "base/messages/message_catalogue.h"
#include "base/testing/temp_folder.h"
#include "client/results/tool.h"

namespace quantlab::client {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// PATH, changed for one test.
class Path {
 public:
  explicit Path(const std::string& path) : before_(std::getenv("PATH")) { setenv("PATH", path.c_str(), 1); }
  ~Path() { setenv("PATH", before_.c_str(), 1); }

 private:
  std::string before_;
};

class RenderTest : public testing::Test {
 protected:
  // A program that does what a shell script says.
  void Program(const std::string& name, const std::string& script) {
    std::ofstream(folder_ / name) << "#!/bin/sh\n" << script << "\n";
    fs::permissions(folder_ / name, fs::perms::owner_all);
  }

  absl::StatusOr<RenderedReport> Render() {
    RenderOptions options;
    options.languages = {report::Language::kEnglish};
    return RenderFiles(ReportData(), options);
  }

  static std::set<std::string> Names(const RenderedReport& rendered) {
    std::set<std::string> names;
    for (const TextFile& file : rendered.files) EXPECT_TRUE(names.insert(file.path).second) << file.path;
    return names;
  }

  const TempFolder temp_;
  const fs::path folder_ = temp_.path();
};

TEST_F(RenderTest, WithoutProgramsThereIsMarkdownAndANoteForEach) {
  const Path path(folder_.string());
  const auto rendered = Render();
  ASSERT_TRUE(rendered.ok()) << rendered.status();
  EXPECT_EQ(Names(*rendered).count("report.en.md"), 1);
  EXPECT_EQ(Names(*rendered).count("figures/architecture/system.csv"), 1);
  ASSERT_EQ(rendered->notes.size(), 3);
  EXPECT_THAT(English(rendered->notes[0]),
              ::testing::AllOf(HasSubstr("gnuplot is not installed"),
                               HasSubstr("; install it (Debian: apt-get install gnuplot-nox)")));
  EXPECT_THAT(English(rendered->notes[1]), HasSubstr("HTML was not made: pandoc is not installed"));
  EXPECT_THAT(English(rendered->notes[2]), HasSubstr("PDF was not made: pandoc is not installed"));
  for (const TextFile& file : rendered->files) {
    if (file.path != "report.en.md") continue;
    EXPECT_EQ(file.content.find("!["), std::string::npos) << "a figure that is not there";
    EXPECT_THAT(file.content, HasSubstr("Not drawn here"));
  }
}

TEST_F(RenderTest, AProgramThatFailsBecomesANoteWithWhatItSaid) {
  Program("gnuplot", "exit 0");
  Program("pandoc", "echo 'no such template' >&2; exit 7");
  const Path path(folder_.string() + ":/usr/bin:/bin");
  const auto rendered = Render();
  ASSERT_TRUE(rendered.ok()) << rendered.status();
  ASSERT_FALSE(rendered->notes.empty());
  EXPECT_THAT(English(rendered->notes.back()), HasSubstr("pandoc exited with code 7: no such template"));
}

TEST_F(RenderTest, AFigureThatGnuplotCannotDrawIsTheOnlyOneMissing) {
  // Draws whatever it is asked for, and crashes at one figure.
  Program("gnuplot",
          "case \"$3\" in */system.gp) kill -SEGV $$ ;; esac\n"
          "lang=${2#lang=\\'}; lang=${lang%%\\'*}; format=${2#*format=\\'}; format=${format%\\'}\n"
          "echo '<svg/>' >\"${3%.gp}.$lang.$format\"");
  const Path path(folder_.string() + ":/usr/bin:/bin");
  const auto rendered = Render();
  ASSERT_TRUE(rendered.ok()) << rendered.status();
  EXPECT_THAT(English(rendered->notes[0]), HasSubstr("some figures were not drawn"));
  EXPECT_THAT(English(rendered->notes[0]), HasSubstr("architecture/system.en.svg"));
  const std::set<std::string> names = Names(*rendered);
  EXPECT_EQ(names.count("figures/architecture/system.en.svg"), 0);
  EXPECT_GT(std::count_if(names.begin(), names.end(),
                          [](const std::string& name) { return name.ends_with(".en.svg"); }),
            0);
  for (const TextFile& file : rendered->files) {
    if (file.path != "report.en.md") continue;
    EXPECT_EQ(file.content.find("system.en.svg"), std::string::npos);
    EXPECT_THAT(file.content, HasSubstr("Not drawn here: gnuplot failed."));
    EXPECT_THAT(file.content, HasSubstr(".en.svg)"));
  }
}

TEST_F(RenderTest, NothingIsLeftInTheTemporaryFolder) {
  setenv("TMPDIR", folder_.c_str(), 1);
  {
    const Path path("/nowhere");
    ASSERT_TRUE(Render().ok());
  }
  unsetenv("TMPDIR");
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(RenderTest, CancellingEndsTheProgramAndTheReport) {
  Program("gnuplot", "sleep 60");
  const Path path(folder_.string() + ":/usr/bin:/bin");
  Cancellation cancellation;
  cancellation.Cancel();
  RenderOptions options;
  options.languages = {report::Language::kEnglish};
  options.cancellation = &cancellation;
  EXPECT_EQ(RenderFiles(ReportData(), options).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(RenderTest, AToolThatHangsIsEndedWithWhatItStarted) {
  Program("hang", "sleep 60 & echo $! > child; wait");
  ToolCall call;
  call.argv = {(folder_ / "hang").string()};
  call.folder = folder_.string();
  call.timeout = absl::Milliseconds(500);
  EXPECT_EQ(RunTool(call, nullptr).code(), absl::StatusCode::kDeadlineExceeded);
  pid_t child = 0;
  std::ifstream(folder_ / "child") >> child;
  ASSERT_GT(child, 0);
  // Killed is not yet gone: a process on a busy machine may take a moment to die. A zombie is dead too.
  std::string state = "R";
  for (int i = 0; i < 1000 && state != "Z"; ++i) {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    if (!(stat >> state >> state >> state)) break;
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_FALSE(kill(child, 0) == 0 && state != "Z") << state;
}

}  // namespace
}  // namespace quantlab::client
