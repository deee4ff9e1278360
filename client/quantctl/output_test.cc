#include "client/quantctl/output.h"

#include <limits>

#include <gtest/gtest.h>

#include "quantlab/v1/experiment.pb.h"

namespace quantlab::client {
namespace {

TEST(OutputTest, IntegersOfAnyWidthAreNumbers) {
  v1::Artifact artifact;
  artifact.set_size(int64_t{1} << 60);
  const Json json = ToJsonValue(artifact);
  EXPECT_EQ(json["size"], int64_t{1} << 60);
  EXPECT_TRUE(json["size"].is_number_integer());
  EXPECT_EQ(json["name"], "");
}

TEST(OutputTest, NumbersThatJsonLacksAreNull) {
  v1::Metric metric;
  metric.set_value(std::numeric_limits<double>::quiet_NaN());
  metric.set_low(-std::numeric_limits<double>::infinity());
  const Json json = ToJsonValue(metric);
  EXPECT_TRUE(json["value"].is_null());
  EXPECT_TRUE(json["low"].is_null());
  EXPECT_TRUE(json.contains("high") && json["high"].is_null()) << "an absent bound is null, not missing";
}

TEST(OutputTest, StatesAreLowerCaseWords) {
  v1::Run run;
  EXPECT_TRUE(ToJsonValue(run)["state"].is_null());
  run.set_state(v1::RUN_STATE_TIMED_OUT);
  EXPECT_EQ(ToJsonValue(run)["state"], "timed_out");
  run.set_state(static_cast<v1::RunState>(4711));
  EXPECT_EQ(ToJsonValue(run)["state"], "unknown");
}

TEST(OutputTest, TimesAreTextsInUtc) {
  v1::Run run;
  run.mutable_start_time()->set_seconds(86400);
  run.mutable_start_time()->set_nanos(250'000'000);
  const Json json = ToJsonValue(run);
  EXPECT_EQ(json["startTime"], "1970-01-02T00:00:00.25Z");
  EXPECT_TRUE(json["endTime"].is_null());
}

TEST(OutputTest, FieldsThatThisProgramDoesNotKnowAreLeftOut) {
  v1::Experiment newer;
  newer.set_id("quick-1");
  const Json known = ToJsonValue(newer);
  newer.GetReflection()->MutableUnknownFields(&newer)->AddLengthDelimited(4711, "from a newer coordinator");
  EXPECT_EQ(ToJsonValue(newer), known);
}

TEST(OutputTest, ParametersAreTheirPlainValues) {
  v1::MethodConfig method;
  (*method.mutable_params())["bits"].set_int_value(8);
  (*method.mutable_params())["alpha"].set_double_value(0.5);
  (*method.mutable_params())["symmetric"].set_bool_value(true);
  (*method.mutable_params())["none"];
  EXPECT_EQ(ToJsonValue(method)["params"],
            (Json{{"alpha", 0.5}, {"bits", 8}, {"none", nullptr}, {"symmetric", true}}));
}

TEST(OutputTest, CodedMessagesHaveTheirArgumentsByName) {
  v1::Message message;
  message.set_code("run.needs_failed");
  v1::MessageArgument* argument = message.add_arguments();
  argument->set_name("attempt");
  argument->set_integer(3);
  argument = message.add_arguments();
  argument->set_name("workers");
  argument->mutable_words()->add_words("a");
  argument = message.add_arguments();
  argument->set_name("why");
  argument->mutable_messages()->add_messages()->set_code("text.unknown");
  EXPECT_EQ(ToJsonValue(message).dump(),
            R"({"code":"run.needs_failed","arguments":{"attempt":3,"workers":["a"],)"
            R"("why":[{"code":"text.unknown","arguments":{}}]}})");
}

TEST(OutputTest, OfAOneofOnlyTheFieldThatIsSetIsThere) {
  v1::WatchExperimentResponse change;
  change.set_run_state(v1::RUN_STATE_RUNNING);
  const Json json = ToJsonValue(change);
  EXPECT_EQ(json["runState"], "running");
  EXPECT_FALSE(json.contains("event"));
}

TEST(OutputTest, EveryFormHasTheSchemaAndTheVersion) {
  const Json body = {{"names", Json::array()}, {"labels", Json::object()}, {"text", "1"}, {"size", 1}};
  EXPECT_EQ(RenderLine("NameList", body),
            "{\"schema\":\"quantlab/NameList\",\"version\":2,\"names\":[],\"labels\":{},\"text\":\"1\","
            "\"size\":1}\n");
  EXPECT_EQ(RenderDocument("NameList", body, "yaml"),
            "schema: \"quantlab/NameList\"\nversion: 2\nnames: []\nlabels: {}\ntext: \"1\"\nsize: 1\n");
  EXPECT_EQ(Json::parse(RenderDocument("NameList", body, "json")), Json::parse(RenderLine("NameList", body)));
}

}  // namespace
}  // namespace quantlab::client
