// Sentences about a decision by constraints: see report/facts/decision.h.
//
// Pure functions that return escaped Markdown, as in sentences.h.
#ifndef QUANTLAB_REPORT_TEXT_DECISION_SENTENCES_H_
#define QUANTLAB_REPORT_TEXT_DECISION_SENTENCES_H_

#include <string>
#include <vector>

#include "report/facts/decision.h"
#include "report/facts/language.h"

namespace quantlab::report {

// The constraints and the goal.
std::string QuestionSentence(Language language, const Decision& decision);
// The best variant and those that cannot be distinguished from it; or why there is none.
std::string AnswerSentence(Language language, const Decision& decision);
// For one variant: the constraints that it meets, with the confidence, and those that it does not, with the
// difference. Without constraints, its value of the goal.
std::string ChecksSentence(Language language, const Decision& decision, const VariantDecision& variant);
// ChecksSentence() of every variant: the best one first, then those that meet all constraints, then the
// others.
std::vector<std::string> ChecksSentences(Language language, const Decision& decision);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TEXT_DECISION_SENTENCES_H_
