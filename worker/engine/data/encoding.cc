#include "worker/engine/data/encoding.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/ucsdet.h>
#include <utility>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "base/messages/inputs.h"
#include "base/messages/message_catalogue.h"
#include "base/status_macros.h"
#include "base/text/escape.h"
#include "base/text/utf8.h"

namespace quantlab::engine {
namespace {

constexpr size_t kMaxName = 64;
constexpr size_t kMaxSample = 256 << 10;
// Of the characters beyond ASCII, that many may be undefined in an encoding that was chosen.
constexpr double kMaxReplaced = 0.01;
constexpr char kExamples[] = "gbk, gb18030, big5, shift_jis, euc-jp, euc-kr, windows-1252, utf-16le";

// What software writes under these names goes beyond the standards of these names, and names that Python,
// Windows and databases use. Source: WHATWG, "Encoding Standard", section 4.2, "Names and labels".
struct Superset {
  const char* name;  // in lower case, without '-' and '_'
  const char* read_as;
};
constexpr Superset kSupersets[] = {
    {"gb2312", "GB18030"},        {"gbk", "GB18030"},          {"iso88591", "windows-1252"},
    {"latin1", "windows-1252"},   {"usascii", "windows-1252"}, {"ascii", "windows-1252"},
    {"iso88599", "windows-1254"}, {"euckr", "windows-949"},    {"ksc56011987", "windows-949"},
    {"cp949", "windows-949"},     {"uhc", "windows-949"},      {"utf8sig", "UTF-8"},
    {"utf8bom", "UTF-8"},         {"utf8mb4", "UTF-8"},        {"cp65001", "UTF-8"}};

bool IsHigh(char c) {
  return (static_cast<unsigned char>(c) & 0x80) != 0;
}

std::string Plain(const std::string& name) {
  std::string plain;
  for (const char c : absl::AsciiStrToLower(name)) {
    if (c != '-' && c != '_') plain += c;
  }
  return plain;
}

std::string Reading(const std::string& name) {
  const std::string plain = Plain(name);
  for (const Superset& superset : kSupersets) {
    if (plain == superset.name) return superset.read_as;
  }
  return name;
}

// A sequence that the source encoding does not define.
void U_CALLCONV Replace(const void* /*context*/, UConverterToUnicodeArgs* args, const char* /*units*/,
                        int32_t /*length*/, UConverterCallbackReason reason, UErrorCode* error) {
  if (reason > UCNV_IRREGULAR) return;
  static constexpr UChar kReplacement = 0xFFFD;
  *error = U_ZERO_ERROR;
  ucnv_cbToUWriteUChars(args, &kReplacement, 1, 0, error);
}

struct CloseConverter {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};
using Converter = std::unique_ptr<UConverter, CloseConverter>;

// nullptr where ICU has no converter of that name.
Converter OpenConverter(const std::string& name) {
  const auto is_plain = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("-_.:+()").find(c) != std::string_view::npos;
  };
  // ICU would take a longer or stranger name for the path of a table.
  if (name.empty() || name.size() > kMaxName || !std::all_of(name.begin(), name.end(), is_plain))
    return nullptr;
  UErrorCode error = U_ZERO_ERROR;
  if (ucnv_countAliases(name.c_str(), &error) == 0 || U_FAILURE(error)) return nullptr;
  Converter converter(ucnv_open(name.c_str(), &error));
  if (U_FAILURE(error)) return nullptr;
  ucnv_setToUCallBack(converter.get(), Replace, nullptr, nullptr, nullptr, &error);
  return U_FAILURE(error) ? nullptr : std::move(converter);
}

// Every undefined sequence becomes U+FFFD.
absl::StatusOr<std::string> Convert(std::string_view content, UConverter* from, const std::string& where) {
  const Converter to = OpenConverter("UTF-8");
  if (to == nullptr) return absl::InternalError("ICU has no converter for UTF-8");
  std::string text;
  std::vector<char> chunk(64 << 10);
  std::vector<UChar> pivot(16 << 10);
  UChar *pivot_source = pivot.data(), *pivot_target = pivot.data();
  const char *source = content.data(), *const end = content.data() + content.size();
  UErrorCode error = U_BUFFER_OVERFLOW_ERROR;
  for (bool reset = true; error == U_BUFFER_OVERFLOW_ERROR; reset = false) {
    error = U_ZERO_ERROR;
    char* target = chunk.data();
    ucnv_convertEx(to.get(), from, &target, chunk.data() + chunk.size(), &source, end, pivot.data(),
                   &pivot_source, &pivot_target, pivot.data() + pivot.size(), reset, /*flush=*/true, &error);
    text.append(chunk.data(), static_cast<size_t>(target - chunk.data()));
  }
  if (U_FAILURE(error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": cannot be converted to UTF-8: ", u_errorName(error)));
  }
  return text;
}

// ---- guessing ------------------------------------------------------------------------------------------

int64_t CountReplacements(std::string_view text) {
  int64_t count = 0;
  for (size_t at = 0; (at = text.find(kReplacementUtf8, at)) != std::string_view::npos; at += 3) ++count;
  return count;
}

// Characters beyond ASCII in valid UTF-8.
int64_t CountForeign(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0xC0; });
}

bool MostlyReplaced(std::string_view text, int64_t replaced) {
  return static_cast<double>(replaced) > kMaxReplaced * static_cast<double>(CountForeign(text));
}

// The share of `text`'s characters beyond ASCII that lie in one of two ranges.
double ShareWithin(std::string_view text, char32_t low, char32_t high) {
  int64_t inside = 0, all = 0;
  while (!text.empty()) {
    const DecodedCodePoint decoded = DecodeUtf8(text);
    text.remove_prefix(static_cast<size_t>(decoded.length));
    if (decoded.code_point < 0x80) continue;
    ++all;
    inside += decoded.code_point >= low && decoded.code_point <= high;
  }
  return all == 0 ? 0 : static_cast<double>(inside) / static_cast<double>(all);
}

// The share of bytes beyond ASCII that stand beside another one: little in languages of the Latin script,
// nearly all elsewhere.
double ShareInRuns(std::string_view words) {
  int64_t high = 0, in_runs = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    if (!IsHigh(words[i])) continue;
    ++high;
    in_runs += (i > 0 && IsHigh(words[i - 1])) || (i + 1 < words.size() && IsHigh(words[i + 1]));
  }
  return high == 0 ? 0 : static_cast<double>(in_runs) / static_cast<double>(high);
}

// The share of two-byte characters in the part of a Chinese character set that has the common ones.
double ShareOfCommonHanzi(std::string_view words, unsigned char low, unsigned char high,
                          unsigned char min_trail) {
  int64_t common = 0, all = 0;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (!IsHigh(words[i])) continue;
    const auto lead = static_cast<unsigned char>(words[i]), trail = static_cast<unsigned char>(words[++i]);
    ++all;
    common += lead >= low && lead <= high && trail >= min_trail;
  }
  return all == 0 ? 0 : static_cast<double>(common) / static_cast<double>(all);
}

bool IsLatin(std::string_view name) {
  for (const char* latin :
       {"ISO-8859-1", "ISO-8859-2", "ISO-8859-9", "windows-1250", "windows-1252", "windows-1254"}) {
    if (name == latin) return true;
  }
  return false;
}

// What ICU's confidence (0 to 100) does not know; nullopt: it cannot be this encoding.
//
// ICU counts frequent letters and characters, of which a column of labels has too few. A text that is wholly
// defined in an encoding of two bytes is most likely in it, since words of other encodings have odd lengths.
std::optional<double> Adjustment(const std::string& name, std::string_view words) {
  constexpr double kWholeInTwoBytes = 40, kKana = 25, kHangul = 22, kCommonHanzi = 20;
  // Old software wrote kana of half width, one byte each; to a text of single bytes they come by chance.
  constexpr double kMostHalfWidth = 0.3;
  // Two labels in Chinese may by chance be Hangul throughout.
  constexpr int64_t kFewCharacters = 10;
  const Converter converter = OpenConverter(Reading(name));
  if (converter == nullptr) return std::nullopt;
  const auto text = Convert(words, converter.get(), name);
  if (!text.ok() || MostlyReplaced(*text, CountReplacements(*text))) return std::nullopt;
  const double in_runs = ShareInRuns(words);
  if (IsLatin(name)) return in_runs > 0.5 ? std::nullopt : std::optional<double>(0);
  const bool two_bytes =
      name == "GB18030" || name == "Big5" || name == "Shift_JIS" || absl::StartsWith(name, "EUC-");
  if (!two_bytes) return 0;
  if (in_runs < 0.5) return std::nullopt;
  if (name == "GB18030") return kWholeInTwoBytes + kCommonHanzi * ShareOfCommonHanzi(words, 0xB0, 0xD7, 0xA1);
  if (name == "Big5") return kWholeInTwoBytes + kCommonHanzi * ShareOfCommonHanzi(words, 0xA4, 0xC6, 0x40);
  if (name == "EUC-KR") {
    const bool hangul = ShareWithin(*text, 0xAC00, 0xD7A3) > 0.95 && CountForeign(*text) >= kFewCharacters;
    return kWholeInTwoBytes + (hangul ? kHangul : -kHangul);
  }
  if (ShareWithin(*text, 0xFF61, 0xFF9F) > kMostHalfWidth) return std::nullopt;
  return kWholeInTwoBytes + (ShareWithin(*text, 0x3041, 0x30FF) > 0.1 ? kKana : -kKana);
}

// Whether a text is Cyrillic as it is written: its letters are of this script, within a word no capital
// follows a small letter, most letters are small, and the frequent ones are. A text of another encoding fails
// in one of these.
bool LooksCyrillic(std::string_view text) {
  constexpr double kMostly = 0.95, kFewCapitals = 0.4, kFrequent = 0.5, kBreaks = 0.02;
  constexpr int64_t kLeast = 10;  // fewer may look like anything
  // In Bulgarian, Russian, Serbian and Ukrainian alike these make about two thirds of a text.
  constexpr std::u32string_view kFrequentLetters = U"аеиноптрсв";
  int64_t all = 0, cyrillic = 0, capitals = 0, frequent = 0, breaks = 0;
  bool after_small = false;
  while (!text.empty()) {
    const DecodedCodePoint decoded = DecodeUtf8(text);
    text.remove_prefix(static_cast<size_t>(decoded.length));
    const char32_t c = decoded.code_point;
    const bool letter = c >= 0x0400 && c <= 0x045F;
    const bool capital = letter && c < 0x0430;
    breaks += capital && after_small;
    after_small = letter && !capital;
    if (c < 0x80) continue;
    ++all;
    cyrillic += letter;
    capitals += capital;
    frequent += kFrequentLetters.find(capital && c >= 0x0410 ? c + 0x20 : c) != std::u32string_view::npos;
  }
  const auto share = [all](int64_t count) { return static_cast<double>(count) / static_cast<double>(all); };
  return all >= kLeast && share(cyrillic) > kMostly && share(capitals) < kFewCapitals &&
         share(breaks) < kBreaks && share(frequent) > kFrequent;
}

// The Cyrillic encoding in which the words are written, "" where they are in none. ICU's detector knows too
// few pairs of letters to tell the encodings apart by some words, and does not know IBM866.
std::string GuessCyrillic(std::string_view words) {
  if (ShareInRuns(words) < 0.5) return "";
  for (const char* name : {"windows-1251", "KOI8-R", "IBM866", "ISO-8859-5"}) {
    const Converter converter = OpenConverter(name);
    if (converter == nullptr) continue;
    const auto text = Convert(words, converter.get(), name);
    if (text.ok() && LooksCyrillic(*text)) return name;
  }
  return "";
}

struct CloseDetector {
  void operator()(UCharsetDetector* detector) const { ucsdet_close(detector); }
};

// ICU's candidates with its confidence in each.
std::vector<std::pair<std::string, double>> Candidates(std::string_view words) {
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<UCharsetDetector, CloseDetector> detector(ucsdet_open(&error));
  ucsdet_setText(detector.get(), words.data(), static_cast<int32_t>(words.size()), &error);
  int32_t found = 0;
  const UCharsetMatch** matches = ucsdet_detectAll(detector.get(), &found, &error);
  std::vector<std::pair<std::string, double>> candidates;
  for (int32_t i = 0; U_SUCCESS(error) && i < found; ++i) {
    const std::string name = ucsdet_getName(matches[i], &error);
    // UTF-16 is recognized by its null bytes; IBM420 and 424 are EBCDIC, in which no file here is.
    if (absl::StartsWith(name, "UTF-") || absl::StartsWith(name, "IBM")) continue;
    candidates.emplace_back(name, ucsdet_getConfidence(matches[i], &error));
  }
  return candidates;
}

// UTF-32 without a byte order mark: every unit is a code point, of which the highest byte is null.
std::string GuessUtf32(std::string_view content) {
  constexpr uint32_t kLastCodePoint = 0x10FFFF;
  if (content.size() < 8 || content.size() % 4 != 0) return "";
  bool little = true, big = true;
  for (size_t i = 0; i + 4 <= std::min(content.size(), kMaxSample); i += 4) {
    uint32_t from_left = 0, from_right = 0;
    for (size_t k = 0; k < 4; ++k) {
      from_left = from_left << 8 | static_cast<unsigned char>(content[i + k]);
      from_right = from_right << 8 | static_cast<unsigned char>(content[i + 3 - k]);
    }
    little = little && from_right <= kLastCodePoint && from_right != 0;
    big = big && from_left <= kLastCodePoint && from_left != 0;
  }
  return little ? "UTF-32LE" : big ? "UTF-32BE" : "";
}

// UTF-16 without a byte order mark: the high byte of each ASCII character is null, and text in any script has
// line ends and commas. Where the content is valid UTF-8, only a text that is mostly ASCII is told from one
// with stray nulls.
std::string GuessUtf16(std::string_view content) {
  const bool may_be_utf8 = IsValidUtf8(content);
  content = content.substr(0, kMaxSample);
  int64_t nulls[2] = {0, 0};
  for (size_t i = 0; i < content.size(); ++i) nulls[i % 2] += content[i] == '\0';
  const auto least = may_be_utf8 ? static_cast<int64_t>(content.size() / 8) : 1;
  if (nulls[1] > least && nulls[0] < nulls[1] / 4) return "UTF-16LE";
  if (nulls[0] > least && nulls[1] < nulls[0] / 4) return "UTF-16BE";
  return "";
}

// Encodings whose bytes are all ASCII, told by their escape sequences.
std::string GuessIso2022(std::string_view content) {
  for (const auto& [sequence, name] :
       {std::pair("\x1B$B", "ISO-2022-JP"), std::pair("\x1B$@", "ISO-2022-JP"),
        std::pair("\x1B$)C", "ISO-2022-KR"), std::pair("\x1B$)A", "ISO-2022-CN")}) {
    if (content.find(sequence) != std::string_view::npos) return name;
  }
  return "";
}

// What a byte order mark says; the mark is dropped.
std::string TakeByteOrderMark(std::string_view* content) {
  using namespace std::string_view_literals;
  for (const auto& [mark, name] :
       {std::pair("\xEF\xBB\xBF"sv, "UTF-8"), std::pair("\xFF\xFE\0\0"sv, "UTF-32LE"),
        std::pair("\0\0\xFE\xFF"sv, "UTF-32BE"), std::pair("\xFF\xFE"sv, "UTF-16LE"),
        std::pair("\xFE\xFF"sv, "UTF-16BE")}) {
    if (content->substr(0, mark.size()) != mark) continue;
    content->remove_prefix(mark.size());
    return name;
  }
  return "";
}

// Files that were joined or saved twice have more than one mark.
void DropMarks(std::string* text) {
  constexpr std::string_view kMark = "\uFEFF";
  size_t end = 0;
  while (text->compare(end, kMark.size(), kMark) == 0) end += kMark.size();
  text->erase(0, end);
}

bool IsUtf8(const std::string& encoding) {
  return encoding.empty() || Plain(Reading(encoding)) == "utf8";
}

// "utf-16" and "utf-32" do not say the order of the bytes, which a mark would: the content does, else it is
// that of Windows.
std::string WithByteOrder(const std::string& encoding, std::string_view content) {
  const std::string plain = Plain(encoding);
  if (plain == "utf32") {
    const std::string guess = GuessUtf32(content);
    return guess.empty() ? "UTF-32LE" : guess;
  }
  if (plain != "utf16" && plain != "unicode" && plain != "ucs2") return encoding;
  const std::string guess = GuessUtf16(content);
  return guess.empty() ? "UTF-16LE" : guess;
}

// Whether characters of the encoding are made of bytes that stand for themselves where they are ASCII.
bool ExtendsAscii(const std::string& encoding) {
  const std::string plain = Plain(encoding);
  return !absl::StartsWith(plain, "utf") && !absl::StartsWith(plain, "ucs") && plain != "unicode" &&
         !absl::StartsWith(plain, "iso2022") && plain != "hz" && !absl::StartsWith(plain, "hzgb");
}

// An encoding in which text may be valid UTF-8, so that its validity says nothing; empty where nothing tells
// of one.
std::string GuessWithoutHighBytes(std::string_view content) {
  std::string guess;
  if (content.find('\0') != std::string_view::npos) guess = GuessUtf32(content);
  if (guess.empty() && content.find('\0') != std::string_view::npos) guess = GuessUtf16(content);
  if (guess.empty() && content.find('\x1B') != std::string_view::npos) guess = GuessIso2022(content);
  return guess;
}

int64_t LineOf(std::string_view content, size_t at) {
  return 1 + std::count(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(at), '\n');
}

std::string GuessOf(std::string_view content) {
  EncodingGuess guess;
  guess.Add(content);
  return guess.Name();
}

size_t FirstInvalid(std::string_view content) {
  size_t at = 0;
  while (at < content.size()) {
    const DecodedCodePoint decoded = DecodeUtf8(content.substr(at));
    if (!decoded.valid) return at;
    at += static_cast<size_t>(decoded.length);
  }
  return at;
}

// Lines with characters beyond ASCII that are UTF-8 for certain, and lines that certainly are not.
struct LinesByEncoding {
  int64_t utf8 = 0, other = 0;
  int64_t first_utf8 = 0, first_other = 0;  // from 1
};

// By chance a few characters of two bytes are valid UTF-8, but hardly ones of three, nor several.
bool IsCertainlyUtf8(std::string_view line) {
  constexpr int64_t kSeveral = 4;
  const bool has_three =
      std::any_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) >= 0xE0; });
  return IsValidUtf8(line) && (has_three || CountForeign(line) >= kSeveral);
}

LinesByEncoding CountLines(std::string_view content) {
  LinesByEncoding lines;
  for (int64_t number = 1; !content.empty(); ++number) {
    const std::string_view line = content.substr(0, content.find('\n'));
    content.remove_prefix(std::min(line.size() + 1, content.size()));
    if (std::none_of(line.begin(), line.end(), IsHigh)) continue;
    if (IsCertainlyUtf8(line)) {
      if (lines.utf8++ == 0) lines.first_utf8 = number;
      continue;
    }
    // A line that was cut within a character is UTF-8 all the same.
    const std::string repaired = RepairUtf8(std::string(line));
    if (2 * CountReplacements(repaired) <= CountForeign(repaired)) continue;
    if (lines.other++ == 0) lines.first_other = number;
  }
  return lines;
}

// INVALID_ARGUMENT where some lines are UTF-8 and others are not, as of files that were joined.
absl::Status CheckIsOneEncoding(std::string_view content, const std::string& where) {
  constexpr int64_t kLeast = 3, kLeastShare = 20;
  const LinesByEncoding lines = CountLines(content);
  const int64_t fewer = std::min(lines.utf8, lines.other);
  if (fewer < kLeast || fewer * kLeastShare < lines.utf8 + lines.other) return absl::OkStatus();
  return MessageStatus(absl::StatusCode::kInvalidArgument,
                       messages::kMixedEncodings(where, lines.first_utf8, lines.first_other));
}

// INVALID_ARGUMENT for UTF-8 that is to be read in another encoding, in which nearly everything is defined
// and wrong.
absl::Status CheckIsNotUtf8(std::string_view content, const std::string& encoding, const std::string& where) {
  if (!IsValidUtf8(content)) return absl::OkStatus();
  // The same few characters of two bytes may be valid UTF-8 by chance, however often they come; single bytes
  // hardly.
  const bool single_bytes = ucnv_getMaxCharSize(OpenConverter(Reading(encoding)).get()) == 1;
  const size_t enough = single_bytes ? 1 : 4;
  std::set<char32_t> seen;
  for (std::string_view rest = content; !rest.empty() && seen.size() < enough;) {
    const DecodedCodePoint decoded = DecodeUtf8(rest);
    rest.remove_prefix(static_cast<size_t>(decoded.length));
    if (decoded.code_point >= 0x80) seen.insert(decoded.code_point);
  }
  if (seen.size() < enough) return absl::OkStatus();
  return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kIsUtf8(where, encoding));
}

absl::Status NotUtf8(std::string_view content, const std::string& guess, const std::string& where) {
  QL_RETURN_IF_ERROR(CheckIsOneEncoding(content, where));
  const std::string likely =
      guess.empty() ? absl::StrCat("set dataset.encoding to what it is in (", kExamples, ", or auto)")
      : guess == "UTF-8"
          ? std::string(
                "a few bytes of it are damaged; save it again, or set dataset.encoding: utf-8 to "
                "read them as U+FFFD")
          : absl::StrCat("it is most likely in ", guess,
                         "; set dataset.encoding: ", absl::AsciiStrToLower(guess),
                         " (or auto), or save it as UTF-8");
  if (IsValidUtf8(content))
    return absl::InvalidArgumentError(absl::StrCat(where, ": is not UTF-8 text; ", likely));
  return absl::InvalidArgumentError(
      absl::StrCat(where, ":", LineOf(content, FirstInvalid(content)), ": is not UTF-8; ", likely));
}

absl::StatusOr<std::string> DecodeUtf8Text(std::string content, bool strict, const std::string& where) {
  const bool valid = IsValidUtf8(content);
  if (const std::string guess = GuessWithoutHighBytes(content); valid && !guess.empty()) {
    return NotUtf8(content, guess, where);
  }
  if (valid) return content;
  if (strict) return NotUtf8(content, GuessOf(content), where);
  return RepairUtf8(content);
}

}  // namespace

absl::Status CheckEncodingName(const std::string& name) {
  if (name.empty() || Plain(name) == "auto" || OpenConverter(Reading(name)) != nullptr)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("dataset.encoding is \"", Shorten(RepairUtf8(name), 80),
                   "\", which is not a known encoding; use auto or one such as ", kExamples));
}

void EncodingGuess::Add(std::string_view content) {
  // None of these is the second byte of a character in the encodings that are guessed.
  const auto separates = [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == ',' || c == '"' || c == ';' || c == ':';
  };
  if (without_high_bytes_.empty()) without_high_bytes_ = GuessWithoutHighBytes(content);
  std::set<std::string_view> seen;
  size_t at = 0;
  while (at < content.size() && words_.size() < kMaxSample) {
    const size_t start = at;
    bool high = false;
    while (at < content.size() && !separates(content[at])) high |= IsHigh(content[at++]);
    const std::string_view word = content.substr(start, std::min(at - start, kMaxSample));
    if (high && seen.insert(word).second) words_.append(word).append(" ");
    while (at < content.size() && separates(content[at])) ++at;
  }
}

std::string EncodingGuess::Name() const {
  if (!without_high_bytes_.empty()) return without_high_bytes_;
  const std::string repaired = RepairUtf8(words_);
  if (words_.empty() || !MostlyReplaced(repaired, CountReplacements(repaired))) return "UTF-8";
  if (const std::string cyrillic = GuessCyrillic(words_); !cyrillic.empty()) return cyrillic;
  std::string best;
  double best_score = 0;
  for (const auto& [name, confidence] : Candidates(words_)) {
    const std::optional<double> adjustment = Adjustment(name, words_);
    if (!adjustment || confidence + *adjustment <= best_score) continue;
    best = name;
    best_score = confidence + *adjustment;
  }
  // ISO-8859-1 is read as windows-1252: so it is called.
  return IsLatin(best) ? Reading(best) : best;
}

absl::StatusOr<DecodedText> DecodeText(std::string content, const std::string& encoding,
                                       const std::string& where) {
  std::string_view rest = content;
  const std::string marked = TakeByteOrderMark(&rest);
  const std::string chosen = marked.empty() ? WithByteOrder(encoding, rest) : marked;
  DecodedText decoded;
  if (IsUtf8(chosen)) {
    const bool valid = IsValidUtf8(rest);
    QL_ASSIGN_OR_RETURN(decoded.text, DecodeUtf8Text(std::string(rest), /*strict=*/encoding.empty(), where));
    DropMarks(&decoded.text);
    if (valid) return decoded;  // a U+FFFD is the file's own
  } else {
    QL_RETURN_IF_ERROR(CheckEncodingName(chosen));
    if (ExtendsAscii(chosen)) {
      QL_RETURN_IF_ERROR(CheckIsNotUtf8(rest, chosen, where));
      QL_RETURN_IF_ERROR(CheckIsOneEncoding(rest, where));
    }
    QL_ASSIGN_OR_RETURN(decoded.text, Convert(rest, OpenConverter(Reading(chosen)).get(), where));
    DropMarks(&decoded.text);
  }
  const size_t first = decoded.text.find(kReplacementUtf8);
  if (first == std::string::npos) return decoded;
  decoded.replaced = CountReplacements(decoded.text);
  decoded.first_replaced = LineOf(decoded.text, first);
  if (!MostlyReplaced(decoded.text, decoded.replaced)) return decoded;
  const std::string guess = IsValidUtf8(rest) ? "UTF-8" : GuessOf(rest);
  const bool same = guess.empty() || Plain(guess) == Plain(chosen);
  return absl::InvalidArgumentError(absl::StrCat(
      where, ":", decoded.first_replaced, ": is not in ", chosen, ": ", decoded.replaced,
      " characters are undefined there; ", same ? "" : absl::StrCat("it is most likely in ", guess, ": "),
      "correct dataset.encoding"));
}

}  // namespace quantlab::engine
