#include "base/metric_spec.h"

#include <set>

#include <gtest/gtest.h>

namespace quantlab {
namespace {

TEST(MetricSpecTest, NamesAndAliasesAreUnique) {
  std::set<std::string> seen;
  for (const MetricSpec& metric : AllMetrics()) {
    EXPECT_TRUE(seen.insert(metric.name).second) << metric.name;
    for (const std::string& alias : metric.aliases) EXPECT_TRUE(seen.insert(alias).second) << alias;
    EXPECT_FALSE(metric.unit.empty()) << metric.name;
    EXPECT_FALSE(metric.title_zh.empty()) << metric.name;
    EXPECT_FALSE(metric.help.empty()) << metric.name;
  }
}

TEST(MetricSpecTest, FindsByNameAndByAlias) {
  ASSERT_NE(FindMetric("f1"), nullptr);
  EXPECT_EQ(FindMetric("f1")->name, "f1_score");
  ASSERT_NE(FindMetric("speedup"), nullptr);
  EXPECT_EQ(FindMetric("bleu"), nullptr);
  EXPECT_EQ(FindMetric(""), nullptr);
}

TEST(MetricSpecTest, TimingMemoryAndSizeBelongToTheComparison) {
  for (const char* name : {"accuracy", "precision", "recall", "f1_score"}) {
    EXPECT_FALSE(FindMetric(name)->needs_comparison) << name;
  }
  for (const char* name :
       {"model_size", "compression_ratio", "inference_time", "throughput", "speedup", "memory_usage"}) {
    EXPECT_TRUE(FindMetric(name)->needs_comparison) << name;
  }
}

TEST(MetricSpecTest, MatthewsCorrelationAgreesWithScikitLearn) {
  const MetricSpec* mcc = FindMetric("mcc");
  ASSERT_NE(mcc, nullptr);
  const std::vector<int> labels = {0, 0, 0, 1, 1, 1, 1, 2, 2, 2}, predicted = {0, 0, 1, 1, 1, 2, 1, 2, 0, 2};
  // sklearn.metrics.matthews_corrcoef of the same lists.
  EXPECT_NEAR(mcc->of_answers({labels, predicted, 3}), 0.5454545454545454, 1e-12);
  EXPECT_DOUBLE_EQ(mcc->of_answers({labels, labels, 3}), 1);
  EXPECT_EQ(mcc->of_answers({labels, std::vector<int>(10, 0), 3}), 0);
}

TEST(MetricSpecTest, SupportingMetricsAreDescribedButNotAskedFor) {
  for (const MetricSpec& metric : SupportingMetrics()) {
    EXPECT_EQ(FindMetric(metric.name), nullptr) << metric.name;
    EXPECT_EQ(DescribeMetric(metric.name), &metric);
    EXPECT_FALSE(metric.title_zh.empty()) << metric.name;
  }
  EXPECT_EQ(DescribeMetric("accuracy"), FindMetric("accuracy"));
  EXPECT_EQ(DescribeMetric("acc"), nullptr);
}

}  // namespace
}  // namespace quantlab
