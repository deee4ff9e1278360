// Tokenizers that are composed of steps, as tokenizer.json lists them: normalize the text, cut it into words,
// match each word.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_TEXT_PIPELINE_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_TEXT_PIPELINE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "worker/engine/text/text_model.h"

namespace quantlab::engine {

// Turns text into text.
using TextStep = std::function<std::string(std::string)>;

struct Word {
  std::string text;
  bool at_start = false;  // begins the whole input
};
// Cuts each word into words, and may change their text.
using CutStep = std::function<void(std::vector<Word>*)>;

// Matches one word against a vocabulary. Threads: immutable after construction.
class WordMatcher {
 public:
  virtual ~WordMatcher() = default;
  virtual void Match(std::string_view word, std::vector<int32_t>* ids) const = 0;
};

struct TextPipelineSpec {
  std::vector<TextStep> normalizers;
  std::vector<CutStep> pre_tokenizers;
};

std::unique_ptr<const TextModel> MakeTextPipeline(TextPipelineSpec spec,
                                                  std::unique_ptr<const WordMatcher> matcher);

// ---- normalizers of `tokenizers`, by their type names ----

TextStep LowercaseStep();
// White space at the ends.
TextStep StripStep(bool left, bool right);
// Every occurrence of `pattern`, which is not empty.
TextStep ReplaceStep(std::string pattern, std::string content);
// Runs of two or more spaces: Replace with the regular expression " {2,}".
TextStep ReplaceSpaceRunsStep(std::string content);
// `prefix` before text that is not empty.
TextStep PrependStep(std::string prefix);

// ---- pre-tokenizers ----

// At white space, which is dropped.
CutStep WhitespaceSplitStep();

enum class PrependScheme { kAlways, kFirst, kNever };
// Spaces become `replacement`, one of which stands before each word (kFirst: before the first one of the
// input). `split`: words begin at each `replacement`.
CutStep MetaspaceStep(std::string replacement, PrependScheme scheme, bool split);

// GPT-2's words (`use_regex`), then each byte as one printable character.
// Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py (pattern and bytes_to_unicode).
CutStep ByteLevelStep(bool add_prefix_space, bool use_regex);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_TEXT_PIPELINE_H_
