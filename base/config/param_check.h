// Whether a value is one that a parameter or a setting allows.
#ifndef QUANTLAB_BASE_CONFIG_PARAM_CHECK_H_
#define QUANTLAB_BASE_CONFIG_PARAM_CHECK_H_

#include <optional>

#include "base/config/method_spec.h"
#include "base/messages/message.h"

namespace quantlab {

// `value` in the parameter's type, an integer converted where a double is wanted; nothing where the type, the
// range or the list of allowed texts refuses it. NaN is within no range.
std::optional<ParamValue> Accept(const ParamSpec& param, const ParamValue& value);

// What the parameter allows: "an integer from 1 to 100000".
Message AllowedValues(const ParamSpec& param);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CONFIG_PARAM_CHECK_H_
