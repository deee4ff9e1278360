#include "server/service/retention.h"

#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

constexpr int64_t kMostDays = 36500;

absl::StatusOr<RetentionKind> ParseKind(const std::string& name) {
  for (const RetentionKind kind : kAllRetentionKinds) {
    if (RetentionKindName(kind) == name) return kind;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", name, "' is no kind; there are: attempts, failed-models, models, experiments"));
}

absl::StatusOr<absl::Duration> ParseAge(const std::string& text) {
  int64_t count = 0;
  const char unit = text.empty() ? ' ' : text.back();
  const bool counted =
      absl::SimpleAtoi(absl::string_view(text).substr(0, text.size() - (text.empty() ? 0 : 1)), &count);
  if (counted && count >= 1 && (unit == 'h' || unit == 'd') && count <= kMostDays)
    return absl::Hours(unit == 'd' ? count * 24 : count);
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is no age; write for example 12h or 30d, at most ", kMostDays, "d"));
}

}  // namespace

std::string RetentionKindName(RetentionKind kind) {
  switch (kind) {
    case RetentionKind::kAttempts:
      return "attempts";
    case RetentionKind::kFailedModels:
      return "failed-models";
    case RetentionKind::kModels:
      return "models";
    case RetentionKind::kExperiments:
      return "experiments";
  }
  return "";
}

absl::StatusOr<std::map<RetentionKind, absl::Duration>> ParseRetention(
    const std::vector<std::string>& rules) {
  std::map<RetentionKind, absl::Duration> ages;
  for (const std::string& rule : rules) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(rule, absl::MaxSplits('=', 1));
    QL_ASSIGN_OR_RETURN(const RetentionKind kind, ParseKind(parts.first));
    QL_ASSIGN_OR_RETURN(const absl::Duration age, ParseAge(parts.second));
    if (!ages.emplace(kind, age).second)
      return absl::InvalidArgumentError(absl::StrCat(parts.first, " is given twice"));
  }
  return ages;
}

absl::StatusOr<int64_t> ParseByteSize(const std::string& text) {
  static constexpr std::pair<absl::string_view, double> kUnits[] = {
      {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}};
  for (const auto& [unit, factor] : kUnits) {
    absl::string_view number = text;
    if (!absl::ConsumeSuffix(&number, unit)) continue;
    double count = 0;
    const bool read = absl::SimpleAtod(absl::StripAsciiWhitespace(number), &count);
    if (read && count > 0 && count * factor < 9e18) return static_cast<int64_t>(count * factor);
    break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is no size; write for example 500MB or 1.5TB"));
}

}  // namespace quantlab
