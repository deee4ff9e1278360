#include "base/text/list.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace quantlab {

std::string SomeOf(const std::vector<std::string>& names, size_t most) {
  if (names.size() <= most) return absl::StrJoin(names, ", ");
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(most);
  return absl::StrCat(absl::StrJoin(names.begin(), end, ", "), " and ", names.size() - most, " more");
}

std::vector<std::string> FirstOf(const std::vector<std::string>& names, size_t most) {
  if (names.size() <= most) return names;
  std::vector<std::string> first(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(most));
  first.push_back(absl::StrCat("and ", names.size() - most, " more"));
  return first;
}

std::optional<size_t> LeftOut(absl::string_view last) {
  size_t count = 0;
  if (!absl::ConsumePrefix(&last, "and ") || !absl::ConsumeSuffix(&last, " more")) return std::nullopt;
  return absl::SimpleAtoi(last, &count) ? std::optional<size_t>(count) : std::nullopt;
}

}  // namespace quantlab
