#include "report/facts/format.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/text/escape.h"
#include "base/text/utf8.h"
#include "report/facts/thresholds.h"

namespace quantlab::report {
namespace {

// Values from here on are written with an exponent.
constexpr double kHuge = 1e15;
constexpr double kTiny = 1e-4;

std::optional<std::string> NotFinite(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "∞" : "-∞";
  return std::nullopt;
}

std::string ToChars(double value, std::chars_format format, int precision) {
  std::array<char, 512> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format, precision);
  return std::string(buffer.data(), result.ptr);
}

// "1234567.8" with commas: "1,234,567.8".
std::string Grouped(std::string text) {
  const size_t first = text.find_first_of("0123456789");
  size_t end = text.find('.');
  if (end == std::string::npos) end = text.size();
  for (size_t at = end; first != std::string::npos && at > first + 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

// Fixed decimals without "-0.00".
std::string Fixed(double value, int decimals) {
  std::string text = Grouped(ToChars(value, std::chars_format::fixed, decimals));
  if (text[0] == '-' && text.find_first_not_of("-0.,") == std::string::npos) text.erase(0, 1);
  return text;
}

// A value that differs only beyond these decimals equals the threshold; the rest is rounding noise.
constexpr int kMostDecimals = 6;
// A ratio this close to 1 is 1; for one closer than this no readable number of decimals shows a difference.
constexpr double kNoise = 5e-7, kReadable = 5e-4;

// With the fewest decimals, at least `decimals`, that distinguish the value from the threshold.
std::string FixedApart(double value, double threshold, int decimals) {
  for (int more = decimals; more <= kMostDecimals; ++more) {
    const std::string text = Fixed(value, more);
    if (text != Fixed(threshold, more)) return text;
  }
  return Fixed(value, decimals);
}

// The decimal exponent of `value` after rounding to `digits` significant digits.
int RoundedExponent(double value, int digits) {
  const std::string text = ToChars(value, std::chars_format::scientific, digits - 1);
  return std::atoi(text.c_str() + text.find('e') + 1);
}

std::string WholeSeconds(double seconds) {
  const int64_t total = std::llround(seconds);
  if (total < 3600) return absl::StrCat(total / 60, " min ", total % 60, " s");
  return absl::StrCat(FormatCount(total / 3600), " h ", total % 3600 / 60, " min");
}

bool AlwaysMarkup(char c) {
  return absl::string_view("\\`*[]<>|~^$@#&{}").find(c) != absl::string_view::npos;
}

bool WordAt(absl::string_view text, size_t at) {
  return at < text.size() && (absl::ascii_isalnum(text[at]) || static_cast<unsigned char>(text[at]) >= 0x80);
}

// In points, without their unit.
std::string Points(double difference, double threshold) {
  if (const auto text = NotFinite(difference)) return *text;
  const std::string points = FixedApart(difference * 100, threshold * 100, 2);
  const bool positive = difference > 0 && points.find_first_not_of("0.,") != std::string::npos;
  return absl::StrCat(positive ? "+" : "", points);
}

}  // namespace

std::string FormatNumber(double value, int digits) {
  if (const auto text = NotFinite(value)) return *text;
  if (value == 0) return "0";
  const double size = std::abs(value);
  if (size < kTiny || size >= kHuge) return ToChars(value, std::chars_format::scientific, digits - 1);
  const int decimals = digits - 1 - RoundedExponent(value, digits);
  return Fixed(value, decimals > 0 ? decimals : 0);
}

std::string FormatCount(int64_t value) {
  return Grouped(std::to_string(value));
}

std::string FormatShare(double share) {
  if (const auto text = NotFinite(share)) return *text;
  return absl::StrCat(Fixed(share * 100, 2), "%");
}

std::string FormatPoints(double difference, Language language, double threshold) {
  return absl::StrCat(Points(difference, threshold), Say(language, " points", " 个百分点"));
}

std::string FormatPointsBare(double difference) {
  return Points(difference, 0);
}

std::string FormatMargin(double width, Language language) {
  const std::string text = FormatPoints(std::abs(width), language);
  return text.substr(text[0] == '+' ? 1 : 0);
}

std::string FormatCorrelation(double correlation) {
  if (const auto text = NotFinite(correlation)) return *text;
  return Fixed(correlation, 4);
}

std::string FormatCorrelationDifference(double difference) {
  const std::string text = FormatCorrelation(difference);
  const bool positive = difference > 0 && text.find_first_of("123456789") != std::string::npos;
  return absl::StrCat(positive ? "+" : "", text);
}

std::string FormatBytes(double bytes) {
  if (const auto text = NotFinite(bytes)) return *text;
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  while (unit + 1 < std::size(kUnits) && std::abs(bytes) >= 999.5) {
    bytes /= 1000;
    ++unit;
  }
  return absl::StrCat(unit == 0 ? Fixed(bytes, 0) : FormatNumber(bytes, 3), " ", kUnits[unit]);
}

std::string FormatSeconds(double seconds) {
  if (const auto text = NotFinite(seconds)) return *text;
  const double size = std::abs(seconds);
  if (size == 0) return "0 s";
  if (size >= 99.95) return seconds < 0 ? absl::StrCat("-", WholeSeconds(size)) : WholeSeconds(size);
  if (size >= 0.9995) return absl::StrCat(FormatNumber(seconds, 3), " s");
  if (size >= 0.9995e-3) return absl::StrCat(FormatNumber(seconds * 1e3, 3), " ms");
  return absl::StrCat(FormatNumber(seconds * 1e6, 3), " µs");
}

std::string FormatRatio(double ratio) {
  const double size = std::abs(ratio);
  if (!(size >= 0.095 && size < 9.995)) return FormatCompression(ratio);
  const double distance = std::abs(ratio - 1);
  // Avoids unreadable numbers such as "0.9999×".
  if (distance > kNoise && distance < kReadable) return ratio < 1 ? "<1.00×" : ">1.00×";
  return absl::StrCat(FixedApart(ratio, 1, 2), "×");
}

std::string FormatCompression(double ratio) {
  const double size = std::abs(ratio);
  if (size >= 0.095 && size < 9.995) return absl::StrCat(Fixed(ratio, 2), "×");
  return absl::StrCat(FormatNumber(ratio, size < 1 ? 2 : 3), "×");
}

std::string FormatAaRatio(double ratio) {
  const double threshold = ratio < 1 ? 1 - kAaTolerance : 1 + kAaTolerance;
  for (int digits = 4; digits <= kMostDecimals; ++digits) {
    const std::string text = FormatNumber(ratio, digits);
    if (text != FormatNumber(threshold, digits)) return text;
  }
  return FormatNumber(ratio, 4);
}

std::string FormatPValue(double p) {
  if (const auto text = NotFinite(p)) return absl::StrCat("p = ", *text);
  if (p < 0.001) return "p < 0.001";
  if (p > 0.999 && p < 1) return "p > 0.999";
  return absl::StrCat("p = ", p == 1 ? "1" : FixedApart(p, kSignificance, p < 0.0995 ? 3 : 2));
}

std::string FormatByUnit(double value, absl::string_view unit, Language language) {
  if (unit == "s") return FormatSeconds(value);
  if (unit == "bytes") return FormatBytes(value);
  if (unit == "texts/s") return absl::StrCat(FormatNumber(value, 3), Say(language, " texts/s", " 条/秒"));
  const std::string number = FormatNumber(value);
  return unit.empty() || unit == "1" ? number : absl::StrCat(number, " ", OneLine(unit));
}

std::string FormatExact(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  // Bytes and counts are integers.
  if (std::abs(value) < kHuge && value == std::trunc(value))
    return std::to_string(static_cast<int64_t>(value));
  std::array<char, 64> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), result.ptr);
}

std::string FormatUtc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

std::string ShortDigest(absl::string_view digest) {
  return std::string(digest.substr(0, 12));
}

std::string OneLine(absl::string_view text) {
  std::string line;
  while (!text.empty()) {
    const DecodedCodePoint decoded = DecodeUtf8({text.data(), text.size()});
    const size_t length = static_cast<size_t>(decoded.length);
    if (!decoded.valid) {
      for (size_t i = 0; i < length; ++i) line += kReplacementUtf8;
    } else if (length == 1 && absl::ascii_iscntrl(text[0])) {
      line += ' ';
    } else {
      line.append(text.data(), length);
    }
    text.remove_prefix(length);
  }
  absl::StripAsciiWhitespace(&line);
  return line;
}

std::string EscapeMarkdown(absl::string_view text) {
  const std::string line = OneLine(text);
  std::string escaped;
  for (size_t at = 0; at < line.size(); ++at) {
    // An underscore inside a word has no meaning in Markdown; escaping it would only make the text hard to
    // read.
    const bool edge = line[at] == '_' && !(at > 0 && WordAt(line, at - 1) && WordAt(line, at + 1));
    // "--" would be rendered as a dash.
    const bool dash = line[at] == '-' && at > 0 && line[at - 1] == '-';
    if (AlwaysMarkup(line[at]) || edge || dash) escaped += '\\';
    escaped += line[at];
  }
  return escaped;
}

std::string UnescapeMarkdown(absl::string_view text) {
  std::string plain;
  bool code = false;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '`') code = !code;
    if (text[at] == '\\' && !code && at + 1 < text.size()) ++at;
    plain += text[at];
  }
  return plain;
}

std::string Code(absl::string_view text) {
  std::string line = OneLine(text);
  if (line.empty()) return "";
  // Markdown parsers disagree on how to escape a pipe (which ends a table cell) or a backtick inside a code
  // span.
  if (line.find_first_of("|`") != std::string::npos) return EscapeMarkdown(line);
  return absl::StrCat("`", line, "`");
}

std::string EscapeCsv(absl::string_view text) {
  return CsvField(OneLine(text));
}

std::string Plural(int64_t count, const char* singular, const char* plural) {
  return absl::StrCat(FormatCount(count), " ", count == 1 ? singular : plural);
}

}  // namespace quantlab::report
