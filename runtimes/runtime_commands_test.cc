#include "runtimes/runtime_commands.h"

#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "platform/files.h"

namespace quantlab::runtimes {
namespace {

using ::testing::ElementsAre;

RuntimeSettings SettingsOf(const std::map<std::string, std::string>& variables) {
  return RuntimeSettingsFrom([variables](const char* name) {
    const auto it = variables.find(name);
    return it == variables.end() ? std::string() : it->second;
  });
}

TEST(RuntimeCommandsTest, SettingsComeFromTheEnvironment) {
  EXPECT_EQ(SettingsOf({}).python, "python3");
  EXPECT_EQ(SettingsOf({}).folder, "");
  const RuntimeSettings settings =
      SettingsOf({{kPythonVariable, "/venv/bin/python"}, {kFolderVariable, "/own"}});
  EXPECT_EQ(settings.python, "/venv/bin/python");
  EXPECT_EQ(settings.folder, "/own");
}

TEST(RuntimeCommandsTest, KnownRuntimesAreServedByThePythonThatWasNamed) {
  EXPECT_THAT(*RuntimeCommand("openvino", SettingsOf({{kPythonVariable, "py"}}), "/programs"),
              ElementsAre("py", "/programs/serve_runtime.py", "openvino"));
  EXPECT_TRUE(absl::IsInvalidArgument(RuntimeCommand("quantlab", {}, "/programs").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(RuntimeCommand("../sh", {}, "/programs").status()));
}

TEST(RuntimeCommandsTest, OwnProgramsAreTakenFromTheirFolderAlone) {
  const auto folder = ScratchFolder::Make("runtime-commands");
  ASSERT_TRUE(folder.ok());
  const RuntimeSettings settings = SettingsOf({{kFolderVariable, folder->path()}});
  EXPECT_TRUE(absl::IsNotFound(RuntimeCommand("x-mine", settings, "").status()));
  const std::string program = folder->path() + "/x-mine";
  ASSERT_TRUE(WriteFileAtomically(program, "#!/bin/sh\n").ok());
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  EXPECT_THAT(*RuntimeCommand("x-mine", settings, ""), ElementsAre(program));
  EXPECT_TRUE(absl::IsNotFound(RuntimeCommand("x-mine", {}, "").status()));
}

TEST(RuntimeCommandsTest, TheProgramsAreWrittenTogether) {
  const auto folder = ScratchFolder::Make("runtime-commands");
  ASSERT_TRUE(folder.ok());
  ASSERT_TRUE(WriteRuntimePrograms(folder->path()).ok());
  EXPECT_TRUE(std::filesystem::exists(folder->path() + "/serve_runtime.py"));
  EXPECT_TRUE(std::filesystem::exists(folder->path() + "/quantlab_runtimes.py"));
}

}  // namespace
}  // namespace quantlab::runtimes
