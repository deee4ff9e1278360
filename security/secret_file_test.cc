#include "security/secret_file.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "base/testing/temp_folder.h"
#include "security/token.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

mode_t ModeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

TEST(SecretFileTest, IsWrittenForItsOwnerAloneAndNeverOverAnotherFile) {
  const TempFolder folder;
  const std::string path = folder / "token";
  const mode_t before = umask(0);
  const absl::Status written = WriteSecretFile(path, "secret\n");
  umask(before);
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_EQ(ModeOf(path), 0600u);
  EXPECT_EQ(*ReadFile(path, 100), "secret\n");
  EXPECT_TRUE(absl::IsAlreadyExists(WriteSecretFile(path, "other")));
  EXPECT_EQ(*ReadFile(path, 100), "secret\n");
  ASSERT_TRUE(ReplaceSecretFile(path, "other\n").ok());
  EXPECT_EQ(ModeOf(path), 0600u);
  EXPECT_EQ(*ReadFile(path, 100), "other\n");
}

TEST(SecretFileTest, ATokenIsReadFromAFileOfItsOwnerAlone) {
  const TempFolder folder;
  const std::string path = folder / "token";
  const std::string token = NewToken();
  ASSERT_TRUE(WriteSecretFile(path, token + "\n").ok());
  EXPECT_EQ(*ReadTokenFile(path), token);
  EXPECT_TRUE(absl::IsNotFound(ReadTokenFile(folder / "none").status()));
}

TEST(SecretFileTest, AFileThatOthersMayReadOrWriteIsRefusedWithTheRemedy) {
  const TempFolder folder;
  const std::string path = folder / "token";
  ASSERT_TRUE(WriteSecretFile(path, NewToken()).ok());
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0644, 0666, 0777}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    const absl::Status read = ReadTokenFile(path).status();
    EXPECT_TRUE(absl::IsPermissionDenied(read)) << mode;
    EXPECT_THAT(std::string(read.message()), HasSubstr("chmod 600 " + path));
    EXPECT_TRUE(absl::IsPermissionDenied(CheckSecretFile(path)));
  }
  ASSERT_EQ(chmod(path.c_str(), 0400), 0);
  EXPECT_TRUE(ReadTokenFile(path).ok());
}

TEST(SecretFileTest, AnythingButOneTokenIsRefused) {
  const TempFolder folder;
  int next = 0;
  for (const std::string& content :
       {std::string(), std::string("password"), NewToken() + "\n" + NewToken()}) {
    const std::string path = folder / std::to_string(next++);
    ASSERT_TRUE(WriteSecretFile(path, content).ok());
    EXPECT_TRUE(absl::IsInvalidArgument(ReadTokenFile(path).status())) << content;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ReadTokenFile(folder.path()).status()));
}

}  // namespace
}  // namespace quantlab
