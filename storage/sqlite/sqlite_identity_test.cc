#include <memory>

#include <gtest/gtest.h>

#include "base/testing/temp_folder.h"
#include "storage/storage.h"

namespace quantlab {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

std::string Digest(char digit) {
  return std::string(64, digit);
}

IdentityRecord Worker(const std::string& name, char digit) {
  IdentityRecord record;
  record.name = name;
  record.role = Role::kWorker;
  record.token_sha256 = Digest(digit);
  record.joins = true;
  record.create_time = kNow;
  record.expire_time = kNow + absl::Hours(1);
  record.lifetime = absl::Hours(24);
  return record;
}

class IdentityRepositoryTest : public testing::Test {
 protected:
  void SetUp() override { storage_ = *OpenStorage(folder_.path()); }
  IdentityRepository& repository() { return storage_->identities(); }

  TempFolder folder_;
  std::unique_ptr<Storage> storage_;
};

TEST_F(IdentityRepositoryTest, EveryFieldIsKeptAcrossARestart) {
  ASSERT_TRUE(repository().CreateIdentity(Worker("w", 'a')).ok());
  storage_.reset();
  storage_ = *OpenStorage(folder_.path());
  const auto all = *repository().ListIdentities();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].name, "w");
  EXPECT_EQ(all[0].role, Role::kWorker);
  EXPECT_EQ(all[0].token_sha256, Digest('a'));
  EXPECT_TRUE(all[0].joins);
  EXPECT_EQ(all[0].worker_id, "");
  EXPECT_EQ(all[0].create_time, kNow);
  EXPECT_EQ(all[0].expire_time, kNow + absl::Hours(1));
  EXPECT_EQ(all[0].lifetime, absl::Hours(24));
  EXPECT_FALSE(all[0].revoke_time.has_value());
  EXPECT_TRUE(all[0].Active(kNow));
  EXPECT_FALSE(all[0].Active(kNow + absl::Hours(1)));
}

TEST_F(IdentityRepositoryTest, AnActiveNameIsTakenAndARevokedOrExpiredOneIsReplaced) {
  ASSERT_TRUE(repository().CreateIdentity(Worker("w", 'a')).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(repository().CreateIdentity(Worker("w", 'b'))));
  ASSERT_TRUE(repository().RevokeIdentity("w", kNow).ok());
  EXPECT_TRUE(repository().CreateIdentity(Worker("w", 'b')).ok());
  IdentityRecord later = Worker("w", 'c');
  later.create_time = kNow + absl::Hours(1);
  EXPECT_TRUE(repository().CreateIdentity(later).ok());
  const auto all = *repository().ListIdentities();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].token_sha256, Digest('c'));
}

TEST_F(IdentityRepositoryTest, RevokingKeepsTheFirstTime) {
  EXPECT_TRUE(absl::IsNotFound(repository().RevokeIdentity("w", kNow)));
  ASSERT_TRUE(repository().CreateIdentity(Worker("w", 'a')).ok());
  ASSERT_TRUE(repository().RevokeIdentity("w", kNow).ok());
  ASSERT_TRUE(repository().RevokeIdentity("w", kNow + absl::Seconds(5)).ok());
  EXPECT_EQ((*repository().ListIdentities())[0].revoke_time, kNow);
}

TEST_F(IdentityRepositoryTest, ATokenIsExchangedOnce) {
  ASSERT_TRUE(repository().CreateIdentity(Worker("w", 'a')).ok());
  const absl::Time end = kNow + absl::Hours(24);
  EXPECT_TRUE(absl::IsAborted(repository().ReplaceToken(Digest('f'), Digest('b'), "worker-1", kNow, end)));
  ASSERT_TRUE(repository().ReplaceToken(Digest('a'), Digest('b'), "worker-1", kNow, end).ok());
  EXPECT_TRUE(absl::IsAborted(repository().ReplaceToken(Digest('a'), Digest('c'), "worker-1", kNow, end)));
  EXPECT_TRUE(absl::IsAborted(repository().ReplaceToken(Digest('b'), Digest('c'), "worker-1", kNow, end)));
  const auto all = *repository().ListIdentities();
  EXPECT_EQ(all[0].token_sha256, Digest('b'));
  EXPECT_FALSE(all[0].joins);
  EXPECT_EQ(all[0].worker_id, "worker-1");
  EXPECT_EQ(all[0].expire_time, end);
}

TEST_F(IdentityRepositoryTest, ARevokedTokenIsNotExchanged) {
  ASSERT_TRUE(repository().CreateIdentity(Worker("w", 'a')).ok());
  ASSERT_TRUE(repository().RevokeIdentity("w", kNow).ok());
  EXPECT_TRUE(absl::IsAborted(
      repository().ReplaceToken(Digest('a'), Digest('b'), "worker-1", kNow, kNow + absl::Hours(1))));
}

TEST_F(IdentityRepositoryTest, AWorkerIdBelongsToOneActiveIdentity) {
  ASSERT_TRUE(repository().CreateIdentity(Worker("first", 'a')).ok());
  ASSERT_TRUE(repository().CreateIdentity(Worker("second", 'b')).ok());
  const absl::Time end = kNow + absl::Hours(1);
  ASSERT_TRUE(repository().ReplaceToken(Digest('a'), Digest('c'), "worker-1", kNow, end).ok());
  EXPECT_TRUE(
      absl::IsAlreadyExists(repository().ReplaceToken(Digest('b'), Digest('d'), "worker-1", kNow, end)));
  ASSERT_TRUE(repository().RevokeIdentity("first", kNow).ok());
  EXPECT_TRUE(repository().ReplaceToken(Digest('b'), Digest('d'), "worker-1", kNow, end).ok());
}

}  // namespace
}  // namespace quantlab
