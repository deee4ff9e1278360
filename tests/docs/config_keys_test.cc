// The guides and the reader of experiment files know the same keys, with the same defaults.
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/config/method_spec.h"
#include "base/config/settings.h"
#include "server/config/experiment_spec.h"

namespace quantlab {
namespace {

constexpr char kEnglish[] = "docs/en/user-guide.md";

// A file in which every method stands, with nothing said about it.
std::string Minimal() {
  std::string text = "experiments: { baseline: {}, ";
  for (const MethodSpec& method : AllMethods()) absl::StrAppend(&text, method.name, ": {}, ");
  return text + "comparison: {}}\n";
}

std::string Read(const std::string& name) {
  std::ifstream file(absl::StrCat(QUANTLAB_SOURCE_DIR, "/", name));
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

struct Documented {
  std::string allowed;
  std::string default_value;  // as it stands between backticks; empty where it is described in words
};

std::map<std::string, Documented> DocumentedKeys(const std::string& guide) {
  static const std::regex kRow(R"(^\| `([a-z_0-9.]+)` \|([^|]*)\|([^|]*)\|)");
  std::map<std::string, Documented> keys;
  std::istringstream lines(Read(guide));
  std::string line;
  bool inside = false;
  while (std::getline(lines, line)) {
    if (line.rfind("| key | allowed |", 0) == 0 || line.rfind("| 键 | 允许的值 |", 0) == 0) inside = true;
    if (line.empty()) inside = false;
    std::smatch row;
    if (!inside || !std::regex_search(line, row, kRow)) continue;
    std::string value = std::string(absl::StripAsciiWhitespace(row[3].str()));
    const bool code = value.size() > 2 && value.front() == '`' && value.back() == '`';
    keys[row[1].str()] = {std::string(absl::StripAsciiWhitespace(row[2].str())),
                          code ? value.substr(1, value.size() - 2) : ""};
  }
  return keys;
}

ExperimentSpec ReadText(const std::string& text, Diagnostics& diagnostics) {
  return ReadExperiment({{"experiment.yaml", text}}, Catalog(), diagnostics);
}

// What a map of the file may have, from the message about a key that it may not have.
std::set<std::string> KnownKeys(const std::string& section) {
  std::string text = absl::StrCat(Minimal(), "zzz: 1\n");
  if (!section.empty()) {
    text = "zzz: 1\n";
    const std::vector<std::string> parts = absl::StrSplit(section, '.');
    text = absl::StrCat(absl::StrJoin(parts, ": {"), ": {zzz: 1}", std::string(parts.size() - 1, '}'), "\n");
  }
  Diagnostics diagnostics;
  ReadText(text, diagnostics);
  for (const auto& problem : diagnostics.all()) {
    const size_t at = problem.message.find("allowed: ");
    if (problem.message.find("zzz") == std::string::npos || at == std::string::npos) continue;
    return absl::StrSplit(problem.message.substr(at + 9), ", ");
  }
  ADD_FAILURE() << "no message about the unknown key in '" << section << "'";
  return {};
}

std::set<std::string> AcceptedKeys() {
  std::vector<std::string> sections = {"",
                                       "report",
                                       "experiments.baseline",
                                       "experiments.comparison",
                                       "dataset",
                                       "training",
                                       "evaluation",
                                       "evaluation.latency",
                                       "decide",
                                       "report.cover",
                                       "resources"};
  for (const MethodSpec& method : AllMethods()) sections.push_back("experiments." + method.name);
  const std::set<std::string> maps = {"report",   "experiments",  "dataset",
                                      "training", "evaluation",   "evaluation.latency",
                                      "decide",   "report.cover", "resources"};
  std::set<std::string> keys;
  for (const std::string& section : sections) {
    for (const std::string& key : KnownKeys(section)) {
      const std::string path = section.empty() ? key : absl::StrCat(section, ".", key);
      if (maps.count(path) == 0) keys.insert(path);
    }
  }
  return keys;
}

template <typename Section>
void DescribeSection(const Section& section, std::string& text) {
  for (const Setting<Section>& setting : SettingsOf<Section>()) {
    absl::StrAppend(&text, setting.spec.path(), "=",
                    SettingToString(setting.spec, GetSetting(setting, section)), ";");
  }
}

// All that a file decides, as one text.
std::string Describe(const ExperimentSpec& spec) {
  std::string text =
      absl::StrCat(absl::StrJoin(spec.seeds, ","), ";", spec.model.name, ";", spec.dataset_name.name, ";",
                   spec.training.enabled, ";", spec.comparison, ";");
  DescribeSection(spec.options, text);
  DescribeSection(spec.dataset, text);
  DescribeSection(spec.training, text);
  DescribeSection(spec.evaluation, text);
  for (const MethodRequest& method : spec.methods) {
    absl::StrAppend(&text, "|", method.spec->name);
    for (const MethodVariant& variant : method.variants) {
      for (const auto& [name, value] : variant.params)
        absl::StrAppend(&text, ";", name, "=", ParamToString(value));
    }
  }
  return text;
}

// Minimal() with one key set.
std::string With(const std::string& key, const std::string& value) {
  const std::vector<std::string> parts = absl::StrSplit(key, '.');
  if (parts[0] == "experiments") {
    return absl::StrReplaceAll(Minimal(), {{absl::StrCat(" ", parts[1], ": {}"),
                                            absl::StrCat(" ", parts[1], ": {", parts[2], ": ", value, "}")}});
  }
  return absl::StrCat(Minimal(), absl::StrJoin(parts, ": {"), ": ", value, std::string(parts.size() - 1, '}'),
                      "\n");
}

// One below, at and above the limits of every number, and a text that no list of words has.
TEST(SettingsTest, ARangeOfTheTableIsTheRangeOfFiles) {
  int checked = 0;
  const auto refused = [&](const SettingSpec& spec, const std::string& value) {
    Diagnostics diagnostics;
    ReadText(With(spec.path(), value), diagnostics);
    ++checked;
    return diagnostics.has_errors();
  };
  for (const SettingSpec& spec : AllSettings()) {
    if (spec.origin == SettingOrigin::kListed || spec.path() == "time_limit") continue;
    // In integers, of which doubles miss those next to 2^53.
    const auto text = [&](double limit, int offset) {
      return spec.type == ParamType::kInt ? ParamToString(static_cast<int64_t>(limit) + offset)
                                          : ParamToString(limit + offset);
    };
    if (!spec.allowed.empty()) {
      EXPECT_TRUE(refused(spec, "zzz")) << spec.path();
    }
    for (const std::string& allowed : spec.allowed) {
      EXPECT_FALSE(refused(spec, allowed)) << spec.path() << allowed;
    }
    if (spec.min) {
      EXPECT_TRUE(refused(spec, text(*spec.min, -1))) << spec.path();
      EXPECT_FALSE(refused(spec, text(*spec.min, 0))) << spec.path();
    }
    if (spec.max) {
      EXPECT_TRUE(refused(spec, text(*spec.max, 1))) << spec.path();
      EXPECT_FALSE(refused(spec, text(*spec.max, 0))) << spec.path();
    }
  }
  EXPECT_GT(checked, 80);
}

class GuideTest : public testing::TestWithParam<const char*> {};

TEST_P(GuideTest, DocumentsEveryKeyAndNoOther) {
  std::set<std::string> documented;
  for (const auto& [key, value] : DocumentedKeys(GetParam())) documented.insert(key);
  const std::set<std::string> accepted = AcceptedKeys();
  EXPECT_GT(accepted.size(), 40);
  for (const std::string& key : accepted)
    EXPECT_TRUE(documented.count(key) > 0) << key << " is not documented";
  for (const std::string& key : documented) EXPECT_TRUE(accepted.count(key) > 0) << key << " does not exist";
}

TEST_P(GuideTest, ADefaultThatIsSetChangesNothing) {
  Diagnostics none;
  const std::string expected = Describe(ReadText(Minimal(), none));
  ASSERT_FALSE(none.has_errors());
  int checked = 0;
  for (const auto& [key, documented] : DocumentedKeys(GetParam())) {
    const std::string& value = documented.default_value;
    if (value.empty()) continue;
    Diagnostics diagnostics;
    EXPECT_EQ(Describe(ReadText(With(key, value), diagnostics)), expected) << key << ": " << value;
    EXPECT_FALSE(diagnostics.has_errors()) << key << ": " << value;
    ++checked;
  }
  EXPECT_GT(checked, 30);
}

// What the guide should say is allowed for a parameter; empty where words have to say it.
std::string AllowedText(const ParamSpec& param, const std::string& to) {
  if (param.type == ParamType::kBool) return "true, false";
  if (!param.allowed.empty()) return absl::StrJoin(param.allowed, ", ");
  if (!param.min || !param.max) return "";
  const auto limit = [&](double value) {
    return param.type == ParamType::kInt ? ParamToString(static_cast<int64_t>(value)) : ParamToString(value);
  };
  const std::string range = absl::StrCat(limit(*param.min), " ", to, " ", limit(*param.max));
  return absl::StrReplaceAll(range, {{"e-0", "e-"}});  // 1e-9, as people write it
}

TEST_P(GuideTest, SaysWhatIsAllowedForEachParameterOfAMethod) {
  const bool english = std::string(GetParam()) == kEnglish;
  std::map<std::string, Documented> documented = DocumentedKeys(GetParam());
  for (const MethodSpec& method : AllMethods()) {
    for (const ParamSpec& param : method.params) {
      const std::string expected = AllowedText(param, english ? "to" : "至");
      const std::string key = absl::StrCat("experiments.", method.name, ".", param.name);
      if (expected.empty()) continue;
      EXPECT_EQ(documented[key].allowed, expected) << key;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(BothLanguages, GuideTest, testing::Values(kEnglish, "docs/zh/使用说明.md"),
                         [](const auto& info) {
                           return std::string(info.param) == kEnglish ? "English" : "Chinese";
                         });

}  // namespace
}  // namespace quantlab
