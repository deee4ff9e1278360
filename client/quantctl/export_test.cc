// What `quantctl export` writes: every number as it is, in a form that other tools read.
#include "client/quantctl/export.h"

#include <cmath>
#include <cstdlib>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab::client {
namespace {

using ::testing::HasSubstr;

v1::ReportData MakeData() {
  v1::ReportData data;
  data.mutable_experiment()->set_id("quick-1");
  data.mutable_experiment()->set_state(v1::EXPERIMENT_STATE_SUCCEEDED);
  v1::RunReport& report = *data.add_runs();
  report.mutable_run()->set_id("quick-1/dynamic");
  report.mutable_run()->set_state(v1::RUN_STATE_SUCCEEDED);
  report.mutable_run()->mutable_create_time()->set_seconds(0);
  v1::RunConfig& config = *report.mutable_run()->mutable_config();
  config.set_kind(v1::RUN_KIND_QUANTIZATION);
  config.set_variant("dynamic");
  config.set_seed(7);
  config.mutable_method()->set_name("dynamic_quantization");
  (*config.mutable_method()->mutable_params())["reduce_range"].set_bool_value(true);
  report.mutable_attempt()->set_number(2);
  report.mutable_attempt()->set_run_id("older-1/dynamic");
  report.mutable_attempt()->set_worker_id("w-1");
  v1::Metric& metric = *report.add_metrics();
  metric.set_name("accuracy");
  metric.set_value(0.1);
  metric.set_unit("1");
  metric.set_samples(1000);
  metric.set_low(1.0 / 3);
  (*metric.mutable_labels())["split"] = "test";
  v1::Layer& layer = *report.add_layers();
  layer.set_name("bert.encoder.layer.0");
  layer.set_reason("a \"reason\", with\nlines");
  layer.set_bytes(1LL << 40);
  return data;
}

const ExportTable& TableOf(const std::vector<ExportTable>& tables, const std::string& name) {
  for (const ExportTable& table : tables) {
    if (table.name == name) return table;
  }
  ADD_FAILURE() << name;
  return tables.front();
}

TEST(ExportTest, MetricsAreOneRowEachWithWhereTheyCameFrom) {
  EXPECT_EQ(ExportCsv(TableOf(MakeExport(MakeData()), "metrics")),
            "experiment,run,variant,method,seed,attempt,worker,source_run,metric,value,unit,low,high,samples,"
            "step,labels,label_split\r\n"
            "quick-1,dynamic,dynamic,dynamic_quantization,7,2,w-1,older-1/dynamic,accuracy,0.1,1,"
            "0.3333333333333333,,1000,0,\"{\"\"split\"\":\"\"test\"\"}\",test\r\n");
}

TEST(ExportTest, LayersAreQuotedAsRfc4180Says) {
  const std::string csv = ExportCsv(TableOf(MakeExport(MakeData()), "layers"));
  EXPECT_THAT(csv, HasSubstr(",\"a \"\"reason\"\", with\nlines\",0,0,1099511627776,,,,\r\n"));
}

TEST(ExportTest, ParametersOfRunsAreColumns) {
  const ExportTable table = TableOf(MakeExport(MakeData()), "runs");
  EXPECT_EQ(table.columns.back(), "param_reduce_range");
  EXPECT_EQ(table.rows[0].back(), true);
  EXPECT_THAT(ExportCsv(table), HasSubstr("1970-01-01T00:00:00Z"));
}

TEST(ExportTest, NumbersReadBackAsTheSameDouble) {
  for (const double value : {0.1, 1.0 / 3, 1e-300, 123456789.123456789, -0.0, 4e22}) {
    v1::ReportData data = MakeData();
    data.mutable_runs(0)->mutable_metrics(0)->set_value(value);
    const Json document = Json::parse(RenderDocument("Export", ExportJson(data), "json"));
    EXPECT_EQ(document["metrics"][0]["value"].get<double>(), value);
    const std::string csv = ExportCsv(TableOf(MakeExport(data), "metrics"));
    const size_t at = csv.find(",accuracy,") + 10;
    EXPECT_EQ(std::strtod(csv.c_str() + at, nullptr), value) << csv;
  }
}

TEST(ExportTest, JsonIsOneDocumentWithAVersionedSchema) {
  const Json document = Json::parse(RenderDocument("Export", ExportJson(MakeData()), "json"));
  EXPECT_EQ(document["schema"], "quantlab/Export");
  EXPECT_EQ(document["experiment"]["id"], "quick-1");
  EXPECT_EQ(document["runs"][0]["params"], Json({{"reduce_range", true}}));
  EXPECT_EQ(document["runs"][0]["config"]["seed"], 7);
  EXPECT_EQ(document["metrics"][0]["labels"], Json({{"split", "test"}}));
  EXPECT_FALSE(document["metrics"][0].contains("labelSplit"));
  EXPECT_EQ(document["layers"][0]["bytes"], 1LL << 40);
  EXPECT_TRUE(document["layers"][0]["sqnrDb"].is_null());
}

TEST(ExportTest, WhatIsNoNumberIsNullInJson) {
  v1::ReportData data = MakeData();
  data.mutable_runs(0)->mutable_metrics(0)->set_value(std::nan(""));
  data.mutable_runs(0)->mutable_metrics(0)->set_high(std::numeric_limits<double>::infinity());
  const Json document = ExportJson(data);
  EXPECT_TRUE(document["metrics"][0]["value"].is_null());
  EXPECT_TRUE(document["metrics"][0]["high"].is_null());
  EXPECT_THAT(ExportCsv(TableOf(MakeExport(data), "metrics")),
              HasSubstr(",accuracy,nan,1,0.3333333333333333,inf,"));
}

TEST(ExportTest, AnExperimentWithoutResultsHasTablesWithoutRows) {
  const std::vector<ExportTable> tables = MakeExport({});
  ASSERT_EQ(tables.size(), 3u);
  for (const ExportTable& table : tables) EXPECT_TRUE(table.rows.empty()) << table.name;
  EXPECT_TRUE(ExportJson({})["metrics"].is_array());
}

}  // namespace
}  // namespace quantlab::client
