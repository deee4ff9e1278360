#include "worker/engine/text/added_tokens.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text/utf8.h"
#include "worker/engine/text/unicode_data.h"

namespace quantlab::engine {
namespace {

VocabTrie TrieOf(const std::vector<AddedToken>& tokens) {
  std::vector<std::pair<std::string, int32_t>> entries;
  for (size_t i = 0; i < tokens.size(); ++i) entries.emplace_back(tokens[i].content, static_cast<int32_t>(i));
  return VocabTrie(std::move(entries));
}

// Where the last code point of a non-empty valid text starts.
size_t LastStart(std::string_view text) {
  return Utf8Prefix(text, text.size() - 1).size();
}

bool EndsWithWord(std::string_view text) {
  return !text.empty() && IsWordCharacter(DecodeUtf8(text.substr(LastStart(text))).code_point);
}

bool StartsWithWord(std::string_view text) {
  return !text.empty() && IsWordCharacter(DecodeUtf8(text).code_point);
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), trie_(TrieOf(tokens_)) {
  for (const AddedToken& token : tokens_) {
    if (!token.content.empty()) starts_[static_cast<uint8_t>(token.content[0])] = true;
  }
}

AddedTokenMatcher::Found AddedTokenMatcher::FindNext(std::string_view text, size_t position) const {
  for (size_t i = position; i < text.size(); ++i) {
    if (!starts_[static_cast<uint8_t>(text[i])]) continue;
    const VocabTrie::Match match = trie_.Longest(text.substr(i));
    if (match.id >= 0) return {&tokens_[static_cast<size_t>(match.id)], i, i + match.length};
  }
  return {};
}

AddedTokenMatcher::Found AddedTokenMatcher::Widen(std::string_view text, Found found, size_t done) const {
  if (found.token->single_word &&
      (EndsWithWord(text.substr(0, found.begin)) || StartsWithWord(text.substr(found.end)))) {
    return {};
  }
  while (found.token->lstrip && found.begin > done) {
    const size_t last = LastStart(text.substr(0, found.begin));
    if (!IsWhiteSpace(DecodeUtf8(text.substr(last)).code_point)) break;
    found.begin = last;
  }
  found.begin = std::max(found.begin, done);
  while (found.token->rstrip && found.end < text.size()) {
    const DecodedCodePoint next = DecodeUtf8(text.substr(found.end));
    if (!IsWhiteSpace(next.code_point)) break;
    found.end += static_cast<size_t>(next.length);
  }
  return found;
}

}  // namespace quantlab::engine
