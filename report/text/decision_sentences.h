// What a decision by constraints says, in sentences: see report/facts/decision.h.
//
// Pure functions; Markdown out, escaped, as in sentences.h.
#ifndef QUANTLAB_REPORT_TEXT_DECISION_SENTENCES_H_
#define QUANTLAB_REPORT_TEXT_DECISION_SENTENCES_H_

#include <string>
#include <vector>

#include "report/facts/decision.h"
#include "report/facts/language.h"

namespace quantlab::report {

// What was asked for: the constraints and the goal.
std::string QuestionSentence(Language language, const Decision& decision);
// The best variant and those that cannot be told apart from it; or why there is none.
std::string AnswerSentence(Language language, const Decision& decision);
// Of one variant: which constraints it meets, with what confidence, and which it does not, and by how much.
// Without constraints, what it has of the goal.
std::string ChecksSentence(Language language, const Decision& decision, const VariantDecision& variant);
// ChecksSentence() of every variant: the best one first, then those that meet everything, then the others.
std::vector<std::string> ChecksSentences(Language language, const Decision& decision);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TEXT_DECISION_SENTENCES_H_
