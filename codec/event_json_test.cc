#include "codec/event_json.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/messages/messages.h"
#include "codec/json_values.h"

namespace quantlab {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

const Metric kMetric{"accuracy", 0.1, "1", {{"split", "test"}}, 1LL << 60, 0.05, {}, 1000};

TEST(RunnerEventJsonTest, WritesTheMappingOfProto3) {
  EXPECT_EQ(RunnerEventToJson(EventKind(kMetric)),
            R"({"metric":{"name":"accuracy","value":0.1,"unit":"1","labels":{"split":"test"},)"
            R"("step":"1152921504606846976","samples":"1000","low":0.05}})");
  Metric metric = kMetric;
  metric.value = std::numeric_limits<double>::quiet_NaN();
  metric.low = -std::numeric_limits<double>::infinity();
  const json parsed = json::parse(RunnerEventToJson(EventKind(metric)));
  EXPECT_EQ(parsed["metric"]["value"], "NaN");
  EXPECT_EQ(parsed["metric"]["low"], "-Infinity");
  EXPECT_EQ(RunnerEventToJson(EventKind(Artifact{"model/plan.json", "", 0})),
            R"({"artifact":{"name":"model/plan.json"}})");
  EXPECT_EQ(json::parse(RunnerEventToJson(EventKind(LogLine{Severity::kWarning, "x"})))["log"]["severity"],
            "SEVERITY_WARNING");
}

TEST(RunnerEventJsonTest, IsOneLineOfUtf8WhateverTheText) {
  const std::string line =
      RunnerEventToJson(EventKind(LogLine{Severity::kInfo, "two\nlines, \xff and \xe8\xaf\x84"}));
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(json::parse(line)["log"]["message"], "two\nlines, \xef\xbf\xbd and \xe8\xaf\x84");
  const std::string last = RunnerEventToJson(RunnerFinished{false, "NOT_FOUND", "no \"file\"", true});
  EXPECT_EQ(json::parse(last)["finished"]["message"], "no \"file\"");
}

// One event of each kind with the text that every version since the first has stored for it.
struct StoredCase {
  EventKind event;
  std::string text;
};

std::vector<StoredCase> StoredCases() {
  const Layer layer{"layer.0", 384, 1536, "int8", "fp32", "sgemm", "too small", 0.5, 4000, 1000, 31.5};
  Layer placed = layer;
  placed.role = "ffn.in";
  placed.block = 0;
  Layer median = layer;
  median.median_sqnr_db = 40.25;
  Layer unmeasured = layer;
  unmeasured.sqnr_db.reset();
  const std::string layer_start =
      R"({"bytes":1000,"bytes_fp32":4000,"effective":"fp32","in_features":384,"kernel":"sgemm","macs_share":0.5,)"
      R"("name":"layer.0","out_features":1536,"reason":"too small","requested":"int8")";
  return {
      {Progress{"training", 5, 10, "step"}, R"({"done":5,"phase":"training","total":10,"unit":"step"})"},
      {kMetric, R"({"labels":{"split":"test"},"low":0.05,"name":"accuracy","samples":1000,)"
                R"("step":1152921504606846976,"unit":"1","value":0.1})"},
      {Metric{"loss", -std::numeric_limits<double>::infinity(), "1", {}, 0, {}, {}, 0},
       R"({"name":"loss","unit":"1","value":"-Infinity"})"},
      {LogLine{Severity::kWarning, "a"}, R"({"message":"a","severity":"SEVERITY_WARNING"})"},
      {Artifact{"predictions.csv", std::string(4, 'd'), 12},
       R"({"name":"predictions.csv","sha256":"dddd","size":12})"},
      {layer, layer_start + R"(,"sqnr_db":31.5})"},
      {unmeasured, layer_start + "}"},
      {median, R"({"bytes":1000,"bytes_fp32":4000,"effective":"fp32","in_features":384,"kernel":"sgemm",)"
               R"("macs_share":0.5,"median_sqnr_db":40.25,"name":"layer.0","out_features":1536,)"
               R"("reason":"too small","requested":"int8","sqnr_db":31.5})"},
      {placed, R"({"block":0,)" + layer_start.substr(1) + R"(,"role":"ffn.in","sqnr_db":31.5})"},
      {Environment{"avx512", {{"cores", "2"}}}, R"({"facts":{"cores":"2"},"fingerprint":"avx512"})"},
      {Caveat{"lost", "lost", messages::kTimeLimitIgnored()},
       R"({"code":"lost","coded_message":{"code":"run.time_limit_ignored"},"message":"lost"})"},
      {Caveat{"subset", "1,000 of 25,000 texts"}, R"({"code":"subset","message":"1,000 of 25,000 texts"})"},
  };
}

TEST(StoredEventJsonTest, KeepsItsBytes) {
  for (const StoredCase& c : StoredCases()) EXPECT_EQ(EventToStoredJson(c.event), c.text);
}

TEST(StoredEventJsonTest, ReadsEveryFieldBack) {
  for (const StoredCase& c : StoredCases()) {
    const auto read = EventFromStoredJson(c.event.index(), c.text);
    ASSERT_TRUE(read.ok()) << c.text << ": " << read.status();
    EXPECT_EQ(read->index(), c.event.index()) << c.text;
    // EventToStoredJson writes every field.
    EXPECT_EQ(EventToStoredJson(*read), c.text);
  }
}

TEST(StoredEventJsonTest, IgnoresFieldsOfLaterVersions) {
  const auto read = EventFromStoredJson(6, R"({"code":"subset","message":"m","arguments":{"count":3}})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(std::get<Caveat>(*read).code, "subset");
}

TEST(StoredEventJsonTest, RefusesWhatIsDamaged) {
  const struct {
    size_t kind;
    std::string text, message;
  } cases[] = {
      {1, R"({"name":"accuracy","unit":"1"})", "value"},
      {1, R"({"name":"accuracy","unit":"1","value":"fast"})", "number"},
      {0, R"({"phase":"training","done":"5","total":10,"unit":"step"})", "number"},
      {0, R"({"phase":"train)", "parse"},
      {0, "[]", "array"},
      {7, "{}", "no kind of event 7"},
  };
  for (const auto& c : cases) {
    const auto read = EventFromStoredJson(c.kind, c.text);
    EXPECT_TRUE(absl::IsInvalidArgument(read.status())) << c.text;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(c.message)) << c.text;
  }
}

TEST(JsonValuesTest, NamesFollowProtobuf) {
  EXPECT_EQ(LowerCamelCase("batch_size"), "batchSize");
  EXPECT_EQ(LowerCamelCase("adam_beta1"), "adamBeta1");
  EXPECT_EQ(LowerCamelCase("wheel_sha256"), "wheelSha256");
}

TEST(JsonValuesTest, NumbersThatJsonLacksAreTexts) {
  double value = 0;
  EXPECT_TRUE(NumberFromJson(NumberToJson<json>(std::nan("")), &value));
  EXPECT_TRUE(std::isnan(value));
  EXPECT_TRUE(NumberFromJson("Infinity", &value));
  EXPECT_EQ(value, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(NumberFromJson(2, &value));
  EXPECT_EQ(value, 2);
  EXPECT_FALSE(NumberFromJson("2", &value));
  EXPECT_FALSE(NumberFromJson(nullptr, &value));
}

}  // namespace
}  // namespace quantlab
