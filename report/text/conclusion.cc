// What an experiment found, and what it leaves open.
#include <algorithm>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/analysis.h"
#include "report/facts/format.h"
#include "report/facts/names.h"
#include "report/facts/phrases.h"
#include "report/facts/quality.h"
#include "report/facts/verdict.h"
#include "report/text/analysis.h"
#include "report/text/answers.h"

namespace quantlab::report {
namespace {

std::string AccuracyFinding(Language language, const Facts& facts) {
  const VariantFacts* const baseline = facts.baseline();
  if (baseline == nullptr || !baseline->accuracy.has_value()) return "";
  const Sorted sorted = SortByAccuracy(facts, *baseline);
  if (!sorted.any()) return "";
  const size_t all = sorted.better.size() + sorted.equal.size() + sorted.worse.size() + sorted.unclear.size();
  std::vector<std::string> clauses;
  const auto add = [&](const std::vector<const VariantFacts*>& variants, const std::string& english,
                       const char* chinese) {
    if (!variants.empty()) clauses.push_back(Fill(language, english.c_str(), chinese, variants.size()));
  };
  const TaskSpec& task = facts.task();
  add(sorted.better, absl::StrCat("$0 significantly ", task.better, " than FP32"), "$0 个显著优于 FP32");
  add(sorted.equal, "$0 without a significant difference from FP32", "$0 个与 FP32 无显著差异");
  add(sorted.worse, absl::StrCat("$0 significantly ", task.worse), "$0 个显著更差");
  add(sorted.unclear, "$0 not settled by a paired test", "$0 个未由配对检验定论");
  return Fill(language, "$2: of $0, $1.", "$2：$0中，$1。",
              language == Language::kEnglish
                  ? Plural(static_cast<int64_t>(all), "quantized variant", "quantized variants")
                  : absl::StrCat(all, " 个量化方案"),
              absl::StrJoin(clauses, Say(language, ", ", "，")), QualityTitle(language, task));
}

// Of one variant against others of a method, by their paired tests; empty where there is none.
std::string Against(Language language, const Facts& facts, const VariantFacts& variant, const char* method) {
  for (const VariantFacts& other : facts.variants) {
    if (other.method != method || !other.same_as.empty()) continue;
    const auto pair = PairOf(facts, variant, other);
    if (!pair.has_value()) continue;
    const std::string name = Named(language, other);
    if (!IsSignificant(*pair->pair)) {
      return Fill(language, "not shown to be $1 than $0, which is simpler", "未显示出优于更简单的 $0", name,
                  Better(language, *variant.task));
    }
    return pair->difference.value > 0 ? Fill(language, "significantly $1 than $0", "显著优于 $0", name,
                                             Better(language, *variant.task))
                                      : Fill(language, "significantly $1 than $0, which is simpler",
                                             "显著差于更简单的 $0", name, Worse(language, *variant.task));
  }
  return "";
}

// Whether the methods that need more effort earned it.
std::vector<std::string> EffortFindings(Language language, const Facts& facts) {
  std::vector<std::string> findings;
  for (const VariantFacts& variant : facts.variants) {
    if (!IsCandidate(variant) || !variant.accuracy.has_value()) continue;
    if (variant.method != "qat" && variant.method != "mixed_precision") continue;
    std::string text = Against(language, facts, variant, "static_quantization");
    if (text.empty()) text = Against(language, facts, variant, "dynamic_quantization");
    if (text.empty()) continue;
    findings.push_back(
        Fill(language, "Effort: $0 is $1.", "代价与收益：$0 $1。", Named(language, variant), text));
  }
  return findings;
}

// The parts that have the most noise in as many variants as any other part.
std::vector<std::string> MostNoisy(Language language, const std::map<ModelPart, int>& parts, int most) {
  std::vector<std::string> titles;
  for (const auto& [part, variants] : parts) {
    if (variants == most) titles.push_back(PartTitle(part).In(language));
  }
  return titles;
}

// Only of variants in one precision: noise of several is not comparable.
std::string NoiseFinding(Language language, const Facts& facts) {
  int measured = 0, most = 0;
  std::map<ModelPart, int> parts;
  for (const VariantFacts& variant : facts.variants) {
    if (!variant.same_as.empty() || NoiseByPart(variant).size() < 2 || !InOnePrecision(variant)) continue;
    ++measured;
    if (const auto noisy = NoisiestPart(variant)) most = std::max(most, ++parts[noisy->part.part]);
  }
  if (measured == 0) return "";
  if (parts.empty()) {
    return Say(language,
               "Layers: where all ran in one precision, no part of the model has clearly more quantization "
               "noise than the rest.",
               "层：在各层精度相同的方案中，模型没有哪个部分的量化噪声明显更大。");
  }
  const std::vector<std::string> titles = MostNoisy(language, parts, most);
  const std::string variants = language == Language::kEnglish ? Plural(measured, "variant", "variants")
                                                              : absl::StrCat(measured, " 个方案");
  if (titles.size() > 1) {
    return Fill(language,
                "Layers: $0 each had the most quantization noise in $1 of $2 whose layers were measured in "
                "one precision.",
                "层：在各层以同一精度测量的 $2中，量化噪声最大的部分为$0，各见于 $1 个方案。",
                absl::StrJoin(titles, Say(language, " and ", "与")), most, variants);
  }
  return Fill(language,
              "Layers: $0 had the most quantization noise in $1 of $2 whose layers were measured in one "
              "precision.",
              "层：在各层以同一精度测量的 $2中，有 $1 个以$0的量化噪声最大。", titles[0], most, variants);
}

std::string UndecidedAccuracy(Language language, const Facts& facts) {
  std::vector<const VariantFacts*> open;
  std::string margin;
  for (const VariantFacts& variant : facts.variants) {
    if (!IsCandidate(variant) || variant.baseline || !variant.non_inferior.has_value()) continue;
    if (variant.non_inferior->value != 1 && Judge(variant, facts.baseline()) == Verdict::kNoDifference) {
      open.push_back(&variant);
      margin = variant.margin;
    }
  }
  if (open.empty()) return "";
  double share = 0;
  const std::string points =
      absl::SimpleAtod(margin, &share) ? Brackets(language, FormatLoss(facts.task(), share, language)) : "";
  return Fill(
      language,
      "$0: neither a loss nor its absence within the margin$1 is shown; more test examples or seeds would "
      "settle it.",
      "$0：既未证明有损失，也未证明损失在界值$1之内；更多测试文本或随机种子可以定论。", Names(language, open),
      points);
}

std::string UnreliableTimings(Language language, const Facts& facts) {
  for (size_t i = 0; i < facts.comparisons.size(); ++i) {
    if (ShapesOf(facts, i, false).empty()) continue;
    return Say(
        language,
        "Speed where the A/A check failed: run the comparison again on a machine that does nothing else "
        "(`quantctl run FILE --only comparison`).",
        "A/A 检验未通过处的速度：在空闲的机器上重新运行对比（`quantctl run FILE --only comparison`）。");
  }
  return "";
}

bool Failed(const VariantFacts& variant) {
  return std::any_of(variant.runs.begin(), variant.runs.end(), [](const RunReport* run) {
    const RunState state = run->run.state;
    return IsEnded(state) && state != RunState::kSucceeded && state != RunState::kCancelled;
  });
}

// What was cancelled or still waits needs no retry.
std::string MissingResults(Language language, const Facts& facts) {
  std::vector<const VariantFacts*> failed, missing;
  for (const VariantFacts& variant : facts.variants) {
    if (variant.succeeded == 0) (Failed(variant) ? failed : missing).push_back(&variant);
  }
  std::vector<std::string> texts;
  if (!failed.empty()) {
    texts.push_back(Fill(language, "$0: no result; $1 runs what failed again.",
                         "$0：没有结果；$1 可重新运行失败的部分。", Names(language, failed),
                         Code(absl::StrCat("quantctl retry ", facts.data->experiment.id))));
  }
  if (!missing.empty())
    texts.push_back(Fill(language, "$0: no result.", "$0：没有结果。", Names(language, missing)));
  return Join(language, texts);
}

std::string Seeds(Language language, const Facts& facts) {
  const bool any = std::any_of(facts.variants.begin(), facts.variants.end(),
                               [](const VariantFacts& variant) { return variant.succeeded > 0; });
  if (!any || facts.SeveralSeeds()) return "";
  return Say(language,
             "How much the results vary with the seed: repeat with several, as in `seeds: [1, 2, 3]`.",
             "结果随随机种子的波动：可用多个种子重复，例如 `seeds: [1, 2, 3]`。");
}

std::string Elsewhere(Language language, const Facts& facts) {
  if (facts.comparisons.empty()) return "";
  return Say(language,
             "Speed and memory on other hardware: run the same file with a worker there, since they are not "
             "transferable.",
             "其他硬件上的速度与内存：这些数字不可移用，请以该硬件上的工作节点运行同一文件。");
}

}  // namespace

std::vector<std::string> Findings(Language language, const Facts& facts) {
  std::vector<std::string> findings = {AccuracyFinding(language, facts)};
  for (std::string& finding : EffortFindings(language, facts)) findings.push_back(std::move(finding));
  findings.push_back(NoiseFinding(language, facts));
  std::erase(findings, "");
  return findings;
}

std::vector<std::string> OpenQuestions(Language language, const Facts& facts) {
  std::vector<std::string> open = {MissingResults(language, facts), UndecidedAccuracy(language, facts),
                                   UnreliableTimings(language, facts), Seeds(language, facts),
                                   Elsewhere(language, facts)};
  std::erase(open, "");
  return open;
}

}  // namespace quantlab::report
