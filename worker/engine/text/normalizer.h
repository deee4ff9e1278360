// BERT's text normalization and the cutting into words, in one pass over the text.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_NORMALIZER_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_NORMALIZER_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/text/utf8.h"

namespace quantlab::engine {

struct NormalizerOptions {
  bool clean_text = true;     // remove control characters, make all white space a space
  bool cjk_spacing = true;    // set CJK ideographs apart
  bool strip_accents = true;  // NFD, then without nonspacing marks
  bool lower_case = true;
};

// What all code points become under some options, worked out once.
//
// Run() tells a sink, in the order of the normalized text:
//   void Letter(std::string_view utf8);       one code point of a word
//   void Punctuation(std::string_view utf8);  one code point that is a word of its own
//   void Space(std::string_view utf8);        one code point of white space: a word ends
//   bool Full() const;                        true: nothing more is wanted
// Threads: immutable after construction.
class Normalizer {
 public:
  explicit Normalizer(const NormalizerOptions& options);

  // `text` must be valid UTF-8.
  template <typename Sink>
  void Run(std::string_view text, Sink& sink) const;

 private:
  enum class Kind : uint8_t {
    kLetter,       // itself, as a letter. 0: all code points without an entry
    kPunctuation,  // itself
    kSpace,        // itself
    kIdeograph,    // itself as a letter, between two spaces
    kRemoved,      // nothing, and its neighbours become neighbours
    kStarter,      // nothing, but marks are not reordered across it
    kSequence,     // the pieces of sequences_[action - kSequence]
  };
  // One code point of the result.
  struct Piece {
    Kind kind = Kind::kLetter;  // kLetter, kPunctuation, kSpace or kStarter
    uint8_t combining_class = 0;
    uint8_t length = 0;
    char bytes[4] = {};
    std::string_view utf8() const { return {bytes, length}; }
  };
  struct Sequence {
    uint32_t offset = 0, count = 0;  // into pieces_
  };

  std::vector<Piece> PiecesOf(char32_t c, const NormalizerOptions& options) const;
  uint16_t ActionOf(char32_t c, const NormalizerOptions& options);
  uint16_t AddSequence(const std::vector<Piece>& pieces);

  template <typename Sink>
  static void Emit(const Piece& piece, Sink& sink);
  template <typename Sink>
  static void Flush(std::vector<Piece>& marks, Sink& sink);
  template <typename Sink>
  void RunOne(char32_t c, std::string_view utf8, std::vector<Piece>& marks, Sink& sink) const;

  std::array<Piece, 128> ascii_;   // kStarter stands for "removed" here
  std::vector<uint16_t> actions_;  // by code point
  std::vector<Sequence> sequences_;
  std::vector<Piece> pieces_;
};

template <typename Sink>
void Normalizer::Emit(const Piece& piece, Sink& sink) {
  switch (piece.kind) {
    case Kind::kLetter:
      return sink.Letter(piece.utf8());
    case Kind::kPunctuation:
      return sink.Punctuation(piece.utf8());
    case Kind::kSpace:
      return sink.Space(piece.utf8());
    default:
      return;
  }
}

// Canonical ordering: marks that stand together go by combining class, else in the order of the text.
template <typename Sink>
void Normalizer::Flush(std::vector<Piece>& marks, Sink& sink) {
  if (marks.empty()) return;
  std::stable_sort(marks.begin(), marks.end(),
                   [](const Piece& a, const Piece& b) { return a.combining_class < b.combining_class; });
  for (const Piece& mark : marks) Emit(mark, sink);
  marks.clear();
}

template <typename Sink>
void Normalizer::RunOne(char32_t c, std::string_view utf8, std::vector<Piece>& marks, Sink& sink) const {
  const uint16_t action = actions_[c];
  if (action == static_cast<uint16_t>(Kind::kRemoved)) return;
  if (action >= static_cast<uint16_t>(Kind::kSequence)) {
    const Sequence sequence = sequences_[action - static_cast<uint16_t>(Kind::kSequence)];
    for (uint32_t i = 0; i < sequence.count; ++i) {
      const Piece& piece = pieces_[sequence.offset + i];
      if (piece.combining_class != 0) {
        marks.push_back(piece);
        continue;
      }
      Flush(marks, sink);
      Emit(piece, sink);
    }
    return;
  }
  Flush(marks, sink);
  switch (static_cast<Kind>(action)) {
    case Kind::kLetter:
      return sink.Letter(utf8);
    case Kind::kPunctuation:
      return sink.Punctuation(utf8);
    case Kind::kSpace:
      return sink.Space(utf8);
    case Kind::kIdeograph:
      sink.Space(" ");
      sink.Letter(utf8);
      return sink.Space(" ");
    default:
      return;
  }
}

template <typename Sink>
void Normalizer::Run(std::string_view text, Sink& sink) const {
  std::vector<Piece> marks;  // kept marks that may yet change their order
  while (!text.empty() && !sink.Full()) {
    const auto byte = static_cast<uint8_t>(text[0]);
    if (byte < 0x80) {
      const Piece& piece = ascii_[byte];
      text.remove_prefix(1);
      if (piece.kind == Kind::kStarter) continue;
      if (!marks.empty()) Flush(marks, sink);
      Emit(piece, sink);
      continue;
    }
    const DecodedCodePoint decoded = DecodeUtf8(text);
    const auto length = static_cast<size_t>(decoded.length);
    RunOne(decoded.code_point, text.substr(0, length), marks, sink);
    text.remove_prefix(length);
  }
  Flush(marks, sink);
}

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_NORMALIZER_H_
