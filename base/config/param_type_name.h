// The names of parameter types, as documents and the wire have them.
#ifndef QUANTLAB_BASE_CONFIG_PARAM_TYPE_NAME_H_
#define QUANTLAB_BASE_CONFIG_PARAM_TYPE_NAME_H_

#include "base/config/method_spec.h"

namespace quantlab {

// "bool", "int", "double", "string".
inline const char* ParamTypeName(ParamType type) {
  switch (type) {
    case ParamType::kBool:
      return "bool";
    case ParamType::kInt:
      return "int";
    case ParamType::kDouble:
      return "double";
    case ParamType::kString:
      break;
  }
  return "string";
}

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CONFIG_PARAM_TYPE_NAME_H_
