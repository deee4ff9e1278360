#include "report/facts/language.h"

#include "absl/strings/str_cat.h"

namespace quantlab::report {

absl::StatusOr<std::vector<Language>> ParseLanguages(absl::string_view text) {
  if (text == "zh") return std::vector<Language>{Language::kChinese};
  if (text == "en") return std::vector<Language>{Language::kEnglish};
  if (text == "both") return std::vector<Language>{Language::kChinese, Language::kEnglish};
  return absl::InvalidArgumentError(
      absl::StrCat("report language '", text, "' is unknown; allowed: zh, en, both"));
}

const char* LanguageCode(Language language) {
  return Say(language, "en", "zh");
}

}  // namespace quantlab::report
