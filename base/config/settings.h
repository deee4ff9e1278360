// The settings of an experiment file: one table of their keys, ranges, defaults, units and help, from which
// follow reading and checking the file (server/config), the job that a runner reads (proto, worker/runner),
// the key under which results are reused, the configuration in reports, the tables of the user guides
// (scripts/settings_docs.py) and `quantctl settings`. A method's parameters have the sibling table,
// MethodSpec::params.
//
// To add a setting: the field with its default in base/config/run_config.h, one line Added(…) in
// settings_table.cc, and an optional field of the same name in run_config.proto. See
// docs/en/guides/add-a-setting.md.
#ifndef QUANTLAB_BASE_CONFIG_SETTINGS_H_
#define QUANTLAB_BASE_CONFIG_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/config/device.h"
#include "base/config/method_spec.h"
#include "base/config/run_config.h"
#include "base/language.h"

namespace quantlab {

// The top-level keys that are read by the table. Name, seeds and runs have rules of their own.
struct ExperimentOptions {
  std::string device = Device().name();
  int threads = 0;
  int priority = 0;
  bool reuse = true;
  absl::Duration time_limit = absl::Hours(24);
  std::string report_language = "both";
  double memory_gb = 0;
  std::vector<std::string> labels;  // "key: value"
};

// The elements of a list, or the one value of any other setting. A duration is a text: "1h30m".
using SettingValue = std::vector<ParamValue>;

// Whether a setting is part of RunRecord::input_key.
enum class InInputKey {
  kYes,
  kTimedShapes,  // for methods that choose by measured time (MethodInputs::timed_shapes)
  kNo,           // it affects no result that is reused
};

enum class SettingOrigin {
  kOriginal,  // of the first version: absent in a message it is zero; always part of the input key
  kAdded,   // later: absent in a message it has its default; part of the input key unless it has its default
  kListed,  // has no field: read by code of its own, and listed for its documentation
};

struct SettingSpec {
  // ---- written in the table ----
  std::string key;                        // below the section: "latency.batch_sizes"
  std::optional<double> min = {};         // of numbers, and of each element of a list; inclusive
  std::optional<double> max = {};         // of durations: seconds
  std::vector<std::string> allowed = {};  // of texts; empty: any text
  std::string unit = "";                  // of numbers: "texts", "tokens", "s"
  std::string help = "", help_zh = "";    // what it is for
  std::string field = "";  // name in messages, job.json and reports; by default the key, '.' replaced by '_'
  std::string key_line =
      "";  // name in the text below the input key; by default `field`, of added settings the path
  std::string older_key = "";  // a name that files may still use
  bool pairs = false;          // of lists of texts: files have a map, whose entries become "key: value"
  InInputKey in_key = InInputKey::kYes;
  // In words, where the fields above do not say it.
  std::string allowed_words = "", allowed_words_zh = "";
  std::string default_words = "", default_words_zh = "";

  // ---- derived from the struct's field ----
  SettingOrigin origin = SettingOrigin::kListed;
  std::string section = "";  // "training"; empty: top level
  ParamType type = ParamType::kString;
  bool list = false;
  SettingValue default_value = {};

  // "training.learning_rate"
  std::string path() const;
  // The same as a parameter of a method: type, range and help.
  ParamSpec AsParam() const;
};

template <typename Section>
using SettingField = std::variant<bool Section::*, int Section::*, int64_t Section::*, uint64_t Section::*,
                                  double Section::*, std::string Section::*, std::vector<int> Section::*,
                                  std::vector<std::string> Section::*, absl::Duration Section::*>;

template <typename Section>
struct Setting {
  SettingSpec spec;
  SettingField<Section> field;
};

// In the order of the input key and of reports. `Section` is DatasetConfig, TrainingConfig, EvaluationConfig
// or ExperimentOptions.
template <typename Section>
const std::vector<Setting<Section>>& SettingsOf();

// Every setting of an experiment file but the parameters of methods, in the order of the user guides.
const std::vector<SettingSpec>& AllSettings();

// By path, "training.epochs"; nullptr when there is none.
const SettingSpec* FindSetting(absl::string_view path);

template <typename Section>
SettingValue GetSetting(const Setting<Section>& setting, const Section& section);

// Errors: INVALID_ARGUMENT the value is of another type, or does not fit the field. It does not check ranges.
template <typename Section>
absl::Status SetSetting(const Setting<Section>& setting, const SettingValue& value, Section* section);

// Whether a value may be missing.
enum class Unset {
  kRefused,
  kAllowed,  // zero and the empty text: an absent field of a message
};

// "is 0; allowed: an integer from 1 to 1000"; empty where the value is in range. Seeds may exceed their
// range, which is for new files.
template <typename Section>
std::string SettingProblem(const Setting<Section>& setting, const Section& section,
                           Unset unset = Unset::kRefused);
// Every setting of a section.
// Errors: INVALID_ARGUMENT "training.epochs is 0; allowed: …", of the first one that is out of range.
template <typename Section>
absl::Status CheckSettings(const Section& section, Unset unset = Unset::kRefused);

// "0.5", "[1, 8]": as in an experiment file.
std::string SettingToString(const SettingSpec& spec, const SettingValue& value);

// "an integer from 1 to 1000", "a list of integers from 1 to 4096": for messages and help.
std::string DescribeAllowed(const SettingSpec& spec, Language language = Language::kEnglish);

}  // namespace quantlab

#endif  // QUANTLAB_BASE_CONFIG_SETTINGS_H_
