#include "worker/engine/methods/pinned_layers.h"

#include <algorithm>
#include <array>
#include <fnmatch.h>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace quantlab::engine {
namespace {

constexpr std::array<const char*, 4> kPrecisions = {"int8", "bf16", "fp16", "fp32"};

bool IsPrecision(absl::string_view name) {
  return std::find(kPrecisions.begin(), kPrecisions.end(), name) != kPrecisions.end();
}

}  // namespace

bool MatchesPattern(absl::string_view pattern, absl::string_view text) {
  return fnmatch(std::string(pattern).c_str(), std::string(text).c_str(), 0) == 0;
}

absl::StatusOr<std::map<std::string, std::string>> ParsePins(const std::string& text,
                                                             const std::vector<std::string>& layers) {
  std::map<std::string, std::string> pins;
  for (const absl::string_view entry : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(entry, absl::MaxSplits('=', 1));
    const absl::string_view pattern = absl::StripAsciiWhitespace(parts.first);
    const absl::string_view precision = absl::StripAsciiWhitespace(parts.second);
    if (!IsPrecision(precision)) {
      return absl::InvalidArgumentError(
          absl::StrCat("pin: \"", std::string(entry),
                       "\" must be LAYER=PRECISION, the precision one of: int8, "
                       "bf16, fp16, fp32"));
    }
    bool matched = false;
    for (const std::string& layer : layers) {
      if (!MatchesPattern(pattern, layer)) continue;
      pins[layer] = std::string(precision);
      matched = true;
    }
    if (!matched) {
      return absl::InvalidArgumentError(absl::StrCat("pin: no layer matches \"", std::string(pattern),
                                                     "\"; layers are named as in ", layers.front()));
    }
  }
  return pins;
}

}  // namespace quantlab::engine
