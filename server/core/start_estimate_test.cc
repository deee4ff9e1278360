#include "server/core/start_estimate.h"

#include <gtest/gtest.h>

namespace quantlab {
namespace {

RunRecord MakeRun(RunKind kind, const std::string& method = "") {
  RunRecord run;
  run.kind = kind;
  run.method = method;
  run.device = "cpu";
  return run;
}

TimeLeft Usually(absl::Duration mean, int runs = 5) {
  return {RunTimes::Time{mean, runs}, absl::Hours(24)};
}
TimeLeft AtMost(absl::Duration limit) {
  return {std::nullopt, limit};
}

TEST(RunTimesTest, TheMeanIsKeptByKindAndMethod) {
  RunTimes times;
  const RunRecord baseline = MakeRun(RunKind::kBaseline), qat = MakeRun(RunKind::kQuantization, "qat");
  EXPECT_FALSE(times.Find(baseline).has_value());
  times.Record(baseline, absl::Minutes(10));
  times.Record(baseline, absl::Minutes(20));
  times.Record(qat, absl::Minutes(2));
  EXPECT_EQ(times.Find(baseline)->mean, absl::Minutes(15));
  EXPECT_EQ(times.Find(baseline)->runs, 2);
  EXPECT_EQ(times.Find(qat)->mean, absl::Minutes(2));
  EXPECT_FALSE(times.Find(MakeRun(RunKind::kComparison)).has_value());
  for (int i = 0; i < 200; ++i) times.Record(baseline, absl::Minutes(60));
  EXPECT_GT(times.Find(baseline)->mean, absl::Minutes(59)) << "it follows the latest runs";
}

TEST(EstimateStartTest, WithoutAWorkerThereIsNone) {
  EXPECT_FALSE(EstimateStart({}, {}).has_value());
}

TEST(EstimateStartTest, EachRunAheadTakesTheWorkerThatIsFreeFirst) {
  const auto one = EstimateStart({Usually(absl::Minutes(3))}, {});
  EXPECT_EQ(one->in, absl::Minutes(3));
  EXPECT_FALSE(one->at_most);
  EXPECT_EQ(EstimateStart({Usually(absl::Minutes(3)), std::nullopt}, {})->in, absl::ZeroDuration());
  // The workers are free at 3 and 5 minutes: runs of 10 minutes start at 3 and 5, this one at 13.
  const auto queued = EstimateStart({Usually(absl::Minutes(3)), Usually(absl::Minutes(5))},
                                    {Usually(absl::Minutes(10), 2), Usually(absl::Minutes(10), 2)});
  EXPECT_EQ(queued->in, absl::Minutes(13));
  EXPECT_EQ(queued->runs, 2) << "the kind that the fewest runs are known of";
}

TEST(EstimateStartTest, WithAnUnknownTimeItIsTheLatestByTheTimeLimits) {
  const auto estimate = EstimateStart({Usually(absl::Minutes(3))}, {AtMost(absl::Hours(1))});
  EXPECT_TRUE(estimate->at_most);
  EXPECT_EQ(estimate->in, absl::Hours(25)) << "the limit of the running one too";
  EXPECT_TRUE(EstimateStart({AtMost(absl::Hours(2))}, {Usually(absl::Minutes(1))})->at_most);
}

}  // namespace
}  // namespace quantlab
