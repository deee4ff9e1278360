// Small scripts as children: each test waits for what must happen, with a limit, and never for a time to
// pass.
#include "platform/child_keeper.h"

#include <csignal>
#include <functional>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/testing/temp_folder.h"
#include "platform/files.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

bool Eventually(const std::function<bool()>& condition) {
  for (const absl::Time deadline = absl::Now() + absl::Seconds(60); absl::Now() < deadline;) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return condition();
}

std::string Script(const TempFolder& folder, const std::string& name, const std::string& body) {
  const std::string path = folder.Write(name, "#!/bin/sh\n" + body);
  chmod(path.c_str(), 0755);
  return path;
}

// Says that it is ready, then lives until its lifeline ends.
constexpr char kGoodChild[] = "echo ready >&4\nexec 4>&-\nexec cat <&3 >/dev/null\n";

KeeperOptions Fast(const std::string& name, const std::string& script, const std::string& log) {
  KeeperOptions options{.name = name, .argv = {script}, .log_path = log};
  options.first_pause = absl::Milliseconds(1);
  options.longest_pause = absl::Milliseconds(5);
  return options;
}

TEST(ChildKeeperTest, StartsAProgramAgainWhenItIsKilled) {
  TempFolder folder;
  const std::string script = Script(folder, "child", kGoodChild);
  ChildKeeper keeper(Fast("child", script, ""));
  keeper.Start();
  for (int life = 1; life <= 20; ++life) {
    ASSERT_TRUE(Eventually([&] { return keeper.ready() && keeper.starts() == life; })) << life;
    kill(keeper.pid(), SIGKILL);
  }
  EXPECT_TRUE(keeper.failure().ok()) << keeper.failure();
}

TEST(ChildKeeperTest, GivesUpAProgramThatNeverBecomesReadyAndQuotesItsLog) {
  TempFolder folder;
  ChildKeeper keeper(
      Fast("coordinator", Script(folder, "child", "echo no such catalogue\nexit 7\n"), folder / "log"));
  keeper.Start();
  ASSERT_TRUE(Eventually([&] { return !keeper.failure().ok(); }));
  EXPECT_EQ(keeper.starts(), 8);
  EXPECT_THAT(std::string(keeper.failure().message()), HasSubstr("exited with code 7"));
  EXPECT_THAT(std::string(keeper.failure().message()), HasSubstr("no such catalogue"));
}

TEST(ChildKeeperTest, AProgramThatCannotBeStartedIsGivenUp) {
  ChildKeeper keeper(Fast("worker", "/nowhere/program", ""));
  keeper.Start();
  ASSERT_TRUE(Eventually([&] { return !keeper.failure().ok(); }));
  EXPECT_THAT(std::string(keeper.failure().message()), HasSubstr("/nowhere/program"));
}

TEST(ChildKeeperTest, StopsGentlyThenNot) {
  TempFolder folder;
  const std::string gentle =
      Script(folder, "gentle",
             "trap 'echo bye >> \"$0.bye\"; exit 0' TERM\necho ready >&4\nwhile :; do sleep 0.05; done\n");
  ChildKeeper keeper(Fast("gentle", gentle, ""));
  keeper.Start();
  ASSERT_TRUE(Eventually([&] { return keeper.ready(); }));
  keeper.Stop(absl::Seconds(60));
  EXPECT_EQ(*ReadFile(gentle + ".bye", 100), "bye\n");
  EXPECT_EQ(keeper.pid(), 0);

  ChildKeeper stubborn(
      Fast("stubborn",
           Script(folder, "stubborn", "trap '' TERM\necho ready >&4\nwhile :; do sleep 0.05; done\n"), ""));
  stubborn.Start();
  ASSERT_TRUE(Eventually([&] { return stubborn.ready(); }));
  stubborn.Stop(absl::Milliseconds(50));
  EXPECT_EQ(stubborn.pid(), 0);
}

TEST(ChildKeeperTest, TheChildHasNoDescriptorOfOurs) {
  TempFolder folder;
  // Left open for children, as a CI job's pipe is.
  constexpr int kLeaked = 200;
  ASSERT_EQ(dup2(STDERR_FILENO, kLeaked), kLeaked);
  ChildKeeper keeper(
      Fast("child", Script(folder, "child", "ls /proc/$$/fd > \"$0.fds\"\necho ready >&4\ncat <&3\n"), ""));
  keeper.Start();
  ASSERT_TRUE(Eventually([&] { return keeper.ready(); }));
  const std::vector<std::string> open = absl::StrSplit(*ReadFile(folder / "child.fds", 1000), '\n');
  EXPECT_THAT(open, ::testing::Contains("3"));
  EXPECT_THAT(open, ::testing::Contains("4"));
  EXPECT_THAT(open, ::testing::Not(::testing::Contains("200")));
  close(kLeaked);
}

}  // namespace
}  // namespace quantlab
