#include "report/facts/config_lines.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/method_spec.h"
#include "base/config/runtime_names.h"
#include "base/config/settings.h"
#include "base/sha256.h"
#include "report/facts/format.h"

namespace quantlab::report {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

// A setting's value as a text.
struct ValueText {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(double value) const { return FormatExact(value); }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(absl::Duration value) const { return absl::FormatDuration(value); }
  template <typename Integer>
  std::string operator()(Integer value) const {
    return std::to_string(value);
  }
  template <typename T>
  std::string operator()(const std::vector<T>& values) const {
    return absl::StrJoin(values, ";");
  }
};

// A setting that was added after the first version is omitted at its default, so that the digest of an
// earlier configuration does not change.
template <typename Section>
void AddSetting(const Setting<Section>& setting, const Section& section, Lines& lines) {
  const SettingSpec& spec = setting.spec;
  if (spec.origin == SettingOrigin::kAdded && GetSetting(setting, section) == spec.default_value) return;
  std::string text = std::visit([&](auto field) { return ValueText()(section.*field); }, setting.field);
  lines.emplace_back(absl::StrCat(spec.section, ".", spec.field), std::move(text));
}

void AddTraining(const TrainingConfig& training, Lines& lines) {
  lines.emplace_back("training.enabled", ValueText()(training.enabled));
  if (!training.enabled) return;
  for (const auto& setting : SettingsOf<TrainingConfig>()) AddSetting(setting, training, lines);
}

void AddEvaluation(const RunConfig& config, Lines& lines) {
  for (const auto& setting : SettingsOf<EvaluationConfig>()) {
    if (config.kind != RunKind::kComparison && absl::StartsWith(setting.spec.key, "latency.")) continue;
    AddSetting(setting, config.evaluation, lines);
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> ConfigLines(const RunConfig& config) {
  Lines lines;
  lines.emplace_back("kind", RunKindName(config.kind));
  lines.emplace_back("seed", std::to_string(config.seed));
  lines.emplace_back("device", config.device);
  lines.emplace_back("threads", std::to_string(config.threads));
  lines.emplace_back("model.digest", config.model.digest);
  lines.emplace_back("dataset.digest", config.dataset.asset.digest);
  for (const auto& setting : SettingsOf<DatasetConfig>()) AddSetting(setting, config.dataset, lines);
  if (config.kind != RunKind::kComparison) AddTraining(config.training, lines);
  if (const std::vector<std::string> runtimes = RuntimesOf(config); !runtimes.empty()) {
    lines.emplace_back("comparison.runtimes", ValueText()(runtimes));
  }
  if (!config.method.name.empty()) {
    lines.emplace_back("method.name", config.method.name);
    lines.emplace_back("method.version", std::to_string(config.method.version));
    for (const auto& [name, value] : config.method.params) {
      lines.emplace_back(absl::StrCat("method.", name), ParamToString(value));
    }
  }
  AddEvaluation(config, lines);
  return lines;
}

std::string ConfigDigest(const RunConfig& config) {
  std::string text;
  for (const auto& [key, value] : ConfigLines(config)) absl::StrAppend(&text, key, "=", value, "\n");
  return Sha256Hex(text);
}

}  // namespace quantlab::report
