// The parts of a report, each written from the facts alone.
#ifndef QUANTLAB_REPORT_PARTS_H_
#define QUANTLAB_REPORT_PARTS_H_

#include "report/writer.h"

namespace quantlab::report {

// Background and theory, and the system's architecture.
void WriteBackground(Writer& writer);
void WriteArchitecture(Writer& writer);
// Model, data, training, measuring, environment, seeds and versions.
void WriteDesign(Writer& writer);
// Sizes of the splits: what they had, where a run reported it, else what was asked for.
struct SplitSizes {
  std::string train, validation, test;
};
SplitSizes SizesOfSplits(const Writer& writer, const DatasetConfig& dataset);
// One section per variant: what it is, its parameters, its result and what that means.
void WriteMethods(Writer& writer);
// What a method is, in a few sentences with their sources; the help of its spec where it is unknown here.
std::string MethodTheory(Writer& writer, const VariantFacts& variant);
// The variants side by side, and what to ship, with its proof.
void WriteComparison(Writer& writer);
// Why the numbers are as they are; nothing where there is nothing to analyse.
void WriteAnalysis(Writer& writer);
// What was found, what to choose from, and what remains open.
void WriteConclusion(Writer& writer);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_PARTS_H_
