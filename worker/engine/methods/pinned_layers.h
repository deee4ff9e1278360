// Layers whose precision the user fixes, by name or pattern.
#ifndef QUANTLAB_WORKER_ENGINE_METHODS_PINNED_LAYERS_H_
#define QUANTLAB_WORKER_ENGINE_METHODS_PINNED_LAYERS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab::engine {

// "classifier=fp32, *.output.dense=bf16": comma-separated; "*" matches any characters, "?" one. The last
// entry that matches a layer wins. Returns the precision by layer.
// Errors: INVALID_ARGUMENT an entry without "=", an unknown precision, a pattern that matches no layer.
absl::StatusOr<std::map<std::string, std::string>> ParsePins(const std::string& text,
                                                             const std::vector<std::string>& layers);

// Whether `pattern`, with "*" and "?", matches all of `text`.
bool MatchesPattern(absl::string_view pattern, absl::string_view text);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_METHODS_PINNED_LAYERS_H_
