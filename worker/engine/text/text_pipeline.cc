#include "worker/engine/text/text_pipeline.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/text/utf8.h"
#include "worker/engine/text/unicode_data.h"

namespace quantlab::engine {
namespace {

class TextPipeline : public TextModel {
 public:
  TextPipeline(TextPipelineSpec spec, std::unique_ptr<const WordMatcher> matcher)
      : spec_(std::move(spec)), matcher_(std::move(matcher)) {}

  std::string Normalize(std::string_view text) const override {
    std::string normalized(text);
    for (const TextStep& step : spec_.normalizers) normalized = step(std::move(normalized));
    return normalized;
  }

  void Match(std::string_view normalized, bool at_start, size_t limit,
             std::vector<int32_t>* ids) const override {
    if (normalized.empty()) return;
    std::vector<Word> words = {{std::string(normalized), at_start}};
    for (const CutStep& step : spec_.pre_tokenizers) step(&words);
    for (const Word& word : words) {
      if (ids->size() >= limit) return;
      matcher_->Match(word.text, ids);
    }
  }

 private:
  const TextPipelineSpec spec_;
  const std::unique_ptr<const WordMatcher> matcher_;
};

size_t Length(std::string_view text) {
  return static_cast<size_t>(DecodeUtf8(text).length);
}

bool StartsWithSpace(std::string_view text) {
  return !text.empty() && IsWhiteSpace(DecodeUtf8(text).code_point);
}

// Where the white space at the end of `text` begins.
size_t EndWithoutSpace(std::string_view text) {
  size_t end = 0;
  for (size_t i = 0; i < text.size();) {
    const DecodedCodePoint next = DecodeUtf8(text.substr(i));
    i += static_cast<size_t>(next.length);
    if (!IsWhiteSpace(next.code_point)) end = i;
  }
  return end;
}

// Applies `cut(word, emit)` to each word; emit takes the text of one result and whether it begins the word.
template <typename Cut>
void CutEach(std::vector<Word>* words, const Cut& cut) {
  std::vector<Word> result;
  for (Word& word : *words) {
    cut(word, [&](std::string_view text, bool begins) {
      if (!text.empty()) result.push_back({std::string(text), begins && word.at_start});
    });
  }
  *words = std::move(result);
}

// ---- GPT-2's pattern ----
// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+

enum class CharKind { kLetter, kNumber, kSpace, kOther };

CharKind KindOf(char32_t c) {
  if (IsLetter(c)) return CharKind::kLetter;
  if (IsNumber(c)) return CharKind::kNumber;
  return IsWhiteSpace(c) ? CharKind::kSpace : CharKind::kOther;
}

struct Run {
  size_t length = 0;      // bytes
  size_t last_begin = 0;  // where its last code point begins
};

// The run of code points of one kind at the start of `text`.
Run RunOf(std::string_view text, CharKind kind) {
  Run run;
  while (run.length < text.size()) {
    const DecodedCodePoint next = DecodeUtf8(text.substr(run.length));
    if (KindOf(next.code_point) != kind) break;
    run.last_begin = run.length;
    run.length += static_cast<size_t>(next.length);
  }
  return run;
}

size_t ContractionLength(std::string_view text) {
  for (const std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (text.substr(0, ending.size()) == ending) return ending.size();
  }
  return 0;
}

// Bytes of the pattern's match at the start of `text`, which is not empty.
size_t Gpt2WordLength(std::string_view text) {
  if (const size_t length = ContractionLength(text); length > 0) return length;
  const size_t space = text[0] == ' ' ? 1 : 0;
  if (text.size() > space) {
    const CharKind kind = KindOf(DecodeUtf8(text.substr(space)).code_point);
    if (kind != CharKind::kSpace) return space + RunOf(text.substr(space), kind).length;
  }
  const Run run = RunOf(text, CharKind::kSpace);
  // \s+(?!\S) leaves the last one of several to the word that follows.
  return run.length < text.size() && run.last_begin > 0 ? run.last_begin : run.length;
}

// By byte, the UTF-8 of the printable character that stands for it.
std::array<std::string, 256> ByteAlphabet() {
  std::array<std::string, 256> alphabet;
  char32_t next = 256;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    AppendUtf8(printable ? byte : next++, &alphabet[byte]);
  }
  return alphabet;
}

}  // namespace

std::unique_ptr<const TextModel> MakeTextPipeline(TextPipelineSpec spec,
                                                  std::unique_ptr<const WordMatcher> matcher) {
  return std::make_unique<TextPipeline>(std::move(spec), std::move(matcher));
}

TextStep LowercaseStep() {
  return [](const std::string& text) {
    std::string out;
    for (std::string_view rest = text; !rest.empty();) {
      const DecodedCodePoint next = DecodeUtf8(rest);
      for (const char32_t c : LowerCase(next.code_point)) AppendUtf8(c, &out);
      rest.remove_prefix(static_cast<size_t>(next.length));
    }
    return out;
  };
}

TextStep StripStep(bool left, bool right) {
  return [left, right](const std::string& text) {
    std::string_view rest = text;
    while (left && StartsWithSpace(rest)) rest.remove_prefix(Length(rest));
    if (right) rest = rest.substr(0, EndWithoutSpace(rest));
    return std::string(rest);
  };
}

TextStep ReplaceStep(std::string pattern, std::string content) {
  return [pattern = std::move(pattern), content = std::move(content)](const std::string& text) {
    return absl::StrReplaceAll(text, {{pattern, content}});
  };
}

TextStep ReplaceSpaceRunsStep(std::string content) {
  return [content = std::move(content)](const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size();) {
      const size_t end = std::min(text.find_first_not_of(' ', i), text.size());
      if (end - i >= 2) {
        out += content;
        i = end;
      } else {
        out += text[i++];
      }
    }
    return out;
  };
}

TextStep PrependStep(std::string prefix) {
  return [prefix = std::move(prefix)](std::string text) {
    return text.empty() ? std::move(text) : absl::StrCat(prefix, text);
  };
}

CutStep WhitespaceSplitStep() {
  return [](std::vector<Word>* words) {
    CutEach(words, [](const Word& word, const auto& emit) {
      std::string_view rest = word.text;
      size_t end = 0;
      bool begins = true;
      while (end < rest.size()) {
        if (!StartsWithSpace(rest.substr(end))) {
          end += Length(rest.substr(end));
          continue;
        }
        emit(rest.substr(0, end), begins);
        rest.remove_prefix(end + Length(rest.substr(end)));
        end = 0;
        begins = false;
      }
      emit(rest, begins);
    });
  };
}

CutStep MetaspaceStep(std::string replacement, PrependScheme scheme, bool split) {
  return [replacement = std::move(replacement), scheme, split](std::vector<Word>* words) {
    CutEach(words, [&](const Word& word, const auto& emit) {
      std::string text = absl::StrReplaceAll(word.text, {{" ", replacement}});
      const bool prepend =
          scheme == PrependScheme::kAlways || (scheme == PrependScheme::kFirst && word.at_start);
      if (prepend && !absl::StartsWith(text, replacement)) text.insert(0, replacement);
      std::string_view rest = text;
      while (split && !rest.empty()) {
        const size_t next = rest.find(replacement, 1);
        emit(rest.substr(0, next), rest.data() == text.data());
        rest = next == std::string_view::npos ? std::string_view() : rest.substr(next);
      }
      emit(rest, true);
    });
  };
}

CutStep ByteLevelStep(bool add_prefix_space, bool use_regex) {
  return [add_prefix_space, use_regex, alphabet = ByteAlphabet()](std::vector<Word>* words) {
    CutEach(words, [&](const Word& word, const auto& emit) {
      const std::string text =
          add_prefix_space && !absl::StartsWith(word.text, " ") ? absl::StrCat(" ", word.text) : word.text;
      for (size_t begin = 0; begin < text.size();) {
        const std::string_view rest = std::string_view(text).substr(begin);
        const size_t length = use_regex ? Gpt2WordLength(rest) : rest.size();
        std::string mapped;
        for (const char c : rest.substr(0, length)) mapped += alphabet[static_cast<uint8_t>(c)];
        emit(mapped, begin == 0);
        begin += length;
      }
    });
  };
}

}  // namespace quantlab::engine
