#include "server/config/settings_reader.h"

#include <limits>
#include <map>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/messages/messages.h"

namespace quantlab {
namespace {

int64_t MinOf(const SettingSpec& spec) {
  return static_cast<int64_t>(spec.min.value_or(static_cast<double>(std::numeric_limits<int>::min())));
}

int64_t MaxOf(const SettingSpec& spec) {
  return static_cast<int64_t>(spec.max.value_or(static_cast<double>(std::numeric_limits<int>::max())));
}

// Reads one setting in the type of its field.
struct ValueReader {
  Fields& fields;
  const SettingSpec& spec;
  const std::string& key;

  void operator()(bool* out) const { fields.Bool(key, out); }
  void operator()(int* out) const { fields.Int(key, MinOf(spec), MaxOf(spec), out); }
  void operator()(int64_t* out) const { fields.Int(key, MinOf(spec), MaxOf(spec), out); }
  void operator()(uint64_t* out) const { fields.Seed(key, out); }
  void operator()(double* out) const {
    const double limit = std::numeric_limits<double>::max();
    fields.Double(key, spec.min.value_or(-limit), spec.max.value_or(limit), out);
  }
  void operator()(std::string* out) const {
    if (spec.allowed.empty()) {
      fields.Text(key, out);
    } else {
      fields.OneOf(key, spec.allowed, out);
    }
  }
  void operator()(std::vector<int>* out) const { fields.Ints(key, MinOf(spec), MaxOf(spec), out); }
  void operator()(std::vector<std::string>* out) const {
    spec.pairs ? fields.Pairs(key, out) : fields.Words(key, out);
  }
  void operator()(absl::Duration* out) const {
    fields.Duration(key, absl::Seconds(spec.min.value_or(0)), absl::Seconds(spec.max.value_or(0)),
                    messages::kDurationRange(spec.allowed_words), out);
  }
};

// "latency.batch_sizes" gives {"latency", "batch_sizes"}; "epochs" gives {"", "epochs"}.
std::pair<std::string, std::string> SplitKey(const std::string& key) {
  const size_t dot = key.rfind('.');
  if (dot == std::string::npos) return {"", key};
  return {key.substr(0, dot), key.substr(dot + 1)};
}

}  // namespace

template <typename Section>
void ReadSettings(Fields& fields, Diagnostics& diagnostics, Section* section, absl::string_view skip) {
  std::map<std::string, Fields> inner;
  for (const Setting<Section>& setting : SettingsOf<Section>()) {
    const SettingSpec& spec = setting.spec;
    if (spec.key == skip) continue;
    const auto [map, key] = SplitKey(spec.key);
    const std::string path = fields.path().empty() ? map : absl::StrCat(fields.path(), ".", map);
    if (!map.empty() && inner.count(map) == 0) inner.try_emplace(map, fields.Take(map), path, diagnostics);
    Fields& from = map.empty() ? fields : inner.at(map);
    const auto read = [&](const std::string& name) {
      std::visit([&](auto field) { ValueReader{from, spec, name}(&(section->*field)); }, setting.field);
    };
    read(key);
    if (spec.older_key.empty()) continue;
    const std::string older = SplitKey(spec.older_key).second;
    const YamlNode* const given = from.Take(older);
    if (given == nullptr) continue;
    read(older);
    if (from.Has(key)) {
      diagnostics.Error(given->at, messages::kOlderNameToo(absl::StrCat(from.path(), ".", older), key));
    }
  }
  // Maps within these maps that are read by code of their own.
  for (const SettingSpec& spec : AllSettings()) {
    if (spec.origin != SettingOrigin::kListed) continue;
    for (auto& [map, map_fields] : inner) {
      const std::string path = spec.path();
      absl::string_view rest = path;
      if (absl::ConsumePrefix(&rest, map_fields.path() + ".")) {
        map_fields.Take(std::string(rest.substr(0, rest.find('.'))));
      }
    }
  }
  for (auto& [map, map_fields] : inner) map_fields.Done();
}

template void ReadSettings<DatasetConfig>(Fields&, Diagnostics&, DatasetConfig*, absl::string_view);
template void ReadSettings<TrainingConfig>(Fields&, Diagnostics&, TrainingConfig*, absl::string_view);
template void ReadSettings<EvaluationConfig>(Fields&, Diagnostics&, EvaluationConfig*, absl::string_view);
template void ReadSettings<ExperimentOptions>(Fields&, Diagnostics&, ExperimentOptions*, absl::string_view);

}  // namespace quantlab
