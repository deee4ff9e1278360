// What a report says of other runtimes: facts, tables, the figure and the sentences.
#include "report/tables/runtime_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/facts/runtimes.h"
#include "report/figures/runtime_chart.h"
#include "report/text/runtime_sentences.h"

namespace quantlab::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr Language kEn = Language::kEnglish;
constexpr Language kZh = Language::kChinese;

RunReport Run(const std::string& variant, RunKind kind) {
  RunReport report;
  report.run.name = variant;
  report.run.kind = kind;
  report.run.state = RunState::kSucceeded;
  report.config.variant = variant;
  report.config.kind = kind;
  if (kind == RunKind::kQuantization) report.run.method = report.config.method.name = variant;
  return report;
}

void AddRuntime(RunReport& comparison, const std::string& variant, const std::string& runtime, double speedup,
                std::optional<double> low, std::optional<double> high) {
  const std::map<std::string, std::string> labels = {
      {"variant", variant}, {"runtime", runtime}, {"batch_size", "1"}, {"sequence_length", "128"}};
  for (const char* quantile : {"p50", "p90"}) {
    Metric time{"runtime_time", 0.01 / speedup, "s", labels, 0, {}, {}, 30};
    time.labels["quantile"] = quantile;
    comparison.metrics.push_back(time);
  }
  Metric ratio{"runtime_speedup", speedup, "1", labels, 0, low, high, 30};
  ratio.labels["reference"] = "onnxruntime";
  comparison.metrics.push_back(ratio);
  if (runtime == "quantlab") return;
  comparison.metrics.push_back(
      Metric{"runtime_logit_difference",
             0.0021,
             "1",
             {{"variant", variant}, {"runtime", runtime}, {"version", "1.32.0"}, {"tolerance", "0.25"}},
             0,
             {},
             {},
             21});
}

// ONNX Runtime has the best FP32; static quantization is fastest in OpenVINO, if `low` is above 1.
ReportData Data(double low = 2.8, double aa_high = 1.005) {
  RunReport comparison = Run("comparison", RunKind::kComparison);
  comparison.metrics.push_back(Metric{"aa_ratio",
                                      1,
                                      "1",
                                      {{"batch_size", "1"}, {"sequence_length", "128"}, {"processes", "5"}},
                                      0,
                                      0.995,
                                      aa_high,
                                      30});
  for (const char* variant : {"baseline", "static_quantization"}) {
    comparison.metrics.push_back(
        Metric{"inference_time",
               0.01,
               "s",
               {{"variant", variant}, {"batch_size", "1"}, {"sequence_length", "128"}, {"quantile", "p50"}},
               0,
               {},
               {},
               30});
  }
  comparison.metrics.push_back(
      Metric{"speedup",
             2,
             "1",
             {{"variant", "static_quantization"}, {"batch_size", "1"}, {"sequence_length", "128"}},
             0,
             1.9,
             2.1,
             30});
  AddRuntime(comparison, "baseline", "quantlab", 0.9, 0.88, 0.92);
  AddRuntime(comparison, "baseline", "onnxruntime", 1, {}, {});
  AddRuntime(comparison, "static_quantization", "quantlab", 1.8, 1.7, 1.9);
  AddRuntime(comparison, "static_quantization", "openvino", 2.9, low, 3.0);
  ReportData data;
  data.runs = {Run("baseline", RunKind::kBaseline), Run("static_quantization", RunKind::kQuantization),
               comparison};
  return data;
}

TEST(RuntimeFactsTest, EveryMetricHasItsPlace) {
  const ReportData data = Data();
  const Facts facts = CollectFacts(data);
  const std::vector<RuntimeFacts> all = CollectRuntimes(facts);
  EXPECT_THAT(TimedRuntimes(all), ElementsAre("quantlab", "onnxruntime", "openvino"));
  for (const OtherMetric& other : facts.other) EXPECT_THAT(other.metric.name, Not(HasSubstr("runtime")));
  const VariantFacts& variant = *facts.Find("static_quantization");
  const RuntimeTimings* const timings = TimingsAt(all, variant, {1, 128});
  ASSERT_NE(timings, nullptr);
  const RuntimeTiming& timing = timings->at("openvino");
  EXPECT_EQ(timing.speedup->value, 2.9);
  EXPECT_EQ(timing.reference, "onnxruntime");
  EXPECT_TRUE(timing.p50.has_value() && timing.p90.has_value());
  EXPECT_EQ(TimingsAt(all, variant, {8, 128}), nullptr);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].variants[1].checks.at("openvino").version, "1.32.0");
  EXPECT_EQ(all[0].variants[1].checks.count("quantlab"), 0u);
  // This engine's own numbers are not mixed with others.
  EXPECT_EQ(variant.measured[0].by_shape.begin()->second.speedup->value, 2);
}

TEST(RuntimeTablesTest, ShowMethodsByRuntimesWithIntervals) {
  const ReportData data = Data();
  const Facts facts = CollectFacts(data);
  const std::string english = TableMarkdown(RuntimesTable(kEn, facts));
  EXPECT_THAT(english, HasSubstr("| Quantlab | ONNX Runtime | OpenVINO |"));
  EXPECT_THAT(english, HasSubstr("2.90× (2.80× to 3.00×)"));
  EXPECT_THAT(english, HasSubstr("best FP32"));
  EXPECT_THAT(english, Not(HasSubstr("unreliable")));
  EXPECT_THAT(TableMarkdown(RuntimesTable(kZh, facts)), HasSubstr("最优 FP32"));
  const Table times = RuntimeTimesTable(kEn, facts);
  EXPECT_EQ(times.rows.size(), 4u);
  EXPECT_THAT(TableMarkdown(times), HasSubstr("1.32.0"));
  const std::string csv = TableCsv(RuntimesTable(kEn, facts));
  EXPECT_THAT(csv, HasSubstr("speedup_openvino_low"));
}

TEST(RuntimeTablesTest, UnreliableTimingsAreMarked) {
  const ReportData data = Data(2.8, 1.2);
  const Facts facts = CollectFacts(data);
  EXPECT_THAT(TableMarkdown(RuntimesTable(kEn, facts)), HasSubstr("**unreliable**"));
  EXPECT_THAT(FastestRuntimeSentence(kEn, facts), HasSubstr("settles nothing"));
}

TEST(RuntimeSentencesTest, NameTheFastestWithItsIntervalAndTheReference) {
  const ReportData data = Data();
  const Facts facts = CollectFacts(data);
  const std::string english = FastestRuntimeSentence(kEn, facts),
                    chinese = FastestRuntimeSentence(kZh, facts);
  EXPECT_THAT(english, HasSubstr("in OpenVINO: 2.90× (95% interval 2.80× to 3.00×)"));
  EXPECT_THAT(english, HasSubstr("that of ONNX Runtime."));
  EXPECT_THAT(chinese, HasSubstr("OpenVINO"));
  EXPECT_THAT(chinese, HasSubstr("2.90×"));
  EXPECT_THAT(RuntimeVersionsSentence(kEn, facts), HasSubstr("ONNX Runtime 1.32.0, OpenVINO 1.32.0"));
  const ReportData slow = Data(0.8);
  EXPECT_THAT(FastestRuntimeSentence(kEn, CollectFacts(slow)), HasSubstr("nothing is surely faster"));
}

TEST(RuntimeChartTest, HasAColumnForEachRuntime) {
  const ReportData data = Data();
  const auto figure = RuntimeChart(CollectFacts(data));
  ASSERT_TRUE(figure.has_value());
  EXPECT_THAT(figure->data[0].csv, HasSubstr("Quantlab,quantlab_low,quantlab_high,ONNX Runtime,"));
  EXPECT_THAT(figure->script, HasSubstr("runtimes = 3"));
}

TEST(RuntimeTablesTest, WithoutOtherRuntimesThereIsNothing) {
  ReportData data = Data();
  std::erase_if(data.runs[2].metrics,
                [](const Metric& metric) { return metric.name.rfind("runtime", 0) == 0; });
  const Facts facts = CollectFacts(data);
  EXPECT_TRUE(RuntimesTable(kEn, facts).rows.empty());
  EXPECT_TRUE(RuntimeTimesTable(kEn, facts).rows.empty());
  EXPECT_EQ(FastestRuntimeSentence(kEn, facts), "");
  EXPECT_EQ(RuntimeVersionsSentence(kEn, facts), "");
  EXPECT_FALSE(RuntimeChart(facts).has_value());
}

}  // namespace
}  // namespace quantlab::report
