// What Python's json module writes beyond JSON, made JSON.
#ifndef QUANTLAB_BASE_TEXT_STRICT_JSON_H_
#define QUANTLAB_BASE_TEXT_STRICT_JSON_H_

#include <string>
#include <string_view>

namespace quantlab {

// NaN, Infinity and -Infinity become null. One half of a surrogate pair alone, as a text that was cut within
// an emoji has it, becomes U+FFFD. Everything else stays, also what is no JSON at all.
std::string StrictJson(std::string_view json);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_TEXT_STRICT_JSON_H_
