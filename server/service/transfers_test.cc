#include "server/service/transfers.h"

#include <optional>

#include <gtest/gtest.h>

#include "base/records/error_reason.h"

namespace quantlab {
namespace {

TEST(TransfersTest, IdleTransfersGiveTheirPlaceToOthers) {
  FakeClock clock;
  Transfers transfers(2, clock);
  int idle_cancelled = 0, busy_cancelled = 0;
  std::optional<Transfers::Slot> idle(std::in_place, transfers, [&] { ++idle_cancelled; });
  Transfers::Slot busy(transfers, [&] { ++busy_cancelled; });
  ASSERT_TRUE(idle->status().ok());
  ASSERT_TRUE(busy.status().ok());

  clock.Advance(Transfers::kIdleLimit - absl::Seconds(1));
  {
    const Transfers::Slot third(transfers, [] {});
    EXPECT_EQ(ReasonOf(third.status()), "TOO_MANY_TRANSFERS");
  }
  EXPECT_EQ(idle_cancelled, 0) << "not idle for long enough";

  busy.Touch();
  clock.Advance(absl::Seconds(1));
  {
    const Transfers::Slot third(transfers, [] {});
    EXPECT_TRUE(absl::IsUnavailable(third.status()));
  }
  EXPECT_EQ(idle_cancelled, 1);
  EXPECT_EQ(busy_cancelled, 0);
  idle.reset();  // its call has ended
  const Transfers::Slot third(transfers, [] {});
  EXPECT_TRUE(third.status().ok());
}

TEST(TransfersTest, ARefusedTransferTakesNoPlace) {
  FakeClock clock;
  Transfers transfers(1, clock);
  std::optional<Transfers::Slot> first(std::in_place, transfers, [] {});
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Transfers::Slot(transfers, [] {}).status().ok());
  first.reset();
  EXPECT_TRUE(Transfers::Slot(transfers, [] {}).status().ok());
}

}  // namespace
}  // namespace quantlab
