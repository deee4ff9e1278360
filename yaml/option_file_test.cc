#include "yaml/option_file.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantlab {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

const Words kOptions = {"help",   "version",      "config",  "ready-fd",
                        "listen", "require-auth", "devices", "grace"};

absl::StatusOr<Words> Read(const Words& arguments, const std::string& text) {
  return WithOptionFile(arguments, kOptions, "coordinator.yaml", text);
}

std::string ErrorOf(const std::string& text) {
  const absl::StatusOr<Words> read = Read({}, text);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(read.status().message());
}

TEST(OptionFileTest, KeysBecomeOptions) {
  EXPECT_THAT(
      *Read({}, "listen: 127.0.0.1:7070\nrequire_auth: true\ndevices: [cpu, cuda]\ngrace: 60\n"),
      ElementsAre("--listen=127.0.0.1:7070", "--require-auth=true", "--devices=cpu,cuda", "--grace=60"));
}

TEST(OptionFileTest, TheCommandLineTakesPrecedence) {
  const std::string text = "listen: 127.0.0.1:7070\ngrace: 60\n";
  EXPECT_THAT(*Read({"--listen", "localhost:1"}, text), ElementsAre("--grace=60", "--listen", "localhost:1"));
  EXPECT_THAT(*Read({"--listen=localhost:1"}, text), ElementsAre("--grace=60", "--listen=localhost:1"));
  // The name of another option is not enough.
  EXPECT_THAT(*Read({"--listener", "x"}, text),
              ElementsAre("--listen=127.0.0.1:7070", "--grace=60", "--listener", "x"));
}

TEST(OptionFileTest, AFileOfCommentsAndEmptyValuesChangesNothing) {
  EXPECT_THAT(*Read({"--grace=1"}, ""), ElementsAre("--grace=1"));
  EXPECT_THAT(*Read({"--grace=1"}, "# listen: x\n"), ElementsAre("--grace=1"));
  EXPECT_THAT(*Read({"--grace=1"}, "listen:\n"), ElementsAre("--grace=1"));
}

TEST(OptionFileTest, ErrorsNameFileAndLine) {
  EXPECT_EQ(ErrorOf("grace: 60\nlisten_on: x\n"),
            "coordinator.yaml:2: unknown key 'listen_on'; allowed: devices, grace, listen, require_auth");
  EXPECT_EQ(ErrorOf("\nlisten: {a: b}\n"),
            "coordinator.yaml:2: 'listen' must be one value or a list of words");
  EXPECT_EQ(ErrorOf("devices: []\n"), "coordinator.yaml:1: 'devices' must be one value or a list of words");
  EXPECT_EQ(ErrorOf("devices: [[cpu]]\n"), "coordinator.yaml:1: 'devices' must be a list of words");
  EXPECT_EQ(ErrorOf("devices: ['cpu,cuda']\n"), "coordinator.yaml:1: 'devices' must be a list of words");
  EXPECT_EQ(ErrorOf("- listen\n"), "coordinator.yaml:1: expected 'key: value' lines");
  EXPECT_THAT(ErrorOf("listen: [\n"), HasSubstr("coordinator.yaml:"));
  EXPECT_THAT(ErrorOf("grace: 1\ngrace: 2\n"), HasSubstr("coordinator.yaml:2"));
  for (const char* key : {"help", "version", "config", "ready_fd"}) {
    EXPECT_THAT(ErrorOf(absl::StrCat(key, ": 3\n")), HasSubstr("unknown key"));
  }
  // Keys are spelled with '_'; options with '-' only on the command line.
  EXPECT_THAT(ErrorOf("require-auth: true\n"), HasSubstr("unknown key 'require-auth'"));
}

TEST(OptionFileTest, FindsTheNamedFile) {
  EXPECT_EQ(NamedOptionFile({"--data-dir", "x"}), "");
  EXPECT_EQ(NamedOptionFile({"--config", "a.yaml"}), "a.yaml");
  EXPECT_EQ(NamedOptionFile({"--x", "--config=b.yaml"}), "b.yaml");
  EXPECT_EQ(NamedOptionFile({"--config"}), "");
}

}  // namespace
}  // namespace quantlab
