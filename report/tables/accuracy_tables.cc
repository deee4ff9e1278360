// Accuracy of the variants, and their paired tests.
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/format.h"
#include "report/facts/names.h"
#include "report/facts/quality.h"
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
Cell MarginCell(Language language, const TaskSpec& task, const std::string& margin) {
  double share = 0;
  if (!absl::SimpleAtod(margin, &share)) return TextCell(margin);
  return {FormatLoss(task, share, language), margin};
}

// Beside the quality: of classes agreement, precision, recall and F1; of numbers the other measures of fit.
struct FurtherColumn {
  const char* metric;
  std::optional<Result> VariantFacts::*result;
  NumberFormat format;
};

std::string FormatPlain(double value) {
  return FormatNumber(value, 4);
}

std::vector<FurtherColumn> FurtherColumns(const TaskSpec& task) {
  if (task.numeric) {
    return {{"spearman", &VariantFacts::spearman, FormatCorrelation},
            {"mean_squared_error", &VariantFacts::squared_error, FormatPlain},
            {"output_shift", &VariantFacts::output_shift, FormatPlain}};
  }
  return {{"agreement", &VariantFacts::agreement, FormatShare},
          {"precision", &VariantFacts::precision, FormatShare},
          {"recall", &VariantFacts::recall, FormatShare},
          {"f1_score", &VariantFacts::f1, FormatShare},
          {"f1_macro", &VariantFacts::f1_macro, FormatShare}};
}

// Of classes Wilson's interval, of numbers Fisher's.
Text QualityCaption(const TaskSpec& task) {
  if (task.numeric) {
    return {
        "Quality on the test split; the interval of one run is Fisher's, several seeds give mean ± standard "
        "deviation.",
        "测试集上的质量指标；单次运行给出 Fisher 区间，多个随机种子给出均值 ± 标准差。"};
  }
  return {
      "Quality on the test split; the interval of one run is Wilson's, several seeds give mean ± standard "
      "deviation.",
      "测试集上的质量指标；单次运行给出 Wilson 区间，多个随机种子给出均值 ± 标准差。"};
}

}  // namespace

Table AccuracyTable(Language language, const Facts& facts) {
  const TaskSpec& task = facts.task();
  const Text caption = QualityCaption(task);
  Builder builder(language, "accuracy", caption.english.c_str(), caption.chinese.c_str());
  builder.Text("variant", "Variant", "方案").Text("seeds", "Seeds", "种子");
  builder.Results(task.quality, QualityTitle(language, task)).Interval().Number("samples", "Texts", "文本数");
  builder.Results(task.difference, DifferenceTitle(language, task)).Interval();
  PColumns(builder, task, "p");
  const std::string macro = "f1_macro";
  for (const FurtherColumn& column : FurtherColumns(task)) {
    builder.Results(column.metric, column.metric == macro ? Say(language, "F1, macro", "F1（宏平均）")
                                                          : Title(language, column.metric));
  }
  for (const VariantFacts& variant : facts.variants) {
    Row row = {VariantCell(language, variant), SeedsCell(variant)};
    Append(row, ResultCells(variant.accuracy, QualityFormat(task)));
    row.push_back(IntervalCell(language, variant.accuracy, QualityFormat(task)));
    const int64_t samples = variant.accuracy.has_value() ? variant.accuracy->samples : 0;
    row.push_back(samples > 0 ? CountCell(samples) : EmptyCell());
    Append(row, ResultCells(variant.difference, DifferenceFormat(task)));
    row.push_back(IntervalCell(language, variant.difference, DifferenceFormat(task)));
    Append(row, PCells(variant.p_value, variant.holm_p, variant.significant_seeds));
    for (const FurtherColumn& column : FurtherColumns(task)) {
      Append(row, ResultCells(variant.*column.result, column.format));
    }
    builder.Add(row);
  }
  return builder.Build();
}

Table PairedTable(Language language, const Facts& facts) {
  const TaskSpec& task = facts.task();
  Builder builder(
      language, "paired",
      task.numeric
          ? "Against the baseline on the same examples: the paired bootstrap, and whether the variant is shown to "
            "be no worse by the margin."
          : "Against the baseline on the same examples: how many change class, McNemar's test, and whether the "
            "variant is shown to be no worse by the margin.",
      task.numeric
          ? "与基线在相同文本上的比较：成对自助法，以及是否可证明不比基线差超过界值。"
          : "与基线在相同文本上的比较：类别改变的文本数、McNemar 检验，以及是否可证明不比基线差超过界值。");
  builder.Text("variant", "Variant", "方案");
  if (!task.numeric) {
    builder.Results("right_to_wrong", Say(language, "Right to wrong", "由对变错"));
    builder.Results("wrong_to_right", Say(language, "Wrong to right", "由错变对"));
    builder.Results("wrong_to_wrong", Say(language, "Wrong to wrong", "由错变错"));
  }
  PColumns(builder, task, "p");
  builder.Text("non_inferior", "No worse", "不劣于基线").Text("margin", "Margin", "界值");
  builder.Raw("non_inferiority_p").Raw("non_inferiority_p_holm");
  const auto count = [](double value) {
    return value == std::floor(value) ? FormatCount(static_cast<int64_t>(value)) : FormatNumber(value, 3);
  };
  for (const VariantFacts& variant : facts.variants) {
    if (!variant.lost && !variant.gained && !IsCorrected(variant.holm_p) && !variant.non_inferior) continue;
    Row row = {VariantCell(language, variant)};
    for (const auto* result : {&variant.lost, &variant.gained, &variant.other_flips}) {
      if (!task.numeric) Append(row, ResultCells(*result, count));
    }
    Append(row, PCells(variant.p_value, variant.holm_p, variant.significant_seeds));
    row.push_back(variant.non_inferior ? FlagCell(language, variant.non_inferior->value == 1) : EmptyCell());
    row.push_back(MarginCell(language, task, variant.margin));
    for (const auto* p : {&variant.margin_p, &variant.margin_holm_p}) {
      row.push_back(p->has_value() ? TextCell(FormatExact((*p)->value)) : EmptyCell());
    }
    builder.Add(row);
  }
  return builder.Build();
}

Table PairsTable(Language language, const Facts& facts) {
  const TaskSpec& task = facts.task();
  Builder builder(language, "pairs",
                  task.numeric ? "Variants against one another on the same examples, by the paired bootstrap."
                               : "Variants against one another on the same examples, by McNemar's test.",
                  task.numeric ? "各方案之间在相同文本上的比较：成对自助法。"
                               : "各方案之间在相同文本上的比较：McNemar 检验。");
  builder.Text("variant", "Variant", "方案").Text("against", "Against", "对照");
  builder.Results(task.difference, DifferenceTitle(language, task)).Interval();
  PColumns(builder, task, "p");
  for (const PairFacts& pair : facts.pairs) {
    Row row = {{Named(language, pair.variant_label, pair.variant), OneLine(pair.variant)},
               {Named(language, pair.against_label, pair.against), OneLine(pair.against)}};
    Append(row, ResultCells(pair.difference, DifferenceFormat(task)));
    row.push_back(IntervalCell(language, pair.difference, DifferenceFormat(task)));
    Append(row, PCells(pair.p_value, pair.holm_p, 0));
    builder.Add(row);
  }
  return builder.Build();
}

}  // namespace quantlab::report
