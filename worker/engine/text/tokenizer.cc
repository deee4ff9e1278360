#include "worker/engine/text/tokenizer.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "base/status_macros.h"
#include "worker/engine/text/added_tokens.h"
#include "worker/engine/text/normalizer.h"
#include "worker/engine/text/tokenizer_spec.h"
#include "worker/engine/text/utf8.h"
#include "worker/engine/text/vocab_trie.h"

namespace quantlab::engine {
namespace {

// Collects the normalized text itself.
class TextSink {
 public:
  void Letter(std::string_view utf8) { text.append(utf8); }
  void Punctuation(std::string_view utf8) { text.append(utf8); }
  void Space(std::string_view utf8) { text.append(utf8); }
  bool Full() const { return false; }

  std::string text;
};

// Matches words against the vocabulary as they are completed, and collects the ids.
class WordPieceSink {
 public:
  // A word longer than max_characters code points is unknown.
  WordPieceSink(const VocabTrie& trie, int32_t continuation, int32_t unk_id, int64_t max_characters,
                size_t limit, std::vector<int32_t>* ids)
      : trie_(trie),
        continuation_(continuation),
        unk_id_(unk_id),
        max_characters_(max_characters),
        limit_(limit),
        ids_(*ids) {}

  void Letter(std::string_view utf8) {
    if (++characters_ <= max_characters_) word_.append(utf8);
  }
  void Punctuation(std::string_view utf8) {
    EndWord();
    Letter(utf8);
    EndWord();
  }
  void Space(std::string_view) { EndWord(); }
  bool Full() const { return ids_.size() >= limit_; }

  void EndWord() {
    if (characters_ == 0) return;
    if (characters_ > max_characters_ || !MatchWord()) ids_.push_back(unk_id_);
    characters_ = 0;
    word_.clear();
  }
  void Token(int32_t id) { ids_.push_back(id); }

 private:
  // Greedy, longest piece first; false, and nothing collected, when a rest matches nothing.
  bool MatchWord() {
    const size_t before = ids_.size();
    std::string_view rest = word_;
    int32_t node = VocabTrie::kRoot;
    while (!rest.empty()) {
      const VocabTrie::Match match = trie_.Longest(rest, node);
      if (match.id < 0) {
        ids_.resize(before);
        return false;
      }
      ids_.push_back(match.id);
      rest.remove_prefix(match.length);
      node = continuation_;
    }
    return true;
  }

  const VocabTrie& trie_;
  const int32_t continuation_, unk_id_;
  const int64_t max_characters_;
  const size_t limit_;
  std::vector<int32_t>& ids_;
  std::string word_;
  int64_t characters_ = 0;
};

std::vector<AddedToken> TokensOf(const TokenizerSpec& spec, bool normalized, const Normalizer& normalizer) {
  std::vector<AddedToken> tokens;
  for (AddedToken token : spec.added_tokens) {
    if (token.normalized != normalized) continue;
    if (normalized) {
      TextSink sink;
      normalizer.Run(token.content, sink);
      token.content = std::move(sink.text);
    }
    if (!token.content.empty()) tokens.push_back(std::move(token));
  }
  return tokens;
}

NormalizerOptions NoNormalization() {
  return {false, false, false, false};
}

}  // namespace

struct Tokenizer::Impl {
  explicit Impl(TokenizerSpec s)
      : spec(std::move(s)),
        trie(spec.vocabulary),
        continuation(trie.Walk(spec.continuation_prefix)),
        normalizer(spec.normalizer),
        verbatim(TokensOf(spec, false, normalizer)),
        normalized(TokensOf(spec, true, normalizer)) {
    if (!normalized.empty()) cutter = std::make_unique<const Normalizer>(NoNormalization());
    for (const auto& [token, id] : spec.vocabulary) {
      ids[token] = id;
      vocab_size = std::max(vocab_size, id + 1);
    }
    for (const AddedToken& token : spec.added_tokens) {
      ids[token.content] = token.id;
      vocab_size = std::max(vocab_size, token.id + 1);
    }
    texts.resize(static_cast<size_t>(vocab_size));
    for (const auto& [token, id] : ids) texts[static_cast<size_t>(id)] = token;
  }

  // The id of a token that must be there.
  absl::StatusOr<int32_t> Require(const std::string& token, const char* name,
                                  const std::string& folder) const {
    const auto it = ids.find(token);
    if (it != ids.end()) return it->second;
    return absl::InvalidArgumentError(absl::StrCat(folder, ": the vocabulary lacks the ", name, " \"", token,
                                                   "\"; is the file complete, and of a BERT model?"));
  }

  // Normalizes, cuts and matches what stands between two added tokens.
  void TokenizePart(std::string_view part, WordPieceSink& sink) const {
    if (normalized.empty()) {
      normalizer.Run(part, sink);
      return sink.EndWord();
    }
    TextSink text;
    normalizer.Run(part, text);
    normalized.Split(
        text.text,
        [&](std::string_view piece) {
          cutter->Run(piece, sink);
          sink.EndWord();
          return !sink.Full();
        },
        [&](int32_t id) {
          sink.Token(id);
          return !sink.Full();
        });
  }

  TokenizerSpec spec;
  VocabTrie trie;
  int32_t continuation;  // node of the trie behind "##"
  Normalizer normalizer;
  AddedTokenMatcher verbatim, normalized;
  std::unique_ptr<const Normalizer> cutter;  // only cuts; where `normalized` is not empty
  std::unordered_map<std::string, int32_t> ids;
  std::vector<std::string> texts;  // by id
  int32_t vocab_size = 0;
  int32_t pad_id = -1, unk_id = -1, cls_id = -1, sep_id = -1, mask_id = -1;
};

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(
    const std::string& model_folder) {
  QL_ASSIGN_OR_RETURN(TokenizerSpec spec, ReadTokenizerSpec(model_folder));
  auto impl = std::make_unique<Impl>(std::move(spec));
  QL_ASSIGN_OR_RETURN(impl->unk_id, impl->Require(impl->spec.unk_token, "unk_token", model_folder));
  QL_ASSIGN_OR_RETURN(impl->cls_id, impl->Require(impl->spec.cls_token, "cls_token", model_folder));
  QL_ASSIGN_OR_RETURN(impl->sep_id, impl->Require(impl->spec.sep_token, "sep_token", model_folder));
  QL_ASSIGN_OR_RETURN(impl->pad_id, impl->Require(impl->spec.pad_token, "pad_token", model_folder));
  const auto mask = impl->ids.find(impl->spec.mask_token);
  if (mask != impl->ids.end()) impl->mask_id = mask->second;
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::move(impl)));
}

std::vector<int32_t> Tokenizer::Tokenize(std::string_view text, int64_t max_tokens) const {
  std::vector<int32_t> ids;
  const size_t limit = max_tokens > 0 ? static_cast<size_t>(max_tokens) : std::numeric_limits<size_t>::max();
  ids.reserve(std::min(limit, text.size() / 4) + 2);
  std::string repaired;
  if (!IsValidUtf8(text)) {
    repaired = RepairUtf8(text);
    text = repaired;
  }
  WordPieceSink sink(impl_->trie, impl_->continuation, impl_->unk_id, impl_->spec.max_word_characters, limit,
                     &ids);
  impl_->verbatim.Split(
      text,
      [&](std::string_view part) {
        impl_->TokenizePart(part, sink);
        return !sink.Full();
      },
      [&](int32_t id) {
        sink.Token(id);
        return !sink.Full();
      });
  if (ids.size() > limit) ids.resize(limit);
  return ids;
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, int max_length) const {
  constexpr int kSpecials = 2;  // [CLS] and [SEP]
  std::vector<int32_t> ids;
  if (max_length <= 0) {
    ids = Tokenize(text);
  } else if (max_length > kSpecials) {
    ids = Tokenize(text, max_length - kSpecials);
  }
  ids.insert(ids.begin(), impl_->cls_id);
  ids.push_back(impl_->sep_id);
  return ids;
}

int32_t Tokenizer::pad_id() const {
  return impl_->pad_id;
}
int32_t Tokenizer::unk_id() const {
  return impl_->unk_id;
}
int32_t Tokenizer::cls_id() const {
  return impl_->cls_id;
}
int32_t Tokenizer::sep_id() const {
  return impl_->sep_id;
}
int32_t Tokenizer::mask_id() const {
  return impl_->mask_id;
}
int32_t Tokenizer::vocab_size() const {
  return impl_->vocab_size;
}
bool Tokenizer::lower_case() const {
  return impl_->spec.normalizer.lower_case;
}

std::string Tokenizer::TokenText(int32_t id) const {
  if (id < 0 || id >= impl_->vocab_size) return "";
  return impl_->texts[static_cast<size_t>(id)];
}

}  // namespace quantlab::engine
