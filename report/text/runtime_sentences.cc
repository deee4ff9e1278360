#include "report/text/runtime_sentences.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/runtime_names.h"
#include "report/facts/format.h"
#include "report/facts/input_shape.h"
#include "report/facts/names.h"
#include "report/facts/phrases.h"
#include "report/facts/runtimes.h"
#include "report/facts/verdict.h"

namespace quantlab::report {
namespace {

struct Fastest {
  const VariantFacts* variant = nullptr;
  std::string runtime;
  const RuntimeTiming* timing = nullptr;
};

// Of the variants that are no baseline, in the first comparison with other runtimes.
Fastest FastestAt(const RuntimeFacts& runtimes, const InputShape& shape) {
  Fastest fastest;
  for (const VariantInRuntimes& timed : runtimes.variants) {
    const auto timings = timed.by_shape.find(shape);
    if (timed.variant->baseline || timings == timed.by_shape.end()) continue;
    for (const auto& [runtime, timing] : timings->second) {
      if (!timing.speedup.has_value()) continue;
      if (fastest.timing != nullptr && timing.speedup->value <= fastest.timing->speedup->value) continue;
      fastest = {timed.variant, runtime, &timing};
    }
  }
  return fastest;
}

}  // namespace

std::string RuntimeVersionsSentence(Language language, const Facts& facts) {
  std::vector<std::string> titles;
  std::map<std::string, std::string> versions;
  for (const RuntimeFacts& runtimes : CollectRuntimes(facts)) {
    for (const VariantInRuntimes& timed : runtimes.variants) {
      for (const auto& [runtime, check] : timed.checks) versions.emplace(runtime, check.version);
    }
  }
  for (const auto& [runtime, version] : versions) {
    titles.push_back(EscapeMarkdown(absl::StrCat(RuntimeTitle(runtime), " ", version)));
  }
  if (titles.empty()) return "";
  return Fill(language, "Besides this engine: $0.", "除本引擎外：$0。",
              absl::StrJoin(titles, Say(language, ", ", "、")));
}

std::string FastestRuntimeSentence(Language language, const Facts& facts) {
  const InputShape shape = HeadlineShape(facts);
  const std::vector<RuntimeFacts> all = CollectRuntimes(facts);
  const Fastest fastest = all.empty() ? Fastest() : FastestAt(all[0], shape);
  if (fastest.timing == nullptr) return "";
  const std::string at = ShapeText(language, shape);
  if (!all[0].comparison->Reliable(shape)) {
    return Fill(language, "At $0 the timing is unreliable, since its A/A check failed, and settles nothing.",
                "$0时的时间数据不可靠（A/A 检验未通过），不足以下结论。", at);
  }
  const std::string variant = Named(language, *fastest.variant);
  const std::string runtime = EscapeMarkdown(RuntimeTitle(fastest.runtime)),
                    reference = EscapeMarkdown(RuntimeTitle(fastest.timing->reference)),
                    ratio = RatioWithSpread(language, *fastest.timing->speedup);
  if (SurelyAbove(*fastest.timing->speedup, 1)) {
    return Fill(
        language,
        "At $0 the fastest is $1 in $2: $3 the speed of the best FP32 of any runtime, which is that of "
        "$4.",
        "$0时最快的是 $2 中的 $1：速度为各运行时中最优 FP32（$4）的 $3。", at, variant, runtime, ratio,
        reference);
  }
  return Fill(language,
              "At $0 nothing is surely faster than the best FP32 of any runtime, which is that of $4; the "
              "fastest is $1 in $2 with $3 its speed.",
              "$0时没有方案确定快于各运行时中最优的 FP32（$4）；最快的是 $2 中的 $1，速度为其 $3。", at,
              variant, runtime, ratio, reference);
}

}  // namespace quantlab::report
