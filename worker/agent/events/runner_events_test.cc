#include "worker/agent/events/runner_events.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Lines(LineSplitter& splitter) {
  std::vector<std::string> lines;
  std::string line;
  bool too_long = false;
  while (splitter.Next(line, too_long)) lines.push_back(line + (too_long ? "!" : ""));
  return lines;
}

TEST(LineSplitterTest, CutsLinesWhereverTheStreamIsCut) {
  const std::string text = "one\n\ntwo three\nrest";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    LineSplitter splitter(100);
    splitter.Add(text.substr(0, cut));
    std::vector<std::string> lines = Lines(splitter);
    splitter.Add(text.substr(cut));
    for (std::string& line : Lines(splitter)) lines.push_back(line);
    EXPECT_THAT(lines, ElementsAre("one", "", "two three"));
    std::string rest;
    EXPECT_TRUE(splitter.Rest(rest));
    EXPECT_EQ(rest, "rest");
    EXPECT_EQ(splitter.lines(), 4);
    EXPECT_FALSE(splitter.Rest(rest));
  }
}

TEST(LineSplitterTest, LongLinesAreReportedOnceAndSkipped) {
  const std::string text = "ok\n" + std::string(50, 'x') + "\nafter\n";
  for (size_t step : {1, 7, 100}) {
    LineSplitter splitter(10);
    std::vector<std::string> lines;
    for (size_t i = 0; i < text.size(); i += step) {
      splitter.Add(text.substr(i, step));
      for (std::string& line : Lines(splitter)) lines.push_back(line);
    }
    EXPECT_THAT(lines, ElementsAre("ok", "xxxxxxxxxx!", "after"));
    EXPECT_EQ(splitter.thrown_away(), 0u);
    splitter.Add(std::string(30, 'y'));
    Lines(splitter);
    EXPECT_EQ(splitter.thrown_away(), 30u);
  }
}

TEST(ParseRunnerEventTest, ReadsTheJsonMapping) {
  const auto event = ParseRunnerEvent(
      R"({"metric":{"name":"accuracy","value":0.5,"unit":"1","samples":"1000","labels":{"split":"test"}},"new":1})");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->metric().samples(), 1000);
  EXPECT_EQ(event->metric().labels().at("split"), "test");
}

TEST(ParseRunnerEventTest, SaysWhatIsWrongAndQuotesTheLine) {
  for (const char* line :
       {"not json", "{\"metric\":", "[]", "{\"metric\":3}", "\xff\xfe", "{\"finished\":{\"ok\":\"x\"}}"}) {
    const auto event = ParseRunnerEvent(line);
    EXPECT_TRUE(absl::IsInvalidArgument(event.status())) << line;
    EXPECT_THAT(std::string(event.status().message()), HasSubstr("the line begins \"")) << line;
  }
}

}  // namespace
}  // namespace quantlab::agent
