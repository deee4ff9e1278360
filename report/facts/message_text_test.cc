#include "report/facts/message_text.h"

#include <gtest/gtest.h>

#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"

namespace quantlab::report {
namespace {

constexpr Language kEn = Language::kEnglish, kZh = Language::kChinese;

std::string Shown(Language language, const Message& message) {
  return MessageText(language, message, English(message));
}

TEST(MessageTextTest, EnglishReportsHaveTheText) {
  EXPECT_EQ(CaveatText(kEn, {"fallback", "1 of 36 layers | runs in FP32"}),
            "1 of 36 layers \\| runs in FP32");
  EXPECT_EQ(MessageText(kEn, {}, "needs baseline, which ended as FAILED"),
            "needs baseline, which ended as FAILED");
  EXPECT_EQ(MessageText(kEn, {}, ""), "");
}

TEST(MessageTextTest, ChineseReportsRenderTheMessageWhateverTheText) {
  const Message fallback =
      messages::kLayersFellBack("classifier", messages::kNoHalfArithmetic("BF16", "bf16"));
  EXPECT_EQ(CaveatText(kZh, {"fallback", "reworded since", fallback}),
            "classifier 及同类的层：此 CPU 没有 BF16 运算指令（或被 ONEDNN_MAX_CPU_ISA 屏蔽）：权重以 bf16 "
            "保存，以 FP32 计算");
  EXPECT_EQ(Shown(kZh, messages::kRunNeedsFailed("baseline", "FAILED")),
            "依赖 baseline，而后者的结局是“失败”");
  EXPECT_EQ(MessageText(kZh, {}, ""), "");
}

TEST(MessageTextTest, ErrorsOfUnknownOriginAreQuoted) {
  EXPECT_EQ(Shown(kZh, TextMessage("a|b")), "原文“a\\|b”");
  EXPECT_EQ(Shown(kZh, messages::kRunnerFailed("INTERNAL", TextMessage("boom"))), "INTERNAL：原文“boom”");
}

TEST(MessageTextTest, ResultsWithoutMessagesFallBackOnTheirText) {
  const Message later{"of.a_later_version", {}};
  EXPECT_EQ(MessageText(kZh, later, "cancelled"), "已取消");
  EXPECT_EQ(MessageText(kZh, {}, "needs x, which ended as LOST"), "依赖 x，而后者的结局是“随工作节点丢失”");
}

}  // namespace
}  // namespace quantlab::report
