#include "worker/agent/program/folder_id.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"

namespace quantlab::agent {
namespace {

namespace fs = std::filesystem;

TEST(FolderIdTest, StaysWithTheFolderAndIsAnotherForACopy) {
  const TempFolder folder({{"worker/lock", ""}, {"worker/worker_id", "worker-1"}});
  const auto id = FolderId(folder / "worker/lock");
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(FolderId(folder / "worker/lock").value(), *id);
  fs::copy(folder / "worker", folder / "copy", fs::copy_options::recursive);
  EXPECT_NE(FolderId(folder / "copy/lock").value(), *id);
  fs::rename(folder / "worker", folder / "renamed");
  EXPECT_EQ(FolderId(folder / "renamed/lock").value(), *id);
  EXPECT_TRUE(absl::IsNotFound(FolderId(folder / "worker/lock").status()));
}

}  // namespace
}  // namespace quantlab::agent
