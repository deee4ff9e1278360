// Sentences about what single methods measure: changed labels, non-inferiority, noise and sensitivity of
// layers, the front of mixed precision, training curves; and what a variant's result means. See sentences.h
// for the rules.
#ifndef QUANTLAB_REPORT_TEXT_METHOD_SENTENCES_H_
#define QUANTLAB_REPORT_TEXT_METHOD_SENTENCES_H_

#include <string>

#include "report/facts/facts.h"
#include "report/facts/language.h"

namespace quantlab::report {

// Each is empty where there is nothing to say.

// How many texts changed class against the baseline, and how.
std::string FlipsSentence(Language language, const VariantFacts& variant);
// Whether the variant was shown not to be worse than the baseline by more than the margin.
std::string MarginSentence(Language language, const VariantFacts& variant);
// One variant against another, by their paired test.
std::string PairSentence(Language language, const PairFacts& pair);
// How a control and the variant that it controls were trained differently: "epochs 3 against 1". Of several
// seeds the first speaks for all.
std::string TrainedDifferently(Language language, const VariantFacts& variant, const VariantFacts& control);
// What a control is, and whether it was trained as the variants whose control it is.
std::string ControlSentence(Language language, const Facts& facts, const VariantFacts& control);
// Range of the layers' signal-to-noise ratios, and the noisiest layer.
std::string NoiseSentence(Language language, const std::vector<Layer>& layers);
// The layers that suffer most.
std::string SensitivitySentence(Language language, const VariantFacts& variant);
// Whose model file the variant's is; empty where it is its own.
std::string SameModelSentence(Language language, const Facts& facts, const VariantFacts& variant);
// What the front is built on, and what was chosen of it.
std::string FrontSentence(Language language, const VariantFacts& variant);
// Where the training loss began and ended, and a comment where it did not fall.
std::string CurveSentence(Language language, const VariantFacts& variant);
// "In short: faster at every input shape that was timed, compressed 1.53×, no significant difference in
// accuracy."
std::string MeaningSentence(Language language, const Facts& facts, const VariantFacts& variant);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TEXT_METHOD_SENTENCES_H_
