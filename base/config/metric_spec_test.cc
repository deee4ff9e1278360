#include "base/config/metric_spec.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "base/config/task.h"

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

TEST(TaskTest, EachIsJudgedByMetricsOfTheList) {
  ASSERT_EQ(AllTasks().front().name, "classification");
  for (const TaskSpec& task : AllTasks()) {
    ASSERT_NE(FindMetric(task.quality), nullptr) << task.name;
    EXPECT_EQ(FindMetric(task.quality)->task, task.name);
    EXPECT_TRUE(FindMetric(task.quality)->higher_is_better);
    for (const std::string& name : {task.difference, task.p_value, task.p_holm}) {
      EXPECT_NE(DescribeMetric(name), nullptr) << name;
    }
    for (const std::string& word :
         {task.title, task.title_zh, task.quality_name, task.quality_name_zh, task.test_name,
          task.test_name_zh, task.better, task.better_zh, task.worse, task.worse_zh}) {
      EXPECT_FALSE(word.empty()) << task.name;
    }
    EXPECT_EQ(FindTask(task.name), &task);
  }
  EXPECT_EQ(FindTask("ranking"), nullptr);
  EXPECT_EQ(TaskNamed("ranking").name, "classification");
}

TEST(TaskTest, MetricsOfATaskAreItsOwnAndThoseOfAll) {
  const auto has = [](const std::string& task, const std::string& name) {
    const auto metrics = MetricsOf(task);
    return std::any_of(metrics.begin(), metrics.end(), [&](const MetricSpec* m) { return m->name == name; });
  };
  EXPECT_TRUE(has("classification", "accuracy"));
  EXPECT_FALSE(has("classification", "pearson"));
  EXPECT_TRUE(has("regression", "pearson"));
  EXPECT_FALSE(has("regression", "mcc"));
  EXPECT_TRUE(has("regression", "speedup"));
}

}  // namespace
}  // namespace quantlab
