#include "model_folder/hub_name.h"

#include <gtest/gtest.h>

namespace quantlab {
namespace {

TEST(HubNameTest, OwnerNameAndRevisionAreRead) {
  const auto plain = ParseHubName("hf:google/electra-small-discriminator");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->repository, "google/electra-small-discriminator");
  EXPECT_EQ(plain->revision, "main");
  EXPECT_EQ(ParseHubName("hf:bert-base-uncased")->repository, "bert-base-uncased");
  EXPECT_EQ(ParseHubName("hf:a/b@refs/pr/1")->revision, "refs/pr/1");
  EXPECT_EQ(ParseHubName("hf:a/b.c_d-e@v1.0")->revision, "v1.0");
}

TEST(HubNameTest, OtherNamesAreRefused) {
  for (const char* name :
       {"bert-base-uncased", "a/b",      "hf:",         "hf:/b",     "hf:a/",       "hf:a/b/c", "hf:../b",
        "hf:a/..",           "hf:a/b@",  "hf:a/b@../x", "hf:a/b@/x", "hf:a/b@x//y", "hf:-a/b",  "hf:a--b/c",
        "hf:a/b.git",        "hf:a b/c", "hf:a/b?x",    "hf:a/b#x",  "hf:a/b%2e",   "hf:模型/b"}) {
    EXPECT_FALSE(ParseHubName(name).has_value()) << name;
  }
  EXPECT_FALSE(ParseHubName("hf:a/" + std::string(97, 'b')).has_value());
  EXPECT_TRUE(HasHubPrefix("hf:a b"));
  EXPECT_FALSE(HasHubPrefix("./hf:a"));
}

TEST(HubNameTest, OnlyKnownNamesNeedNoPrefix) {
  EXPECT_TRUE(IsBareHubName("bert-base-uncased"));
  EXPECT_FALSE(IsBareHubName("bert-base-uncase"));
  EXPECT_FALSE(IsBareHubName(""));
}

}  // namespace
}  // namespace quantlab
