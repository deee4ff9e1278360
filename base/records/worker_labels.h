// Labels of workers (quant-worker --label KEY=VALUE) and of experiment files (resources.labels): the texts
// that both allow.
#ifndef QUANTLAB_BASE_RECORDS_WORKER_LABELS_H_
#define QUANTLAB_BASE_RECORDS_WORKER_LABELS_H_

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace quantlab {

inline constexpr size_t kMaxLabels = 32;
inline constexpr size_t kMaxLabelBytes = 128;

// Whether `text` can be a label's key or value: 1 to kMaxLabelBytes letters, digits and . _ - /
inline bool IsLabelText(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxLabelBytes && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-' || c == '/';
  });
}

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_WORKER_LABELS_H_
