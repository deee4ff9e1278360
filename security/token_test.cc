#include "security/token.h"

#include <set>

#include <gtest/gtest.h>

#include "base/sha256.h"

namespace quantlab {
namespace {

TEST(TokenTest, ATokenSpells256RandomBitsAndNoTwoAreEqual) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string token = NewToken();
    EXPECT_TRUE(IsToken(token)) << token;
    EXPECT_TRUE(seen.insert(token).second);
  }
  size_t asked = 0;
  NewToken([&](unsigned char* data, size_t size) {
    asked += size;
    std::fill(data, data + size, 7);
  });
  EXPECT_EQ(asked, 32u);
}

TEST(TokenTest, OtherTextsAreNoTokens) {
  const std::string token = NewToken();
  for (const std::string& text :
       {std::string(), std::string("qlt_"), token + "a", token.substr(0, 46), "x" + token.substr(1),
        token.substr(0, 46) + " ", token.substr(0, 46) + "/"}) {
    EXPECT_FALSE(IsToken(text)) << text;
  }
}

TEST(TokenTest, TheDigestIsSha256AndNotTheToken) {
  const std::string token = NewToken();
  EXPECT_TRUE(IsSha256Hex(TokenDigest(token)));
  EXPECT_EQ(TokenDigest(token), TokenDigest(token));
  EXPECT_NE(TokenDigest(token), TokenDigest(NewToken()));
  EXPECT_EQ(TokenDigest(token).find(token.substr(4)), std::string::npos);
}

}  // namespace
}  // namespace quantlab
