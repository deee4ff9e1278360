#include "proto/checks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "base/sha256.h"
#include "platform/paths.h"

namespace quantlab::proto_checks {
namespace {

bool HasControl(absl::string_view value) {
  return std::any_of(value.begin(), value.end(),
                     [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

}  // namespace

absl::Status Bad(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

absl::Status Within(absl::string_view part, const absl::Status& status) {
  if (status.ok()) return status;
  // An enum or a time has no field of its own: its message starts with the colon.
  const absl::string_view dot = !status.message().empty() && status.message()[0] == ':' ? "" : ".";
  return absl::Status(status.code(), absl::StrCat(part, dot, status.message()));
}

absl::Status Text(absl::string_view field, absl::string_view value, int max_bytes) {
  if (value.size() <= static_cast<size_t>(max_bytes)) return absl::OkStatus();
  return Bad(field, absl::StrCat("has ", value.size(), " bytes; at most ", max_bytes, " are allowed"));
}

absl::Status NonEmpty(absl::string_view field, absl::string_view value, int max_bytes) {
  if (value.empty()) return Bad(field, "is empty");
  return Text(field, value, max_bytes);
}

absl::Status PathPart(absl::string_view field, absl::string_view value) {
  const std::string problem = PathPartProblem(value);
  if (problem.empty()) return absl::OkStatus();
  return Bad(field, absl::StrCat("'", absl::CHexEscape(value.substr(0, 300)),
                                 "' cannot be the name of a folder: it ", problem));
}

absl::Status RelativePath(absl::string_view field, absl::string_view value) {
  const std::string problem = RelativePathProblem(value);
  if (problem.empty()) return absl::OkStatus();
  return Bad(field, absl::StrCat("'", absl::CHexEscape(value.substr(0, 300)), "' ", problem));
}

absl::Status AbsolutePath(absl::string_view field, absl::string_view value) {
  QL_RETURN_IF_ERROR(NonEmpty(field, value, 4 * kMaxPathBytes));
  const std::vector<absl::string_view> parts = absl::StrSplit(value, '/');
  if (value[0] != '/' || HasControl(value) || std::count(parts.begin(), parts.end(), "..") > 0) {
    return Bad(field, absl::StrCat("'", absl::CHexEscape(value), "' is not an absolute path without '..'"));
  }
  return absl::OkStatus();
}

absl::Status Digest(absl::string_view field, absl::string_view value, bool optional) {
  if (IsSha256Hex(value) || (optional && value.empty())) return absl::OkStatus();
  return Bad(field, absl::StrCat("'", absl::CHexEscape(value.substr(0, 80)),
                                 "' is not a SHA-256 of 64 lower-case hex digits"));
}

absl::Status AtLeast(absl::string_view field, int64_t value, int64_t least) {
  if (value >= least) return absl::OkStatus();
  return Bad(field, absl::StrCat("is ", value, "; it must be at least ", least));
}

absl::Status Between(absl::string_view field, double value, double low, double high) {
  if (std::isfinite(value) && value >= low && value <= high) return absl::OkStatus();
  return Bad(field, absl::StrCat("is ", value, "; it must be a number from ", low, " to ", high));
}

absl::Status Items(absl::string_view field, int64_t count, int64_t max) {
  if (count <= max) return absl::OkStatus();
  return Bad(field, absl::StrCat("has ", count, " items; at most ", max, " are allowed"));
}

absl::Status Facts(absl::string_view field, const google::protobuf::Map<std::string, std::string>& from,
                   std::map<std::string, std::string>* to) {
  QL_RETURN_IF_ERROR(Items(field, static_cast<int64_t>(from.size())));
  for (const auto& [key, value] : from) {
    QL_RETURN_IF_ERROR(NonEmpty(field, key));
    QL_RETURN_IF_ERROR(Text(absl::StrCat(field, "[", key, "]"), value, kMaxMessageBytes));
    (*to)[key] = value;
  }
  return absl::OkStatus();
}

}  // namespace quantlab::proto_checks
