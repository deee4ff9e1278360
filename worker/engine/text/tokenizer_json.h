// tokenizer.json, the description of a tokenizer by its steps that Hugging Face `tokenizers` writes.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_JSON_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_JSON_H_

#include <string>

#include "worker/engine/text/tokenizer_fields.h"
#include "worker/engine/text/tokenizer_spec.h"

namespace quantlab::engine {

// Reads everything but the normalizer of a WordPiece tokenizer, which other files may override.
// `config` is tokenizer_config.json, whose add_prefix_space overrides that of a ByteLevel pre-tokenizer.
// Errors: INVALID_ARGUMENT names the file, and the step whose type is not supported with those that are.
absl::Status ReadTokenizerJson(const nlohmann::json& file, const std::string& path,
                               const nlohmann::json& config, TokenizerSpec* spec);

// Before each word of text that was cut out between added tokens: the steps of RoBERTa's vocab.json and
// merges.txt, which tokenizer.json would list.
void AddByteLevelSteps(bool add_prefix_space, TokenizerSpec* spec);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_TOKENIZER_JSON_H_
