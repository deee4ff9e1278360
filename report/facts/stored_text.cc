#include "report/facts/stored_text.h"

#include <map>
#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "report/facts/format.h"

namespace quantlab::report {
namespace {

// A text that programs without messages sent. $0, $1, … stand for what varies in it: numbers and names.
struct Phrase {
  const char* english;
  const char* chinese;
  const char* nested = "";  // which of them are texts of this kind themselves: "1"
};

// The first that fits counts, so the more special ones stand first.
constexpr Phrase kPhrases[] = {
    // Caveats: worker/runner.
    {"a subset of the dataset was used: $0 texts for training, $1 for validation, $2 for testing; $3 were "
     "left out",
     "训练 $0 条，验证 $1 条，测试 $2 条；其余 $3 条未使用"},
    {"texts of $0 tokens were to be timed; the model reads $1 at most, and those were timed",
     "要求对 $0 个词元的文本计时；该模型最多读取 $1 个词元，因此对后者计时"},
    {"$0 and layers like it: $1", "$0 及同类的层：$1", "1"},
    {"$0: speedups are told against $1, the faster FP32 here; $2 took $3 times as long",
     "$0：加速比以此处较快的 FP32 路径 $1 为准；$2 的耗时为其 $3 倍", "0"},
    {"$0: the timings are unreliable: one model timed against itself gave $1 to $2 instead of 0.97 to 1.03, "
     "twice; run "
     "the comparison on a machine that does nothing else",
     "$0：时间数据不可靠：同一模型与自身比较，连续两次超出 0.97 至 1.03（得到 $1 至 "
     "$2）；请在无其他任务的机器上"
     "重新运行对比",
     "0"},
    {"batch $0 x $1 tokens", "批大小 $0 × $1 词元"},
    // Caveats: worker/engine/methods.
    {"no layer is offered $0: $1", "没有层可选用 $0：$1", "1"},
    {"no assignment keeps the validation accuracy at $0 or more; the most accurate one, $1, is taken",
     "没有任何精度分配能使验证准确率保持在 $0 及以上；采用其中最准确的一种（$1）"},
    {"the smallest assignment has $0 bytes, more than the budget of $1; it is taken",
     "最小的精度分配为 $0 字节，超出预算的 $1 字节；仍采用该分配"},
    // Why a layer fell back.
    {"no VNNI on this CPU (or ONEDNN_MAX_CPU_ISA hides it): exact 16-bit products instead, slower",
     "此 CPU 没有 VNNI 指令（或被 ONEDNN_MAX_CPU_ISA 屏蔽）：改用精确的 16 位乘积，速度较慢"},
    {"this CPU has no $0 arithmetic (or ONEDNN_MAX_CPU_ISA hides it): weights are kept in $1 and computed in "
     "FP32",
     "此 CPU 没有 $0 运算指令（或被 ONEDNN_MAX_CPU_ISA 屏蔽）：权重以 $1 保存，以 FP32 计算"},
    {"with its scales it would take $0 bytes instead of $1", "连同缩放因子将占 $0 字节，而原来只占 $1 字节"},
    // How runs ended: server/core.
    {"needs $0, which ended as $1", "依赖 $0，而后者的结局是“$1”", "1"},
    {"needs $0, which is not in this experiment", "依赖 $0，而本实验中没有它"},
    {"taken over from $0 (attempt $1), which was computed from the same inputs",
     "取自 $0（第 $1 次尝试），其输入与本运行相同"},
    {"attempt $0 crashed, as did those before it: $1", "第 $0 次尝试与此前各次一样崩溃：$1", "1"},
    {"attempt $0 crashed, as did those before it", "第 $0 次尝试与此前各次一样崩溃"},
    {"attempt $0 crashed, trying again: $1", "第 $0 次尝试崩溃，将重试：$1", "1"},
    {"attempt $0 was lost, as were $1 before it: $2", "第 $0 次尝试与此前 $1 次一样丢失：$2", "2"},
    {"attempt $0 was lost, trying again: $1", "第 $0 次尝试丢失，将重试：$1", "1"},
    {"attempt $0 was interrupted, as were $1 before it: $2", "第 $0 次尝试与此前 $1 次一样被中断：$2", "2"},
    {"attempt $0 was interrupted, trying again: $1", "第 $0 次尝试被中断，将重试：$1", "1"},
    {"the time limit of $0 has passed", "超过时限 $0"},
    {"the time limit has passed, and the worker did not stop the run", "超过时限，而工作节点没有停止该运行"},
    {"nothing was heard of $0 for $1", "$1 内没有收到 $0 的任何消息"},
    {"$0 came back without it", "$0 重新连接时已没有该次尝试"},
    {"cancelled: $0", "已取消：$0", "0"},
    {"cancelled", "已取消"},
    {"FAILED", "失败"},
    {"CRASHED", "崩溃"},
    {"LOST", "随工作节点丢失"},
    {"TIMED_OUT", "超时"},
    {"CANCELLED", "已取消"},
    {"PREEMPTED", "被抢占"},
    {"SKIPPED", "已跳过"},
    // How runs ended: the comparison, in worker/runner.
    {"$0 ran on a reference kernel of oneDNN ($1), which is correct but very slow, so its speed would "
     "mislead; "
     "disable this variant on this machine, or use another worker",
     "$0 使用了 oneDNN "
     "的参考实现（$1），结果正确但很慢，其速度会误导人；请在此机器上禁用该方案，或换用其他工作节点"},
    {"$0: $1 ran on the portable kernel $2, since this CPU has no AVX2 (or ONEDNN_MAX_CPU_ISA hides it); use "
     "another worker",
     "$0：$1 使用了通用内核 $2，因为此 CPU 没有 AVX2 指令（或被 ONEDNN_MAX_CPU_ISA "
     "屏蔽）；请换用其他工作节点"},
    // How runs ended: worker/agent.
    {"the runner was killed because the machine ran out of memory; use a smaller batch size or sequence "
     "length, a "
     "smaller model, or a worker with more memory",
     "执行程序因机器内存不足而被终止；请减小批大小或文本长度，换用较小的模型或内存更大的工作节点"},
    {"the run took longer than its limit of $0; give it more time, or less to do",
     "运行超过时限 $0；请放宽时限或减少任务量"},
    {"the runner reported an error without a message; see the log", "执行程序报告了错误但没有说明；见日志"},
    {"the runner $0 without saying how it ended; its last output: $1",
     "执行程序$0，未报告结果；其最后的输出：$1", "01"},
    {"the runner $0 without saying how it ended", "执行程序$0，未报告结果", "0"},
    {"the runner $0 after it had reported success", "执行程序在报告成功之后$0", "0"},
    {"exited with code $0", "以代码 $0 退出"},
    {"was killed by signal $0", "被信号 $0 终止"},
    {"preparing the run on the worker failed: $0", "工作节点准备该运行失败：$0", "0"},
    {"the worker is being stopped", "工作节点正在停止"},
    {"the coordinator has given this attempt up: its lease ran out, or it is not known",
     "协调器已放弃该次尝试：租约到期，或该尝试不为协调器所知"},
};

// What a caveat is about.
const char* CodeTitle(const std::string& code) {
  static const auto* const titles =
      new std::map<std::string, const char*>{{"subset", "只使用了部分数据"},
                                             {"fallback", "精度回退"},
                                             {"fp32_path", "FP32 路径的选择"},
                                             {"sequence_length", "文本长度受模型限制"},
                                             {"absolute_times", "绝对时间受干扰"},
                                             {"same_model", "同一模型"},
                                             {"moving_average_short", "滑动平均批次过少"},
                                             {"few_calibration_rows", "校准输入过少"},
                                             {"aa_check_failed", "A/A 检验未通过"},
                                             {"accuracy_budget_missed", "未满足准确率预算"},
                                             {"size_budget_missed", "未满足体积预算"}};
  const auto it = titles->find(code);
  return it == titles->end() ? "" : it->second;
}

using Captures = std::vector<absl::string_view>;

// Takes one piece of literal text, up to the next placeholder, off the front of a pattern.
absl::string_view TakeLiteral(absl::string_view& pattern) {
  const absl::string_view literal = pattern.substr(0, pattern.find('$'));
  pattern.remove_prefix(literal.size());
  return literal;
}

// What stands in `text` for the placeholders of `pattern`, in their order there; each as short as it can be.
std::optional<Captures> Match(absl::string_view text, absl::string_view pattern) {
  Captures captures;
  if (!absl::ConsumePrefix(&text, TakeLiteral(pattern))) return std::nullopt;
  while (!pattern.empty()) {
    pattern.remove_prefix(2);  // "$0"
    const absl::string_view literal = TakeLiteral(pattern);
    // The last literal has to end the text.
    size_t at = text.find(literal);
    if (pattern.empty()) at = absl::EndsWith(text, literal) ? text.size() - literal.size() : text.npos;
    if (at == text.npos || at == 0) return std::nullopt;
    captures.push_back(text.substr(0, at));
    text.remove_prefix(at + literal.size());
  }
  return text.empty() ? std::optional<Captures>(captures) : std::nullopt;
}

std::string Translation(absl::string_view text);

// What stands for one placeholder, as Markdown.
std::string Part(const Phrase& phrase, char placeholder, absl::string_view text) {
  if (absl::StrContains(phrase.nested, placeholder)) return Translation(text);
  return EscapeMarkdown(text);
}

std::string Filled(const Phrase& phrase, const Captures& captures) {
  std::string filled;
  absl::string_view pattern = phrase.chinese;
  while (!pattern.empty()) {
    absl::StrAppend(&filled, TakeLiteral(pattern));
    if (pattern.empty()) break;
    filled += Part(phrase, pattern[1], captures[static_cast<size_t>(pattern[1] - '0')]);
    pattern.remove_prefix(2);
  }
  return filled;
}

std::optional<std::string> KnownText(absl::string_view text) {
  for (const Phrase& phrase : kPhrases) {
    if (const auto captures = Match(text, phrase.english)) return Filled(phrase, *captures);
  }
  return std::nullopt;
}

std::string Quotation(absl::string_view text) {
  return absl::StrCat("原文“", EscapeMarkdown(text), "”");
}

// Into Chinese.
std::string Translation(absl::string_view text) {
  return KnownText(text).value_or(Quotation(text));
}

}  // namespace

std::string StoredText(absl::string_view text) {
  return text.empty() ? "" : Translation(text);
}

std::string StoredCaveatText(const std::string& code, absl::string_view text) {
  if (const auto known = KnownText(text)) return *known;
  const absl::string_view title = CodeTitle(code);
  if (title.empty()) return Quotation(text);
  return absl::StrCat(title, "（", Quotation(text), "）");
}

}  // namespace quantlab::report
