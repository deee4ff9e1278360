#include "storage/sql/page_token.h"

#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/sha256.h"

namespace quantlab {
namespace {

// Not a secret: it prevents accidental use of a token for another list, and of truncated or invented ones.
std::string Check(absl::string_view query, int64_t cursor) {
  return Sha256Hex(absl::StrCat("page-token-1\n", query, "\n", cursor)).substr(0, 16);
}

}  // namespace

std::string MakePageToken(absl::string_view query, int64_t cursor) {
  return absl::WebSafeBase64Escape(absl::StrCat(cursor, ".", Check(query, cursor)));
}

absl::StatusOr<int64_t> ParsePageToken(absl::string_view query, const std::string& token, int64_t first) {
  if (token.empty()) return first;
  std::string plain;
  int64_t cursor = 0;
  const bool readable = token.size() <= 128 && absl::WebSafeBase64Unescape(token, &plain);
  const std::vector<std::string> parts = absl::StrSplit(plain, '.');
  if (!readable || parts.size() != 2 || !absl::SimpleAtoi(parts[0], &cursor) ||
      parts[1] != Check(query, cursor)) {
    return absl::InvalidArgumentError(
        "page_token is not one that this list gave for the same filter; start again without a token");
  }
  return cursor;
}

absl::Status CheckPageSize(int page_size) {
  if (page_size >= 1 && page_size <= 10'000) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("page_size is ", page_size, "; allowed: 1 to 10000"));
}

}  // namespace quantlab
