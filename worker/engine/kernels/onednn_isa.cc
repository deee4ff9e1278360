#include "worker/engine/kernels/onednn_isa.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <hwy/highway.h>

namespace quantlab::engine {

std::string OneDnnMaxCpuIsa() {
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string limit = value;
    std::transform(limit.begin(), limit.end(), limit.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return limit == "ALL" || limit == "DEFAULT" ? "" : limit;
  }
  return "";
}

void LimitHighway() {
  static const bool limited = [] {
    const std::string limit = OneDnnMaxCpuIsa();
    if (limit == "SSE41" || limit == "AVX") {
      hwy::DisableTargets(HWY_AVX2 | HWY_AVX3);
    } else if (limit == "AVX2" || limit == "AVX2_VNNI" || limit == "AVX2_VNNI_2") {
      hwy::DisableTargets(HWY_AVX3);
    }
    return true;
  }();
  static_cast<void>(limited);
}

}  // namespace quantlab::engine
