#include "report/text/sentences.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "report/facts/format.h"
#include "report/facts/layer_names.h"
#include "report/facts/message_text.h"
#include "report/facts/names.h"
#include "report/facts/quality.h"

namespace quantlab::report {
namespace {

// Two-sided exact p of McNemar's test where the answers of `discordant` texts differ and the counts of the
// two kinds differ by `difference`. Source: McNemar 1947, with the binomial distribution for the square root.
double ExactP(int64_t discordant, int64_t difference) {
  const auto n = static_cast<double>(discordant);
  const int64_t fewer = (discordant - difference) / 2;
  double tail = 0;
  for (int64_t i = 0; i <= fewer; ++i) {
    const auto k = static_cast<double>(i);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

// The smallest difference of counts that the test calls significant; none where even the largest is not.
std::optional<int64_t> SmallestSignificant(int64_t discordant, double level) {
  for (int64_t difference = discordant % 2; difference <= discordant; difference += 2) {
    if (difference > 0 && ExactP(discordant, difference) < level) return difference;
  }
  return std::nullopt;
}

// What the exact test can find, given how many texts exactly one of the two models classifies correctly.
// Holm's correction demands most of the smallest p: at that step the level is divided by the number of tests.
std::string Resolution(Language language, const VariantFacts& variant, const Result& difference) {
  const int64_t samples = difference.samples > 0         ? difference.samples
                          : variant.accuracy.has_value() ? variant.accuracy->samples
                                                         : 0;
  if (!variant.lost || !variant.gained || variant.lost->seeds > 1 || samples <= 0)
    return Say(language, "This is no proof that the two are equal.", "这并不证明两者相同。");
  const auto discordant = std::llround(variant.lost->value + variant.gained->value);
  const double tests = IsCorrected(variant.holm_p) ? static_cast<double>(variant.holm_p->samples) : 1;
  const auto smallest = SmallestSignificant(discordant, kSignificance / tests);
  const std::string texts = language == Language::kEnglish ? Plural(discordant, "example", "examples")
                                                           : absl::StrCat(FormatCount(discordant), " 条文本");
  if (!smallest.has_value()) {
    return Fill(
        language,
        "With $0 that only one of the two classifies correctly, no difference could be significant, so "
        "this is no proof that the two are equal.",
        "只有一方分类正确的仅 $0，任何差异都不可能显著，因此这并不证明两者相同。", texts);
  }
  const double share = static_cast<double>(*smallest) / static_cast<double>(samples);
  return Fill(
      language,
      "With $0 that only one of the two classifies correctly, the test finds differences of $1 and more, "
      "so this is no proof that the two are equal.",
      "只有一方分类正确的有 $0，此时检验能发现 $1及以上的差异，因此这并不证明两者相同。", texts,
      FormatMargin(share, language));  // of classes alone: they are counted
}

std::string NoDifferenceSentence(Language language, const VariantFacts& variant, const Result& difference) {
  const std::string points = DifferenceWithSpread(language, *variant.task, difference),
                    test = TestOf(language, variant);
  if (!ExcludesZero(difference)) {
    return Join(language, {Fill(language, "There is no significant difference from the baseline: $0, $1.",
                                "与基线相比无显著差异：$0，$1。", points, test),
                           Resolution(language, variant, difference)});
  }
  if (IsCorrected(variant.holm_p)) {
    return Fill(
        language,
        "The uncorrected 95% interval of its difference from the baseline excludes 0, but the corrected "
        "test does not call the difference significant: $0, $1.",
        "其与基线之差的 95% 置信区间（未校正）不含 0，但校正后的检验未判定差异显著：$0，$1。", points, test);
  }
  return Fill(
      language,
      "The 95% interval of its difference from the baseline excludes 0, but the test does not call the "
      "difference significant: $0, $1.",
      "其与基线之差的 95% 置信区间不含 0，但检验未判定差异显著：$0，$1。", points, test);
}

std::string UntestedSentence(Language language, const TaskSpec& task, const Result& difference) {
  return Fill(language,
              "Its $1 differs from the baseline's by $0; no paired test was made, so chance is "
              "not ruled out.",
              "其$1与基线相差 $0；未做配对检验，不能排除偶然因素。",
              DifferenceWithSpread(language, task, difference), QualityName(language, task));
}

// Layers counted by what ran.
struct PrecisionShare {
  int64_t layers = 0;
  double macs = 0;
};

std::string FallbackClause(Language language, const std::vector<Layer>& layers) {
  std::map<std::string, std::pair<const Layer*, int64_t>>
      reasons;  // by text: one of the layers, and their count
  int64_t count = 0;
  for (const Layer& layer : layers) {
    if (layer.requested == layer.effective) continue;
    ++count;
    auto& [first, layers_of_it] = reasons[layer.reason];
    first = &layer;
    ++layers_of_it;
  }
  if (count == 0) return Say(language, "No layer fell back.", "没有层发生回退。");
  std::vector<std::string> parts;
  for (const auto& [reason, of_it] : reasons) {
    const std::string why = reason.empty() ? Say(language, "without a recorded reason", "未记录原因")
                                           : MessageText(language, of_it.first->coded_reason, reason);
    parts.push_back(absl::StrCat(why, Brackets(language, FormatCount(of_it.second))));
  }
  return Fill(language, "$0 did not run as requested: $1.", "$0未按要求的精度运行：$1。",
              language == Language::kEnglish ? Plural(count, "layer", "layers")
                                             : absl::StrCat("有 ", FormatCount(count), " 层"),
              absl::StrJoin(parts, Say(language, "; ", "；")));
}

std::string SucceededSeeds(Language language, const VariantFacts& variant) {
  const auto total = static_cast<int>(variant.runs.size());
  if (variant.succeeded == total) return "";
  return Fill(language, " Only $0 of its $1 runs succeeded.", "其 $1 个运行中仅 $0 个成功。",
              variant.succeeded, total);
}

// How a run ended or where it is, after "it".
const char* EnglishClause(RunState state) {
  switch (state) {
    case RunState::kPending:
      return "waits for other runs";
    case RunState::kQueued:
      return "waits for a worker";
    case RunState::kRunning:
      return "is running";
    case RunState::kSucceeded:
      return "succeeded";
    case RunState::kFailed:
      return "failed";
    case RunState::kCrashed:
      return "crashed";
    case RunState::kLost:
      return "was lost with its worker";
    case RunState::kTimedOut:
      return "timed out";
    case RunState::kCancelled:
      return "was cancelled";
    case RunState::kPreempted:
      return "was preempted";
    case RunState::kSkipped:
      return "was skipped";
  }
  return "is in an unknown state";
}

// The fewest and the most processes that measured a shape; zeros where nothing says.
std::pair<int64_t, int64_t> ProcessesOf(const ComparisonFacts& comparison) {
  std::pair<int64_t, int64_t> processes = {0, 0};
  for (const auto& [shape, check] : comparison.checks) {
    if (check.processes <= 0) continue;
    processes.first = processes.first == 0 ? check.processes : std::min(processes.first, check.processes);
    processes.second = std::max(processes.second, check.processes);
  }
  return processes;
}

}  // namespace

std::string AccuracySentence(Language language, const VariantFacts& variant) {
  if (!variant.accuracy.has_value()) {
    return Fill(language, "The $1 of $0 was not measured.", "未测得 $0 的$1。", Named(language, variant),
                QualityName(language, *variant.task));
  }
  const Result& accuracy = *variant.accuracy;
  const std::string texts = accuracy.samples <= 0 ? Say(language, "the test examples", "测试文本")
                            : language == Language::kEnglish
                                ? Plural(accuracy.samples, "test example", "test examples")
                                : absl::StrCat(" ", FormatCount(accuracy.samples), " 条测试文本");
  const TaskSpec& task = *variant.task;
  const char* const english = task.numeric ? "On $2 the predictions of $0 have a $4 of $1 with the labels$3."
                                           : "$0 classifies $1 of $2 correctly$3.";
  return absl::StrCat(Fill(language, english, "$0 在$2上的$4为 $1$3。", Named(language, variant),
                           QualityFormat(task)(accuracy.value), texts,
                           Brackets(language, SpreadOf(language, accuracy, QualityFormat(task))),
                           QualityName(language, task)),
                      SucceededSeeds(language, variant));
}

std::string DifferenceSentence(Language language, const VariantFacts& variant, const VariantFacts* baseline) {
  if (variant.baseline || !variant.accuracy.has_value()) return "";
  const auto difference = DifferenceOf(variant, baseline);
  if (!difference.has_value()) {
    return Say(language, "There is no baseline result to compare it with.", "没有可供比较的基线结果。");
  }
  const std::string points = DifferenceWithSpread(language, *variant.task, *difference);
  switch (Judge(variant, baseline)) {
    case Verdict::kUntested:
      return UntestedSentence(language, *variant.task, *difference);
    case Verdict::kNoDifference:
      return NoDifferenceSentence(language, variant, *difference);
    case Verdict::kWorse:
      return Fill(language, "It is significantly $2 than the baseline: $0, $1.", "其$3显著低于基线：$0，$1。",
                  points, TestOf(language, variant), Worse(language, *variant.task),
                  QualityName(language, *variant.task));
    case Verdict::kBetter:
      return Fill(language, "It is significantly $2 than the baseline: $0, $1.", "其$3显著高于基线：$0，$1。",
                  points, TestOf(language, variant), Better(language, *variant.task),
                  QualityName(language, *variant.task));
    case Verdict::kMixed:
      break;
  }
  return Fill(language, "Seeds disagree about the difference from the baseline: $0, $1.",
              "与基线的差异在各随机种子间不一致：$0，$1。", points, TestOf(language, variant));
}

std::string SpeedSentence(Language language, const InputShape& shape, const Timing& timing, bool reliable) {
  if (!timing.speedup.has_value()) return "";
  const Result& speedup = *timing.speedup;
  const std::string ratio = RatioWithSpread(language, speedup), at = ShapeText(language, shape);
  if (!reliable) {
    return Fill(
        language,
        "At $0 the timing is unreliable, since its A/A check failed, and settles nothing: measured was $1 "
        "the speed of the best FP32 path.",
        "$0时的时间数据不可靠（A/A 检验未通过），不足以下结论：测得的速度为最优 FP32 路径的 $1。", at, ratio);
  }
  if (SurelyAbove(speedup, 1)) {
    return Fill(language, "At $0 it is faster: $1 the speed of the best FP32 path.",
                "$0时更快：速度为最优 FP32 路径的 $1。", at, ratio);
  }
  if (SurelyBelow(speedup, 1)) {
    return Fill(language, "At $0 it is slower: $1 the speed of the best FP32 path.",
                "$0时更慢：速度为最优 FP32 路径的 $1。", at, ratio);
  }
  if (speedup.deviation.has_value() || speedup.low.has_value()) {
    return Fill(language, "At $0 there is no significant difference in speed from the best FP32 path: $1.",
                "$0时与最优 FP32 路径的速度无显著差异：$1。", at, ratio);
  }
  return Fill(language, "At $0 it has $1 the speed of the best FP32 path, without an interval.",
              "$0时速度为最优 FP32 路径的 $1，没有置信区间。", at, ratio);
}

std::string SizeSentence(Language language, const Measured& measured, bool baseline) {
  if (!measured.size.has_value()) return "";
  const std::string size = FormatBytes(measured.size->value);
  if (baseline || !measured.ratio.has_value()) {
    return Fill(language, "The saved model takes $0.", "保存的模型大小为 $0。", size);
  }
  const std::string ratio = FormatCompression(measured.ratio->value);
  if (!measured.layers_ratio.has_value()) {
    return Fill(language, "The saved model takes $0, a compression ratio of $1.",
                "保存的模型大小为 $0，压缩比为 $1。", size, ratio);
  }
  return Fill(language,
              "The saved model takes $0, a compression ratio of $1; of the quantized layers alone it is $2.",
              "保存的模型大小为 $0，压缩比为 $1；仅计被量化的层为 $2。", size, ratio,
              FormatCompression(measured.layers_ratio->value));
}

std::string MemorySentence(Language language, const Measured& measured) {
  const auto find = [&](const char* kind) -> const Result* {
    const auto it = measured.memory.find(kind);
    return it == measured.memory.end() ? nullptr : &it->second;
  };
  const Result* const peak = find("peak");
  if (peak == nullptr) return "";
  return Fill(language, "A fresh process that loads only this model peaks at $0 of memory.",
              "只加载该模型的新进程内存峰值为 $0。", FormatBytes(peak->value));
}

std::string PrecisionSentence(Language language, const std::vector<Layer>& layers) {
  if (layers.empty()) return "";
  std::map<std::string, PrecisionShare> shares;
  for (const Layer& layer : layers) {
    ++shares[layer.effective].layers;
    shares[layer.effective].macs += layer.macs_share;
  }
  std::vector<std::string> parts;
  for (const auto& [precision, share] : shares) {
    const std::string count = language == Language::kEnglish
                                  ? Plural(share.layers, "linear layer", "linear layers")
                                  : absl::StrCat(FormatCount(share.layers), " 个线性层");
    parts.push_back(Fill(language, "$1 with $2 of the multiply-adds in $0", "$1（乘加占 $2）以 $0 运行",
                         EscapeMarkdown(PrecisionTitle(precision).In(language)), count,
                         FormatShare(share.macs)));
  }
  return Join(language,
              {Fill(language, "It runs $0.", "$0。", absl::StrJoin(parts, Say(language, ", ", "，"))),
               FallbackClause(language, layers)});
}

// Why a run ended, without the word that it was cancelled, which stands before it.
std::string EndReason(Language language, const RunRecord& run) {
  const Message& message = run.coded_message;
  if (message.code == messages::kRunCancelled.code() && IsRenderable(message)) {
    const auto& why = std::get<std::vector<Message>>(message.arguments.front().value);
    return why.empty() ? "" : MessageText(language, why.front(), English(why.front()));
  }
  const absl::string_view text =
      run.message == "cancelled" ? "" : absl::StripPrefix(run.message, "cancelled: ");
  return MessageText(language, message, text);
}

std::string EndSentence(Language language, const RunReport& report) {
  const RunRecord& run = report.run;
  if (run.state == RunState::kSucceeded) return "";
  const std::string clause =
      language == Language::kEnglish ? EnglishClause(run.state) : StateWord(language, run.state);
  const std::string text =
      IsEnded(run.state)
          ? Fill(language, "Run $0 has no result: it $1", "运行 $0 没有结果：$1", Code(run.name), clause)
          : Fill(language, "Run $0 has no result yet: it $1", "运行 $0 尚无结果：$1", Code(run.name), clause);
  const std::string why = EndReason(language, run);
  if (why.empty()) return absl::StrCat(text, Say(language, ".", "。"));
  return absl::StrCat(text, Say(language, ": ", "："), why, Say(language, "", "。"));
}

std::string NoComparisonSentence(Language language, const Facts& facts) {
  if (!facts.comparisons.empty()) return "";
  return NotCompared(language, facts, Say(language, "speed, size and memory", "速度、大小和内存"));
}

std::string FirstSeedSentence(Language language, const Facts& facts) {
  if (facts.comparisons.empty() || !facts.SeveralSeeds()) return "";
  return Fill(
      language,
      "Speed, size and memory were measured once, with the models of the first seed ($0); $1 is the mean "
      "over all seeds.",
      "速度、体积与内存只用第一个随机种子（$0）的模型测量一次；$1为全部随机种子的均值。",
      facts.comparisons[0].run->run.seed, QualityName(language, facts.task()));
}

std::string SpeedIntervalSentence(Language language, const ComparisonFacts& comparison,
                                  const std::string& cite) {
  const auto [fewest, most] = ProcessesOf(comparison);
  if (most == 0) {
    return Fill(language, "The speedup is the median of the ratios with a bootstrap interval $0.",
                "加速比为比值的中位数，区间由自助法给出 $0。", cite);
  }
  if (most == 1) {
    return Fill(
        language,
        "The speedup is the median of the ratios; its interval, by a bootstrap of blocks that follow each "
        "other $0, holds within the one process that measured it and not from one process to another.",
        "加速比为比值的中位数；区间由连续区块的自助法给出 $0，只适用于测量它的这一个进程，不涵盖进程之间的差异。",
        cite);
  }
  const std::string processes =
      fewest == most ? absl::StrCat(most) : absl::StrCat(fewest, Say(language, " to ", " 至 "), most);
  return Fill(
      language,
      "$0 processes, one after another and each with freshly loaded models, share these blocks. The "
      "speedup is the geometric mean of their medians; its interval, by Student's t, holds from one "
      "process to another on this machine, for texts of random tokens of one length, without tokenization. "
      "Intervals of times come from resampling whole processes $1.",
      "这些区块由 $0 "
      "个依次启动的进程分担，每个进程重新加载模型。加速比为各进程中位数的几何平均；区间由学生 t 分布给出，"
      "涵盖本机上进程之间的差异；文本为等长的随机词元，不含分词时间。时间的区间由对进程整体重抽样得出 $1。",
      processes, cite);
}

std::string AaSentence(Language language, const ComparisonFacts& comparison) {
  std::vector<std::string> parts;
  for (const auto& [shape, check] : comparison.checks) {
    if (!check.ratio.has_value()) continue;
    parts.push_back(
        Fill(language, "$0: $1 $2", "$0：$1，$2", ShapeText(language, shape),
             absl::StrCat(FormatAaRatio(check.ratio->value),
                          Brackets(language, SpreadOf(language, *check.ratio, FormatAaRatio))),
             check.reliable ? Say(language, "passed", "通过") : Say(language, "**failed**", "**未通过**")));
  }
  if (parts.empty() && comparison.unreliable.empty()) {
    return Say(language, "No A/A check was recorded, so the timings are without that safeguard.",
               "未记录 A/A 检验，时间数据没有这一层保障。");
  }
  const std::string rule =
      ProcessesOf(comparison).second > 0
          ? Say(language, "its interval at most 1% to each side and around 1", "区间半宽不超过 1% 且包含 1")
          : Say(language, "to stay within 0.97 to 1.03", "应在 0.97 至 1.03 之内");
  std::string text = parts.empty() ? ""
                                   : Fill(language, "A/A check (FP32 against itself, $1): $0.",
                                          "A/A 检验（FP32 与自身比较，$1）：$0。",
                                          absl::StrJoin(parts, Say(language, "; ", "；")), rule);
  if (comparison.unreliable.empty()) return text;
  std::vector<std::string> reasons;
  for (const Caveat& caveat : comparison.unreliable) {
    reasons.push_back(MessageText(language, caveat.coded_message, caveat.message));
  }
  return Join(language, {text, Fill(language, "**Unreliable**: $0", "**不可靠**：$0。",
                                    absl::StrJoin(reasons, Say(language, "; ", "；")))});
}

}  // namespace quantlab::report
