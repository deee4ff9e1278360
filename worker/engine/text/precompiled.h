// SentencePiece's precompiled normalization map, as Hugging Face `tokenizers` applies it.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_PRECOMPILED_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_PRECOMPILED_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace quantlab::engine {

// Replaces byte sequences by others: a Darts double array over the keys, and the replacements, each ended by
// NUL. Source: sentencepiece src/normalizer.cc; tokenizers-rs normalizers/precompiled.rs.
//
// A grapheme cluster of fewer than 6 bytes is looked up as a whole, and the shortest key that it begins with
// replaces all of it; a longer one, or one without such a key, is looked up code point by code point.
// Threads: immutable after construction.
class PrecompiledMap {
 public:
  // `blob`: 4 bytes of little-endian length, the double array, the replacements.
  // Errors: INVALID_ARGUMENT malformed (the message does not name the file).
  static absl::StatusOr<PrecompiledMap> Parse(std::string_view blob);

  // `text` must be valid UTF-8.
  std::string Normalize(std::string_view text) const;

 private:
  // The replacement for the shortest key that `key` begins with.
  std::optional<std::string_view> Find(std::string_view key) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_PRECOMPILED_H_
