// Paragraphs from resource files, one per language: see quantlab_bilingual_texts().
#ifndef QUANTLAB_REPORT_FACTS_PROSE_H_
#define QUANTLAB_REPORT_FACTS_PROSE_H_

#include "absl/strings/string_view.h"

namespace quantlab::report {

// `$0`, `$1`, … stand for arguments, as in absl::Substitute.
struct Prose {
  const char* english;
  const char* chinese;
};

// Whether both languages use the same arguments, in any order. The generated sources assert it.
constexpr bool SameArguments(absl::string_view english, absl::string_view chinese) {
  const auto used = [](absl::string_view text) {
    unsigned arguments = 0;
    for (size_t i = 0; i + 1 < text.size(); ++i) {
      if (text[i] == '$' && text[i + 1] >= '0' && text[i + 1] <= '9') arguments |= 1u << (text[i + 1] - '0');
    }
    return arguments;
  };
  return used(english) == used(chinese);
}

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_PROSE_H_
