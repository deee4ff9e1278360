#include "client/quantctl/asset_check.h"

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/testing/temp_folder.h"

namespace quantlab::client {
namespace {

TEST(AssetCheckTest, DamagedAndMissingFilesAreReported) {
  const TempFolder folder;
  const std::vector<AssetFile> files = {{"a.txt", Sha256Hex("abc"), 3}};
  EXPECT_EQ(CheckAsset(folder.path(), files).state, AssetCheck::kMissing);
  folder.Write("a.txt", "abd");
  EXPECT_EQ(CheckAsset(folder.path(), files).state, AssetCheck::kDamaged);
  folder.Write("a.txt", "abc");
  EXPECT_EQ(CheckAsset(folder.path(), files).state, AssetCheck::kPresent);
}

}  // namespace
}  // namespace quantlab::client
