#include "worker/engine/kernels/onednn_isa.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

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

}  // namespace quantlab::engine
