// What quant-runner can do beyond its first version, as facts that it reports (`quant-runner info`) and that
// some runs ask for: an earlier version would ignore their setting and compute something else, without an
// error.
#ifndef QUANTLAB_BASE_RECORDS_WORKER_FACTS_H_
#define QUANTLAB_BASE_RECORDS_WORKER_FACTS_H_

namespace quantlab {

struct RunnerFeature {
  const char* fact;  // "true": the runner knows the setting
  // The key in RunRequirements::labels that asks for the fact in place of a label. Labels have no colon
  // (base/records/worker_labels.h), so neither an experiment file nor an operator can give one of this name.
  const char* requirement;
  const char* setting;
};

inline constexpr RunnerFeature kTextPairsFeature = {"text_pairs", "fact:text_pairs",
                                                    "dataset.text_pair_column"};
inline constexpr RunnerFeature kTruncationSideFeature = {"truncation_side", "fact:truncation_side",
                                                         "dataset.truncation_side"};

// Earlier versions would take the numbers of a regression for names of classes.
inline constexpr RunnerFeature kRegressionFeature = {"regression", "fact:regression", "dataset.task"};

inline constexpr RunnerFeature kRunnerFeatures[] = {kTextPairsFeature, kTruncationSideFeature,
                                                    kRegressionFeature};

}  // namespace quantlab

#endif  // QUANTLAB_BASE_RECORDS_WORKER_FACTS_H_
