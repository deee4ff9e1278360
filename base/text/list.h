// Lists of names for messages, shortened to a bounded length. Pure functions.
#ifndef QUANTLAB_BASE_TEXT_LIST_H_
#define QUANTLAB_BASE_TEXT_LIST_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantlab {

// "a, b, c", of more than `most` names the first ones: "a, b, c and 97 more".
std::string SomeOf(const std::vector<std::string>& names, size_t most);

// The first `most` names, and where there are more "and 97 more" after them.
std::vector<std::string> FirstOf(const std::vector<std::string>& names, size_t most);
// How many names FirstOf() left out of a list that ends in `last`; none where it is a name.
std::optional<size_t> LeftOut(absl::string_view last);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_TEXT_LIST_H_
