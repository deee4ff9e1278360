// Common values and names of this project's JSON texts.
#ifndef QUANTLAB_CODEC_JSON_VALUES_H_
#define QUANTLAB_CODEC_JSON_VALUES_H_

#include <cmath>
#include <string>

#include <nlohmann/json.hpp>

#include "absl/strings/string_view.h"

namespace quantlab {

// "batch_size" gives "batchSize", as protobuf's JSON mapping does.
std::string LowerCamelCase(absl::string_view name);

// `value` as a number, or as "NaN", "Infinity" or "-Infinity".
template <typename Json>
Json NumberToJson(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value;
}

// Reads what NumberToJson wrote. False: anything else.
bool NumberFromJson(const nlohmann::json& json, double* value);

// One line. Bytes that are not UTF-8 are replaced by U+FFFD rather than refused.
template <typename Json>
std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace quantlab

#endif  // QUANTLAB_CODEC_JSON_VALUES_H_
