#include "client/inputs/assets.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/testing/temp_folder.h"
#include "worker/engine/input_checks/testing/small_model.h"

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

constexpr char kVocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n";

void WriteModel(TempFolder* folder) {
  engine::WriteSmallModel(*folder, "m");
}

std::string WhyRefused(const TempFolder& folder, const std::string& name = "m") {
  const v1::RequiredInput required = Required(name, name, "model");
  const absl::Status checked = CheckAsset(required, folder.path(), {});
  EXPECT_EQ(FindAsset(required, folder.path(), {}, {}).status(), checked);
  return std::string(checked.message());
}

TEST(AssetsTest, AModelIsItsConfigurationVocabularyAndSafetensors) {
  TempFolder folder;
  WriteModel(&folder);
  folder.Write("m/pytorch_model.bin", "no");
  folder.Write("m/.git/config.json", "no");
  const auto asset = FindAsset(Required("./m", "./m", "model"), folder.path(), {}, {});
  ASSERT_TRUE(asset.ok()) << asset.status();
  ASSERT_EQ(asset->input.files_size(), 3);
  EXPECT_EQ(asset->input.files(0).path(), "config.json");
  EXPECT_EQ(asset->input.files(0).sha256(), Sha256Hex(engine::SmallModelConfig().dump()));
  EXPECT_EQ(asset->files[2].path, folder.path() + "/m/vocab.txt");
}

TEST(AssetsTest, PickledWeightsAreTakenWhereThereAreNoOthers) {
  TempFolder folder;
  folder.Write("m/config.json", "{}");
  folder.Write("m/pytorch_model.bin", "PK\x03\x04...PK\x05\x06");
  folder.Write("m/training_args.bin", "no");
  folder.Write("m/vocab.txt", kVocabulary);
  const auto asset = FindAsset(Required("m", "m", "model"), folder.path(), {}, {});
  ASSERT_TRUE(asset.ok()) << asset.status();
  ASSERT_EQ(asset->input.files_size(), 3);
  EXPECT_EQ(asset->input.files(1).path(), "pytorch_model.bin");
}

TEST(AssetsTest, AFolderThatIsNoModelIsRefusedBeforeItIsUploaded) {
  TempFolder folder;
  folder.Write("m/readme.txt", "x");
  EXPECT_THAT(WhyRefused(folder),
              HasSubstr("lacks config.json, model.safetensors, tokenizer.json or vocab.txt"));
  WriteModel(&folder);
  EXPECT_EQ(WhyRefused(folder), "");
  folder.Write("m/tokenizer_config.json", R"({"tokenizer_class":"BertJapaneseTokenizer"})");
  EXPECT_THAT(WhyRefused(folder), HasSubstr("tokenizer_class is BertJapaneseTokenizer"));
  folder.Write("m/model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  EXPECT_THAT(WhyRefused(folder), HasSubstr("is a Git LFS pointer"));
  EXPECT_THAT(WhyRefused(folder, "m/vocab.txt"), HasSubstr("is a file; a model is a folder"));
}

TEST(AssetsTest, ATildeIsTheUsersFolder) {
  const v1::RequiredInput required = Required("~/m", "~/m", "model");
  const char* home = std::getenv("HOME");
  const std::string before = home == nullptr ? "" : home;
  TempFolder folder;
  WriteModel(&folder);
  setenv("HOME", folder.path().c_str(), 1);
  EXPECT_EQ(*AssetCandidates(required, "elsewhere", {}), (std::vector<std::string>{folder / "m"}));
  EXPECT_EQ(*AssetCandidates(required, "elsewhere", {{"~/m", "~/n"}}),
            (std::vector<std::string>{folder / "n"}));
  EXPECT_EQ(CheckAsset(required, "elsewhere", {}), absl::OkStatus());
  setenv("HOME", before.c_str(), 1);
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
  for (const std::string& part : {std::string("models/bert, "), folder / "models/bert",
                                  std::string("Get it from there."), std::string("--asset 'bert=PATH'")}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

}  // namespace
}  // namespace quantlab::client
