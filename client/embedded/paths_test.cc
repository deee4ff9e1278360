// Where the embedded service keeps its socket and finds its catalogue.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"
#include "client/embedded/embedded.h"

namespace quantlab::client {
namespace {

TEST(SocketPathTest, AShortFolderHoldsItsSocket) {
  EXPECT_EQ(*SocketPath("/data/q", ""), "/data/q/coordinator.sock");
}

TEST(SocketPathTest, ALongFolderGetsAPrivateOneElsewhere) {
  TempFolder runtime;
  const std::string long_folder = "/data/" + std::string(120, 'x');
  const auto path = SocketPath(long_folder, runtime.path());
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_LE(path->size(), 107u);
  EXPECT_EQ(path->rfind(runtime.path(), 0), 0u);
  const std::string folder = std::filesystem::path(*path).parent_path().string();
  EXPECT_EQ(std::filesystem::status(folder).permissions(), std::filesystem::perms::owner_all);
  EXPECT_EQ(*SocketPath(long_folder, runtime.path()), *path);
  // Somebody else could have prepared it.
  std::filesystem::permissions(folder, std::filesystem::perms::all);
  EXPECT_EQ(SocketPath(long_folder, runtime.path()).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(FindCatalogTest, AnInstallationsComesFirstThenTheFoldersAbove) {
  TempFolder folder;
  folder.Write("src/configs/catalog.yaml", "");
  std::filesystem::create_directories(folder / "src/a/b");
  EXPECT_EQ(FindCatalog("/nowhere/bin", folder / "src/a/b"), folder / "src/configs/catalog.yaml");
  folder.Write("usr/share/quantlab/catalog.yaml", "");
  EXPECT_EQ(FindCatalog(folder / "usr/bin", folder / "src"), folder / "usr/share/quantlab/catalog.yaml");
}

}  // namespace
}  // namespace quantlab::client
