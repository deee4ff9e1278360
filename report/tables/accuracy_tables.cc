// Accuracy of the variants, and their paired tests.
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/format.h"
#include "report/facts/names.h"
#include "report/tables/table_builder.h"
#include "report/tables/tables.h"

namespace quantlab::report {
namespace {

// Those whose runs succeeded: the numbers beside them are theirs.
Cell SeedsCell(const VariantFacts& variant) {
  std::vector<uint64_t> seeds;
  for (const RunReport* run : variant.runs) {
    if (run->run.state == RunState::kSucceeded) seeds.push_back(run->run.seed);
  }
  if (seeds.empty()) return EmptyCell();
  return {absl::StrJoin(seeds, ", "), absl::StrJoin(seeds, ";")};
}

// A share for programs, points for people, as everywhere else.
Cell MarginCell(Language language, const std::string& margin) {
  double share = 0;
  if (!absl::SimpleAtod(margin, &share)) return TextCell(margin);
  return {FormatMargin(share, language), margin};
}

}  // namespace

Table AccuracyTable(Language language, const Facts& facts) {
  Builder builder(language, "accuracy",
                  "Quality on the test split; the interval of one run is Wilson's, several seeds give mean ± "
                  "standard deviation.",
                  "测试集上的质量指标；单次运行给出 Wilson 区间，多个随机种子给出均值 ± 标准差。");
  builder.Text("variant", "Variant", "方案").Text("seeds", "Seeds", "种子");
  builder.Results("accuracy", Title(language, "accuracy")).Interval().Number("samples", "Texts", "文本数");
  builder.Results("accuracy_difference", Say(language, "Difference, points", "准确率差（百分点）"))
      .Interval();
  PColumns(builder, "p");
  builder.Results("agreement", Title(language, "agreement"));
  for (const char* name : {"precision", "recall", "f1_score"}) builder.Results(name, Title(language, name));
  builder.Results("f1_macro", Say(language, "F1, macro", "F1（宏平均）"));
  for (const VariantFacts& variant : facts.variants) {
    Row row = {VariantCell(language, variant), SeedsCell(variant)};
    Append(row, ResultCells(variant.accuracy, FormatShare));
    row.push_back(IntervalCell(language, variant.accuracy, FormatShare));
    const int64_t samples = variant.accuracy.has_value() ? variant.accuracy->samples : 0;
    row.push_back(samples > 0 ? CountCell(samples) : EmptyCell());
    Append(row, ResultCells(variant.difference, FormatPointsBare));
    row.push_back(IntervalCell(language, variant.difference, FormatPointsBare));
    Append(row, PCells(variant.p_value, variant.holm_p, variant.significant_seeds));
    for (const auto* result :
         {&variant.agreement, &variant.precision, &variant.recall, &variant.f1, &variant.f1_macro}) {
      Append(row, ResultCells(*result, FormatShare));
    }
    builder.Add(row);
  }
  return builder.Build();
}

Table PairedTable(Language language, const Facts& facts) {
  Builder builder(
      language, "paired",
      "Against the baseline on the same examples: how many change class, McNemar's test, and whether the "
      "variant is shown to be no worse by the margin.",
      "与基线在相同文本上的比较：类别改变的文本数、McNemar 检验，以及是否可证明不比基线差超过界值。");
  builder.Text("variant", "Variant", "方案");
  builder.Results("right_to_wrong", Say(language, "Right to wrong", "由对变错"));
  builder.Results("wrong_to_right", Say(language, "Wrong to right", "由错变对"));
  builder.Results("wrong_to_wrong", Say(language, "Wrong to wrong", "由错变错"));
  PColumns(builder, "p");
  builder.Text("non_inferior", "No worse", "不劣于基线").Text("margin", "Margin", "界值");
  builder.Raw("non_inferiority_p").Raw("non_inferiority_p_holm");
  const auto count = [](double value) {
    return value == std::floor(value) ? FormatCount(static_cast<int64_t>(value)) : FormatNumber(value, 3);
  };
  for (const VariantFacts& variant : facts.variants) {
    if (!variant.lost && !variant.gained && !IsCorrected(variant.holm_p) && !variant.non_inferior) continue;
    Row row = {VariantCell(language, variant)};
    for (const auto* result : {&variant.lost, &variant.gained, &variant.other_flips}) {
      Append(row, ResultCells(*result, count));
    }
    Append(row, PCells(variant.p_value, variant.holm_p, variant.significant_seeds));
    row.push_back(variant.non_inferior ? FlagCell(language, variant.non_inferior->value == 1) : EmptyCell());
    row.push_back(MarginCell(language, variant.margin));
    for (const auto* p : {&variant.margin_p, &variant.margin_holm_p}) {
      row.push_back(p->has_value() ? TextCell(FormatExact((*p)->value)) : EmptyCell());
    }
    builder.Add(row);
  }
  return builder.Build();
}

Table PairsTable(Language language, const Facts& facts) {
  Builder builder(language, "pairs", "Variants against one another on the same examples, by McNemar's test.",
                  "各方案之间在相同文本上的比较：McNemar 检验。");
  builder.Text("variant", "Variant", "方案").Text("against", "Against", "对照");
  builder.Results("accuracy_difference", Say(language, "Difference, points", "准确率差（百分点）"))
      .Interval();
  PColumns(builder, "p");
  for (const PairFacts& pair : facts.pairs) {
    Row row = {{Named(language, pair.variant_label, pair.variant), OneLine(pair.variant)},
               {Named(language, pair.against_label, pair.against), OneLine(pair.against)}};
    Append(row, ResultCells(pair.difference, FormatPointsBare));
    row.push_back(IntervalCell(language, pair.difference, FormatPointsBare));
    Append(row, PCells(pair.p_value, pair.holm_p, 0));
    builder.Add(row);
  }
  return builder.Build();
}

}  // namespace quantlab::report
