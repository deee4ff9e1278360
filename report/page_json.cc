#include "report/page_json.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/format.h"

namespace quantlab::report {

std::string JsonText(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : OneLine(text)) {
    switch (c) {
      case '"':
      case '\\':
        quoted += '\\';
        quoted += c;
        break;
      case '<':
        quoted += "\\u003c";
        break;
      default:
        quoted += c;
    }
  }
  return quoted + "\"";
}

std::string JsonNumber(std::optional<double> value) {
  return value.has_value() && std::isfinite(*value) ? FormatExact(*value) : "null";
}

std::string JsonList(const std::vector<std::string>& values) {
  return absl::StrCat("[", absl::StrJoin(values, ","), "]");
}

JsonObject& JsonObject::NumberIfKnown(const char* key, std::optional<double> value) {
  if (!value.has_value() || !std::isfinite(*value)) return *this;
  return Number(key, value);
}

JsonObject& JsonObject::Raw(const char* key, absl::string_view json) {
  absl::StrAppend(&fields_, fields_.empty() ? "" : ",", "\"", key, "\":", json);
  return *this;
}

}  // namespace quantlab::report
