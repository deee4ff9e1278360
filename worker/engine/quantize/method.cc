#include "worker/engine/quantize/method.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace quantlab::engine {

std::vector<std::unique_ptr<QuantizationMethod>> AllQuantizationMethods() {
  std::vector<std::unique_ptr<QuantizationMethod>> methods;
  methods.push_back(MakeDynamicQuantization());
  return methods;
}

absl::StatusOr<std::unique_ptr<QuantizationMethod>> MakeQuantizationMethod(const std::string& name) {
  std::vector<std::string> names;
  for (std::unique_ptr<QuantizationMethod>& method : AllQuantizationMethods()) {
    if (method->spec().name == name) return std::move(method);
    names.push_back(method->spec().name);
  }
  return absl::NotFoundError(
      absl::StrCat("there is no quantization method ", name, "; there are: ", absl::StrJoin(names, ", ")));
}

}  // namespace quantlab::engine
