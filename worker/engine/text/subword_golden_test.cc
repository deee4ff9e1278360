// Ids of byte-level BPE and Unigram against tests/golden/subword, which make_subword_golden.py made with
// Hugging Face `tokenizers`. QUANTLAB_SUBWORD_GOLDEN names another folder of that form, with other texts.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <absl/strings/escaping.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "worker/engine/text/tokenizer.h"

namespace quantlab::engine {
namespace {

using Json = nlohmann::json;

class SubwordGolden : public testing::TestWithParam<const char*> {};

TEST_P(SubwordGolden, EveryLineHasTheIdsOfHuggingFace) {
  const char* other = std::getenv("QUANTLAB_SUBWORD_GOLDEN");
  const std::string root = other != nullptr ? other : QUANTLAB_SOURCE_DIR "/tests/golden/subword";
  const std::string folder = root + "/" + GetParam();
  const auto tokenizer = Tokenizer::Load(folder);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  std::ifstream in(folder + "/ids.jsonl");
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const Json record = Json::parse(line);
    const std::string text = record.contains("text")
                                 ? record["text"].get<std::string>()
                                 : absl::HexStringToBytes(record["hex"].get<std::string>());
    const std::vector<int32_t> ids = record["ids"].get<std::vector<int32_t>>();
    EXPECT_EQ((*tokenizer)->Encode(text, 0), ids) << line;
    const std::vector<int32_t> cut = (*tokenizer)->Encode(text, 5);
    ASSERT_EQ(cut.size(), std::min<size_t>(ids.size(), 5)) << line;
    EXPECT_TRUE(std::equal(cut.begin(), cut.end() - 1, ids.begin())) << line;
    EXPECT_EQ(cut.back(), ids.back()) << line;
  }
  EXPECT_GE(lines, 1000);
  RecordProperty("lines", lines);
}

INSTANTIATE_TEST_SUITE_P(All, SubwordGolden, testing::Values("roberta", "xlm_roberta"));

}  // namespace
}  // namespace quantlab::engine
