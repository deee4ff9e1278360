// What Hugging Face `tokenizers` knows about code points (unicode_tables.inc, made by
// make_unicode_tables.py). Slow look-ups: CharTable turns them into one table when a tokenizer is loaded.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_UNICODE_DATA_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_UNICODE_DATA_H_

#include <functional>
#include <string>

namespace quantlab::engine {

// Removed by BERT's text cleaning: NUL, U+FFFD, control, format and private-use characters.
bool IsRemovedByCleaning(char32_t c);
// Turned into a space by BERT's text cleaning.
bool IsCleanedToSpace(char32_t c);
// Words are cut at white space, which is dropped, and around punctuation, which is kept.
bool IsWhiteSpace(char32_t c);
bool IsPunctuation(char32_t c);
// Set apart by spaces: the CJK ideograph blocks that BERT lists.
bool IsCjkIdeograph(char32_t c);
// General category Mn.
bool IsNonspacingMark(char32_t c);
// \w of Rust's regex crate: what may not touch an added token that must be a word of its own.
bool IsWordCharacter(char32_t c);
// \p{L} and \p{N} of byte-level BPE's pattern. Its \s is IsWhiteSpace.
bool IsLetter(char32_t c);
bool IsNumber(char32_t c);
// Grapheme_Cluster_Break: Control (without U+0000 and those above U+FFFF, see make_unicode_tables.py);
// Extend, ZWJ and SpacingMark; Prepend; Extended_Pictographic; and Indic_Conjunct_Break: Consonant, Linker,
// Extend.
bool IsGraphemeControl(char32_t c);
bool IsGraphemeJoining(char32_t c);
bool IsGraphemePrepend(char32_t c);
bool IsGraphemePictograph(char32_t c);
bool IsGraphemeConsonant(char32_t c);
bool IsGraphemeLinker(char32_t c);
bool IsGraphemeExtender(char32_t c);
// Canonical combining class, 0 to 240.
int CombiningClass(char32_t c);
// Full canonical decomposition (NFD of the one code point).
std::u32string Decompose(char32_t c);
// Lower case without regard to context (no final sigma); may be several code points.
std::u32string LowerCase(char32_t c);

// Calls `visit` with every code point above ASCII for which one of the normalization tables has an entry;
// all others are ordinary letters that stay as they are.
void ForEachNotable(const std::function<void(char32_t)>& visit);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_UNICODE_DATA_H_
