#include "platform/process.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"
#include "platform/files.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

TEST(ProcessTest, RunsACommandToItsEnd) {
  const auto launcher = MakeProcessLauncher();
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "echo out; echo err >&2; echo $GREETING; exit 3"};
  spec.environment = {{"GREETING", "hello"}};
  const auto result = RunCommand(*launcher, spec, {.timeout = absl::Seconds(30)});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "out\nerr\nhello\n");
  EXPECT_EQ(DescribeExit(result->exit), "exited with code 3");
}

TEST(ProcessTest, KeepsTheEndOfLongOutput) {
  const auto launcher = MakeProcessLauncher();
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done"};
  const auto result = RunCommand(*launcher, spec, {.timeout = absl::Seconds(30), .max_output = 100});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->output.size(), 100u);
  EXPECT_THAT(result->output, HasSubstr("line 1999\n"));
}

TEST(ProcessTest, SaysWhatIsNotThere) {
  const auto launcher = MakeProcessLauncher();
  ProcessSpec spec;
  spec.argv = {"quantlab-no-such-program"};
  EXPECT_TRUE(absl::IsNotFound(RunCommand(*launcher, spec, {.timeout = absl::Seconds(1)}).status()));
  spec.argv = {"/nowhere/program"};
  EXPECT_TRUE(absl::IsNotFound(RunCommand(*launcher, spec, {.timeout = absl::Seconds(1)}).status()));
  spec.argv = {"true"};
  spec.working_folder = "/nowhere";
  EXPECT_TRUE(absl::IsNotFound(RunCommand(*launcher, spec, {.timeout = absl::Seconds(1)}).status()));
}

TEST(ProcessTest, TimeKillsIt) {
  const auto launcher = MakeProcessLauncher();
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "trap '' TERM; sleep 1000"};
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(RunCommand(*launcher, spec, {.timeout = absl::Milliseconds(100)}).status()));
}

// Whether the process ends, or has ended, within 10 seconds: a killed one does so at a time of the kernel's.
bool Ends(pid_t pid) {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) return errno == ESRCH;
  pollfd ended{process.get(), POLLIN, 0};
  return poll(&ended, 1, 10'000) == 1;
}

TEST(ProcessTest, CancellationKillsTheWholeGroup) {
  const auto launcher = MakeProcessLauncher();
  TempFolder folder;
  // The shell itself asks for its end, when its child runs.
  ASSERT_EQ(mkfifo((folder / "cancel").c_str(), 0600), 0);
  const UniqueFd cancel(open((folder / "cancel").c_str(), O_RDWR | O_CLOEXEC));
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "trap '' TERM; sleep 1000 & echo $! > child; echo > cancel; wait"};
  spec.working_folder = folder.path();
  EXPECT_TRUE(absl::IsCancelled(RunCommand(*launcher, spec, {.cancel_fd = cancel.get()}).status()));
  pid_t child = 0;
  std::ifstream(folder / "child") >> child;
  ASSERT_GT(child, 0);
  EXPECT_TRUE(Ends(child));
}

TEST(ProcessTest, StandardErrorMayBeApart) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "echo out; echo err >&2"};
  spec.output = ProcessSpec::Output::kTwoPipes;
  const auto result = RunCommand(*MakeProcessLauncher(), spec, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "out\n");
  EXPECT_EQ(result->errors, "err\n");
}

TEST(ProcessTest, DescriptorsAreHandedOverInTheirOrderAndNoOthers) {
  // Left open for children, as the pipe of a CI job is.
  constexpr int kLeaked = 200;
  ASSERT_EQ(dup2(STDERR_FILENO, kLeaked), kLeaked);
  absl::StatusOr<Pipe> first = MakePipe(), second = MakePipe();
  ASSERT_TRUE(first.ok() && second.ok());
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "echo one >&3; echo two >&4; exec ls /proc/self/fd"};
  spec.fds = {first->write.get(), second->write.get()};
  const auto result = RunCommand(*MakeProcessLauncher(), spec, {});
  close(kLeaked);
  ASSERT_TRUE(result.ok()) << result.status();
  // 5 is the folder that ls reads.
  EXPECT_EQ(result->output, "0\n1\n2\n3\n4\n5\n");
  char text[8] = "";
  EXPECT_EQ(read(first->read.get(), text, sizeof(text)), 4);
  EXPECT_EQ(std::string(text, 4), "one\n");
  EXPECT_EQ(read(second->read.get(), text, sizeof(text)), 4);
  EXPECT_EQ(std::string(text, 4), "two\n");
}

TEST(ProcessTest, StandardInputMayBeADescriptor) {
  absl::StatusOr<Pipe> pipe = MakePipe();
  ASSERT_TRUE(pipe.ok());
  ASSERT_EQ(write(pipe->write.get(), "given\n", 6), 6);
  pipe->write.Reset();
  ProcessSpec spec;
  spec.argv = {"cat"};
  EXPECT_EQ(RunCommand(*MakeProcessLauncher(), spec, {})->output, "") << "/dev/null, where there is none";
  spec.input = pipe->read.get();
  EXPECT_EQ(RunCommand(*MakeProcessLauncher(), spec, {})->output, "given\n");
}

TEST(ProcessTest, OutputMayBeAppendedToALog) {
  const TempFolder folder;
  const std::string log = folder.Write("log", "before\n");
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "echo out; echo err >&2"};
  spec.output = ProcessSpec::Output::kLog;
  spec.log_path = log;
  const auto result = RunCommand(*MakeProcessLauncher(), spec, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "");
  EXPECT_EQ(*ReadFile(log, 100), "before\nout\nerr\n");
}

TEST(ProcessTest, SignalsOfTheCallerAreNotInherited) {
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &set, &before), 0);
  const auto ignored = signal(SIGPIPE, SIG_IGN);
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status"};
  const auto result = RunCommand(*MakeProcessLauncher(), spec, {});
  signal(SIGPIPE, ignored);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(ProcessTest, ItMayBeMadeLikelierToBeKilledForMemory) {
  ProcessSpec spec;
  spec.argv = {"cat", "/proc/self/oom_score_adj"};
  spec.oom_score_adjustment = 567;
  const auto result = RunCommand(*MakeProcessLauncher(), spec, {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "567\n");
}

TEST(ProcessTest, ItDiesWithTheThreadThatStartedIt) {
  std::unique_ptr<Process> process;
  ProcessSpec spec;
  spec.argv = {"sleep", "1000"};
  std::thread([&] {
    auto launched = MakeProcessLauncher()->Launch(spec);
    ASSERT_TRUE(launched.ok()) << launched.status();
    process = *std::move(launched);
  }).join();
  ASSERT_NE(process, nullptr);
  EXPECT_EQ(process->Wait().signal, SIGKILL);
}

TEST(ProcessTest, ADetachedProcessOutlivesTheThreadThatStartedIt) {
  ProcessSpec spec;
  spec.argv = {"sleep", "1000"};
  spec.output = ProcessSpec::Output::kLog;
  spec.new_session = true;
  pid_t pid = 0;
  std::thread([&] {
    const auto launched = LaunchDetached(spec);
    ASSERT_TRUE(launched.ok()) << launched.status();
    pid = *launched;
  }).join();
  ASSERT_GT(pid, 0);
  EXPECT_EQ(getsid(pid), pid);
  EXPECT_FALSE(ReapChild(pid, /*wait=*/false));
  EXPECT_TRUE(SignalProcess(pid, SIGKILL).ok());
  EXPECT_TRUE(ReapChild(pid, /*wait=*/true));
  EXPECT_TRUE(absl::IsNotFound(SignalProcess(pid, SIGKILL)));
}

TEST(ProcessTest, GroupsOfProcessesAreNotSignalledByTheirNegativeId) {
  for (const pid_t pid : {0, -1, -getpgrp()}) EXPECT_TRUE(absl::IsInvalidArgument(SignalProcess(pid, 0)));
}

TEST(ProcessTest, TheCallerMayStopIt) {
  ProcessSpec spec;
  spec.argv = {"sleep", "1000"};
  int asked = 0;
  const auto result = RunCommand(*MakeProcessLauncher(), spec, {.should_stop = [&] { return ++asked == 2; }});
  EXPECT_TRUE(absl::IsCancelled(result.status())) << result.status();
}

TEST(ProcessTest, DescribesSignals) {
  EXPECT_EQ(DescribeExit({0, SIGKILL}), "was killed by signal 9 (Killed)");
  EXPECT_EQ(DescribeExit({0, 63}), "was killed by signal 63");
}

}  // namespace
}  // namespace quantlab
