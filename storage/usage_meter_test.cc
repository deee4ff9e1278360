#include "storage/usage_meter.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "platform/files.h"

namespace quantlab {
namespace {

class UsageMeterTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, size_t bytes) {
    const std::filesystem::path path = std::filesystem::path(folder_.path()) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << std::string(bytes, 'x');
  }

  ScratchFolder folder_ = *ScratchFolder::Make("usage");
  FakeClock clock_;
  UsageMeter meter_{folder_.path(), &clock_};
};

TEST_F(UsageMeterTest, CountsTheDatabaseTheArtifactsAndTheDisk) {
  Write("quantlab.db", 100);
  Write("quantlab.db-wal", 30);
  Write("artifacts/ab/cdef", 7);
  Write("artifacts/ab/0123", 5);
  Write("artifacts/00/9999", 1);
  Write("artifacts/incoming/abcdef", 11);
  Write("artifacts/damaged/abcdef", 1000);
  const DataUsage usage = meter_.Measure();
  EXPECT_EQ(usage.database_bytes, 100);
  EXPECT_EQ(usage.wal_bytes, 30);
  EXPECT_EQ(usage.artifacts, 3);
  EXPECT_EQ(usage.artifact_bytes, 13);
  EXPECT_EQ(usage.incoming_bytes, 11);
  EXPECT_GT(usage.free_bytes, 0);
  EXPECT_GT(usage.total_bytes, usage.free_bytes);
}

TEST_F(UsageMeterTest, ArtifactsAreCountedOnceAMinute) {
  Write("artifacts/ab/cdef", 7);
  EXPECT_EQ(meter_.Measure().artifacts, 1);
  Write("artifacts/ab/0123", 5);
  Write("quantlab.db", 100);
  EXPECT_EQ(meter_.Measure().artifacts, 1);
  EXPECT_EQ(meter_.Measure().database_bytes, 100);
  clock_.Advance(absl::Seconds(61));
  EXPECT_EQ(meter_.Measure().artifacts, 2);
  EXPECT_EQ(meter_.Measure().artifact_bytes, 12);
}

TEST_F(UsageMeterTest, AFolderThatIsMissingIsEmpty) {
  UsageMeter meter(folder_.path() + "/missing", &clock_);
  EXPECT_EQ(meter.Measure().artifacts, 0);
  EXPECT_EQ(meter.Measure().database_bytes, 0);
  EXPECT_EQ(meter.Measure().total_bytes, 0);
}

}  // namespace
}  // namespace quantlab
