// Makes lines of the table of settings. Only for settings_table.cc and settings.cc.
#ifndef QUANTLAB_BASE_CONFIG_SETTINGS_LINE_H_
#define QUANTLAB_BASE_CONFIG_SETTINGS_LINE_H_

#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/config/settings.h"

namespace quantlab::settings {

// ---- values --------------------------------------------------------------------------------------------

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

template <typename T>
constexpr ParamType TypeOf() {
  if constexpr (IsVector<T>::value) {
    return TypeOf<typename T::value_type>();
  } else if constexpr (std::is_same_v<T, bool>) {
    return ParamType::kBool;
  } else if constexpr (std::is_integral_v<T>) {
    return ParamType::kInt;
  } else if constexpr (std::is_floating_point_v<T>) {
    return ParamType::kDouble;
  } else {
    return ParamType::kString;
  }
}

template <typename T>
ParamValue ToParam(const T& value) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, double> || std::is_same_v<T, std::string>) {
    return value;
  } else if constexpr (std::is_same_v<T, absl::Duration>) {
    return absl::FormatDuration(value);
  } else {
    return static_cast<int64_t>(value);
  }
}

template <typename T>
SettingValue ToValue(const T& value) {
  if constexpr (IsVector<T>::value) {
    SettingValue elements;
    for (const auto& element : value) elements.push_back(ToParam(element));
    return elements;
  } else {
    return {ToParam(value)};
  }
}

// False: `param` is of another type, or beyond what `T` holds.
template <typename T>
bool FromParam(const ParamValue& param, T* value) {
  if constexpr (std::is_same_v<T, absl::Duration>) {
    const auto* text = std::get_if<std::string>(&param);
    return text != nullptr && absl::ParseDuration(*text, value);
  } else if constexpr (std::is_same_v<T, int>) {
    const auto* wide = std::get_if<int64_t>(&param);
    if (wide == nullptr || *wide < std::numeric_limits<int>::min() ||
        *wide > std::numeric_limits<int>::max()) {
      return false;
    }
    *value = static_cast<int>(*wide);
  } else if constexpr (std::is_same_v<T, uint64_t>) {
    const auto* number = std::get_if<int64_t>(&param);
    if (number == nullptr) return false;
    *value = static_cast<uint64_t>(*number);
  } else {
    const auto* same = std::get_if<T>(&param);
    if (same == nullptr) return false;
    *value = *same;
  }
  return true;
}

template <typename T>
bool FromValue(const SettingValue& given, T* value) {
  if constexpr (IsVector<T>::value) {
    T elements(given.size());
    for (size_t i = 0; i < given.size(); ++i) {
      if (!FromParam(given[i], &elements[i])) return false;
    }
    *value = std::move(elements);
    return true;
  } else {
    return given.size() == 1 && FromParam(given[0], value);
  }
}

// ---- lines of the table --------------------------------------------------------------------------------

template <typename Section>
inline constexpr const char* kSectionName = "";
template <>
inline constexpr const char* kSectionName<DatasetConfig> = "dataset";
template <>
inline constexpr const char* kSectionName<TrainingConfig> = "training";
template <>
inline constexpr const char* kSectionName<EvaluationConfig> = "evaluation";

// Of a limit: "1s", "720h".
inline std::string DurationText(double seconds) {
  return absl::FormatDuration(absl::Seconds(seconds));
}

template <typename Section, typename T>
Setting<Section> Line(T Section::*field, SettingSpec spec, SettingOrigin origin) {
  spec.origin = origin;
  spec.section = kSectionName<Section>;
  if (spec.field.empty()) spec.field = absl::StrReplaceAll(spec.key, {{".", "_"}});
  if (spec.key_line.empty()) spec.key_line = origin == SettingOrigin::kAdded ? spec.path() : spec.field;
  spec.type = TypeOf<T>();
  spec.list = IsVector<T>::value;
  if constexpr (std::is_same_v<T, absl::Duration>) {
    const std::string min = DurationText(*spec.min), max = DurationText(*spec.max);
    spec.allowed_words = absl::StrCat(min, " to ", max, ", as in 90m or 1h30m");
    spec.allowed_words_zh = absl::StrCat(min, " 至 ", max, "，如 90m、1h30m");
  }
  spec.default_value = ToValue(Section().*field);
  return {std::move(spec), field};
}

// A setting of the first version. None will be added.
template <typename Section, typename T>
Setting<Section> Original(T Section::*field, SettingSpec spec) {
  return Line(field, std::move(spec), SettingOrigin::kOriginal);
}

// A setting that came later.
template <typename Section, typename T>
Setting<Section> Added(T Section::*field, SettingSpec spec) {
  return Line(field, std::move(spec), SettingOrigin::kAdded);
}

inline SettingSpec Listed(ParamType type, SettingSpec spec, SettingValue default_value = {}) {
  spec.type = type;
  spec.default_value = std::move(default_value);
  return spec;
}

// ---- the lines, in settings_table.cc -------------------------------------------------------------------

std::vector<Setting<DatasetConfig>> DatasetSettings();
std::vector<Setting<TrainingConfig>> TrainingSettings();
std::vector<Setting<EvaluationConfig>> EvaluationSettings();
std::vector<Setting<ExperimentOptions>> OptionSettings();

// Those that are read by code of their own.
std::vector<SettingSpec> ListedAtTop();
std::vector<SettingSpec> ListedExperiments();
SettingSpec ListedOptimizer();
// `decide` and `report.cover`: base/config/report_options.h.
std::vector<SettingSpec> ListedDecision();
std::vector<SettingSpec> ListedCover();

}  // namespace quantlab::settings

#endif  // QUANTLAB_BASE_CONFIG_SETTINGS_LINE_H_
