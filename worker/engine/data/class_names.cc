#include "worker/engine/data/class_names.h"

#include <cstdlib>
#include <memory>

#include <utf8proc.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace quantlab::engine {
namespace {

// The form in which names are compared; the name itself where it is not valid UTF-8.
std::string Folded(const std::string& name) {
  utf8proc_uint8_t* mapped = nullptr;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT |
                                                      UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
  const utf8proc_ssize_t length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(name.data()),
                                               static_cast<utf8proc_ssize_t>(name.size()), &mapped, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (length < 0) return name;
  // The compatibility form turns every blank into a space.
  const std::string folded(reinterpret_cast<const char*>(mapped), static_cast<size_t>(length));
  return std::string(absl::StripAsciiWhitespace(folded));
}

// Whether the names are `prefix` with their index.
bool AreNumbered(const std::vector<std::string>& names, const char* prefix) {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] != absl::StrCat(prefix, i)) return false;
  }
  return true;
}

}  // namespace

bool SameClassName(const std::string& a, const std::string& b) {
  return a == b || Folded(a) == Folded(b);
}

bool AreDefaultNames(const std::vector<std::string>& names) {
  return AreNumbered(names, "LABEL_");
}

bool SameClasses(const std::vector<std::string>& own, const std::vector<std::string>& dataset) {
  if (own.size() != dataset.size()) return false;
  if (AreDefaultNames(own) || AreNumbered(dataset, "")) return true;
  for (size_t i = 0; i < own.size(); ++i) {
    if (!SameClassName(own[i], dataset[i])) return false;
  }
  return true;
}

}  // namespace quantlab::engine
