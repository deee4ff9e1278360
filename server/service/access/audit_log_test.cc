#include "server/service/access/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "base/files.h"
#include "base/testing/temp_folder.h"

namespace quantlab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AuditLogTest : public testing::Test {
 protected:
  void SetUp() override {
    LogOptions options;
    options.file = folder_ / "audit";
    audit_ = std::make_unique<AuditLog>(*Log::Open(options), &clock_);
  }
  std::vector<std::string> Lines() const {
    return absl::StrSplit(*ReadFile(folder_ / "audit", 1 << 20), '\n', absl::SkipEmpty());
  }

  const TempFolder folder_;
  FakeClock clock_;
  std::unique_ptr<AuditLog> audit_;
};

TEST_F(AuditLogTest, SaysWhoWhatAboutWhatFromWhereAndHowItEnded) {
  audit_->Write({"alice", "submitter", "CancelExperiment", "ipv4:10.0.0.7:1", "", {"quick-1", "", 0}},
                absl::OkStatus());
  audit_->Write({"eve", "viewer", "CancelExperiment", "ipv4:10.0.0.8:1", "", {"quick-1", "", 0}},
                absl::PermissionDeniedError("may not"));
  ASSERT_EQ(Lines().size(), 2u);
  EXPECT_THAT(Lines()[0], HasSubstr("msg=audit experiment=quick-1 caller=alice role=submitter "
                                    "rpc=CancelExperiment from=ipv4:10.0.0.7:1 code=OK"));
  EXPECT_THAT(Lines()[1], HasSubstr("code=PERMISSION_DENIED reason=PERMISSION_DENIED error=\"may not\""));
}

TEST_F(AuditLogTest, AFloodOfUnknownCallersDoesNotPushOthersOut) {
  const auto flood = [&] {
    for (int i = 0; i < 1000; ++i)
      audit_->Write({"", "", "ListMethods", "ipv4:10.0.0.9:1", "", {}}, absl::UnauthenticatedError("x"));
  };
  flood();
  EXPECT_EQ(Lines().size(), 20u);
  audit_->Write({"alice", "admin", "RevokeIdentity", "unix:", "bob", {}}, absl::OkStatus());
  EXPECT_EQ(Lines().size(), 21u);
  EXPECT_THAT(Lines()[20], HasSubstr("object=bob"));
  clock_.Advance(absl::Seconds(1));
  flood();
  EXPECT_EQ(Lines().size(), 41u);
  EXPECT_THAT(Lines()[21], HasSubstr("left_out=980"));
  EXPECT_THAT(Lines()[22], Not(HasSubstr("left_out")));
}

}  // namespace
}  // namespace quantlab
