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
  LabelledTexts train{RandomTexts(SmallEncoderConfig(), 24, 20, 3), std::vector<int>(24, 0)};
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
  EXPECT_EQ(lines[0], "layer,rows,unused_inputs,error_nearest,error_gptq");
  EXPECT_THAT(lines, SizeIs(1 + result->plan.layers.size()));
  double nearest = 0, gptq = 0;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = absl::StrSplit(lines[i], ',');
    ASSERT_THAT(fields, SizeIs(5)) << lines[i];
    double a = 0, b = 0;
    ASSERT_TRUE(absl::SimpleAtod(fields[3], &a) && absl::SimpleAtod(fields[4], &b)) << lines[i];
    nearest += a;
    gptq += b;
  }
  EXPECT_LT(gptq, nearest);
}

TEST(WeightOnlyMethodTest, RoundingToNearestCalibratesOnNothing) {
  const auto model = MakeRandomEncoder(SmallEncoderConfig(), 1).value();
  bool wrote = false;
  LabelledTexts train{RandomTexts(SmallEncoderConfig(), 4, 20, 3), std::vector<int>(4, 0)};
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
