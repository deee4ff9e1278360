// A bound on how deep JSON from outside may nest: parsed values are copied, written and compared by recursive
// functions, which need a stack frame for each level.
#ifndef QUANTLAB_BASE_TEXT_JSON_DEPTH_H_
#define QUANTLAB_BASE_TEXT_JSON_DEPTH_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quantlab {

// Far above any file that people have: tokenizer.json has about ten levels.
inline constexpr int kMaxJsonDepth = 200;

// INVALID_ARGUMENT where a text opens more than kMaxJsonDepth arrays and objects within each other. The text
// need not be JSON: what else is wrong with it is left to the parser.
absl::Status CheckJsonDepth(absl::string_view json);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_TEXT_JSON_DEPTH_H_
