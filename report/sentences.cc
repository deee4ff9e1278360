#include "report/sentences.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/strings/substitute.h"
#include "report/format.h"

namespace quantlab::report {
namespace {

template <typename... Args>
std::string Fill(Language language, const char* english, const char* chinese, const Args&... args) {
  return absl::Substitute(Say(language, english, chinese), args...);
}

// "(text)" with the brackets of the language; empty stays empty.
std::string Brackets(Language language, const std::string& text) {
  if (text.empty()) return "";
  return Fill(language, " ($0)", "（$0）", text);
}

// Close to 1 by nature: a fourth digit tells.
std::string FormatAa(double ratio) {
  return FormatNumber(ratio, 4);
}

// Difference of mean accuracies, where no paired one was measured.
std::optional<Result> DifferenceOf(const VariantFacts& variant, const VariantFacts* baseline) {
  if (variant.difference.has_value()) return variant.difference;
  if (baseline == nullptr || !variant.accuracy.has_value() || !baseline->accuracy.has_value()) {
    return std::nullopt;
  }
  Result result;
  result.value = variant.accuracy->value - baseline->accuracy->value;
  return result;
}

std::string PointsWithSpread(Language language, const Result& difference) {
  return absl::StrCat(FormatPoints(difference.value, language),
                      Brackets(language, SpreadOf(language, difference, FormatPointsBare)));
}

std::string TestOf(Language language, const VariantFacts& variant) {
  const Result& p = *variant.p_value;
  if (p.seeds == 1 && variant.holm_p.has_value()) {
    return Fill(language, "McNemar's paired test: $0, corrected for all variants $1",
                "McNemar 配对检验：$0，经 Holm 校正 $1", FormatPValue(p.value),
                FormatPValue(variant.holm_p->value));
  }
  if (p.seeds == 1) {
    return Fill(language, "McNemar's paired test: $0", "McNemar 配对检验：$0", FormatPValue(p.value));
  }
  return Fill(language, "McNemar's paired test significant in $0 of $1 seeds",
              "McNemar 配对检验在 $1 个随机种子中有 $0 个显著", variant.significant_seeds, p.seeds);
}

// Half the width of the interval: what a test of this size can resolve.
std::string Resolution(Language language, const Result& difference) {
  if (!difference.low.has_value() || !difference.high.has_value()) return "";
  const double half = (*difference.high - *difference.low) / 2;
  return Fill(language,
              "A test of this size resolves differences of about $0 and more, so this is no proof that the "
              "two are equal.",
              "这一规模的测试约能分辨 $0及以上的差异，因此这并不证明两者相同。",
              FormatPoints(half, language).substr(half > 0 ? 1 : 0));
}

std::string UntestedSentence(Language language, const Result& difference) {
  return Fill(language,
              "Its accuracy differs from the baseline's by $0; no paired test was made, so chance is "
              "not ruled out.",
              "其准确率与基线相差 $0；未做配对检验，不能排除偶然因素。",
              PointsWithSpread(language, difference));
}

// The speedup of a variant that every one of its seeds' runs shares, as a phrase: "2.10× (…)".
std::string RatioWithSpread(Language language, const Result& ratio) {
  return absl::StrCat(FormatRatio(ratio.value), Brackets(language, SpreadOf(language, ratio, FormatRatio)));
}

std::string Unreliable(Language language, bool reliable) {
  return reliable ? ""
                  : Say(language, "The timing is unreliable: its A/A check failed.",
                        "该时间数据不可靠：A/A 检验未通过。");
}

// What choosing a variant costs or gains in accuracy, as a clause after "; ".
std::string AccuracyCost(Language language, const VariantFacts& variant, const VariantFacts* baseline) {
  const auto difference = DifferenceOf(variant, baseline);
  if (!difference.has_value()) {
    return Say(language, "its accuracy against the baseline was not measured", "未测得其相对基线的准确率");
  }
  const std::string points = PointsWithSpread(language, *difference);
  switch (Judge(variant, baseline)) {
    case Verdict::kNoDifference:
      return Fill(language, "accuracy changes by $0, no significant difference ($1)",
                  "准确率变化 $0，无显著差异（$1）", points, TestOf(language, variant));
    case Verdict::kWorse:
      return Fill(language, "it costs accuracy: $0, a significant loss ($1)",
                  "代价是准确率变化 $0，显著下降（$1）", points, TestOf(language, variant));
    case Verdict::kBetter:
      return Fill(language, "accuracy even rises by $0, significantly ($1)",
                  "准确率反而变化 $0，显著上升（$1）", points, TestOf(language, variant));
    case Verdict::kMixed:
      return Fill(language, "accuracy changes by $0, $1", "准确率变化 $0，$1", points,
                  TestOf(language, variant));
    case Verdict::kUntested:
      break;
  }
  return Fill(language, "accuracy changes by $0, without a paired test", "准确率变化 $0，未做配对检验",
              points);
}

// FP32 that trained longer shows what QAT owes to training; nobody asks whether to ship it.
bool IsControl(const VariantFacts& variant) {
  return variant.method == "fp32_continued";
}

// The fastest variant of a comparison at one batch size: the highest speedup that is surely above 1.
const VariantFacts* Fastest(const Facts& facts, size_t comparison, int64_t batch_size) {
  const VariantFacts* best = nullptr;
  double best_value = 0;
  for (const VariantFacts& variant : facts.variants) {
    const auto& timings = variant.measured[comparison].by_batch_size;
    const auto it = timings.find(batch_size);
    if (variant.baseline || IsControl(variant) || it == timings.end()) continue;
    if (!it->second.speedup.has_value()) continue;
    const Result& speedup = *it->second.speedup;
    if (!SurelyAbove(speedup, 1) || (best != nullptr && speedup.value <= best_value)) continue;
    best = &variant;
    best_value = speedup.value;
  }
  return best;
}

std::vector<int64_t> BatchSizes(const Facts& facts, size_t comparison) {
  std::set<int64_t> sizes;
  for (const VariantFacts& variant : facts.variants) {
    for (const auto& [size, timing] : variant.measured[comparison].by_batch_size) {
      if (timing.speedup.has_value()) sizes.insert(size);
    }
  }
  return {sizes.begin(), sizes.end()};
}

// Batch sizes at which one variant is the fastest, together: each becomes one sentence.
struct SpeedAnswer {
  const VariantFacts* variant;  // null: none is faster than FP32
  std::vector<int64_t> batch_sizes;
};

std::vector<SpeedAnswer> SpeedAnswers(const Facts& facts, size_t comparison) {
  std::vector<SpeedAnswer> answers;
  for (const int64_t size : BatchSizes(facts, comparison)) {
    const VariantFacts* const fastest = Fastest(facts, comparison, size);
    auto it = std::find_if(answers.begin(), answers.end(),
                           [&](const SpeedAnswer& answer) { return answer.variant == fastest; });
    if (it == answers.end()) it = answers.insert(answers.end(), {fastest, {}});
    it->batch_sizes.push_back(size);
  }
  std::stable_partition(answers.begin(), answers.end(),
                        [](const SpeedAnswer& answer) { return answer.variant != nullptr; });
  return answers;
}

std::string BatchList(Language language, const std::vector<int64_t>& sizes) {
  return absl::StrJoin(sizes, Say(language, ", ", "、"));
}

std::string SpeedAnswerSentence(Language language, const Facts& facts, size_t comparison,
                                const SpeedAnswer& answer) {
  const ComparisonFacts& checks = facts.comparisons[comparison];
  const bool reliable = std::all_of(answer.batch_sizes.begin(), answer.batch_sizes.end(),
                                    [&](int64_t size) { return checks.Reliable(size); });
  if (answer.variant == nullptr) {
    return Join(
        language,
        {Fill(language, "At batch size $0 no variant is surely faster than the best FP32 path: ship FP32.",
              "批大小为 $0 时，没有方法确定快于最优 FP32 路径：建议使用 FP32。",
              BatchList(language, answer.batch_sizes)),
         Unreliable(language, reliable)});
  }
  std::vector<std::string> figures;
  for (const int64_t size : answer.batch_sizes) {
    const Timing& timing = answer.variant->measured[comparison].by_batch_size.at(size);
    figures.push_back(Fill(language, "$1 at batch size $0", "$1（批大小 $0）", size,
                           RatioWithSpread(language, *timing.speedup)));
  }
  return Join(language, {Fill(language, "Ship $0: its speed over the best FP32 path is $1; $2.",
                              "建议使用 $0：相对最优 FP32 路径的速度为 $1；$2。", Code(answer.variant->name),
                              absl::StrJoin(figures, Say(language, ", ", "、")),
                              AccuracyCost(language, *answer.variant, facts.baseline())),
                         Unreliable(language, reliable)});
}

const VariantFacts* Smallest(const Facts& facts, size_t comparison) {
  const VariantFacts* best = nullptr;
  for (const VariantFacts& variant : facts.variants) {
    const auto& size = variant.measured[comparison].size;
    if (!size.has_value() || IsControl(variant)) continue;
    if (best == nullptr || size->value < best->measured[comparison].size->value) best = &variant;
  }
  return best;
}

// Layers counted by what ran.
struct PrecisionShare {
  int64_t layers = 0;
  double macs = 0;
};

std::string FallbackClause(Language language, const std::vector<Layer>& layers) {
  std::map<std::string, int64_t> reasons;
  int64_t count = 0;
  for (const Layer& layer : layers) {
    if (layer.requested == layer.effective) continue;
    ++count;
    ++reasons[layer.reason];
  }
  if (count == 0) return Say(language, "No layer fell back.", "没有层发生回退。");
  std::vector<std::string> parts;
  for (const auto& [reason, layers_of_it] : reasons) {
    const std::string why =
        reason.empty() ? Say(language, "without a recorded reason", "未记录原因") : EscapeMarkdown(reason);
    parts.push_back(absl::StrCat(why, Brackets(language, FormatCount(layers_of_it))));
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

// Why nothing is known of what only a comparison measures.
std::string NotCompared(Language language, const Facts& facts, const char* what) {
  if (facts.ended_comparisons.empty()) {
    return Fill(
        language,
        "Nothing can be said about $0: this experiment has no comparison, and nothing else measures that.",
        "无法判断$0：本实验没有对比运行（comparison），而这只由对比运行测量。", what);
  }
  return Fill(language,
              "Nothing can be said about $0: the comparison has no result, and nothing else measures that.",
              "无法判断$0：这只由对比运行（comparison）测量，而对比运行没有结果。", what);
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

}  // namespace

Verdict Judge(const VariantFacts& variant, const VariantFacts* baseline) {
  if (!variant.p_value.has_value()) return Verdict::kUntested;
  if (variant.significant_seeds == 0) return Verdict::kNoDifference;
  if (variant.significant_seeds < variant.p_value->seeds) return Verdict::kMixed;
  const auto paired = DifferenceOf(variant, baseline);
  const double difference = paired.has_value() ? paired->value : 0;
  return difference < 0 ? Verdict::kWorse : difference > 0 ? Verdict::kBetter : Verdict::kNoDifference;
}

bool SurelyAbove(const Result& ratio, double bound) {
  if (ratio.deviation.has_value()) return ratio.value - 2 * *ratio.deviation > bound;
  return ratio.low.has_value() && *ratio.low > bound;
}

bool SurelyBelow(const Result& ratio, double bound) {
  if (ratio.deviation.has_value()) return ratio.value + 2 * *ratio.deviation < bound;
  return ratio.high.has_value() && *ratio.high < bound;
}

std::string Join(Language language, const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) {
    if (sentence.empty()) continue;
    absl::StrAppend(&text, text.empty() ? "" : Say(language, " ", ""), sentence);
  }
  return text;
}

std::string SpreadOf(Language language, const Result& result, std::string (*format)(double)) {
  if (result.deviation.has_value()) {
    return Fill(language, "mean over $1 seeds, standard deviation $0", "$1 个随机种子的均值，标准差 $0",
                absl::StripPrefix(format(*result.deviation), "+"), result.seeds);
  }
  if (!result.low.has_value() || !result.high.has_value()) return "";
  return Fill(language, "95% interval $0 to $1", "95% 置信区间 $0 至 $1", format(*result.low),
              format(*result.high));
}

std::string AccuracySentence(Language language, const VariantFacts& variant) {
  if (!variant.accuracy.has_value()) {
    return Fill(language, "The accuracy of $0 was not measured.", "未测得 $0 的准确率。", Code(variant.name));
  }
  const Result& accuracy = *variant.accuracy;
  const std::string texts = accuracy.samples <= 0 ? Say(language, "the test texts", "测试文本")
                            : language == Language::kEnglish
                                ? Plural(accuracy.samples, "test text", "test texts")
                                : absl::StrCat(" ", FormatCount(accuracy.samples), " 条测试文本");
  return absl::StrCat(
      Fill(language, "$0 classifies $1 of $2 correctly$3.", "$0 在$2上的准确率为 $1$3。", Code(variant.name),
           FormatShare(accuracy.value), texts, Brackets(language, SpreadOf(language, accuracy, FormatShare))),
      SucceededSeeds(language, variant));
}

std::string DifferenceSentence(Language language, const VariantFacts& variant, const VariantFacts* baseline) {
  if (variant.baseline || !variant.accuracy.has_value()) return "";
  const auto difference = DifferenceOf(variant, baseline);
  if (!difference.has_value()) {
    return Say(language, "There is no baseline result to set it against.", "没有可供比较的基线结果。");
  }
  const std::string points = PointsWithSpread(language, *difference);
  switch (Judge(variant, baseline)) {
    case Verdict::kUntested:
      return UntestedSentence(language, *difference);
    case Verdict::kNoDifference:
      return Join(language, {Fill(language, "There is no significant difference from the baseline: $0, $1.",
                                  "与基线相比无显著差异：$0，$1。", points, TestOf(language, variant)),
                             Resolution(language, *difference)});
    case Verdict::kWorse:
      return Fill(language, "It is significantly less accurate than the baseline: $0, $1.",
                  "其准确率显著低于基线：$0，$1。", points, TestOf(language, variant));
    case Verdict::kBetter:
      return Fill(language, "It is significantly more accurate than the baseline: $0, $1.",
                  "其准确率显著高于基线：$0，$1。", points, TestOf(language, variant));
    case Verdict::kMixed:
      break;
  }
  return Fill(language, "Seeds disagree about the difference from the baseline: $0, $1.",
              "与基线的差异在各随机种子间不一致：$0，$1。", points, TestOf(language, variant));
}

std::string SpeedSentence(Language language, int64_t batch_size, const Timing& timing, bool reliable) {
  if (!timing.speedup.has_value()) return "";
  const Result& speedup = *timing.speedup;
  const std::string ratio = RatioWithSpread(language, speedup);
  std::string text;
  if (SurelyAbove(speedup, 1)) {
    text = Fill(language, "At batch size $0 it is faster: $1 the speed of the best FP32 path.",
                "批大小为 $0 时更快：速度为最优 FP32 路径的 $1。", batch_size, ratio);
  } else if (SurelyBelow(speedup, 1)) {
    text = Fill(language, "At batch size $0 it is slower: $1 the speed of the best FP32 path.",
                "批大小为 $0 时更慢：速度为最优 FP32 路径的 $1。", batch_size, ratio);
  } else if (speedup.deviation.has_value() || speedup.low.has_value()) {
    text = Fill(language,
                "At batch size $0 there is no significant difference in speed from the best FP32 path: $1.",
                "批大小为 $0 时与最优 FP32 路径的速度无显著差异：$1。", batch_size, ratio);
  } else {
    text = Fill(language, "At batch size $0 it has $1 the speed of the best FP32 path, without an interval.",
                "批大小为 $0 时速度为最优 FP32 路径的 $1，没有置信区间。", batch_size, ratio);
  }
  return Join(language, {text, Unreliable(language, reliable)});
}

std::string SizeSentence(Language language, const Measured& measured, bool baseline) {
  if (!measured.size.has_value()) return "";
  const std::string size = FormatBytes(measured.size->value);
  if (baseline || !measured.ratio.has_value()) {
    return Fill(language, "The saved model takes $0.", "保存的模型大小为 $0。", size);
  }
  const std::string ratio = FormatRatio(measured.ratio->value);
  if (!measured.layers_ratio.has_value()) {
    return Fill(language, "The saved model takes $0: the baseline is $1 that size.",
                "保存的模型大小为 $0，压缩比为 $1。", size, ratio);
  }
  return Fill(language,
              "The saved model takes $0: the baseline is $1 that size, and $2 counting the quantized layers "
              "alone.",
              "保存的模型大小为 $0，压缩比为 $1；仅计被量化的层为 $2。", size, ratio,
              FormatRatio(measured.layers_ratio->value));
}

std::string MemorySentence(Language language, const Measured& measured) {
  const auto find = [&](const char* kind) -> const Result* {
    const auto it = measured.memory.find(kind);
    return it == measured.memory.end() ? nullptr : &it->second;
  };
  std::string peak_text, growth_text;
  if (const Result* peak = find("peak")) {
    peak_text = Fill(language, "A fresh process that loads only this model peaks at $0 of memory.",
                     "只加载该模型的新进程内存峰值为 $0。", FormatBytes(peak->value));
  }
  const Result* const growth = find("forward");
  const Result* const anonymous = find("forward_anonymous");
  const Result* const file = find("forward_file");
  if (growth != nullptr && anonymous != nullptr && file != nullptr) {
    growth_text = Fill(
        language, "Loading it and one forward pass take $0 of that, $1 anonymous and $2 backed by files.",
        "加载与一次前向计算使内存增加 $0，其中匿名内存 $1，文件映射 $2。", FormatBytes(growth->value),
        FormatBytes(anonymous->value), FormatBytes(file->value));
  }
  return Join(language, {peak_text, growth_text});
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
                         EscapeMarkdown(precision), count, FormatShare(share.macs)));
  }
  return Join(language,
              {Fill(language, "It runs $0.", "$0。", absl::StrJoin(parts, Say(language, ", ", "，"))),
               FallbackClause(language, layers)});
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
  // The sentence has said it already.
  const std::string message = EscapeMarkdown(absl::StripPrefix(run.message, "cancelled: "));
  if (message.empty()) return absl::StrCat(text, Say(language, ".", "。"));
  return absl::StrCat(text, Say(language, ": ", "："), message);
}

std::string NoComparisonSentence(Language language, const Facts& facts) {
  if (!facts.comparisons.empty()) return "";
  return NotCompared(language, facts, Say(language, "speed, size and memory", "速度、大小和内存"));
}

std::string AaSentence(Language language, const ComparisonFacts& comparison) {
  std::vector<std::string> parts;
  for (const auto& [size, check] : comparison.checks) {
    if (!check.ratio.has_value()) continue;
    parts.push_back(
        Fill(language, "batch size $0: $1 $2", "批大小 $0：$1，$2", size,
             absl::StrCat(FormatAa(check.ratio->value),
                          Brackets(language, SpreadOf(language, *check.ratio, FormatAa))),
             check.reliable ? Say(language, "passed", "通过") : Say(language, "**failed**", "**未通过**")));
  }
  if (parts.empty() && comparison.unreliable.empty()) {
    return Say(language, "No A/A check was recorded, so the timings are without that safeguard.",
               "未记录 A/A 检验，时间数据没有这一层保障。");
  }
  std::string text = parts.empty()
                         ? ""
                         : Fill(language, "A/A check (FP32 against itself, to stay within 0.97 to 1.03): $0.",
                                "A/A 检验（FP32 与自身比较，应在 0.97 至 1.03 之内）：$0。",
                                absl::StrJoin(parts, Say(language, "; ", "；")));
  if (comparison.unreliable.empty()) return text;
  return Join(language, {text, Fill(language, "**Unreliable**: $0", "**不可靠**：$0",
                                    EscapeMarkdown(comparison.unreliable))});
}

std::string ShipForSpeed(Language language, const Facts& facts) {
  if (facts.comparisons.empty()) {
    return NotCompared(language, facts, Say(language, "speed", "速度"));
  }
  std::vector<std::string> sentences;
  for (size_t i = 0; i < facts.comparisons.size(); ++i) {
    if (facts.comparisons.size() > 1) {
      sentences.push_back(Fill(language, "On $0 (run $1):", "在 $0 上（运行 $1）：",
                               EscapeMarkdown(facts.comparisons[i].run->run.device),
                               Code(facts.comparisons[i].run->run.name)));
    }
    for (const SpeedAnswer& answer : SpeedAnswers(facts, i)) {
      sentences.push_back(SpeedAnswerSentence(language, facts, i, answer));
    }
  }
  if (sentences.empty()) {
    return Say(language, "No variant was timed against FP32.", "没有任何方法与 FP32 做过速度对比。");
  }
  return Join(language, sentences);
}

std::string ShipForSize(Language language, const Facts& facts) {
  if (facts.comparisons.empty()) {
    return NotCompared(language, facts, Say(language, "size", "大小"));
  }
  const VariantFacts* const smallest = Smallest(facts, 0);
  if (smallest == nullptr) return Say(language, "No model size was measured.", "未测得模型大小。");
  const Measured& measured = smallest->measured[0];
  if (smallest->baseline) {
    return Fill(language, "Ship FP32 ($0): no variant is smaller.", "建议使用 FP32（$0）：没有更小的方法。",
                FormatBytes(measured.size->value));
  }
  const std::string ratio = measured.ratio.has_value()
                                ? Fill(language, ", the baseline being $0 that size", "，压缩比 $0",
                                       FormatRatio(measured.ratio->value))
                                : "";
  return Fill(language, "Ship $0: $1$2; $3.", "建议使用 $0：$1$2；$3。", Code(smallest->name),
              FormatBytes(measured.size->value), ratio, AccuracyCost(language, *smallest, facts.baseline()));
}

std::string ShipForAccuracy(Language language, const Facts& facts) {
  const VariantFacts* const baseline = facts.baseline();
  if (baseline == nullptr || !baseline->accuracy.has_value()) {
    return Say(language, "Nothing can be said about accuracy: there is no baseline result.",
               "无法判断准确率：没有基线结果。");
  }
  const VariantFacts* best = nullptr;
  std::vector<std::string> equal, worse, unclear;
  for (const VariantFacts& variant : facts.variants) {
    if (variant.baseline || IsControl(variant) || !variant.accuracy.has_value()) continue;
    const Verdict verdict = Judge(variant, baseline);
    if (verdict == Verdict::kBetter && (best == nullptr || variant.accuracy->value > best->accuracy->value)) {
      best = &variant;
    }
    if (verdict == Verdict::kNoDifference) equal.push_back(Code(variant.name));
    if (verdict == Verdict::kWorse) worse.push_back(Code(variant.name));
    if (verdict == Verdict::kUntested || verdict == Verdict::kMixed) unclear.push_back(Code(variant.name));
  }
  std::vector<std::string> sentences;
  if (best != nullptr) {
    sentences.push_back(Fill(language, "Ship $0: $1.", "建议使用 $0：$1。", Code(best->name),
                             AccuracyCost(language, *best, baseline)));
  } else {
    sentences.push_back(
        Fill(language, "FP32 ($0) is not beaten significantly by any variant: $1.",
             "没有方法显著优于 FP32（$0）：准确率 $1。", Code(baseline->name),
             absl::StrCat(FormatShare(baseline->accuracy->value),
                          Brackets(language, SpreadOf(language, *baseline->accuracy, FormatShare)))));
  }
  const char* const comma = Say(language, ", ", "、");
  if (!equal.empty()) {
    sentences.push_back(Fill(language, "No significant difference from it was found for $0.",
                             "与基线无显著差异：$0。", absl::StrJoin(equal, comma)));
  }
  if (!worse.empty()) {
    sentences.push_back(
        Fill(language, "Significantly worse: $0.", "显著更差：$0。", absl::StrJoin(worse, comma)));
  }
  if (!unclear.empty()) {
    sentences.push_back(Fill(language, "Not settled by a paired test: $0.", "配对检验未能定论：$0。",
                             absl::StrJoin(unclear, comma)));
  }
  return Join(language, sentences);
}

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

}  // namespace quantlab::report
