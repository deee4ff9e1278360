#include "logging/log.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST(LogTest, LinesCanBeParsedAgain) {
  EXPECT_EQ(
      FormatLogLine(false, "T", LogLevel::kInfo, "it went\nwrong", {"e", "r", 2}, {{"k", "a b"}, {"n", "1"}}),
      "time=T level=info msg=\"it went\\nwrong\" experiment=e run=r attempt=2 k=\"a b\" n=1");
  EXPECT_EQ(FormatLogLine(false, "T", LogLevel::kInfo, "a \"b\"=c", {}, {{"empty", ""}}),
            R"(time=T level=info msg="a \"b\"=c" empty="")");
  EXPECT_EQ(FormatLogLine(true, "T", LogLevel::kError, "say \"x\"", {}, {{"k", "\x01\xff"}}),
            "{\"time\":\"T\",\"level\":\"error\",\"msg\":\"say \\\"x\\\"\",\"k\":\"\\u0001\xEF\xBF\xBD\"}");
}

TEST(LogTest, OptionsAreCheckedByName) {
  LogOptions options;
  ASSERT_TRUE(ParseLogOptions("warning", "json", &options).ok());
  EXPECT_EQ(options.level, LogLevel::kWarning);
  EXPECT_TRUE(options.json);
  EXPECT_THAT(std::string(ParseLogOptions("loud", "text", &options).message()),
              HasSubstr("allowed are debug"));
  EXPECT_THAT(std::string(ParseLogOptions("info", "xml", &options).message()), HasSubstr("allowed are text"));
}

TEST(LogTest, AScopeAddsItsSubjectToEachLine) {
  const TempFolder folder;
  {
    LogOptions options;
    options.file = folder / "log";
    auto log = Log::Open(options);
    ASSERT_TRUE(log.ok()) << log.status();
    const LogScope scope(*std::move(log));
    scope.Info("started");
    scope.About(SubjectOf("quick-k3f9a2/baseline", 3)).Warn("slow");
    LogScope().Error("discarded");
  }
  std::ostringstream text;
  text << std::ifstream(folder / "log").rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("level=info msg=started\n"));
  EXPECT_THAT(text.str(),
              EndsWith("level=warning msg=slow experiment=quick-k3f9a2 run=baseline attempt=3\n"));
}

TEST(LogTest, AFileThatCannotBeWrittenIsNamed) {
  LogOptions options;
  options.file = "/proc/nowhere/log";
  EXPECT_THAT(std::string(Log::Open(options).status().message()), HasSubstr("/proc/nowhere/log"));
}

}  // namespace
}  // namespace quantlab
