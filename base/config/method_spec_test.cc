#include "base/config/method_spec.h"

#include <cmath>
#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/config/method_text.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;

// One parameter of each type.
MethodSpec Sample() {
  MethodSpec spec;
  spec.name = "sample";
  spec.params = {{"flag", ParamType::kBool, true, {}, {}, {}, "A flag."},
                 {"bits", ParamType::kInt, int64_t{8}, {}, 2, 8, "Bits."},
                 {"share", ParamType::kDouble, 0.5, {}, 0, {}, "A share."},
                 {"mode", ParamType::kString, std::string("a"), {"a", "b"}, {}, {}, "A mode."},
                 {"note", ParamType::kString, std::string(), {}, {}, {}, "Any text."}};
  return spec;
}

std::string Refusal(const Params& params) {
  const auto resolved = ResolveParams(Sample(), params);
  EXPECT_EQ(resolved.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(resolved.status().message());
}

TEST(MethodSpecTest, MissingParametersTakeTheirDefaults) {
  const auto params = ResolveParams(Sample(), {{"bits", int64_t{4}}});
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->size(), 5u);
  EXPECT_EQ(params->at("bits"), ParamValue(int64_t{4}));
  EXPECT_EQ(params->at("flag"), ParamValue(true));
  EXPECT_EQ(params->at("mode"), ParamValue(std::string("a")));
}

TEST(MethodSpecTest, IntegersAreNumbersButNumbersAreNoIntegers) {
  const auto params = ResolveParams(Sample(), {{"share", int64_t{1}}});
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->at("share"), ParamValue(1.0));
  EXPECT_THAT(Refusal({{"bits", 4.0}}), HasSubstr("bits"));
}

TEST(MethodSpecTest, RefusalsNameMethodParameterValueAndWhatIsAllowed) {
  const std::string unknown = Refusal({{"bit", int64_t{4}}});
  EXPECT_THAT(unknown, HasSubstr("sample"));
  EXPECT_THAT(unknown, HasSubstr("no parameter bit"));
  EXPECT_THAT(unknown, HasSubstr("flag, bits, share, mode, note"));
  const std::string mode = Refusal({{"mode", std::string("c")}});
  EXPECT_THAT(mode, HasSubstr("mode is c"));
  EXPECT_THAT(mode, HasSubstr("one of: a, b"));
  EXPECT_THAT(Refusal({{"bits", int64_t{9}}}), HasSubstr("an integer from 2 to 8"));
  EXPECT_THAT(Refusal({{"bits", int64_t{1}}}), HasSubstr("bits is 1"));
  EXPECT_THAT(Refusal({{"share", -0.5}}), HasSubstr("at least 0"));
  EXPECT_THAT(Refusal({{"flag", std::string("yes")}}), HasSubstr("true or false"));
  EXPECT_THAT(Refusal({{"flag", int64_t{1}}}), HasSubstr("flag"));
  EXPECT_THAT(Refusal({{"note", true}}), HasSubstr("any text"));
}

TEST(MethodSpecTest, NaNIsWithinNoRange) {
  EXPECT_THAT(Refusal({{"share", std::numeric_limits<double>::quiet_NaN()}}), HasSubstr("share"));
}

TEST(MethodSpecTest, ValuesPrintAsInExperimentFiles) {
  EXPECT_EQ(ParamToString(true), "true");
  EXPECT_EQ(ParamToString(int64_t{-3}), "-3");
  EXPECT_EQ(ParamToString(0.5), "0.5");
  EXPECT_EQ(ParamToString(std::string("per_token")), "per_token");
}

TEST(MethodSpecTest, NumbersThatDifferPrintDifferently) {
  EXPECT_EQ(ParamToString(99.99999), "99.99999");
  EXPECT_EQ(ParamToString(100.0), "100");
  EXPECT_EQ(ParamToString(2e-5), "2e-05");
  EXPECT_NE(ParamToString(0.1), ParamToString(0.1 + 1e-16 * 2));
  ParamSpec texts{"texts", ParamType::kInt, int64_t{1}, {}, 1, 100000, "Texts."};
  EXPECT_EQ(DescribeAllowed(texts), "an integer from 1 to 100000");
}

TEST(MethodTextTest, EveryTextExistsInBothLanguages) {
  for (const MethodSpec& method : AllMethods()) {
    EXPECT_EQ(HelpText(method, Language::kEnglish), method.help);
    EXPECT_NE(HelpText(method, Language::kChinese), method.help) << method.name;
    for (const ParamSpec& param : method.params) {
      EXPECT_EQ(HelpText(method, param, Language::kEnglish), param.help);
      EXPECT_NE(HelpText(method, param, Language::kChinese), param.help) << method.name << " " << param.name;
      EXPECT_NE(AllowedText(param, Language::kChinese), "") << method.name << " " << param.name;
    }
    for (const DeviceSupport& support : method.devices) {
      if (!support.detail.empty())
        EXPECT_NE(DetailText(support, Language::kChinese), support.detail) << method.name;
    }
  }
}

TEST(MethodTextTest, AParameterThatMeansSomethingElseElsewhereHasATextOfItsOwn) {
  const auto help = [](const char* method) {
    const MethodSpec& spec = *FindMethod(method);
    for (const ParamSpec& param : spec.params) {
      if (param.name == "calibration_texts") return HelpText(spec, param, Language::kChinese);
    }
    return std::string();
  };
  EXPECT_EQ(help("weight_only"), "仅用于 gptq：校准所用的训练文本数，由运行的种子抽取。");
  EXPECT_EQ(help("qat"), "校准激活范围所用的训练文本数，由运行的种子抽取。");
}

// `given` completed with defaults.
MethodInputs InputsOf(const std::string& method, const Params& given) {
  const MethodSpec& spec = *FindMethod(method);
  return spec.inputs(*ResolveParams(spec, given));
}

TEST(MethodSpecTest, WhatIsReadFollowsTheParameters) {
  EXPECT_FALSE(InputsOf("dynamic_quantization", {}).training_texts);
  EXPECT_TRUE(InputsOf("static_quantization", {}).training_texts);
  EXPECT_FALSE(InputsOf("static_quantization", {}).training_settings);
  for (const char* method : {"qat", "fp32_continued"}) {
    EXPECT_TRUE(InputsOf(method, {}).training_texts) << method;
    EXPECT_TRUE(InputsOf(method, {}).training_settings) << method;
  }
  const MethodInputs chosen = InputsOf("mixed_precision", {});
  EXPECT_TRUE(chosen.training_texts && chosen.validation_texts && chosen.timed_shapes);
  const MethodInputs whole = InputsOf("mixed_precision", {{"mode", std::string("whole")}});
  EXPECT_FALSE(whole.training_texts || whole.validation_texts || whole.timed_shapes);
  EXPECT_TRUE(InputsOf("weight_only", {}).training_texts);
  EXPECT_FALSE(InputsOf("weight_only", {{"algorithm", std::string("rtn")}}).training_texts);
}

// What everything else relies on for each method of this version.
TEST(MethodSpecTest, EveryMethodIsComplete) {
  std::set<std::string> names, short_names;
  for (const MethodSpec& method : AllMethods()) {
    SCOPED_TRACE(method.name);
    EXPECT_TRUE(names.insert(method.name).second);
    EXPECT_TRUE(short_names.insert(method.short_name).second);
    EXPECT_EQ(FindMethod(method.name), &method);
    EXPECT_GE(method.version, 1);
    EXPECT_FALSE(method.title.empty() || method.title_zh.empty() || method.help.empty());
    EXPECT_FALSE(method.devices.empty());
    for (const DeviceSupport& device : method.devices) {
      EXPECT_THAT(device.level, ::testing::AnyOf("native", "fallback", "refused"));
      // A native one may fall back on lesser machines, and then says so.
      EXPECT_TRUE(device.level == "native" || !device.detail.empty()) << device.device;
    }
    std::set<std::string> params;
    for (const ParamSpec& param : method.params) {
      EXPECT_TRUE(params.insert(param.name).second) << param.name;
      EXPECT_FALSE(param.help.empty()) << param.name;
    }
    // The defaults are allowed, and resolved parameters stay as they are.
    const auto defaults = ResolveParams(method, {});
    ASSERT_TRUE(defaults.ok()) << defaults.status();
    EXPECT_EQ(defaults->size(), method.params.size());
    EXPECT_EQ(*ResolveParams(method, *defaults), *defaults);
    // A control takes parameters from its method, so that must have them.
    for (const ParamSpec& param : method.control_of.empty() ? std::vector<ParamSpec>() : method.params) {
      const MethodSpec* controlled = FindMethod(method.control_of);
      ASSERT_NE(controlled, nullptr);
      EXPECT_TRUE(ResolveParams(*controlled, {{param.name, param.default_value}}).ok()) << param.name;
    }
  }
  EXPECT_EQ(FindMethod("magic"), nullptr);
  EXPECT_EQ(FindMethod(""), nullptr);
}

}  // namespace
}  // namespace quantlab
