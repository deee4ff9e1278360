#include "client/inputs/assets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/testing/temp_folder.h"

namespace quantlab::client {
namespace {

using ::testing::HasSubstr;

v1::RequiredInput Required(const std::string& name, const std::string& path, const std::string& role) {
  v1::RequiredInput required;
  required.set_name(name);
  required.set_path(path);
  required.set_role(role);
  required.set_remedy("Get it from there.");
  return required;
}

TEST(AssetsTest, AModelIsItsConfigurationVocabularyAndSafetensors) {
  TempFolder folder;
  for (const char* name : {"config.json", "model.safetensors", "vocab.txt"})
    folder.Write(std::string("m/") + name, name);
  folder.Write("m/pytorch_model.bin", "no");
  folder.Write("m/.git/config.json", "no");
  const auto asset = FindAsset(Required("./m", "./m", "model"), folder.path(), {}, {});
  ASSERT_TRUE(asset.ok()) << asset.status();
  ASSERT_EQ(asset->input.files_size(), 3);
  EXPECT_EQ(asset->input.files(0).path(), "config.json");
  EXPECT_EQ(asset->input.files(0).sha256(), Sha256Hex("config.json"));
  EXPECT_EQ(asset->files[2].path, folder.path() + "/m/vocab.txt");
}

TEST(AssetsTest, AFolderThatIsNoModelIsRefused) {
  TempFolder folder;
  folder.Write("m/readme.txt", "x");
  EXPECT_THAT(std::string(FindAsset(Required("m", "m", "model"), folder.path(), {}, {}).status().message()),
              HasSubstr("config.json"));
  folder.Write("m/config.json", "{}");
  EXPECT_THAT(std::string(FindAsset(Required("m", "m", "model"), folder.path(), {}, {}).status().message()),
              HasSubstr(".safetensors"));
}

TEST(AssetsTest, UnlabelledReviewsStayAtHome) {
  TempFolder folder;
  folder.Write("aclImdb/train/pos/0_9.txt", "good");
  folder.Write("aclImdb/train/neg/0_1.txt", "bad");
  folder.Write("aclImdb/train/unsup/0_0.txt", "?");
  folder.Write("aclImdb/train/labeledBow.feat", "?");
  const auto asset =
      FindAsset(Required("imdb", "aclImdb", "dataset"), folder.path(), {{"imdb", folder / "aclImdb"}}, {});
  ASSERT_TRUE(asset.ok()) << asset.status();
  EXPECT_EQ(asset->input.files_size(), 2);
}

TEST(AssetsTest, ADatasetMayBeOneFile) {
  TempFolder folder;
  folder.Write("d/reviews.csv", "text,label\n");
  const auto asset = FindAsset(Required("d/reviews.csv", "d/reviews.csv", "dataset"), folder.path(), {}, {});
  ASSERT_TRUE(asset.ok()) << asset.status();
  EXPECT_EQ(asset->input.files(0).path(), "reviews.csv");
}

TEST(AssetsTest, WhatIsMissingSaysWhereItWasLookedForAndWhatToDo) {
  TempFolder folder;
  const absl::Status status =
      FindAsset(Required("bert", "models/bert", "model"), folder.path(), {}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  for (const std::string& part : {std::string("models/bert and "), folder / "models/bert",
                                  std::string("Get it from there."), std::string("--asset 'bert=PATH'")}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

}  // namespace
}  // namespace quantlab::client
