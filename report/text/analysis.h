// The sentences of the analysis: why the numbers are as they are, as far as the numbers themselves show it.
// See sentences.h for the rules, and report/facts/analysis.h for what each rests on.
//
// Each is empty where there is nothing to say.
#ifndef QUANTLAB_REPORT_TEXT_ANALYSIS_H_
#define QUANTLAB_REPORT_TEXT_ANALYSIS_H_

#include <string>
#include <vector>

#include "report/facts/facts.h"
#include "report/facts/language.h"

namespace quantlab::report {

// ---- layer_analysis.cc ------------------------------------------------------------------------------------

// Which part of the model has the most noise, and whether outliers of its inputs go with that; empty where
// none stands out.
std::string NoisyPartSentence(Language language, const VariantFacts& variant);
// Single layers with far more noise than the others of their part; empty where there are none.
std::string NoiseDipsSentence(Language language, const VariantFacts& variant);
// The variants to which neither applies, though their layers' noise was measured.
std::string EvenNoiseSentence(Language language, const Facts& facts);
// How sensitivity is spread over layers and depth, and whether a layer's own noise predicts it: a text for
// each precision that was tried.
std::vector<std::string> SensitivityAnalysis(Language language, const VariantFacts& variant);

// ---- method_analysis.cc -----------------------------------------------------------------------------------

// Of a method that has a control: what further training changed, what quantization changed in addition, and
// how it compares with the same kernels without training.
std::string TrainingAnalysis(Language language, const Facts& facts, const VariantFacts& variant);
// Why mixed precision chose what it chose.
std::string ChoiceAnalysis(Language language, const VariantFacts& variant);
// What bounds the compression of the whole model.
std::string SizeAnalysis(Language language, const Facts& facts);
// How the speedups depend on the shape of the input, where the first comparison's timings are reliable.
std::string SpeedAnalysis(Language language, const Facts& facts);

// ---- conclusion.cc ----------------------------------------------------------------------------------------

// What was found, beside what the abstract recommends: one text each for accuracy, training, layer-wise
// choice, and noise.
std::vector<std::string> Findings(Language language, const Facts& facts);
// What remains open, each with what would settle it.
std::vector<std::string> OpenQuestions(Language language, const Facts& facts);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_TEXT_ANALYSIS_H_
