#include "worker/engine/methods/all_methods.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace quantlab::engine {

std::vector<std::unique_ptr<QuantizationMethod>> AllQuantizationMethods() {
  std::vector<std::unique_ptr<QuantizationMethod>> methods;
  methods.push_back(MakeDynamicQuantization());
  methods.push_back(MakeStaticQuantization());
  methods.push_back(MakeQat());
  methods.push_back(MakeFp32Continued());
  methods.push_back(MakeMixedPrecision());
  methods.push_back(MakeWeightOnly());
  return methods;
}

absl::StatusOr<std::unique_ptr<QuantizationMethod>> MakeQuantizationMethod(const std::string& name) {
  std::vector<std::string> names;
  for (std::unique_ptr<QuantizationMethod>& method : AllQuantizationMethods()) {
    if (method->spec().name == name) return std::move(method);
    names.push_back(method->spec().name);
  }
  return absl::NotFoundError(
      absl::StrCat("there is no method ", name, "; there are: ", absl::StrJoin(names, ", ")));
}

}  // namespace quantlab::engine
