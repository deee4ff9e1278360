// Names of states and methods as a report shows them.
#ifndef QUANTLAB_REPORT_FACTS_NAMES_H_
#define QUANTLAB_REPORT_FACTS_NAMES_H_

#include <string>

#include "report/facts/facts.h"
#include "report/facts/language.h"

namespace quantlab::report {

// "succeeded", "已成功".
std::string StateWord(Language language, RunState state);
// "FP32 baseline", "Dynamic quantization", or the method's own name where it is unknown here: as plain text,
// and as Markdown.
std::string PlainMethodTitle(Language language, const VariantFacts& variant);
std::string MethodTitle(Language language, const VariantFacts& variant);
// What text and tables call a variant, as Markdown: its label, or its name as code where it has none.
std::string Named(Language language, const VariantFacts& variant);
std::string Named(Language language, const Text& label, const std::string& name);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_NAMES_H_
