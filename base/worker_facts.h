// Facts of workers (quant-runner info) without which some runs must not be given to them.
#ifndef QUANTLAB_BASE_WORKER_FACTS_H_
#define QUANTLAB_BASE_WORKER_FACTS_H_

namespace quantlab {

// "true": the runner knows dataset.text_pair_column. Earlier versions do not report it: they ignore the
// setting and would use the first text of each pair alone, without an error.
inline constexpr char kTextPairsFact[] = "text_pairs";

// The key in RunRequirements::labels that asks for this fact in place of a label. Labels have no colon
// (base/worker_labels.h), so neither an experiment file nor an operator can give one of this name.
inline constexpr char kTextPairsRequirement[] = "fact:text_pairs";

}  // namespace quantlab

#endif  // QUANTLAB_BASE_WORKER_FACTS_H_
