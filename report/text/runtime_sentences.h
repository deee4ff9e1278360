// Sentences about other runtimes; empty where none was timed.
#ifndef QUANTLAB_REPORT_TEXT_RUNTIME_SENTENCES_H_
#define QUANTLAB_REPORT_TEXT_RUNTIME_SENTENCES_H_

#include <string>

#include "report/facts/facts.h"
#include "report/facts/language.h"

namespace quantlab::report {

// The variant and the runtime that are fastest at HeadlineShape(), over the best FP32 of any runtime.
std::string FastestRuntimeSentence(Language language, const Facts& facts);
// The runtimes besides this engine, with their versions.
std::string RuntimeVersionsSentence(Language language, const Facts& facts);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TEXT_RUNTIME_SENTENCES_H_
