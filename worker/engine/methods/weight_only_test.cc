#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "worker/engine/methods/method.h"
#include "worker/engine/models/random_encoder.h"

namespace quantlab::engine {
namespace {

using ::testing::SizeIs;

TEST(WeightOnlyMethodTest, TellsOnWhatEachLayerWasRoundedAndTheErrorLeft) {
  const auto model = MakeRandomEncoder(SmallEncoderConfig(), 1).value();
  LabelledTexts train{RandomTexts(SmallEncoderConfig(), 24, 20, 3), std::vector<int>(24, 0), {}};
  std::map<std::string, std::string> files;
  QuantizationContext context;
  context.train = &train;
  context.write_file = [&](const std::string& name, const std::string& content) {
    files[name] = content;
    return absl::OkStatus();
  };
  const auto result = MakeQuantizationMethod("weight_only").value()->Apply(*model, {}, context);
  ASSERT_TRUE(result.ok()) << result.status();

  std::vector<std::string> lines = absl::StrSplit(files["calibration.csv"], '\n', absl::SkipEmpty());
  EXPECT_EQ(lines[0],
            "layer,rows,unused_inputs,damping,error_nearest,error_gptq,rows_held_out,error_nearest_held_out,"
            "error_gptq_held_out");
  EXPECT_THAT(lines, SizeIs(1 + result->plan.layers.size()));
  double nearest = 0, gptq = 0;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = absl::StrSplit(lines[i], ',');
    ASSERT_THAT(fields, SizeIs(9)) << lines[i];
    EXPECT_EQ(fields[3], "0.01") << "all texts were calibrated on: no others to judge by";
    EXPECT_EQ(fields[6], "0") << lines[i];
    double a = 0, b = 0;
    ASSERT_TRUE(absl::SimpleAtod(fields[4], &a) && absl::SimpleAtod(fields[5], &b)) << lines[i];
    nearest += a;
    gptq += b;
  }
  EXPECT_LT(gptq, nearest);
}

// 6 texts calibrate: the layers after the last attention see 6 rows for 16 inputs and more.
TEST(WeightOnlyMethodTest, LayersWithFewRowsTakeTheDampingWithTheLeastErrorOnOtherTexts) {
  const auto model = MakeRandomEncoder(SmallEncoderConfig(), 1).value();
  LabelledTexts train{RandomTexts(SmallEncoderConfig(), 24, 20, 3), std::vector<int>(24, 0), {}};
  std::map<std::string, std::string> files;
  std::vector<std::string> warnings;
  QuantizationContext context;
  context.train = &train;
  context.warn = [&](const std::string& code, const Message&) { warnings.push_back(code); };
  context.write_file = [&](const std::string& name, const std::string& content) {
    files[name] = content;
    return absl::OkStatus();
  };
  const auto method = MakeQuantizationMethod("weight_only").value();
  ASSERT_TRUE(method->Apply(*model, {{"calibration_texts", int64_t{6}}}, context).ok());
  const std::vector<std::string> lines = absl::StrSplit(files["calibration.csv"], '\n', absl::SkipEmpty());
  bool raised = false;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = absl::StrSplit(lines[i], ',');
    ASSERT_THAT(fields, SizeIs(9)) << lines[i];
    EXPECT_NE(fields[6], "0") << lines[i];
    raised = raised || fields[3] != "0.01";
    double rows = 0, in_sample = 0, held_out = 0;
    ASSERT_TRUE(absl::SimpleAtod(fields[1], &rows) && absl::SimpleAtod(fields[5], &in_sample) &&
                absl::SimpleAtod(fields[8], &held_out));
    // What six rows fit exactly, they fit too well.
    if (rows == 6) {
      EXPECT_GT(held_out, in_sample) << lines[i];
    }
  }
  EXPECT_EQ(raised, !warnings.empty());
  if (raised) {
    EXPECT_THAT(warnings, ::testing::Each("few_calibration_rows"));
  }
}

TEST(WeightOnlyMethodTest, RoundingToNearestCalibratesOnNothing) {
  const auto model = MakeRandomEncoder(SmallEncoderConfig(), 1).value();
  bool wrote = false;
  LabelledTexts train{RandomTexts(SmallEncoderConfig(), 4, 20, 3), std::vector<int>(4, 0), {}};
  QuantizationContext context;
  context.train = &train;
  context.write_file = [&](const std::string&, const std::string&) {
    wrote = true;
    return absl::OkStatus();
  };
  const auto method = MakeQuantizationMethod("weight_only").value();
  ASSERT_TRUE(method->Apply(*model, {{"algorithm", std::string("rtn")}}, context).ok());
  EXPECT_FALSE(wrote);
}

}  // namespace
}  // namespace quantlab::engine
