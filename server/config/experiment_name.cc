#include "server/config/experiment_name.h"

#include <cstdlib>
#include <memory>

#include <utf8proc.h>

#include "base/text/utf8.h"

namespace quantlab {
namespace {

// Folders that are called by these names may have 255 bytes in all.
constexpr int kMaxCharacters = 64;
constexpr size_t kMaxBytes = 200;

// Normal form C; nullopt where the text is not UTF-8.
std::optional<std::string> Composed(const std::string& text) {
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t length = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
      &mapped, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(mapped, &std::free);
  if (length < 0) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(mapped), static_cast<size_t>(length));
}

bool IsLetterOrDigit(char32_t c) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

// Scripts of India and others write vowels as marks.
bool IsMark(char32_t c) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

bool IsPlainSign(char32_t c) {
  return c == '.' || c == '_' || c == '-';
}

}  // namespace

std::string MakeExperimentName(const std::string& text) {
  const std::string composed = Composed(RepairUtf8(text)).value_or("");
  std::string name;
  int characters = 0;
  for (size_t at = 0; at < composed.size();) {
    const DecodedCodePoint c = DecodeUtf8(std::string_view(composed).substr(at));
    const std::string_view bytes = std::string_view(composed).substr(at, static_cast<size_t>(c.length));
    at += bytes.size();
    if (name.empty() && !IsLetterOrDigit(c.code_point)) continue;
    if (characters == kMaxCharacters || name.size() + bytes.size() > kMaxBytes) break;
    const bool kept = IsLetterOrDigit(c.code_point) || IsMark(c.code_point) || IsPlainSign(c.code_point);
    name += kept ? bytes : std::string_view("-");
    ++characters;
  }
  return name;
}

std::optional<std::string> CheckExperimentName(const std::string& text) {
  const std::optional<std::string> composed = Composed(text);
  // What would change is no name.
  if (!composed || composed->empty() || MakeExperimentName(*composed) != *composed) return std::nullopt;
  return composed;
}

}  // namespace quantlab
