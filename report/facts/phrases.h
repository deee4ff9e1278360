// Phrases that several sentences share.
#ifndef QUANTLAB_REPORT_FACTS_PHRASES_H_
#define QUANTLAB_REPORT_FACTS_PHRASES_H_

#include <string>
#include <vector>

#include "report/facts/facts.h"
#include "report/facts/language.h"

namespace quantlab::report {

// One after the other, with a space between them in English. Empty ones are left out.
std::string Join(Language language, const std::vector<std::string>& sentences);

// The first of the names of layers: "`a`, `b`, `c`, `d` and 3 more".
std::string SomeLayers(Language language, const std::vector<std::string>& names);

// "95% interval 89.10% to 92.40%", or "mean ± deviation over n seeds"; empty if there is neither.
// `format` writes one bound.
std::string SpreadOf(Language language, const Result& result, std::string (*format)(double));

// "(text)" with the brackets of the language; empty stays empty.
std::string Brackets(Language language, const std::string& text);

// "2.10× (95% interval …)".
std::string RatioWithSpread(Language language, const Result& ratio);
// How its value is written: FormatRatio, but "1.00×" where its interval contains 1.
std::string (*SpeedupFormat(const Result& ratio))(double);

// "McNemar's paired test: p = 0.062" (the test is the task's), corrected if several variants were tested; the
// variant must have a test.
std::string TestOf(Language language, const VariantFacts& variant);

// Why there are no results of a comparison.
std::string NotCompared(Language language, const Facts& facts, const char* what);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_PHRASES_H_
