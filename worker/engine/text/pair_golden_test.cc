// Ids and token types of pairs of texts against tests/golden/pairs, which make_pair_golden.py made with
// Hugging Face `tokenizers`.
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "worker/engine/text/tokenizer.h"

namespace quantlab::engine {
namespace {

using Json = nlohmann::json;

struct Kind {
  const char* lines;   // of tests/golden/pairs
  const char* folder;  // of the tokenizer
};

class PairGolden : public testing::TestWithParam<Kind> {};

TEST_P(PairGolden, EveryPairHasTheIdsAndTypesOfHuggingFace) {
  const std::string root = QUANTLAB_SOURCE_DIR;
  const auto tokenizer = Tokenizer::Load(root + "/" + GetParam().folder);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ASSERT_TRUE((*tokenizer)->encodes_pairs());
  std::ifstream in(root + "/tests/golden/pairs/" + GetParam().lines + ".jsonl");
  int lines = 0, truncated = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const Json record = Json::parse(line);
    const int most = record["max"];
    const TokenizedPair pair =
        (*tokenizer)->EncodePair(record["a"].get<std::string>(), record["b"].get<std::string>(), most);
    EXPECT_EQ(pair.ids, record["ids"].get<std::vector<int32_t>>()) << line;
    EXPECT_EQ(pair.types, record["types"].get<std::vector<int32_t>>()) << line;
    truncated += most > 0 && static_cast<int>(pair.ids.size()) == most;
  }
  EXPECT_GE(lines, 200);
  EXPECT_GE(truncated, 50);
}

INSTANTIATE_TEST_SUITE_P(All, PairGolden,
                         testing::Values(Kind{"bert", "tests/golden/pairs/bert"},
                                         Kind{"bert", "worker/engine/text/testdata/tiny_uncased"},
                                         Kind{"swapped", "tests/golden/pairs/swapped"},
                                         Kind{"roberta", "tests/golden/subword/roberta"},
                                         Kind{"xlm_roberta", "tests/golden/subword/xlm_roberta"}),
                         [](const auto& param) {
                           std::string name = param.param.folder;
                           for (char& c : name)
                             c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace quantlab::engine
