// What the comparisons measured in other runtimes, beside the facts that this engine's times give.
#ifndef QUANTLAB_REPORT_FACTS_RUNTIMES_H_
#define QUANTLAB_REPORT_FACTS_RUNTIMES_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "report/facts/facts.h"

namespace quantlab::report {

// Metrics that a comparison records of runtimes.
inline constexpr const char* kRuntimeMetrics[] = {"runtime_time", "runtime_speedup",
                                                  "runtime_logit_difference"};

// One variant in one runtime, this engine among them, at one shape of input.
struct RuntimeTiming {
  std::optional<Result> p50, p90;  // seconds per batch
  std::optional<Result> speedup;   // over the best FP32 of any runtime, paired; no interval for that itself
  std::string reference;           // the runtime of that FP32: "onnxruntime"
};

// A runtime that a variant ran in, beside this engine, and how far its logits were from quant-runner's.
struct RuntimeCheck {
  std::string version;
  std::optional<Result> difference;  // the largest; samples: texts
  std::string tolerance;             // "0.0123"
};

// By the runtime's name.
using RuntimeTimings = std::map<std::string, RuntimeTiming>;

struct VariantInRuntimes {
  const VariantFacts* variant = nullptr;
  std::map<InputShape, RuntimeTimings> by_shape;
  std::map<std::string, RuntimeCheck> checks;
};

// Of one comparison.
struct RuntimeFacts {
  const ComparisonFacts* comparison = nullptr;
  std::vector<VariantInRuntimes> variants;  // those that were timed in any other runtime too
};

// Of the comparisons that timed other runtimes, in the order of facts.comparisons. Borrows from `facts`.
std::vector<RuntimeFacts> CollectRuntimes(const Facts& facts);

// The runtimes among them: this engine, the known ones, programs of one's own.
std::vector<std::string> TimedRuntimes(const std::vector<RuntimeFacts>& all);

// Of the first comparison; null where `variant` or the shape is not there.
const RuntimeTimings* TimingsAt(const std::vector<RuntimeFacts>& all, const VariantFacts& variant,
                                const InputShape& shape);

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_RUNTIMES_H_
