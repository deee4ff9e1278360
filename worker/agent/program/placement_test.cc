#include "worker/agent/program/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/testing/temp_folder.h"

namespace quantlab::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(MachineIdTest, IsThatOfTheBootElseOfTheMachineElseOfTheName) {
  using Files = std::vector<std::pair<std::string, std::string>>;
  const TempFolder both(Files{{"proc/sys/kernel/random/boot_id", "b1\n"}, {"etc/machine-id", "m1\n"}});
  const TempFolder boot(Files{{"proc/sys/kernel/random/boot_id", "b1\n"}});
  const TempFolder machine(Files{{"etc/machine-id", "m1\n"}}), same_machine(Files{{"etc/machine-id", "m1"}});
  const TempFolder neither, empty(Files{{"etc/machine-id", "\n"}});
  EXPECT_EQ(MachineId(both / "", "a"), MachineId(boot / "", "b"));
  EXPECT_EQ(MachineId(machine / "", "a"), MachineId(same_machine / "", "b"));
  EXPECT_NE(MachineId(machine / "", "a"), MachineId(both / "", "a"));
  EXPECT_EQ(MachineId(neither / "", "a"), MachineId(empty / "", "a"));
  EXPECT_NE(MachineId(neither / "", "a"), MachineId(neither / "", "b"));
  EXPECT_EQ(MachineId(neither / "", "a").size(), 16u);
  EXPECT_EQ(MachineId("/", "a"), MachineId("/", "b")) << "this machine has a boot id";
}

TEST(ParseLabelsTest, ReadsKeysAndValues) {
  const auto labels = ParseLabels({"room=2", "gpu/model=h100-80GB"});
  ASSERT_TRUE(labels.ok()) << labels.status();
  EXPECT_THAT(*labels, ElementsAre(Pair("gpu/model", "h100-80GB"), Pair("room", "2")));
}

TEST(ParseLabelsTest, RefusesWhatIsNoLabel) {
  for (const std::string& wrong :
       {std::string("room"), std::string("=2"), std::string("room="), std::string(""), std::string("a b=c"),
        std::string("a=b=c"), std::string("房间=2"), absl::StrCat(std::string(129, 'k'), "=v")}) {
    const absl::Status status = ParseLabels({wrong}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << wrong;
    EXPECT_THAT(std::string(status.message()), HasSubstr("KEY=VALUE")) << wrong;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ParseLabels({"a=1", "a=2"}).status()));
  std::vector<std::string> many;
  for (int i = 0; i < 33; ++i) many.push_back(absl::StrCat("k", i, "=v"));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseLabels(many).status()));
  many.pop_back();
  EXPECT_TRUE(ParseLabels(many).ok());
}

}  // namespace
}  // namespace quantlab::agent
