#include "report/facts/language.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace quantlab::report {
namespace {

// By the first byte of a character in UTF-8: ideographs and full-width punctuation.
bool LeadsChinese(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return (byte >= 0xE3 && byte <= 0xE9) || byte == 0xEF;
}

bool BeginsChinese(absl::string_view text) {
  return !text.empty() && LeadsChinese(text[0]);
}

bool EndsChinese(absl::string_view text) {
  return text.size() >= 3 && LeadsChinese(text[text.size() - 3]);
}

// Whether its last character is an ideograph; no punctuation mark.
bool EndsWithIdeograph(absl::string_view text) {
  if (text.size() < 3) return false;
  const auto lead = static_cast<unsigned char>(text[text.size() - 3]);
  return lead >= 0xE4 && lead <= 0xE9;
}

}  // namespace

absl::StatusOr<std::vector<Language>> ParseLanguages(absl::string_view text) {
  if (text == "zh") return std::vector<Language>{Language::kChinese};
  if (text == "en") return std::vector<Language>{Language::kEnglish};
  if (text == "both") return std::vector<Language>{Language::kChinese, Language::kEnglish};
  return absl::InvalidArgumentError(
      absl::StrCat("report language '", text, "' is unknown; allowed: zh, en, both"));
}

std::string FillChinese(absl::string_view text, const std::vector<std::string>& arguments) {
  std::string filled;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool argument = text[at] == '$' && at + 1 < text.size() && text[at + 1] >= '0' &&
                          text[at + 1] <= '9' && static_cast<size_t>(text[at + 1] - '0') < arguments.size();
    if (!argument) {
      filled += text[at];
      continue;
    }
    const std::string& value = arguments[static_cast<size_t>(text[++at] - '0')];
    if (BeginsChinese(value) && absl::EndsWith(filled, " ") &&
        EndsChinese(absl::string_view(filled).substr(0, filled.size() - 1))) {
      filled.pop_back();
    }
    if (!value.empty() && absl::ascii_isalpha(static_cast<unsigned char>(value[0])) &&
        EndsWithIdeograph(filled)) {
      filled += ' ';
    }
    filled += value;
    const absl::string_view rest = text.substr(at + 1);
    if (EndsChinese(value) && absl::StartsWith(rest, " ") && BeginsChinese(rest.substr(1))) ++at;
  }
  return filled;
}

const char* LanguageCode(Language language) {
  return Say(language, "en", "zh");
}

}  // namespace quantlab::report
