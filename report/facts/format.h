// Formats numbers and foreign texts in reports: the only place that determines digits and units.
//
// Pure functions, the same bytes in every locale. A value that is not finite is written as "NaN", "∞" or
// "-∞", never as a number.
#ifndef QUANTLAB_REPORT_FACTS_FORMAT_H_
#define QUANTLAB_REPORT_FACTS_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "report/facts/language.h"

namespace quantlab::report {

// Rounding never moves a value onto or across the threshold that decides its verdict: a ratio of 1.002 that
// is called faster is not written as 1.00×, nor a p of 0.0496 as 0.050.

// `digits` significant digits, at least all of the integer part up to 10^15, grouped by thousands; tiny
// and huge values as "1.23e-07".
std::string FormatNumber(double value, int digits = 4);
// "25,000".
std::string FormatCount(int64_t value);
// A share of 1: 0.9123 is "91.23%".
std::string FormatShare(double share);
// A difference of shares: -0.003 is "-0.30 points", "-0.30 个百分点". More digits if it would look like 0 or
// like the threshold.
std::string FormatPoints(double difference, Language language, double threshold = 0);
// The same without its unit: "-0.30".
std::string FormatPointsBare(double difference);
// A width, without a sign: "1.00 points".
std::string FormatMargin(double width, Language language);
// A correlation, "0.8930", and a difference of two, "-0.0030".
std::string FormatCorrelation(double correlation);
std::string FormatCorrelationDifference(double difference);
// Decimal units: "90.9 MB".
std::string FormatBytes(double bytes);
// "12.3 ms", "4.10 s", "3 min 20 s", "2 h 5 min".
std::string FormatSeconds(double seconds);
// "3.21×"; "1.002×" if it would look like 1, and "<1.00×" or ">1.00×" if it is even closer.
std::string FormatRatio(double ratio);
// A ratio for which 1 is no threshold: "1.53×", "1.00×".
std::string FormatCompression(double ratio);
// The ratio of an A/A check, close to 1: "1.006"; more digits if it would look like a bound of the check.
std::string FormatAaRatio(double ratio);
// "p = 0.031", "p < 0.001", "p > 0.999"; more digits if it would look like 0.05.
std::string FormatPValue(double p);
// By unit: "1" as a plain number, "s", "bytes", "texts/s"; an unknown unit follows the number.
std::string FormatByUnit(double value, absl::string_view unit, Language language);
// Shortest text that reads back as the same double: for CSV.
std::string FormatExact(double value);
// "2026-11-23 07:00:05 UTC".
std::string FormatUtc(absl::Time time);
// The first 12 digits of a digest; empty stays empty.
std::string ShortDigest(absl::string_view digest);

// Valid UTF-8 on one line: bad bytes become U+FFFD, line breaks and control characters a space.
std::string OneLine(absl::string_view text);
// `text` as literal text in Markdown (CommonMark, GFM tables and pandoc): no character of it is interpreted
// as markup.
std::string EscapeMarkdown(absl::string_view text);
// What a terminal shows of sentences made with EscapeMarkdown and Code: no backslashes, and code in its
// backticks.
std::string UnescapeMarkdown(absl::string_view text);
// `text` as a code span that is also valid in a table.
std::string Code(absl::string_view text);
// One CSV field (RFC 4180), quoted if necessary.
std::string EscapeCsv(absl::string_view text);

// "1 layer", "2 layers".
std::string Plural(int64_t count, const char* singular, const char* plural);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_FORMAT_H_
