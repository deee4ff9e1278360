// JSON that may stand in a <script> of a page.
#ifndef QUANTLAB_REPORT_PAGE_JSON_H_
#define QUANTLAB_REPORT_PAGE_JSON_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantlab::report {

// A string on one line, in which "<" cannot end the script.
std::string JsonText(absl::string_view text);
// `null` for what is absent or not finite.
std::string JsonNumber(std::optional<double> value);
// Values that are JSON already.
std::string JsonList(const std::vector<std::string>& values);

// {"key":value,…} in the order of the calls.
class JsonObject {
 public:
  JsonObject& Text(const char* key, absl::string_view text) { return Raw(key, JsonText(text)); }
  JsonObject& Number(const char* key, std::optional<double> value) { return Raw(key, JsonNumber(value)); }
  // Left out if it is absent or not finite.
  JsonObject& NumberIfKnown(const char* key, std::optional<double> value);
  JsonObject& Flag(const char* key, bool on) { return Raw(key, on ? "true" : "false"); }
  // `json` is JSON already.
  JsonObject& Raw(const char* key, absl::string_view json);
  std::string Build() const { return "{" + fields_ + "}"; }

 private:
  std::string fields_;
};

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_PAGE_JSON_H_
