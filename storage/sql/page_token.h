// Opaque tokens of keyset pagination: the start of the next page, bound to the query.
#ifndef QUANTLAB_STORAGE_SQL_PAGE_TOKEN_H_
#define QUANTLAB_STORAGE_SQL_PAGE_TOKEN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantlab {

// `query`: names the list and its filter; a token is valid only for that.
std::string MakePageToken(absl::string_view query, int64_t cursor);

// The cursor of a token that MakePageToken made for the same query; `first` for an empty token.
// Errors: INVALID_ARGUMENT for any other.
absl::StatusOr<int64_t> ParsePageToken(absl::string_view query, const std::string& token, int64_t first);

// 1 to 10,000. INVALID_ARGUMENT otherwise.
absl::Status CheckPageSize(int page_size);

}  // namespace quantlab

#endif  // QUANTLAB_STORAGE_SQL_PAGE_TOKEN_H_
