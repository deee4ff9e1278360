// Ids and token types of pairs of texts against tests/golden/pairs, which make_pair_golden.py made with
// Hugging Face `tokenizers`.
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "worker/engine/text/tokenizer.h"

namespace quantlab::engine {
namespace {

using Json = nlohmann::json;

struct Kind {
  const char* lines;   // of tests/golden/pairs
  const char* folder;  // of the tokenizer
};

// Ids and types of a line's texts; of a single text all types are 0.
TokenizedPair Encode(const Tokenizer& tokenizer, const Json& record) {
  const auto first = record["a"].get<std::string>();
  if (!record["b"].is_null()) {
    return tokenizer.EncodePair(first, record["b"].get<std::string>(), record["max"]);
  }
  TokenizedPair single{tokenizer.Encode(first, record["max"]), {}};
  single.types.resize(single.ids.size());
  return single;
}

class PairGolden : public testing::TestWithParam<Kind> {};

TEST_P(PairGolden, EveryPairHasTheIdsAndTypesOfHuggingFace) {
  const std::string root = QUANTLAB_SOURCE_DIR;
  const bool left = std::string(GetParam().lines).find("_left") != std::string::npos;
  const auto tokenizer =
      Tokenizer::Load(root + "/" + GetParam().folder, left ? TruncationSide::kLeft : TruncationSide::kRight);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ASSERT_TRUE((*tokenizer)->encodes_pairs());
  std::ifstream in(root + "/tests/golden/pairs/" + GetParam().lines + ".jsonl");
  int lines = 0, truncated = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const Json record = Json::parse(line);
    const int most = record["max"];
    const TokenizedPair pair = Encode(**tokenizer, record);
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
                                         Kind{"bert_left", "tests/golden/pairs/bert"},
                                         Kind{"roberta_left", "tests/golden/subword/roberta"},
                                         Kind{"xlm_roberta", "tests/golden/subword/xlm_roberta"}),
                         [](const auto& param) {
                           std::string name = absl::StrCat(param.param.lines, "_", param.param.folder);
                           for (char& c : name)
                             c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
                           return name;
                         });

}  // namespace
}  // namespace quantlab::engine
