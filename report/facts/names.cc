#include "report/facts/names.h"

#include "report/facts/format.h"

namespace quantlab::report {

std::string StateWord(Language language, RunState state) {
  switch (state) {
    case RunState::kPending:
      return Say(language, "waiting for other runs", "等待其他运行");
    case RunState::kQueued:
      return Say(language, "waiting for a worker", "等待工作节点");
    case RunState::kRunning:
      return Say(language, "running", "运行中");
    case RunState::kSucceeded:
      return Say(language, "succeeded", "成功");
    case RunState::kFailed:
      return Say(language, "failed", "失败");
    case RunState::kCrashed:
      return Say(language, "crashed", "崩溃");
    case RunState::kLost:
      return Say(language, "lost with its worker", "随工作节点丢失");
    case RunState::kTimedOut:
      return Say(language, "timed out", "超时");
    case RunState::kCancelled:
      return Say(language, "cancelled", "已取消");
    case RunState::kPreempted:
      return Say(language, "preempted", "被抢占");
    case RunState::kSkipped:
      return Say(language, "skipped", "已跳过");
  }
  return Say(language, "unknown", "未知");
}

std::string PlainMethodTitle(Language language, const VariantFacts& variant) {
  if (variant.baseline) return Say(language, "FP32 baseline", "FP32 基线");
  if (variant.spec != nullptr)
    return language == Language::kEnglish ? variant.spec->title : variant.spec->title_zh;
  return variant.method.empty() ? variant.name : variant.method;
}

std::string MethodTitle(Language language, const VariantFacts& variant) {
  return EscapeMarkdown(PlainMethodTitle(language, variant));
}

std::string Named(Language language, const VariantFacts& variant) {
  return Named(language, variant.label, variant.name);
}

std::string Named(Language language, const Text& label, const std::string& name) {
  const std::string& title = label.In(language);
  return title.empty() ? Code(name) : EscapeMarkdown(title);
}

}  // namespace quantlab::report
