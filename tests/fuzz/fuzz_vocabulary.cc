// Any bytes as a tokenizer's file (QUANTLAB_FUZZ_FILE): a tokenizer whose ids lie within its vocabulary, or
// an error.
#include <memory>

#include "tests/fuzz/fuzz_folder.h"
#include "worker/engine/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantlab::fuzz;
  static const auto* const folder = new Folder();
  folder->Write(QUANTLAB_FUZZ_FILE, Text(data, size));
  const auto tokenizer = quantlab::engine::Tokenizer::Load(folder->path());
  if (!tokenizer.ok()) {
    CheckError(tokenizer.status());
    return 0;
  }
  for (const char* text :
       {"", "a fine film", "naïve \xE4\xB8\xAD\xE6\x96\x87 \xFF\xF0\x9F\x98\x80\n", "[CLS] <s> ##a"}) {
    for (const int32_t id : (*tokenizer)->Encode(text, 16))
      Require(id >= 0 && id < (*tokenizer)->vocab_size());
  }
  return 0;
}
