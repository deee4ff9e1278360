// The list of quantization methods.
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "worker/engine/methods/method.h"

namespace quantlab::engine {

// The factory of each method, defined in the method's own file; in the order of AllMethods().
#define QL_EACH_METHOD(METHOD)    \
  METHOD(MakeDynamicQuantization) \
  METHOD(MakeStaticQuantization)  \
  METHOD(MakeQat)                 \
  METHOD(MakeFp32Continued)       \
  METHOD(MakeMixedPrecision)      \
  METHOD(MakeWeightOnly)          \
  METHOD(MakeFp8Quantization)

#define QL_DECLARE(Make) std::unique_ptr<QuantizationMethod> Make();
QL_EACH_METHOD(QL_DECLARE)

std::vector<std::unique_ptr<QuantizationMethod>> AllQuantizationMethods() {
  std::vector<std::unique_ptr<QuantizationMethod>> methods;
#define QL_APPEND(Make) methods.push_back(Make());
  QL_EACH_METHOD(QL_APPEND)
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
