#include "runtimes/agreement.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "platform/files.h"

namespace quantlab::runtimes {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ModelForm Form(std::set<std::string> kinds, const std::string& activations = "fp32") {
  return {std::move(kinds), activations};
}

TEST(AgreementTest, EqualLogitsAgree) {
  const Agreement result = *Compare({{1, 2}, {4, 3}}, {{1, 2}, {4, 3}}, 1e-4);
  EXPECT_TRUE(result.passed);
  EXPECT_EQ(result.difference, 0);
  EXPECT_EQ(result.agreement, 1);
  EXPECT_EQ(result.largest_logit, 4);
  EXPECT_DOUBLE_EQ(result.tolerance, 4e-4);
}

TEST(AgreementTest, ADifferenceBeyondTheToleranceFails) {
  EXPECT_TRUE(Compare({{1, 10}}, {{1, 10.9f}}, 0.1)->passed);
  EXPECT_FALSE(Compare({{1, 10}}, {{1, 11.1f}}, 0.1)->passed);
}

TEST(AgreementTest, ALabelMayChangeOnlyWhereTheLogitsAreAsCloseAsTheTolerance) {
  // tolerance 1: 10 and 9.2 may change places, 10 and 7.9 may not, which needs a difference above 1 anyway.
  const Agreement close = *Compare({{9.2f, 10}}, {{9.8f, 9.4f}}, 0.1);
  EXPECT_TRUE(close.passed);
  EXPECT_EQ(close.agreement, 0);
  EXPECT_FALSE(Compare({{7.9f, 10}}, {{9.0f, 8.9f}}, 0.1)->passed);
}

TEST(AgreementTest, WhatIsNotFiniteNeverAgrees) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const float wrong : {nan, inf, -inf}) {
    const Agreement result = *Compare({{1, 2}, {1, 2}}, {{wrong, 2}, {1, 2}}, 1e9);
    EXPECT_FALSE(result.passed);
    EXPECT_TRUE(std::isinf(result.difference));
  }
}

TEST(AgreementTest, AnotherShapeIsAnError) {
  EXPECT_FALSE(Compare({}, {}, 1).ok());
  EXPECT_FALSE(Compare({{1}}, {{1}, {1}}, 1).ok());
  EXPECT_FALSE(Compare({{1, 2}}, {{1}}, 1).ok());
}

TEST(ModelFormTest, IsReadFromThePlan) {
  const auto folder = ScratchFolder::Make("agreement-test");
  ASSERT_TRUE(folder.ok());
  EXPECT_TRUE(ReadModelForm(folder->path())->is_fp32());
  const auto read = [&](const std::string& plan) {
    EXPECT_TRUE(WriteFileAtomically(folder->path() + "/plan.json", plan).ok());
    return ReadModelForm(folder->path());
  };
  const auto form = read(R"({"activation_dtype":"bf16","layers":[{"kind":"bf16"},{"kind":"int8_static"}]})");
  ASSERT_TRUE(form.ok());
  EXPECT_THAT(form->kinds, ElementsAre("bf16", "int8_static"));
  EXPECT_FALSE(form->is_fp32());
  EXPECT_TRUE(read(R"({"layers":[{"kind":"fp32"}]})")->is_fp32());
  EXPECT_FALSE(read(R"({"activation_dtype":"fp16","layers":[{"kind":"fp32"}]})")->is_fp32());
  for (const char* wrong :
       {"", "[]", "{}", R"({"layers":{}})", R"({"layers":[1]})", R"({"layers":[{"kind":1}]})"}) {
    EXPECT_THAT(std::string(read(wrong).status().message()), HasSubstr("plan.json")) << wrong;
  }
}

TEST(ModelFormTest, PlainWeightsComputeOnlyWhatIsNotQuantized) {
  for (const char* format : {"onnx", "openvino", "folder"}) {
    EXPECT_TRUE(ComputesAsMeasured(format, Form({"int8_static", "fp32"}))) << format;
  }
  EXPECT_TRUE(ComputesAsMeasured("transformers", Form({})));
  EXPECT_TRUE(ComputesAsMeasured("transformers", Form({"fp32"})));
  for (const char* kind : {"int8_static", "int8_dynamic", "int8_weight_only", "int4_weight_only", "bf16"}) {
    EXPECT_FALSE(ComputesAsMeasured("transformers", Form({kind}))) << kind;
  }
  EXPECT_TRUE(ComputesAsMeasured("transformers-bf16", Form({"bf16"}, "bf16")));
  EXPECT_FALSE(ComputesAsMeasured("transformers-bf16", Form({"bf16"}, "fp32")));
  EXPECT_FALSE(ComputesAsMeasured("transformers-bf16", Form({})));
  EXPECT_FALSE(ComputesAsMeasured("compressed-tensors", Form({"int8_static"})));
}

TEST(ModelFormTest, TheCoarsestKindGivesTheTolerance) {
  EXPECT_EQ(ToleratedShare(Form({}), "onnx"), 1e-4);
  EXPECT_EQ(ToleratedShare(Form({"fp32", "int4_weight_only"}), "onnx"), 0.05);
  EXPECT_EQ(ToleratedShare(Form({"fp16", "int8_static"}), "openvino"), 0.1);
  EXPECT_EQ(ToleratedShare(Form({"int8_dynamic"}), "transformers"), 0.3);
  EXPECT_EQ(ToleratedShare(Form({"int8_dynamic"}), "compressed-tensors"), 0.1);
  EXPECT_EQ(ToleratedShare(Form({}), "transformers-bf16"), 0.05);
}

}  // namespace
}  // namespace quantlab::runtimes
