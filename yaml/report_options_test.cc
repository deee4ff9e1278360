#include "yaml/report_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quantlab {
namespace {

using testing::HasSubstr;

constexpr char kMain[] = R"(include: base.yaml
decide: {max_accuracy_drop: 0.5, max_p90_ms: 12, goal: size, batch_size: 8}
report: {language: zh, cover: {course: 机器学习, author: 张三, student_id: 20230001}}
)";

TEST(ReportOptionsTest, OfAFileLaidOverWhatItIncludes) {
  const ReportOptions options = ReportOptionsOf(
      {{"a.yaml", kMain},
       {"base.yaml", "decide: {max_size_mb: 60, goal: speed}\nreport: {cover: {school: S}}\n"}});
  ASSERT_TRUE(options.decide.has_value());
  EXPECT_EQ(options.decide->max_accuracy_drop, 0.5);
  EXPECT_EQ(options.decide->max_p90_ms, 12);
  EXPECT_EQ(options.decide->max_size_mb, 60);
  EXPECT_FALSE(options.decide->max_memory_mb.has_value());
  EXPECT_EQ(options.decide->goal, "size");
  EXPECT_EQ(options.decide->batch_size, 8);
  EXPECT_EQ(options.decide->sequence_length, 0);
  ASSERT_TRUE(options.cover.has_value());
  EXPECT_EQ(options.cover->course, "机器学习");
  EXPECT_EQ(options.cover->student_id, "20230001");
  EXPECT_EQ(options.cover->school, "S");
  EXPECT_EQ(options.cover->teacher, "");
}

TEST(ReportOptionsTest, FilesWithoutThemHaveNone) {
  EXPECT_FALSE(ReportOptionsOf({}).decide.has_value());
  EXPECT_FALSE(ReportOptionsOf({{"a.yaml", "experiments: {}\n"}}).cover.has_value());
  EXPECT_FALSE(ReportOptionsOf({{"a.yaml", "include: gone.yaml\ndecide: {}\n"}}).decide.has_value());
  EXPECT_FALSE(ReportOptionsOf({{"a.yaml", ": ["}}).decide.has_value());
}

std::string ProblemOf(const std::string& decide, bool cover = false) {
  Diagnostics diagnostics;
  const auto node = ParseYaml("a.yaml", decide, diagnostics);
  if (cover) {
    ReadCover(&*node, diagnostics);
  } else {
    ReadDecision(&*node, diagnostics);
  }
  return diagnostics.all().empty() ? "" : diagnostics.all()[0].message;
}

TEST(ReportOptionsTest, EachValueIsChecked) {
  EXPECT_EQ(ProblemOf("{max_accuracy_drop: 0, max_memory_mb: 1.5, sequence_length: 128}"), "");
  EXPECT_THAT(ProblemOf("{max_accuracy_drop: -1}"), HasSubstr("decide.max_accuracy_drop is -1; allowed: "));
  EXPECT_THAT(ProblemOf("{max_p90_ms: soon}"), HasSubstr("decide.max_p90_ms"));
  EXPECT_THAT(ProblemOf("{goal: best}"), HasSubstr("speed, size, memory, accuracy"));
  EXPECT_THAT(ProblemOf("{batch_size: 0}"), HasSubstr("decide.batch_size is 0"));
  EXPECT_THAT(ProblemOf("{max_size: 3}"), HasSubstr("max_size_mb"));
  EXPECT_THAT(ProblemOf("{course: " + std::string(301, 'x') + "}", true),
              HasSubstr("has 301 bytes; allowed: 300"));
  EXPECT_THAT(ProblemOf("{autor: A}", true), HasSubstr("author"));
}

}  // namespace
}  // namespace quantlab
