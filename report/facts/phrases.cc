#include "report/facts/phrases.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "report/facts/format.h"
#include "report/facts/verdict.h"

namespace quantlab::report {
namespace {

constexpr size_t kMostLayers = 4;

}  // namespace

std::string Join(Language language, const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) {
    if (sentence.empty()) continue;
    absl::StrAppend(&text, text.empty() ? "" : Say(language, " ", ""), sentence);
  }
  return text;
}

std::string SomeLayers(Language language, const std::vector<std::string>& names) {
  const size_t shown = std::min(kMostLayers, names.size());
  const std::string list = absl::StrJoin(absl::MakeSpan(names).subspan(0, shown), Say(language, ", ", "、"));
  if (shown == names.size()) return list;
  return Fill(language, "$0 and $1 more", "$0 等（另有 $1 层）", list, names.size() - shown);
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

std::string Brackets(Language language, const std::string& text) {
  if (text.empty()) return "";
  return Fill(language, " ($0)", "（$0）", text);
}

std::string RatioWithSpread(Language language, const Result& ratio) {
  return absl::StrCat(SpeedupFormat(ratio)(ratio.value),
                      Brackets(language, SpreadOf(language, ratio, FormatRatio)));
}

std::string (*SpeedupFormat(const Result& ratio))(double) {
  const bool known = ratio.deviation.has_value() || (ratio.low.has_value() && ratio.high.has_value());
  return !known || SurelyAbove(ratio, 1) || SurelyBelow(ratio, 1) ? FormatRatio : FormatCompression;
}

std::string TestOf(Language language, const VariantFacts& variant) {
  const Result& p = *variant.p_value;
  const std::string test = variant.task->numeric ? Say(language, "paired bootstrap", "成对自助法")
                                                 : Say(language, "McNemar's paired test", "McNemar 配对检验");
  if (p.seeds == 1) {
    return Fill(language, "$0: $1", "$0：$1", test, FormatPValue(variant.holm_p.value_or(p).value));
  }
  return Fill(language, "$2 significant in $0 of $1 seeds", "$2在 $1 个随机种子中有 $0 个显著",
              variant.significant_seeds, p.seeds, test);
}

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

}  // namespace quantlab::report
