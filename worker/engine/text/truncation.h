// The side on which a text that is too long is cut. Pure functions.
#ifndef QUANTLAB_WORKER_ENGINE_TEXT_TRUNCATION_H_
#define QUANTLAB_WORKER_ENGINE_TEXT_TRUNCATION_H_

#include <optional>
#include <string_view>

namespace quantlab::engine {

// Which tokens a text that is too long loses: kRight its last, kLeft its first.
enum class TruncationSide { kRight, kLeft };

// "right" and "left"; nothing for any other name.
inline std::optional<TruncationSide> ParseTruncationSide(std::string_view name) {
  if (name == "right") return TruncationSide::kRight;
  if (name == "left") return TruncationSide::kLeft;
  return std::nullopt;
}

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TEXT_TRUNCATION_H_
