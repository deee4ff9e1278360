// Names of states and methods in reports.
#ifndef QUANTLAB_REPORT_FACTS_NAMES_H_
#define QUANTLAB_REPORT_FACTS_NAMES_H_

#include <string>

#include "report/facts/facts.h"
#include "report/facts/language.h"

namespace quantlab::report {

// "succeeded", "已成功".
std::string StateWord(Language language, RunState state);
// "FP32 baseline", "Dynamic quantization", or the method's identifier if it is unknown: as plain text, and as
// Markdown.
std::string PlainMethodTitle(Language language, const VariantFacts& variant);
std::string MethodTitle(Language language, const VariantFacts& variant);
// The name of a variant in text and tables, as Markdown: its label, or its name as code if it has none.
std::string Named(Language language, const VariantFacts& variant);
std::string Named(Language language, const Text& label, const std::string& name);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_NAMES_H_
