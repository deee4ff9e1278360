#include "base/run_config.h"

namespace quantlab {

const char* RunKindName(RunKind kind) {
  switch (kind) {
    case RunKind::kBaseline:
      return "baseline";
    case RunKind::kQuantization:
      return "quantization";
    case RunKind::kComparison:
      return "comparison";
  }
  return "unknown";
}

}  // namespace quantlab
