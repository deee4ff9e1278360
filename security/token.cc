#include "security/token.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"

namespace quantlab {
namespace {

constexpr char kPrefix[] = "qlt_";
constexpr size_t kBytes = 32;
constexpr size_t kCharacters = 43;  // of 32 bytes in base64 without padding

}  // namespace

std::string NewToken(const RandomBytes& random) {
  std::string bytes(kBytes, '\0');
  random(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size());
  return absl::StrCat(kPrefix, absl::WebSafeBase64Escape(bytes));
}

bool IsToken(absl::string_view text) {
  if (!absl::StartsWith(text, kPrefix)) return false;
  text.remove_prefix(sizeof(kPrefix) - 1);
  if (text.size() != kCharacters) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') return false;
  }
  return true;
}

std::string TokenDigest(absl::string_view token) {
  return Sha256Hex(token);
}

}  // namespace quantlab
