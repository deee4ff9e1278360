// Results and variants for tests of the report.
#ifndef QUANTLAB_REPORT_FACTS_TESTING_VARIANTS_H_
#define QUANTLAB_REPORT_FACTS_TESTING_VARIANTS_H_

#include <cstdint>
#include <initializer_list>
#include <string>

#include "report/facts/facts.h"

namespace quantlab::report {

inline Result Value(double value) {
  Result result;
  result.value = value;
  return result;
}

inline Result Between(double value, double low, double high, int64_t samples = 0) {
  Result result = Value(value);
  result.low = low;
  result.high = high;
  result.samples = samples;
  return result;
}

inline const RunReport& AnyRun() {
  static const auto* const run = new RunReport();
  return *run;
}

// A variant with everything measured: 0.1 points lost, with 97.5 % confidence less than 0.5; p90 of 10 ms;
// twice FP32's speed.
inline VariantFacts MeasuredVariant(const std::string& name, std::initializer_list<InputShape> shapes) {
  VariantFacts variant;
  variant.name = name;
  variant.method = name;
  variant.runs = {&AnyRun()};
  variant.succeeded = 1;
  variant.accuracy = Between(0.9, 0.88, 0.92);
  variant.difference = Between(-0.001, -0.003, 0.001);
  variant.seed_differences = {{42, -0.001, -0.003, 0.001}};
  Measured measured;
  for (const InputShape& shape : shapes) {
    measured.by_shape[shape].p90 = Between(0.010, 0.0098, 0.0104);
    measured.by_shape[shape].speedup = Between(2, 1.9, 2.1);
  }
  measured.size = Value(50e6);
  measured.memory["peak"] = Value(250e6);
  variant.measured = {measured};
  return variant;
}

}  // namespace quantlab::report

#endif  // QUANTLAB_REPORT_FACTS_TESTING_VARIANTS_H_
