#include "base/text/list.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

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

}  // namespace quantlab
