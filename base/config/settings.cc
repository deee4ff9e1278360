#include "base/config/settings.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/param_check.h"
#include "base/config/settings_line.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"

namespace quantlab {
namespace {

using namespace settings;  // NOLINT: this file is made of it

bool IsZero(const ParamValue& value) {
  return std::visit([](const auto& v) { return v == std::decay_t<decltype(v)>(); }, value);
}

template <typename Section>
void AppendSpecs(std::vector<SettingSpec>& all) {
  for (const Setting<Section>& setting : SettingsOf<Section>()) all.push_back(setting.spec);
}

// ---- checks --------------------------------------------------------------------------------------------

bool InRange(const SettingSpec& spec, const absl::Duration& value) {
  const double seconds = absl::ToDoubleSeconds(value);
  return seconds >= spec.min.value_or(0) && seconds <= spec.max.value_or(seconds);
}

// Seeds: see SettingProblem.
bool InRange(const SettingSpec&, const uint64_t&) {
  return true;
}

template <typename T>
bool InRange(const SettingSpec& spec, const T& value) {
  const ParamSpec param = spec.AsParam();
  const SettingValue elements = ToValue(value);
  return std::all_of(elements.begin(), elements.end(),
                     [&](const ParamValue& element) { return Accept(param, element).has_value(); });
}

template <typename T>
bool IsUnset(const T& value) {
  const SettingValue elements = ToValue(value);
  return elements.empty() || (!IsVector<T>::value && IsZero(elements[0]));
}

}  // namespace

std::string SettingSpec::path() const {
  return section.empty() ? key : absl::StrCat(section, ".", key);
}

ParamSpec SettingSpec::AsParam() const {
  const bool numeric = type == ParamType::kInt || type == ParamType::kDouble;
  return {path(),
          type,
          default_value.size() == 1 ? default_value[0] : ParamValue(),
          allowed,
          numeric ? min : std::nullopt,
          numeric ? max : std::nullopt,
          help};
}

template <typename Section>
const std::vector<Setting<Section>>& SettingsOf() {
  static const auto* const settings = [] {
    if constexpr (std::is_same_v<Section, DatasetConfig>) {
      return new std::vector<Setting<Section>>(DatasetSettings());
    } else if constexpr (std::is_same_v<Section, TrainingConfig>) {
      return new std::vector<Setting<Section>>(TrainingSettings());
    } else if constexpr (std::is_same_v<Section, EvaluationConfig>) {
      return new std::vector<Setting<Section>>(EvaluationSettings());
    } else {
      return new std::vector<Setting<Section>>(OptionSettings());
    }
  }();
  return *settings;
}

const std::vector<SettingSpec>& AllSettings() {
  static const auto* const all = [] {
    auto* specs = new std::vector<SettingSpec>(ListedAtTop());
    AppendSpecs<ExperimentOptions>(*specs);
    for (SettingSpec& spec : ListedDecision()) specs->push_back(std::move(spec));
    for (SettingSpec& spec : ListedCover()) specs->push_back(std::move(spec));
    for (SettingSpec& spec : ListedExperiments()) specs->push_back(std::move(spec));
    AppendSpecs<DatasetConfig>(*specs);
    specs->push_back(ListedOptimizer());
    AppendSpecs<TrainingConfig>(*specs);
    AppendSpecs<EvaluationConfig>(*specs);
    return specs;
  }();
  return *all;
}

const SettingSpec* FindSetting(absl::string_view path) {
  for (const SettingSpec& spec : AllSettings()) {
    if (spec.path() == path) return &spec;
  }
  return nullptr;
}

template <typename Section>
SettingValue GetSetting(const Setting<Section>& setting, const Section& section) {
  return std::visit([&](auto field) { return ToValue(section.*field); }, setting.field);
}

template <typename Section>
absl::Status SetSetting(const Setting<Section>& setting, const SettingValue& value, Section* section) {
  const bool ok = std::visit([&](auto field) { return FromValue(value, &(section->*field)); }, setting.field);
  if (ok) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(setting.spec.path(), " is ",
                                                 SettingToString(setting.spec, value),
                                                 "; allowed: ", DescribeAllowed(setting.spec)));
}

template <typename Section>
std::string SettingProblem(const Setting<Section>& setting, const Section& section, Unset unset) {
  const SettingSpec& spec = setting.spec;
  const bool ok = std::visit(
      [&](auto field) {
        const auto& value = section.*field;
        return (unset == Unset::kAllowed && IsUnset(value)) || InRange(spec, value);
      },
      setting.field);
  if (ok) return "";
  return absl::StrCat("is ", SettingToString(spec, GetSetting(setting, section)),
                      "; allowed: ", DescribeAllowed(spec));
}

template <typename Section>
absl::Status CheckSettings(const Section& section, Unset unset) {
  for (const Setting<Section>& setting : SettingsOf<Section>()) {
    const std::string problem = SettingProblem(setting, section, unset);
    if (!problem.empty()) return absl::InvalidArgumentError(absl::StrCat(setting.spec.path(), " ", problem));
  }
  return absl::OkStatus();
}

std::string SettingToString(const SettingSpec& spec, const SettingValue& value) {
  const std::string elements = absl::StrJoin(value, ", ", [](std::string* out, const ParamValue& element) {
    absl::StrAppend(out, ParamToString(element));
  });
  return spec.list ? absl::StrCat("[", elements, "]") : elements;
}

std::string DescribeAllowed(const SettingSpec& spec, Language language) {
  if (!spec.allowed_words.empty()) {
    return language == Language::kEnglish ? spec.allowed_words : spec.allowed_words_zh;
  }
  if (!spec.list) return Render(language, AllowedValues(spec.AsParam()));
  if (spec.type == ParamType::kString) return Render(language, messages::kListOfTexts());
  return Render(language, messages::kIntegersFromTo(static_cast<int64_t>(spec.min.value_or(0)),
                                                    static_cast<int64_t>(spec.max.value_or(0))));
}

#define QL_SETTINGS_OF(Section)                                                                      \
  template const std::vector<Setting<Section>>& SettingsOf<Section>();                               \
  template SettingValue GetSetting<Section>(const Setting<Section>&, const Section&);                \
  template absl::Status SetSetting<Section>(const Setting<Section>&, const SettingValue&, Section*); \
  template std::string SettingProblem<Section>(const Setting<Section>&, const Section&, Unset);      \
  template absl::Status CheckSettings<Section>(const Section&, Unset)
QL_SETTINGS_OF(DatasetConfig);
QL_SETTINGS_OF(TrainingConfig);
QL_SETTINGS_OF(EvaluationConfig);
QL_SETTINGS_OF(ExperimentOptions);
#undef QL_SETTINGS_OF

}  // namespace quantlab
