#include "base/config/settings.h"

#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab {
namespace {

using ::testing::HasSubstr;

TEST(SettingsTest, EachSettingIsNamedOnceAndExplainedInBothLanguages) {
  std::set<std::string> paths;
  for (const SettingSpec& spec : AllSettings()) {
    EXPECT_TRUE(paths.insert(spec.path()).second) << spec.path();
    EXPECT_FALSE(spec.help.empty()) << spec.path();
    EXPECT_FALSE(spec.help_zh.empty()) << spec.path();
    EXPECT_EQ(spec.allowed_words.empty(), spec.allowed_words_zh.empty()) << spec.path();
    EXPECT_EQ(spec.default_words.empty(), spec.default_words_zh.empty()) << spec.path();
    EXPECT_EQ(FindSetting(spec.path()), &spec);
  }
  EXPECT_GT(paths.size(), 40u);
  EXPECT_EQ(FindSetting("training.lerning_rate"), nullptr);
}

TEST(SettingsTest, DefaultsAreThoseOfTheStructsAndAreAllowed) {
  EXPECT_EQ(FindSetting("training.epochs")->default_value, SettingValue{int64_t{TrainingConfig().epochs}});
  EXPECT_EQ(FindSetting("time_limit")->default_value, SettingValue{std::string("24h")});
  EXPECT_EQ(FindSetting("evaluation.latency.batch_sizes")->default_value,
            (SettingValue{int64_t{1}, int64_t{8}}));
  EXPECT_TRUE(CheckSettings(DatasetConfig()).ok());
  EXPECT_TRUE(CheckSettings(TrainingConfig()).ok());
  EXPECT_TRUE(CheckSettings(EvaluationConfig()).ok());
  EXPECT_TRUE(CheckSettings(ExperimentOptions()).ok());
}

TEST(SettingsTest, NumbersAreHeldToTheirRange) {
  TrainingConfig training;
  training.batch_size = 4097;
  EXPECT_EQ(CheckSettings(training).message(),
            "training.batch_size is 4097; allowed: an integer from 1 to 4096");
  training = {};
  training.learning_rate = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(std::string(CheckSettings(training).message()), HasSubstr("training.learning_rate is NaN"));
  EvaluationConfig evaluation;
  evaluation.latency_sequence_lengths = {16, 2};
  EXPECT_EQ(CheckSettings(evaluation).message(),
            "evaluation.latency.sequence_lengths is [16, 2]; allowed: a list of integers from 3 to 8192");
  ExperimentOptions options;
  options.time_limit = absl::Hours(721);
  EXPECT_THAT(std::string(CheckSettings(options).message()), HasSubstr("time_limit is 721h"));
}

TEST(SettingsTest, AnAbsentFieldOfAMessageMayBeZero) {
  TrainingConfig training;
  training.epochs = 0;
  training.dtype = "";
  EXPECT_FALSE(CheckSettings(training).ok());
  EXPECT_TRUE(CheckSettings(training, Unset::kAllowed).ok());
  training.epochs = -1;
  EXPECT_FALSE(CheckSettings(training, Unset::kAllowed).ok());
}

TEST(SettingsTest, SeedsOfEarlierExperimentsMayBeLarge) {
  DatasetConfig dataset;
  dataset.split_seed = std::numeric_limits<uint64_t>::max();
  EXPECT_TRUE(CheckSettings(dataset).ok());
}

TEST(SettingsTest, SetsOnlyValuesThatFitTheField) {
  const auto& settings = SettingsOf<EvaluationConfig>();
  const auto named = [&](const char* key) -> const Setting<EvaluationConfig>& {
    for (const auto& setting : settings) {
      if (setting.spec.key == key) return setting;
    }
    ADD_FAILURE() << key;
    return settings[0];
  };
  EvaluationConfig evaluation;
  EXPECT_TRUE(SetSetting(named("latency.batch_sizes"), {int64_t{2}, int64_t{4}}, &evaluation).ok());
  EXPECT_EQ(evaluation.latency_batch_sizes, (std::vector<int>{2, 4}));
  EXPECT_TRUE(SetSetting(named("batch_size"), {int64_t{7}}, &evaluation).ok());
  EXPECT_FALSE(SetSetting(named("batch_size"), {int64_t{1} << 40}, &evaluation).ok());
  EXPECT_FALSE(SetSetting(named("batch_size"), {0.5}, &evaluation).ok());
  EXPECT_FALSE(SetSetting(named("batch_size"), {}, &evaluation).ok());
  EXPECT_FALSE(SetSetting(named("latency.batch_sizes"), {std::string("8")}, &evaluation).ok());
  EXPECT_EQ(evaluation.batch_size, 7);
}

}  // namespace
}  // namespace quantlab
