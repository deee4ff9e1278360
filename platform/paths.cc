#include "platform/paths.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/text/utf8.h"

namespace quantlab {

std::string PathPartProblem(absl::string_view part) {
  if (part.empty()) return "must not have an empty part";
  if (part == "." || part == "..") return absl::StrCat("must not have the part '", part, "'");
  if (part.size() > kMaxPathPartBytes) {
    return absl::StrCat("must not have a part of more than ", kMaxPathPartBytes, " bytes");
  }
  for (const char c : part) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\' || c == '/')
      return "must not have backslashes or control characters";
  }
  return IsValidUtf8({part.data(), part.size()}) ? "" : "must be UTF-8";
}

std::string RelativePathProblem(absl::string_view path) {
  if (path.empty()) return "must not be empty";
  if (path.size() > kMaxRelativePathBytes) {
    return absl::StrCat("must not have more than ", kMaxRelativePathBytes, " bytes");
  }
  if (path[0] == '/') return "must be relative";
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    std::string problem = PathPartProblem(part);
    if (!problem.empty()) return problem;
  }
  return "";
}

std::string EscapeName(absl::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool plain = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' ||
                       (c == '.' && !out.empty());
    if (plain) {
      out.push_back(c);
    } else {
      absl::StrAppendFormat(&out, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return out.empty() ? "%" : out;
}

}  // namespace quantlab
