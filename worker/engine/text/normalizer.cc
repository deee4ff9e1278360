#include "worker/engine/text/normalizer.h"

#include "worker/engine/text/unicode_data.h"

namespace quantlab::engine {
namespace {

constexpr size_t kCodePoints = 0x110000;

}  // namespace

Normalizer::Normalizer(const NormalizerOptions& options) : actions_(kCodePoints) {
  for (char32_t c = 0; c < ascii_.size(); ++c) {
    const std::vector<Piece> pieces = PiecesOf(c, options);
    ascii_[c] = pieces.empty() ? Piece{Kind::kStarter} : pieces[0];  // one code point at most
  }
  ForEachNotable([&](char32_t c) {
    // Visited once for each table that knows it.
    if (actions_[c] == static_cast<uint16_t>(Kind::kLetter)) actions_[c] = ActionOf(c, options);
  });
}

// The steps in the order of the tokenizers crate: clean, set ideographs apart, decompose and strip, lower.
std::vector<Normalizer::Piece> Normalizer::PiecesOf(char32_t c, const NormalizerOptions& options) const {
  std::vector<Piece> pieces;
  const auto add = [&pieces](Kind kind, int combining_class, char32_t code_point) {
    std::string utf8;
    AppendUtf8(code_point, &utf8);
    Piece piece{kind, static_cast<uint8_t>(combining_class), static_cast<uint8_t>(utf8.size()), {}};
    std::copy(utf8.begin(), utf8.end(), piece.bytes);
    pieces.push_back(piece);
  };
  if (options.clean_text && IsRemovedByCleaning(c)) return pieces;
  if (options.clean_text && IsCleanedToSpace(c)) c = U' ';
  const bool ideograph = options.cjk_spacing && IsCjkIdeograph(c);
  if (ideograph) add(Kind::kSpace, 0, U' ');
  for (const char32_t part : options.strip_accents ? Decompose(c) : std::u32string(1, c)) {
    // Without decomposition nothing is reordered either.
    const int combining_class = options.strip_accents ? CombiningClass(part) : 0;
    if (options.strip_accents && IsNonspacingMark(part)) {
      if (combining_class == 0) pieces.push_back(Piece{Kind::kStarter});
      continue;
    }
    for (const char32_t letter : options.lower_case ? LowerCase(part) : std::u32string(1, part)) {
      add(IsWhiteSpace(letter)    ? Kind::kSpace
          : IsPunctuation(letter) ? Kind::kPunctuation
                                  : Kind::kLetter,
          combining_class, letter);
    }
  }
  if (ideograph) add(Kind::kSpace, 0, U' ');
  return pieces;
}

uint16_t Normalizer::ActionOf(char32_t c, const NormalizerOptions& options) {
  // Most code points with an entry are private-use characters and plain ideographs.
  if (options.clean_text && IsRemovedByCleaning(c)) return static_cast<uint16_t>(Kind::kRemoved);
  if (options.cjk_spacing && IsCjkIdeograph(c) && Decompose(c) == std::u32string(1, c)) {
    return static_cast<uint16_t>(Kind::kIdeograph);
  }
  const std::vector<Piece> pieces = PiecesOf(c, options);
  std::string utf8;
  AppendUtf8(c, &utf8);
  const auto is_itself = [&utf8](const Piece& p) { return p.utf8() == utf8 && p.combining_class == 0; };
  if (pieces.empty()) return static_cast<uint16_t>(Kind::kRemoved);
  if (pieces.size() == 1 && (is_itself(pieces[0]) || pieces[0].kind == Kind::kStarter)) {
    return static_cast<uint16_t>(pieces[0].kind);
  }
  return AddSequence(pieces);
}

uint16_t Normalizer::AddSequence(const std::vector<Piece>& pieces) {
  const auto action = static_cast<uint16_t>(sequences_.size() + static_cast<size_t>(Kind::kSequence));
  sequences_.push_back({static_cast<uint32_t>(pieces_.size()), static_cast<uint32_t>(pieces.size())});
  pieces_.insert(pieces_.end(), pieces.begin(), pieces.end());
  return action;
}

}  // namespace quantlab::engine
