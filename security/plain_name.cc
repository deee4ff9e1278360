#include "security/plain_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace quantlab {
namespace {

constexpr size_t kMaxBytes = 64;

bool IsAlphanumeric(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c));
}

}  // namespace

bool IsPlainName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxBytes || !IsAlphanumeric(name[0])) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return IsAlphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace quantlab
