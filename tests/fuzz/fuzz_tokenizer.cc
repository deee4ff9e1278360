// Any bytes, cased and uncased: ids stay within the vocabulary, and truncation is a prefix.
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

std::unique_ptr<Tokenizer> Load(const char* name) {
  auto tokenizer = Tokenizer::Load(std::string(QUANTLAB_SOURCE_DIR "/worker/engine/text/testdata/") + name);
  if (!tokenizer.ok()) std::abort();
  return *std::move(tokenizer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const tokenizers = new std::vector<std::unique_ptr<Tokenizer>>([] {
    std::vector<std::unique_ptr<Tokenizer>> list;
    list.push_back(Load("tiny_uncased"));
    list.push_back(Load("tiny_cased"));
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
