#include "client/quantctl/catalog_assets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/testing/temp_folder.h"

namespace quantlab::client {
namespace {

TEST(CatalogAssetsTest, DamagedAndMissingFilesAreTold) {
  TempFolder folder;
  const std::string catalog =
      folder.Write("catalog.yaml", "entries:\n  tiny:\n    wheel:\n      files: [{path: a.txt, sha256: " +
                                       Sha256Hex("abc") + ", size: 3}]\n  own: {path: x}\n");
  const auto assets = ReadCatalogAssets(catalog);
  ASSERT_TRUE(assets.ok()) << assets.status();
  ASSERT_EQ(assets->size(), 1u);
  EXPECT_EQ(CheckAsset(folder.path(), assets->front()).state, AssetCheck::kMissing);
  folder.Write("tiny/a.txt", "abd");
  EXPECT_EQ(CheckAsset(folder.path(), assets->front()).state, AssetCheck::kDamaged);
  folder.Write("tiny/a.txt", "abc");
  EXPECT_EQ(CheckAsset(folder.path(), assets->front()).state, AssetCheck::kPresent);
}

}  // namespace
}  // namespace quantlab::client
