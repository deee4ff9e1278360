// What users read of methods and their parameters, in both languages. English is MethodSpec's own.
#ifndef QUANTLAB_BASE_CONFIG_METHOD_TEXT_H_
#define QUANTLAB_BASE_CONFIG_METHOD_TEXT_H_

#include <string>

#include "base/config/method_spec.h"
#include "base/language.h"

namespace quantlab {

// English where this version has no other text.
std::string HelpText(const MethodSpec& method, Language language);
std::string HelpText(const MethodSpec& method, const ParamSpec& param, Language language);
std::string AllowedText(const ParamSpec& param, Language language);
// Empty if the support has no detail.
std::string DetailText(const DeviceSupport& support, Language language);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CONFIG_METHOD_TEXT_H_
