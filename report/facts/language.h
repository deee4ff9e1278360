// The languages of reports.
#ifndef QUANTLAB_REPORT_FACTS_LANGUAGE_H_
#define QUANTLAB_REPORT_FACTS_LANGUAGE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/substitute.h"
#include "base/language.h"

namespace quantlab::report {

using quantlab::Language;

// One text in both languages.
struct Text {
  std::string english, chinese;

  const std::string& In(Language language) const {
    return language == Language::kEnglish ? english : chinese;
  }
};

// "zh", "en" or "both" (Chinese first).
// Errors: INVALID_ARGUMENT anything else.
absl::StatusOr<std::vector<Language>> ParseLanguages(absl::string_view text);

// "zh" or "en": in file names.
const char* LanguageCode(Language language);

// Selects one of two texts with the same meaning.
inline const char* Say(Language language, const char* english, const char* chinese) {
  return language == Language::kEnglish ? english : chinese;
}

// Replaces $0, $1, … in a Chinese text. A space between the text and an argument is removed if both are
// Chinese there: "使用 $0：" with "动态量化" gives "使用动态量化：". One is added between a Chinese character
// and an argument that begins with a Latin letter: "其$0" with "Pearson 相关系数" gives "其 Pearson
// 相关系数".
std::string FillChinese(absl::string_view text, const std::vector<std::string>& arguments);

// The same, with $0, $1, … replaced by the arguments.
template <typename... Args>
std::string Fill(Language language, const char* english, const char* chinese, const Args&... args) {
  if (language == Language::kEnglish) return absl::Substitute(english, args...);
  return FillChinese(chinese, {absl::StrCat(args)...});
}

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_LANGUAGE_H_
