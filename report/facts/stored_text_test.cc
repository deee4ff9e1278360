#include "report/facts/stored_text.h"

#include <gtest/gtest.h>

#include "report/facts/message_text.h"

namespace quantlab::report {
namespace {

constexpr Language kZh = Language::kChinese;

TEST(StoredCaveatTest, KnownOnesAreTranslatedWithTheirNumbers) {
  EXPECT_EQ(
      CaveatText(kZh,
                 {"subset",
                  "a subset of the dataset was used: 2000 texts for training, 500 for validation, 1000 for "
                  "testing; 21500 were left out"}),
      "训练 2000 条，验证 500 条，测试 1000 条；其余 21500 条未使用");
  EXPECT_EQ(
      CaveatText(kZh, {"fp32_path",
                       "batch 8 x 128 tokens: speedups are told against onednn_packed, the faster FP32 here; "
                       "at::linear took 1.12 times as long"}),
      "批大小 8 × 128 词元：加速比以此处较快的 FP32 路径 onednn_packed 为准；at::linear 的耗时为其 1.12 倍");
  EXPECT_EQ(
      CaveatText(kZh,
                 {"aa_check_failed",
                  "batch 1 x 128 tokens: the timings are unreliable: one model timed against itself gave "
                  "1.021 to 1.060 instead of 0.97 to 1.03, twice; run the comparison on a machine that does "
                  "nothing else"}),
      "批大小 1 × 128 词元：时间数据不可靠：同一模型与自身比较，连续两次超出 0.97 至 1.03（得到 1.021 至 "
      "1.060）；"
      "请在无其他任务的机器上重新运行对比");
  EXPECT_EQ(CaveatText(
                kZh, {"accuracy_budget_missed",
                      "no assignment keeps the validation accuracy at 0.8600 or more; the most accurate one, "
                      "0.8520, is taken"}),
            "没有任何精度分配能使验证准确率保持在 0.8600 及以上；采用其中最准确的一种（0.8520）");
  EXPECT_EQ(
      CaveatText(kZh, {"size_budget_missed",
                       "the smallest assignment has 1200 bytes, more than the budget of 1000; it is taken"}),
      "最小的精度分配为 1200 字节，超出预算的 1000 字节；仍采用该分配");
  EXPECT_EQ(
      CaveatText(kZh, {"sequence_length",
                       "texts of 500 tokens were to be timed; the model reads 128 at most, and those were "
                       "timed"}),
      "要求对 500 个词元的文本计时；该模型最多读取 128 个词元，因此对后者计时");
}

TEST(StoredCaveatTest, ReasonsInsideCaveatsAreTranslatedToo) {
  EXPECT_EQ(
      CaveatText(kZh,
                 {"fallback",
                  "no layer is offered bf16: this CPU has no BF16 arithmetic (or ONEDNN_MAX_CPU_ISA hides "
                  "it): weights are kept in bf16 and computed in FP32"}),
      "没有层可选用 bf16：此 CPU 没有 BF16 运算指令（或被 ONEDNN_MAX_CPU_ISA 屏蔽）：权重以 bf16 保存，以 "
      "FP32 计算");
  EXPECT_EQ(CaveatText(kZh, {"fallback", "classifier and layers like it: no kernel"}),
            "classifier 及同类的层：原文“no kernel”");
}

TEST(StoredCaveatTest, UnknownOnesAreQuoted) {
  EXPECT_EQ(CaveatText(kZh, {"fallback", "a|b"}), "精度回退（原文“a\\|b”）");
  EXPECT_EQ(CaveatText(kZh, {"new_code", "news"}), "原文“news”");
}

TEST(StoredTextTest, ReasonsOfFallbacks) {
  EXPECT_EQ(StoredText("with its scales it would take 900 bytes instead of 768"),
            "连同缩放因子将占 900 字节，而原来只占 768 字节");
  EXPECT_EQ(
      StoredText(
          "no VNNI on this CPU (or ONEDNN_MAX_CPU_ISA hides it): exact 16-bit products instead, slower"),
      "此 CPU 没有 VNNI 指令（或被 ONEDNN_MAX_CPU_ISA 屏蔽）：改用精确的 16 位乘积，速度较慢");
}

TEST(StoredTextTest, EndsOfRuns) {
  EXPECT_EQ(StoredText("needs baseline.seed-1, which ended as FAILED"),
            "依赖 baseline.seed-1，而后者的结局是“失败”");
  EXPECT_EQ(StoredText("cancelled: the time limit of 1h has passed"), "已取消：超过时限 1h");
  EXPECT_EQ(StoredText("cancelled: by its user"), "已取消：原文“by its user”");
  EXPECT_EQ(
      StoredText(
          "attempt 3 crashed, as did those before it: the runner was killed by signal 11 (Segmentation "
          "fault) without saying how it ended; its last output: oops"),
      "第 3 次尝试与此前各次一样崩溃：执行程序被信号 11 (Segmentation fault) 终止，未报告结果；其最后的输出："
      "原文“oops”");
  EXPECT_EQ(StoredText("INVALID_ARGUMENT: no such layer"), "原文“INVALID_ARGUMENT: no such layer”");
  EXPECT_EQ(StoredText("needs "), "原文“needs”");
}

TEST(StoredTextTest, TellsWhyAComparisonRefused) {
  EXPECT_EQ(
      StoredText("qat ran on a reference kernel of oneDNN (matmul by ref:any), which is correct but very "
                 "slow, so its speed would mislead; disable this variant on this machine, or use another "
                 "worker"),
      "qat 使用了 oneDNN 的参考实现（matmul by "
      "ref:any），结果正确但很慢，其速度会误导人；请在此机器上禁用该方案，"
      "或换用其他工作节点");
  EXPECT_EQ(
      StoredText("qat: classifier ran on the portable kernel Int8Gemm/portable, since this CPU has no AVX2 "
                 "(or ONEDNN_MAX_CPU_ISA hides it); use another worker"),
      "qat：classifier 使用了通用内核 Int8Gemm/portable，因为此 CPU 没有 AVX2 指令（或被 ONEDNN_MAX_CPU_ISA "
      "屏蔽）；请换用其他工作节点");
}

}  // namespace
}  // namespace quantlab::report
