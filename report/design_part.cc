// How the experiment was set up: model, data, training, measuring, environment, seeds and versions.
#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "report/facts/caveats.h"
#include "report/facts/format.h"
#include "report/parts.h"
#include "report/tables/tables.h"
#include "report/text/sentences.h"

namespace quantlab::report {
namespace {

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

void WriteData(Writer& writer) {
  writer.Subsection(writer.Say("Model and data", "模型与数据"));
  std::set<std::string> seen;
  for (const RunReport& run : writer.data().runs) {
    const RunConfig& config = run.config;
    const DatasetConfig& dataset = config.dataset;
    const SplitSizes sizes = SizesOfSplits(writer, dataset);
    std::string text = Join(
        writer.language(),
        {writer.Fill("Model: $0.", "模型：$0。", AssetText(writer, config.model)),
         writer.Fill("Dataset: $0.", "数据集：$0。", AssetText(writer, dataset.asset)),
         writer.Fill("Its texts are split into training ($0), validation ($1) and test ($2). The splits are "
                     "disjoint, deduplicated, "
                     "stratified by class and fixed by split seed $3; texts are cut to $4 tokens.",
                     "其文本划分为训练集（$0）、验证集（$1）和测试集（$"
                     "2）。各划分互不相交，已去重，按类别分层，由划分种子 $3 确定；"
                     "文本截断至 $4 个词元。",
                     sizes.train, sizes.validation, sizes.test, dataset.split_seed, dataset.max_length)});
    if (!dataset.filter_column.empty()) {
      text = Join(writer.language(),
                  {text, writer.Fill("Only rows whose $0 is $1 are used.", "只使用 $0 为 $1 的行。",
                                     Code(dataset.filter_column), Code(dataset.filter_value))});
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

void WriteRecipe(Writer& writer, const TrainingConfig& training) {
  writer.Paragraph(writer.Fill(
      "AdamW $0, $1, batch size $2, peak learning rate $3 with linear warm-up over $4 of the steps and "
      "linear "
      "decay, weight decay $5, gradients clipped to norm $6, dropout $7, $8.",
      "AdamW $0，$1，批大小 $2，峰值学习率 $3（前 $4 的步数线性预热，其后线性衰减），权重衰减 $5，"
      "梯度范数裁剪 $6，dropout $7，$8。",
      writer.Cite(Source::kAdamW),
      writer.language() == Language::kEnglish ? Plural(training.epochs, "epoch", "epochs")
                                              : absl::StrCat(training.epochs, " 轮"),
      training.batch_size, FormatExact(training.learning_rate),
      absl::StrCat(FormatNumber(training.warmup_ratio * 100, 3), "%"), FormatExact(training.weight_decay),
      training.max_grad_norm == 0 ? writer.Say("0 (no clipping)", "0（不裁剪）")
                                  : FormatExact(training.max_grad_norm),
      training.dropout ? writer.Say("on", "开启") : writer.Say("off", "关闭"),
      EscapeMarkdown(training.dtype)));
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
    WriteRecipe(writer, training);
  }
  // Methods train too.
  writer.Show(CurvesTable(writer.language(), writer.data()));
}

void WriteMeasuring(Writer& writer) {
  writer.Subsection(writer.Say("How it was measured", "测量方法"));
  const std::string wilson = writer.Cite(Source::kWilson), mcnemar = writer.Cite(Source::kMcNemar);
  writer.Paragraph(writer.Fill(
      "Accuracy is counted on the whole test split, which is read once; its interval is Wilson's at 95% $0. "
      "A "
      "variant and the baseline are compared on the same texts by McNemar's exact test $1; p below 0.05 is "
      "called significant, and anything else is no proof that the two are equal. Where several variants are "
      "tested "
      "at once, p is corrected by Holm's method $2, within each seed, and the corrected value decides; so it "
      "is "
      "for the "
      "pairs of variants.",
      "准确率在整个测试集上统计，测试集只读取一次；区间为 95% Wilson 区间 $0。各方案与基线在相同文本上用 "
      "McNemar "
      "精确检验比较 $1；p 小于 0.05 称为显著，否则也不证明两者相同。同时检验多个方案时，在每个随机种子内对 p "
      "作 "
      "Holm 校正 $2，并以校正值为准；方案两两比较时亦然。",
      wilson, mcnemar, writer.Cite(Source::kHolm)));
  if (writer.facts().comparisons.empty()) return;
  const EvaluationConfig& evaluation = writer.facts().comparisons[0].run->config.evaluation;
  writer.Paragraph(writer.Fill(
      "Speed is a paired ratio: one process on one otherwise idle worker times every variant against "
      "the best "
      "FP32 path in interleaved, randomised blocks of texts of $0 tokens, after $1, for at least "
      "$2 blocks and $3 per variant, batch size and length. The speedup is the median of the ratios with a "
      "bootstrap interval $4. Times of different machines are never divided by each other.",
      "速度为配对比值：在一台无其他任务的工作节点上，同一进程以交错、随机的区块对每个方案与最优 FP32 "
      "路径计时，文本长度 $0 个词元，预热 $1，每个方案、批大小和长度至少 $2 "
      "个区块、$3。加速比为比值的中位数，"
      "区间由自助法给出 $4。不同机器的时间从不相除。",
      absl::StrJoin(evaluation.latency_sequence_lengths, writer.Say(" or ", " 或 ")),
      writer.language() == Language::kEnglish
          ? Plural(evaluation.warmup_iterations, "warm-up iteration", "warm-up iterations")
          : absl::StrCat(evaluation.warmup_iterations, " 次"),
      evaluation.min_samples, FormatSeconds(evaluation.min_duration_seconds),
      writer.Cite(Source::kBootstrap)));
  writer.Paragraph(FirstSeedSentence(writer.language(), writer.facts()));
}

void WriteEnvironment(Writer& writer) {
  writer.Subsection(writer.Say("Hardware and software", "硬件与软件环境"));
  const Table table = EnvironmentTable(writer.language(), writer.data());
  if (table.rows.empty()) {
    writer.Paragraph(writer.Say("No run recorded its environment.", "没有运行记录环境信息。"));
    return;
  }
  writer.Paragraph(writer.Fill(
      "Models run on LibTorch $0. The same seed on the same fingerprint gives the same result.",
      "模型由 LibTorch 执行 $0。相同种子、相同执行指纹给出相同结果。", writer.Cite(Source::kPyTorch)));
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
  std::vector<std::string> sentences = {writer.Fill(
      "Seeds of the runs: $0. The whole configuration of each run is in `tables/configuration.csv`, the "
      "experiment "
      "file as submitted in `experiment.yaml` of the results folder.",
      "各运行的随机种子：$0。每个运行的完整配置见 `tables/configuration.csv`，提交的实验文件见结果目录中的 "
      "`experiment.yaml`。",
      Seeds(writer))};
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
  writer.ShowFigure("architecture/model");
  WriteTraining(writer);
  WriteMeasuring(writer);
  WriteEnvironment(writer);
  WriteVersions(writer);
}

}  // namespace quantlab::report
