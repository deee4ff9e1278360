#include "codec/json_values.h"

#include <limits>

#include "absl/strings/ascii.h"

namespace quantlab {

std::string LowerCamelCase(absl::string_view name) {
  std::string camel;
  bool upper = false;
  for (const char c : name) {
    if (c != '_') camel.push_back(upper ? absl::ascii_toupper(static_cast<unsigned char>(c)) : c);
    upper = c == '_';
  }
  return camel;
}

bool NumberFromJson(const nlohmann::json& json, double* value) {
  const double infinity = std::numeric_limits<double>::infinity();
  if (json.is_number()) {
    *value = json.get<double>();
  } else if (json == "NaN") {
    *value = std::numeric_limits<double>::quiet_NaN();
  } else if (json == "Infinity" || json == "-Infinity") {
    *value = json == "Infinity" ? infinity : -infinity;
  } else {
    return false;
  }
  return true;
}

}  // namespace quantlab
