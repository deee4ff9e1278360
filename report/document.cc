#include "report/document.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/substitute.h"
#include "report/format.h"
#include "report/references.h"
#include "report/sentences.h"
#include "report/tables.h"

namespace quantlab::report {
namespace {

// Writes a report from top to bottom; each method writes one part of it.
class Document {
 public:
  Document(Language language, const Facts& facts) : language_(language), facts_(facts), data_(*facts.data) {}

  std::string Render() {
    Head();
    Abstract();
    Background();
    Design();
    Methods();
    Comparison();
    Runs();
    Threats();
    Conclusion();
    References();
    Appendices();
    return std::move(text_);
  }

 private:
  void Head();
  void Abstract();
  void Background();
  void Design();
  void Subset();
  void Training();
  void Measuring();
  void Environment();
  void Methods();
  void Theory(const VariantFacts& variant);
  void Parameters(const VariantFacts& variant);
  void VariantResults(const VariantFacts& variant);
  void Comparison();
  void Runs();
  void NotRun();
  void Caveats();
  std::string SubsetCaveats() const;
  void Threats();
  void Conclusion();
  void References();
  void Appendices();

  const char* Say(const char* english, const char* chinese) const {
    return report::Say(language_, english, chinese);
  }
  template <typename... Args>
  std::string Fill(const char* english, const char* chinese, const Args&... args) const {
    return absl::Substitute(Say(english, chinese), args...);
  }
  // "## 3 Methods"; numbers are given in order.
  void Section(const char* english, const char* chinese) {
    subsection_ = 0;
    absl::StrAppend(&text_, "## ", ++section_, " ", Say(english, chinese), "\n\n");
  }
  void Subsection(const std::string& title) {
    absl::StrAppend(&text_, "### ", section_, ".", ++subsection_, " ", title, "\n\n");
  }
  void Paragraph(const std::string& text) {
    if (!text.empty()) absl::StrAppend(&text_, text, "\n\n");
  }
  void Item(const std::string& text) {
    if (!text.empty()) absl::StrAppend(&text_, "- ", text, "\n");
  }
  void EndList() {
    if (!absl::EndsWith(text_, "\n\n")) text_ += '\n';
  }
  // Its caption with a number, then the table; nothing where it has no rows.
  void Show(const Table& table) {
    if (table.rows.empty()) return;
    Paragraph(Fill("**Table $0.** $1", "**表 $0** $1", ++table_, table.caption));
    absl::StrAppend(&text_, TableMarkdown(table), "\n");
  }
  std::string Cite(Source source) { return references_.Cite(source); }
  // Of a split as it was asked for. -1: none.
  std::string Size(int64_t size) const {
    if (size < 0) return Say("none", "无");
    return size == 0 ? Say("all that is left", "其余全部") : absl::StrCat(FormatCount(size), Say("", " 条"));
  }
  std::string AssetText(const AssetRef& asset) const;
  const RunConfig* AnyConfig() const { return data_.runs.empty() ? nullptr : &data_.runs[0].config; }

  const Language language_;
  const Facts& facts_;
  const ReportData& data_;
  class References references_;
  std::string text_;
  int section_ = 0, subsection_ = 0, table_ = 0;
};

bool Mentions(const AssetRef& asset, const char* word) {
  return absl::StrContains(absl::AsciiStrToLower(asset.name), word);
}

void Document::Head() {
  const ExperimentRecord& experiment = data_.experiment;
  absl::StrAppend(&text_, "# ", Say("Quantization report: ", "课程设计报告:"),
                  EscapeMarkdown(experiment.name), "\n\n");
  std::string line = Fill("Experiment $0, submitted $1", "实验 $0,提交于 $1", Code(experiment.id),
                          FormatUtc(experiment.create_time));
  if (experiment.end_time.has_value()) {
    absl::StrAppend(&line, Fill(", ended $0", ",结束于 $0", FormatUtc(*experiment.end_time)));
  } else {
    absl::StrAppend(&line, Say("; **it has not ended: this report is preliminary**",
                               ";**实验尚未结束,本报告为中间结果**"));
  }
  if (!data_.coordinator_version.empty()) {
    absl::StrAppend(&line, Fill("; Quantlab $0", ";Quantlab $0", EscapeMarkdown(data_.coordinator_version)));
  }
  Paragraph(absl::StrCat(line, Say(".", "。")));
}

void Document::Abstract() {
  absl::StrAppend(&text_, "## ", Say("Abstract", "摘要"), "\n\n");
  Item(absl::StrCat(Say("**For speed.** ", "**追求速度**:"), ShipForSpeed(language_, facts_)));
  Item(absl::StrCat(Say("**For size.** ", "**追求体积**:"), ShipForSize(language_, facts_)));
  Item(absl::StrCat(Say("**For accuracy.** ", "**追求准确率**:"), ShipForAccuracy(language_, facts_)));
  EndList();
  Show(SummaryTable(language_, facts_));
  const auto failed = std::count_if(data_.runs.begin(), data_.runs.end(), [](const RunReport& run) {
    return run.run.state != RunState::kSucceeded;
  });
  if (failed > 0) {
    Paragraph(Fill("$0 of $1 runs $2 no result; the section on runs says why.",
                   "$1 个运行中有 $0 个没有结果,原因见“运行情况”一节。", failed, data_.runs.size(),
                   failed == 1 ? "has" : "have"));
  }
  if (const RunConfig* config = AnyConfig()) {
    Paragraph(Fill("Model $0; dataset $1: of its texts, $2 for training, $3 for validation, $4 for the test.",
                   "模型 $0;数据集 $1:训练 $2,验证 $3,测试 $4。", Code(config->model.name),
                   Code(config->dataset.asset.name), Size(config->dataset.train_size),
                   Size(config->dataset.validation_size), Size(config->dataset.test_size)));
  }
}

void Document::Background() {
  Section("Background", "背景与原理");
  const std::string integer = Cite(Source::kInteger), white_paper = Cite(Source::kWhitePaper);
  const std::string bert = Cite(Source::kBert), q8bert = Cite(Source::kQ8Bert);
  Paragraph(Fill(
      "Quantization stores weights, and often activations, as small integers: a real number x becomes "
      "q = clamp(round(x / s) + z) with a scale s and a zero point z, and x is recovered as s · (q − z) up "
      "to "
      "rounding $0. Weights with one scale per output channel lose less than with one per matrix, and a "
      "product of two 8-bit matrices is summed exactly in 32 bits $1. BERT's encoder $2 spends nearly all of "
      "its time in linear layers, and is known to stand 8 bits well $3.",
      "量化用小整数存储权重(往往也包括激活):实数 x 变为 q = clamp(round(x / s) + z),其中 s 为缩放因子,z "
      "为零点;还原为 s · (q − z),只差舍入误差 $0。权重按输出通道各用一个缩放因子,比整个矩阵共用一个损失更小;"
      "两个 8 位矩阵之积在 32 位中精确累加 $1。BERT 编码器 $2 几乎全部时间用于线性层,已知能较好地承受 8 "
      "位量化 $3。",
      integer, white_paper, bert, q8bert));
}

void Document::Design() {
  Section("Design of the experiment", "实验设计");
  Subset();
  Training();
  Measuring();
  Environment();
}

std::string Document::AssetText(const AssetRef& asset) const {
  std::string text = Code(asset.name);
  std::vector<std::string> details;
  if (asset.catalog.has_value()) {
    details.push_back(Fill("package $0 $1", "软件包 $0 $1", Code(asset.catalog->package),
                           EscapeMarkdown(asset.catalog->version)));
  }
  if (!asset.license.empty()) {
    details.push_back(Fill("licence $0", "许可证 $0", EscapeMarkdown(asset.license)));
  }
  if (!asset.digest.empty()) details.push_back(Fill("digest $0", "摘要 $0", Code(ShortDigest(asset.digest))));
  if (details.empty()) return text;
  return absl::StrCat(text, Say(" (", "("), absl::StrJoin(details, Say(", ", ",")), Say(")", ")"));
}

void Document::Subset() {
  Subsection(Say("Model and data", "模型与数据"));
  std::set<std::string> seen;
  for (const RunReport& run : data_.runs) {
    const RunConfig& config = run.config;
    const DatasetConfig& dataset = config.dataset;
    std::string text =
        Join(language_,
             {Fill("Model: $0.", "模型:$0。", AssetText(config.model)),
              Fill("Dataset: $0.", "数据集:$0。", AssetText(dataset.asset)),
              Fill("Of its texts, $0 train, $1 validate and $2 test. The splits are disjoint, deduplicated, "
                   "stratified by class and fixed by split seed $3; texts are cut to $4 tokens.",
                   "其中训练 $0、验证 $1、测试 $2。各划分互不相交,已去重,按类别分层,由划分种子 $3 确定;"
                   "文本截断至 $4 个词元。",
                   Size(dataset.train_size), Size(dataset.validation_size), Size(dataset.test_size),
                   dataset.split_seed, dataset.max_length)});
    if (!dataset.filter_column.empty()) {
      text = Join(language_, {text, Fill("Only rows whose $0 is $1 are used.", "只使用 $0 为 $1 的行。",
                                         Code(dataset.filter_column), Code(dataset.filter_value))});
    }
    if (!seen.insert(text).second) continue;
    if (Mentions(config.model, "minilm")) {
      const std::string minilm = Cite(Source::kMiniLm), embeddings = Cite(Source::kSentenceBert);
      text = Join(language_, {text, Fill("The encoder is MiniLM $0 as trained for sentence embeddings $1.",
                                         "编码器为 MiniLM $0,曾训练用于句向量 $1。", minilm, embeddings)});
    }
    if (Mentions(dataset.asset, "imdb")) {
      text = Join(language_,
                  {text, Fill("The reviews are those of $0.", "影评数据出自 $0。", Cite(Source::kImdb))});
    }
    Paragraph(text);
  }
  Paragraph(SubsetCaveats());
}

void Document::Training() {
  const VariantFacts* const baseline = facts_.baseline();
  if (baseline == nullptr) return;
  Subsection(Say("Training", "训练"));
  const TrainingConfig& training = baseline->runs[0]->config.training;
  if (!training.enabled) {
    Paragraph(Say("The checkpoint was fine-tuned before; it is only evaluated here.",
                  "检查点此前已完成微调,这里只做评估。"));
    return;
  }
  Paragraph(Fill(
      "AdamW $0, $1, batch size $2, peak learning rate $3 with linear warm-up over $4 of the steps and "
      "linear "
      "decay, weight decay $5, gradients clipped to norm $6, dropout $7, $8.",
      "AdamW $0,$1,批大小 $2,峰值学习率 $3(前 $4 的步数线性预热,其后线性衰减),权重衰减 $5,"
      "梯度范数裁剪 $6,dropout $7,$8。",
      Cite(Source::kAdamW),
      language_ == Language::kEnglish ? Plural(training.epochs, "epoch", "epochs")
                                      : absl::StrCat(training.epochs, " 轮"),
      training.batch_size, FormatExact(training.learning_rate),
      absl::StrCat(FormatNumber(training.warmup_ratio * 100, 3), "%"), FormatExact(training.weight_decay),
      training.max_grad_norm == 0 ? Say("0 (no clipping)", "0(不裁剪)") : FormatExact(training.max_grad_norm),
      training.dropout ? Say("on", "开启") : Say("off", "关闭"), EscapeMarkdown(training.dtype)));
  Show(CurvesTable(language_, data_));
}

void Document::Measuring() {
  Subsection(Say("How it was measured", "测量方法"));
  const std::string wilson = Cite(Source::kWilson), mcnemar = Cite(Source::kMcNemar);
  Paragraph(Fill(
      "Accuracy is counted on the whole test split, which is read once; its interval is Wilson's at 95% $0. "
      "A "
      "variant and the baseline are compared on the same texts by McNemar's exact test $1; p below 0.05 is "
      "called significant, and anything else is no proof that the two are equal.",
      "准确率在整个测试集上统计,测试集只读取一次;区间为 95% Wilson 区间 $0。各方案与基线在相同文本上用 "
      "McNemar "
      "精确检验比较 $1;p 小于 0.05 称为显著,否则也不证明两者相同。",
      wilson, mcnemar));
  if (facts_.comparisons.empty()) return;
  const EvaluationConfig& evaluation = facts_.comparisons[0].run->config.evaluation;
  Paragraph(
      Fill("Speed is a paired ratio: one process on one otherwise idle worker times every variant against "
           "the best "
           "FP32 path in interleaved, randomised blocks of texts of $0 tokens, after $1, for at least "
           "$2 blocks and $3 per variant and batch size. The speedup is the median of the ratios with a "
           "bootstrap interval $4. Times of different machines are never divided by each other.",
           "速度为配对比值:在一台无其他任务的工作节点上,同一进程以交错、随机的区块对每个方案与最优 FP32 "
           "路径计时,文本长度 $0 个词元,预热 $1,每个方案和批大小至少 $2 个区块、$3。加速比为比值的中位数,"
           "区间由自助法给出 $4。不同机器的时间从不相除。",
           evaluation.latency_sequence_length,
           language_ == Language::kEnglish
               ? Plural(evaluation.warmup_iterations, "warm-up iteration", "warm-up iterations")
               : absl::StrCat(evaluation.warmup_iterations, " 次"),
           evaluation.min_samples, FormatSeconds(evaluation.min_duration_seconds), Cite(Source::kBootstrap)));
}

void Document::Environment() {
  Subsection(Say("Hardware and software", "硬件与软件环境"));
  const Table table = EnvironmentTable(language_, data_);
  if (table.rows.empty()) {
    Paragraph(Say("No run recorded its environment.", "没有运行记录环境信息。"));
    return;
  }
  Paragraph(Fill("Models run on LibTorch $0. The same seed on the same fingerprint gives the same result.",
                 "模型由 LibTorch 执行 $0。相同种子、相同执行指纹给出相同结果。", Cite(Source::kPyTorch)));
  Show(table);
}

void Document::Methods() {
  Section("Methods and their results", "各方法及其结果");
  for (const VariantFacts& variant : facts_.variants) {
    const std::string title = MethodTitle(language_, variant);
    Subsection(absl::StrCat(title, Say(": ", ":"), Code(variant.name)));
    Theory(variant);
    Parameters(variant);
    VariantResults(variant);
  }
  if (facts_.variants.empty()) Paragraph(Say("The experiment has no runs.", "本实验没有运行。"));
}

void Document::Theory(const VariantFacts& variant) {
  if (variant.baseline) {
    Paragraph(Say("The FP32 checkpoint that every other variant starts from and is compared with.",
                  "其他方案以之为起点并与之比较的 FP32 检查点。"));
    return;
  }
  if (variant.method == "dynamic_quantization" && language_ == Language::kChinese) {
    Paragraph(
        "权重事先量化为 INT8;激活在模型运行时按当时的数值范围量化(每个词元或整个批次一个缩放因子),"
        "不需要校准数据。");
    return;
  }
  if (variant.spec != nullptr) Paragraph(EscapeMarkdown(variant.spec->help));
}

void Document::Parameters(const VariantFacts& variant) {
  const Params& params = variant.runs[0]->config.method.params;
  if (params.empty()) return;
  std::vector<std::string> parts;
  for (const auto& [name, value] : params) {
    parts.push_back(absl::StrCat(Code(name), " = ", Code(ParamToString(value))));
  }
  Paragraph(Fill("Parameters: $0.", "参数:$0。", absl::StrJoin(parts, Say(", ", ","))));
}

void Document::VariantResults(const VariantFacts& variant) {
  for (const RunReport* run : variant.runs) Paragraph(EndSentence(language_, *run));
  if (variant.succeeded == 0) return;
  Paragraph(Join(language_, {AccuracySentence(language_, variant),
                             DifferenceSentence(language_, variant, facts_.baseline())}));
  for (size_t i = 0; i < facts_.comparisons.size(); ++i) {
    const Measured& measured = variant.measured[i];
    std::vector<std::string> sentences;
    for (const auto& [batch_size, timing] : measured.by_batch_size) {
      if (variant.baseline) continue;
      sentences.push_back(
          SpeedSentence(language_, batch_size, timing, facts_.comparisons[i].Reliable(batch_size)));
    }
    sentences.push_back(SizeSentence(language_, measured, variant.baseline));
    sentences.push_back(MemorySentence(language_, measured));
    Paragraph(Join(language_, sentences));
  }
  for (const RunReport* run : variant.runs) {
    if (run->run.state != RunState::kSucceeded || run->layers.empty()) continue;
    Paragraph(PrecisionSentence(language_, run->layers));
    break;
  }
}

void Document::Comparison() {
  Section("Comparison", "对比");
  Show(AccuracyTable(language_, facts_));
  Paragraph(NoComparisonSentence(language_, facts_));
  Show(SpeedTable(language_, facts_));
  for (const ComparisonFacts& comparison : facts_.comparisons) Paragraph(AaSentence(language_, comparison));
  Show(SizeTable(language_, facts_));
  Show(MemoryTable(language_, facts_));
  Show(LayersTable(language_, facts_));
  Show(OtherTable(language_, facts_));
}

void Document::Runs() {
  Section("Runs", "运行情况");
  Show(RunsTable(language_, data_));
  for (const RunReport& run : data_.runs) Item(EndSentence(language_, run));
  EndList();
  NotRun();
}

void Document::NotRun() {
  std::vector<std::string> names;
  for (const MethodSpec& spec : AllMethods()) {
    const bool ran = std::any_of(facts_.variants.begin(), facts_.variants.end(),
                                 [&](const VariantFacts& variant) { return variant.method == spec.name; });
    if (!ran) names.push_back(Code(spec.name));
  }
  if (names.empty()) return;
  Paragraph(Fill("Disabled, or not in the experiment file: $0.", "已禁用或未写入实验文件的方法:$0。",
                 absl::StrJoin(names, Say(", ", "、"))));
}

// What was left out of the dataset, each text once.
std::string Document::SubsetCaveats() const {
  std::set<std::string> seen;
  for (const RunReport& run : data_.runs) {
    for (const Caveat& caveat : run.caveats) {
      if (caveat.code == "subset") seen.insert(EscapeMarkdown(caveat.message));
    }
  }
  if (seen.empty()) return "";
  return Fill("**Only a part of the data was used**: $0.", "**只使用了部分数据**:$0。",
              absl::StrJoin(seen, "; "));
}

void Document::Caveats() {
  std::set<std::string> seen;
  for (const RunReport& run : data_.runs) {
    for (const Caveat& caveat : run.caveats) {
      if (caveat.code == "subset") continue;  // said with the data
      const std::string text = absl::StrCat(EscapeMarkdown(caveat.message), " (", Code(caveat.code), ")");
      if (seen.insert(text).second) Item(text);
    }
  }
}

void Document::Threats() {
  Section("Threats to validity", "有效性威胁");
  Caveats();
  const bool one_seed = std::all_of(facts_.variants.begin(), facts_.variants.end(),
                                    [](const VariantFacts& variant) { return variant.runs.size() == 1; });
  if (one_seed && !facts_.variants.empty()) {
    Item(
        Say("Each variant ran with one seed: how much the result varies with the seed is not known, and the "
            "intervals of accuracy cover the choice of test texts only.",
            "每个方案只用一个随机种子:结果随种子的波动未知,准确率区间只反映测试文本的抽样。"));
  }
  if (!facts_.comparisons.empty()) {
    Item(
        Say("Speed and memory hold for the one machine, thread count and text length given above; other CPUs "
            "may rank the variants differently.",
            "速度与内存只对上文所述的机器、线程数和文本长度成立;其他 CPU 上各方案的名次可能不同。"));
  }
  Item(
      Say("The test texts come from the same source as the training texts: the figures say nothing about "
          "other domains.",
          "测试文本与训练文本来源相同:这些数字不说明其他领域的表现。"));
  const bool reused =
      std::any_of(data_.runs.begin(), data_.runs.end(), [](const RunReport& run) { return run.run.reused; });
  if (reused) {
    Item(Say(
        "Some results were taken from earlier runs with the same inputs, execution fingerprint and runner "
        "(“reused”); timings never are.",
        "部分结果取自输入、执行指纹和执行程序均相同的先前运行(“复用”);时间数据从不复用。"));
  }
  EndList();
}

void Document::Conclusion() {
  Section("Conclusion", "结论");
  Paragraph(ShipForSpeed(language_, facts_));
  Paragraph(ShipForSize(language_, facts_));
  Paragraph(ShipForAccuracy(language_, facts_));
}

void Document::References() {
  absl::StrAppend(&text_, "## ", Say("References", "参考文献"), "\n\n", references_.List(), "\n");
}

void Document::Appendices() {
  absl::StrAppend(&text_, "## ", Say("Appendix: where every number comes from", "附录:每个数字的来源"),
                  "\n\n");
  Show(SourcesTable(language_, data_));
  Show(ProvenanceTable(language_, data_));
  const char* const code = LanguageCode(language_);
  std::vector<std::string> links;
  for (const Table& table : AllTables(language_, facts_)) {
    if (table.rows.empty()) continue;
    links.push_back(absl::Substitute("[$0](tables/$0.csv)", table.name));
  }
  if (links.empty()) return;
  Paragraph(Fill("Every table as CSV with all digits: $0; the same as Markdown in `tables/*.$1.md`.",
                 "各表的 CSV(全部有效数字):$0;Markdown 版本见 `tables/*.$1.md`。",
                 absl::StrJoin(links, Say(", ", "、")), code));
}

}  // namespace

std::string RenderDocument(Language language, const Facts& facts) {
  return Document(language, facts).Render();
}

}  // namespace quantlab::report
