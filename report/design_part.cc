// How the experiment was set up: model, data, training, measuring, environment, seeds and versions.
#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/format.h"
#include "report/facts/message_text.h"
#include "report/facts/metric_pool.h"
#include "report/parts.h"
#include "report/prose/prose.h"
#include "report/tables/tables.h"
#include "report/text/sentences.h"

namespace quantlab::report {
namespace {

constexpr size_t kMaxClasses = 20;

bool Mentions(const AssetRef& asset, const char* word) {
  return absl::StrContains(absl::AsciiStrToLower(asset.name), word);
}

std::string AssetText(const Writer& writer, const AssetRef& asset) {
  std::string text = Code(asset.name);
  std::vector<std::string> details;
  if (asset.catalog.has_value()) {
    details.push_back(writer.Fill("package $0 $1", "软件包 $0 $1", Code(asset.catalog->package),
                                  EscapeMarkdown(asset.catalog->version)));
  }
  if (!asset.license.empty()) {
    details.push_back(writer.Fill("licence $0", "许可证 $0", EscapeMarkdown(asset.license)));
  }
  if (!asset.digest.empty())
    details.push_back(writer.Fill("digest $0", "摘要 $0", Code(ShortDigest(asset.digest))));
  if (details.empty()) return text;
  return absl::StrCat(text, writer.Say(" (", "（"), absl::StrJoin(details, writer.Say(", ", "，")),
                      writer.Say(")", "）"));
}

// What was left out of the dataset, each text once.
std::string SubsetCaveats(const Writer& writer) {
  std::set<std::string> seen;
  for (const RunReport& run : writer.data().runs) {
    for (const Caveat& caveat : run.caveats) {
      if (caveat.code == "subset") seen.insert(CaveatText(writer.language(), caveat));
    }
  }
  if (seen.empty()) return "";
  return writer.Fill("**Only a part of the data was used**: $0.", "**只使用了部分数据**：$0。",
                     absl::StrJoin(seen, writer.Say("; ", "；")));
}

// The classes of the dataset, and how many rows each has; empty where no run reported them.
std::string ClassesText(const Writer& writer) {
  std::vector<std::string> classes;
  for (const auto& [name, rows] : writer.facts().classes)
    classes.push_back(writer.Fill("$0 ($1)", "$0（$1）", Code(name), FormatCount(rows)));
  if (classes.empty()) return "";
  const size_t more = classes.size() - std::min(classes.size(), kMaxClasses);
  classes.resize(classes.size() - more);
  std::string list = absl::StrJoin(classes, writer.Say(", ", "、"));
  if (more > 0) list = writer.Fill("$0 and $1 more", "$0 等，另有 $1 个类别", list, FormatCount(more));
  return writer.Fill("Rows by class, before the split: $0.", "划分之前各类别的条数：$0。", list);
}

// Numbers have no classes to stratify by.
std::string HowDrawn(const Writer& writer) {
  return writer.facts().task().numeric ? writer.Say("drawn at random", "随机抽取")
                                       : writer.Say("stratified by class", "按类别分层");
}

void WriteData(Writer& writer) {
  writer.Subsection(writer.Say("Model and data", "模型与数据"));
  std::set<std::string> seen;
  for (const RunReport& run : writer.data().runs) {
    const RunConfig& config = run.config;
    const DatasetConfig& dataset = config.dataset;
    const SplitSizes sizes = SizesOfSplits(writer, dataset);
    std::string text = Join(writer.language(),
                            {writer.Fill("Model: $0.", "模型：$0。", AssetText(writer, config.model)),
                             writer.Fill("Dataset: $0.", "数据集：$0。", AssetText(writer, dataset.asset)),
                             writer.Fill(prose::kSplits, sizes.train, sizes.validation, sizes.test,
                                         dataset.split_seed, dataset.max_length, HowDrawn(writer))});
    if (dataset.truncation_side == "left") {
      text = Join(writer.language(),
                  {text, writer.Fill("Longer texts keep their last tokens.", "过长的文本保留结尾。")});
    }
    if (!dataset.filter_column.empty()) {
      text = Join(writer.language(),
                  {text, writer.Fill("Only rows whose $0 is $1 are used.", "只使用 $0 为 $1 的行。",
                                     Code(dataset.filter_column), Code(dataset.filter_value))});
    }
    if (const std::string classes = ClassesText(writer); !classes.empty()) {
      text = Join(writer.language(), {text, classes});
    }
    if (!seen.insert(text).second) continue;
    if (Mentions(config.model, "minilm")) {
      const std::string minilm = writer.Cite(Source::kMiniLm),
                        embeddings = writer.Cite(Source::kSentenceBert);
      text = Join(writer.language(),
                  {text, writer.Fill("The encoder is MiniLM $0 as trained for sentence embeddings $1.",
                                     "编码器为 MiniLM $0，曾训练用于句向量 $1。", minilm, embeddings)});
    }
    if (Mentions(dataset.asset, "imdb")) {
      text = Join(writer.language(), {text, writer.Fill("The reviews are those of $0.", "影评数据出自 $0。",
                                                        writer.Cite(Source::kImdb))});
    }
    writer.Paragraph(text);
  }
  writer.Paragraph(SubsetCaveats(writer));
}

// Of the products of a training: what `auto` came to be on the run's device.
std::string DtypeOfTraining(const RunReport& run) {
  for (const Metric& metric : run.metrics) {
    if (metric.name != "training_time") continue;
    if (const auto dtype = Label(metric, "dtype")) return *dtype;
  }
  return run.config.training.dtype;
}

void WriteRecipe(Writer& writer, const RunReport& run) {
  const TrainingConfig& training = run.config.training;
  writer.Paragraph(writer.Fill(
      prose::kTrainingRecipe, writer.Cite(Source::kAdamW),
      writer.language() == Language::kEnglish ? Plural(training.epochs, "epoch", "epochs")
                                              : absl::StrCat(training.epochs, " 轮"),
      training.batch_size, FormatExact(training.learning_rate),
      absl::StrCat(FormatNumber(training.warmup_ratio * 100, 3), "%"), FormatExact(training.weight_decay),
      training.max_grad_norm == 0 ? writer.Say("0 (no clipping)", "0（不裁剪）")
                                  : FormatExact(training.max_grad_norm),
      training.dropout ? writer.Say("on", "开启") : writer.Say("off", "关闭"),
      EscapeMarkdown(DtypeOfTraining(run))));
}

void WriteTraining(Writer& writer) {
  const VariantFacts* const baseline = writer.facts().baseline();
  if (baseline == nullptr) return;
  writer.Subsection(writer.Say("Training", "训练"));
  const TrainingConfig& training = baseline->runs[0]->config.training;
  if (!training.enabled) {
    writer.Paragraph(writer.Say("The checkpoint was fine-tuned before; it is only evaluated here.",
                                "检查点此前已完成微调，这里只做评估。"));
  } else {
    WriteRecipe(writer, *baseline->runs[0]);
  }
}

void WriteMeasuring(Writer& writer) {
  writer.Subsection(writer.Say("How it was measured", "测量方法"));
  if (writer.facts().task().numeric) {
    const std::string bootstrap = writer.Cite(Source::kBootstrap);
    writer.Paragraph(writer.Fill(prose::kCorrelationMeasurement, bootstrap, writer.Cite(Source::kHolm)));
  } else {
    const std::string wilson = writer.Cite(Source::kWilson), mcnemar = writer.Cite(Source::kMcNemar);
    writer.Paragraph(writer.Fill(prose::kAccuracyMeasurement, wilson, mcnemar, writer.Cite(Source::kHolm)));
  }
  if (writer.facts().comparisons.empty()) return;
  const EvaluationConfig& evaluation = writer.facts().comparisons[0].run->config.evaluation;
  writer.Paragraph(
      writer.Fill(prose::kSpeedMeasurement,
                  absl::StrJoin(evaluation.latency_sequence_lengths, writer.Say(" or ", " 或 ")),
                  writer.language() == Language::kEnglish
                      ? Plural(evaluation.warmup_iterations, "warm-up iteration", "warm-up iterations")
                      : absl::StrCat(evaluation.warmup_iterations, " 次"),
                  evaluation.min_samples, FormatSeconds(evaluation.min_duration_seconds),
                  SpeedIntervalSentence(writer.language(), writer.facts().comparisons[0],
                                        writer.Cite(Source::kBootstrap))));
  writer.Paragraph(FirstSeedSentence(writer.language(), writer.facts()));
}

void WriteEnvironment(Writer& writer) {
  writer.Subsection(writer.Say("Hardware and software", "硬件与软件环境"));
  const Table table = EnvironmentTable(writer.language(), writer.data());
  if (table.rows.empty()) {
    writer.Paragraph(writer.Say("No run recorded its environment.", "没有运行记录环境信息。"));
    return;
  }
  const std::string torch = writer.Cite(Source::kPyTorch);
  writer.Paragraph(Join(
      writer.language(),
      {writer.Fill("Models run on LibTorch $0. The same seed on the same fingerprint gives the same result.",
                   "模型由 LibTorch 执行 $0。相同种子、相同执行指纹给出相同结果。", torch),
       writer.About("environment", "$0 describes hardware and software.", "软硬件详见 $0。")}));
  writer.Show(table);
}

// "42", or "1, 2, 3".
std::string Seeds(const Writer& writer) {
  std::set<uint64_t> seeds;
  for (const RunReport& run : writer.data().runs) seeds.insert(run.run.seed);
  return absl::StrJoin(seeds, writer.Comma());
}

// What the runs' environments say of one fact, each value once and as code.
std::string FactOfRuns(const Writer& writer, const char* name, std::string (*shorten)(absl::string_view)) {
  std::set<std::string> values;
  for (const RunReport& run : writer.data().runs) {
    const auto it = run.environment.facts.find(name);
    if (it != run.environment.facts.end() && !it->second.empty()) values.insert(Code(shorten(it->second)));
  }
  return absl::StrJoin(values, writer.Comma());
}

void WriteVersions(Writer& writer) {
  if (writer.data().runs.empty()) return;
  writer.Subsection(writer.Say("Seeds and versions", "随机种子与版本"));
  std::vector<std::string> sentences = {writer.Fill(prose::kSeedsAndVersions, Seeds(writer))};
  if (!writer.data().coordinator_version.empty()) {
    sentences.push_back(writer.Fill("The service was Quantlab $0.", "服务版本为 Quantlab $0。",
                                    EscapeMarkdown(writer.data().coordinator_version)));
  }
  if (const std::string commits = FactOfRuns(writer, "source_commit", OneLine); !commits.empty()) {
    sentences.push_back(writer.Fill("The program that trained and measured was built from commit $0.",
                                    "训练与测量程序由提交 $0 构建。", commits));
  }
  if (const std::string runners = FactOfRuns(writer, "runner_sha256", ShortDigest); !runners.empty()) {
    sentences.push_back(writer.Fill("Its SHA-256 is $0.", "其 SHA-256 为 $0。", runners));
  }
  writer.Paragraph(Join(writer.language(), sentences));
}

}  // namespace

SplitSizes SizesOfSplits(const Writer& writer, const DatasetConfig& dataset) {
  const auto text = [&](const char* split, int64_t asked, const char* rest) -> std::string {
    const std::map<std::string, int64_t>& known = writer.facts().split_texts;
    const auto it = known.find(split);
    if (it == known.end() && asked < 0) return writer.Say("none", "无");
    if (it == known.end() && asked == 0) return rest;
    return absl::StrCat(FormatCount(it == known.end() ? asked : it->second), writer.Say("", " 条"));
  };
  // What 0 asks for: see DatasetConfig.
  return {text("train", dataset.train_size, writer.Say("all that is left", "其余全部")),
          text("validation", dataset.validation_size,
               writer.Say("the dataset's own, or else none", "数据集自带的，否则无")),
          text("test", dataset.test_size,
               dataset.train_size == 0
                   ? writer.Say("the dataset's own, or else a fifth", "数据集自带的，否则取五分之一")
                   : writer.Say("the dataset's own, or else what is left", "数据集自带的，否则为其余全部"))};
}

void WriteDesign(Writer& writer) {
  writer.Section("Design of the experiment", "实验设计");
  WriteData(writer);
  writer.Paragraph(writer.About("architecture/model", "$0 shows where each variant quantizes the model.",
                                "$0 标出各方案量化了模型的哪些部分。"));
  writer.ShowFigure("architecture/model");
  WriteTraining(writer);
  WriteMeasuring(writer);
  WriteEnvironment(writer);
  WriteVersions(writer);
}

}  // namespace quantlab::report
