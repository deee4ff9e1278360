// The shape of a timed batch.
#ifndef QUANTLAB_REPORT_FACTS_INPUT_SHAPE_H_
#define QUANTLAB_REPORT_FACTS_INPUT_SHAPE_H_

#include <compare>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "report/facts/language.h"

namespace quantlab::report {

// Ordered by batch size, then by length.
struct InputShape {
  int64_t batch_size = 0;
  int64_t sequence_length = 0;  // tokens of each text; 0: not recorded

  friend auto operator<=>(const InputShape&, const InputShape&) = default;
};

// "8 × 128 tokens"; without a length "8".
inline std::string ShapeValue(Language language, const InputShape& shape) {
  if (shape.sequence_length == 0) return absl::StrCat(shape.batch_size);
  return absl::StrCat(shape.batch_size, " × ", shape.sequence_length, Say(language, " tokens", " 词元"));
}

// "batch size 8 × 128 tokens".
inline std::string ShapeText(Language language, const InputShape& shape) {
  return absl::StrCat(Say(language, "batch size ", "批大小 "), ShapeValue(language, shape));
}

// Of a CSV's column: "batch_8_tokens_128".
inline std::string ShapeKey(const InputShape& shape) {
  const std::string batch = absl::StrCat("batch_", shape.batch_size);
  return shape.sequence_length == 0 ? batch : absl::StrCat(batch, "_tokens_", shape.sequence_length);
}

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_INPUT_SHAPE_H_
