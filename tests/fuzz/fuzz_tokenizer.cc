// Any bytes, for each kind of tokenizer: ids stay within the vocabulary, and truncation is a prefix.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "worker/engine/text/tokenizer.h"

namespace {

using quantlab::engine::Tokenizer;

std::unique_ptr<Tokenizer> Load(const char* folder) {
  auto tokenizer = Tokenizer::Load(std::string(QUANTLAB_SOURCE_DIR "/") + folder);
  if (!tokenizer.ok()) std::abort();
  return *std::move(tokenizer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const tokenizers = new std::vector<std::unique_ptr<Tokenizer>>([] {
    std::vector<std::unique_ptr<Tokenizer>> list;
    for (const char* folder :
         {"worker/engine/text/testdata/tiny_uncased", "worker/engine/text/testdata/tiny_cased",
          "tests/golden/subword/roberta", "tests/golden/subword/xlm_roberta"}) {
      list.push_back(Load(folder));
    }
    return list;
  }());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& tokenizer : *tokenizers) {
    const std::vector<int32_t> ids = tokenizer->Tokenize(text);
    for (const int32_t id : ids) {
      if (id < 0 || id >= tokenizer->vocab_size()) std::abort();
    }
    const std::vector<int32_t> some = tokenizer->Tokenize(text, 3);
    if (some.size() > 3 || !std::equal(some.begin(), some.end(), ids.begin())) std::abort();
  }
  return 0;
}
