#include "base/config/method_spec.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/param_check.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/statistics/numbers.h"
#include "base/status_macros.h"

namespace quantlab {
namespace {

// Limits of integers are kept as doubles.
Message AllowedIntegers(const ParamSpec& param) {
  const auto integer = [](double limit) { return static_cast<int64_t>(limit); };
  if (param.min && param.max) return messages::kIntegerRange(integer(*param.min), integer(*param.max));
  if (param.min) return messages::kIntegerAtLeast(integer(*param.min));
  return param.max ? messages::kIntegerAtMost(integer(*param.max)) : messages::kAnyInteger();
}

double AsDouble(const ParamValue& value) {
  if (const auto* i = std::get_if<int64_t>(&value)) return static_cast<double>(*i);
  return std::get<double>(value);
}

absl::Status Refuse(const MethodSpec& method, const ParamSpec& param, const ParamValue& value) {
  return MessageStatus(absl::StatusCode::kInvalidArgument,
                       messages::kParamValue(method.name, param.name, messages::kWord(ParamToString(value)),
                                             AllowedValues(param)));
}

}  // namespace

const MethodSpec* FindMethod(absl::string_view name) {
  for (const MethodSpec& spec : AllMethods()) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

std::string ParamToString(const ParamValue& value) {
  if (const auto* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const auto* i = std::get_if<int64_t>(&value)) return absl::StrCat(*i);
  if (const auto* d = std::get_if<double>(&value)) return RoundTrip(*d);
  return std::get<std::string>(value);
}

Message AllowedValues(const ParamSpec& param) {
  switch (param.type) {
    case ParamType::kBool:
      return messages::kTrueOrFalse();
    case ParamType::kString:
      return param.allowed.empty() ? messages::kAnyText() : messages::kOneOf(param.allowed);
    case ParamType::kInt:
      return AllowedIntegers(param);
    case ParamType::kDouble:
      break;
  }
  if (param.min && param.max) return messages::kNumberFromTo(RoundTrip(*param.min), RoundTrip(*param.max));
  if (param.min) return messages::kNumberAtLeast(RoundTrip(*param.min));
  return param.max ? messages::kNumberAtMost(RoundTrip(*param.max)) : messages::kAnyNumber();
}

std::string DescribeAllowed(const ParamSpec& param) {
  return English(AllowedValues(param));
}

std::optional<ParamValue> Accept(const ParamSpec& param, const ParamValue& value) {
  ParamValue accepted = value;
  if (param.type == ParamType::kDouble && std::holds_alternative<int64_t>(value)) accepted = AsDouble(value);
  if (accepted.index() != static_cast<size_t>(param.type)) return std::nullopt;
  if (param.type == ParamType::kString && !param.allowed.empty() &&
      std::find(param.allowed.begin(), param.allowed.end(), std::get<std::string>(accepted)) ==
          param.allowed.end()) {
    return std::nullopt;
  }
  if (param.type == ParamType::kInt || param.type == ParamType::kDouble) {
    const double number = AsDouble(accepted);
    // Negated, so that NaN is refused too.
    if (param.min && !(number >= *param.min)) return std::nullopt;
    if (param.max && !(number <= *param.max)) return std::nullopt;
  }
  return accepted;
}

absl::StatusOr<ParamValue> CheckParam(const MethodSpec& method, const ParamSpec& param,
                                      const ParamValue& value) {
  std::optional<ParamValue> accepted = Accept(param, value);
  if (!accepted) return Refuse(method, param, value);
  return *std::move(accepted);
}

absl::StatusOr<Params> ResolveParams(const MethodSpec& spec, const Params& given) {
  for (const auto& [name, value] : given) {
    const bool known = std::any_of(spec.params.begin(), spec.params.end(),
                                   [&name = name](const ParamSpec& p) { return p.name == name; });
    if (!known) {
      std::vector<std::string> names;
      for (const ParamSpec& p : spec.params) names.push_back(p.name);
      return absl::InvalidArgumentError(absl::StrCat(spec.name, ": there is no parameter ", name,
                                                     "; allowed: ", absl::StrJoin(names, ", ")));
    }
  }
  Params resolved;
  for (const ParamSpec& param : spec.params) {
    const auto it = given.find(param.name);
    QL_ASSIGN_OR_RETURN(resolved[param.name],
                        CheckParam(spec, param, it == given.end() ? param.default_value : it->second));
  }
  return resolved;
}

}  // namespace quantlab
