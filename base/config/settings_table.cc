// The table of settings: one line for each, in the order of the input key and of reports.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/device.h"
#include "base/config/runtime_names.h"
#include "base/config/settings_line.h"
#include "base/config/task.h"
#include "base/language.h"

namespace quantlab::settings {
namespace {

// Programs that read results as JSON numbers keep integers only up to 2^53.
constexpr double kMaxSeed = 9007199254740992;
constexpr double kMaxTexts = 1e9;
// Of a training step, of evaluation and of a timed pass. Text encoders do not benefit from larger batches, so
// a larger number is most likely a typing error.
constexpr double kMaxBatch = 4096;
// [CLS], one token and [SEP]; encoders have learned positions for 8192 tokens at most.
constexpr double kMinTokens = 3, kMaxTokens = 8192;

// "Where runs compute: cpu, the CPU; cuda, an NVIDIA GPU."
std::string DeviceHelp(Language language) {
  const bool english = language == Language::kEnglish;
  std::vector<std::string> kinds;
  for (const DeviceKind& kind : AllDeviceKinds()) {
    kinds.push_back(english ? absl::StrCat("`", kind.name, "`, ", kind.title)
                            : absl::StrCat("`", kind.name, "`，", kind.title_zh));
  }
  return english ? absl::StrCat("Where runs compute: ", absl::StrJoin(kinds, "; "), ".")
                 : absl::StrCat("计算设备：", absl::StrJoin(kinds, "；"), "。");
}

constexpr char kCatalogOr[] = "the catalogue's entry, else ", kCatalogOrZh[] = "目录表中的设置，否则";

std::vector<Setting<EvaluationConfig>> LatencySettings() {
  return {
      Original(&EvaluationConfig::latency_batch_sizes, {.key = "latency.batch_sizes",
                                                        .min = 1,
                                                        .max = kMaxBatch,
                                                        .unit = "texts",
                                                        .help = "Batch sizes that are timed.",
                                                        .help_zh = "计时的批大小。",
                                                        .key_line = "latency_batch_size",
                                                        .in_key = InInputKey::kTimedShapes}),
      Original(&EvaluationConfig::latency_sequence_lengths,
               {.key = "latency.sequence_lengths",
                .min = kMinTokens,
                .max = kMaxTokens,
                .unit = "tokens",
                .help = "Tokens of each timed text; every length is timed with every batch size.",
                .help_zh = "计时文本的词元数；每个长度与每个批大小都会计时。",
                .key_line = "latency_sequence_length",
                .older_key = "latency.sequence_length",
                .in_key = InInputKey::kTimedShapes}),
      Original(&EvaluationConfig::warmup_iterations, {.key = "latency.warmup_iterations",
                                                      .min = 0,
                                                      .max = 10000,
                                                      .unit = "blocks",
                                                      .help = "Untimed blocks before the measurement.",
                                                      .help_zh = "计时之前的预热区块数。",
                                                      .field = "warmup_iterations",
                                                      .in_key = InInputKey::kNo}),
      // The bootstrap interval of a median over fewer blocks is meaningless.
      Original(&EvaluationConfig::min_samples,
               {.key = "latency.min_samples",
                .min = 5,
                .max = 1e6,
                .unit = "blocks",
                .help = "Smallest number of blocks per variant, batch size and length.",
                .help_zh = "每个方案、批大小和长度的最少区块数。",
                .field = "min_samples",
                .in_key = InInputKey::kNo}),
      Original(&EvaluationConfig::min_duration_seconds,
               {.key = "latency.min_duration",
                .min = 0,
                .max = 3600,
                .unit = "s",
                .help = "Shortest time per variant, batch size and length.",
                .help_zh = "每个方案、批大小和长度的最短时间（秒）。",
                .field = "min_duration_seconds",
                .in_key = InInputKey::kNo}),
      Added(
          &EvaluationConfig::processes,
          {.key = "latency.processes",
           .min = 1,
           .max = 50,
           .unit = "processes",
           .help = "Processes that share the blocks and are started one after another, each with fresh "
                   "models; up to three times as many until the A/A interval is within 1 %. Intervals "
                   "then hold from one process to the next; with 1, within that one only.",
           .help_zh =
               "依次启动、分担区块的进程数，每个进程重新加载模型；A/A 区间未收窄到 1% 以内时，最多增至三倍。"
               "置信区间因此涵盖进程之间的差异；为 1 时只涵盖一个进程之内。",
           .field = "processes",
           .in_key = InInputKey::kNo}),
  };
}

}  // namespace

// ---- the table -----------------------------------------------------------------------------------------

std::vector<Setting<DatasetConfig>> DatasetSettings() {
  return {
      Original(&DatasetConfig::format, {.key = "format",
                                        .allowed = DatasetFormatNames(),
                                        .help = "File format of the dataset.",
                                        .help_zh = "数据集的文件格式。",
                                        .default_words = absl::StrCat(kCatalogOr, "auto"),
                                        .default_words_zh = absl::StrCat(kCatalogOrZh, " auto")}),
      Added(&DatasetConfig::encoding,
            {.key = "encoding",
             .help = "Encoding of files without a byte order mark; `auto` detects it and reports the result.",
             .help_zh = "无字节顺序标记（BOM）的文件的编码；`auto` 自动检测，并报告结果。",
             .allowed_words = "a name such as gbk, big5, shift_jis, windows-1252; auto",
             .allowed_words_zh = "编码名称，如 gbk、big5、shift_jis、windows-1252；或 auto",
             .default_words = absl::StrCat(kCatalogOr, "utf-8"),
             .default_words_zh = absl::StrCat(kCatalogOrZh, " utf-8")}),
      Original(&DatasetConfig::text_column, {.key = "text_column",
                                             .help = "Name of the text column.",
                                             .help_zh = "文本列的名称。",
                                             .allowed_words = "a column",
                                             .allowed_words_zh = "列名",
                                             .default_words = absl::StrCat(kCatalogOr, "text"),
                                             .default_words_zh = absl::StrCat(kCatalogOrZh, " text")}),
      Added(&DatasetConfig::text_pair_column,
            {.key = "text_pair_column",
             .help = "Name of the column of the second text, where each row is a pair of texts.",
             .help_zh = "每行为一对文本时，第二条文本所在的列。",
             .allowed_words = "a column",
             .allowed_words_zh = "列名",
             .default_words = absl::StrCat(kCatalogOr, "none, or that of a dataset of GLUE"),
             .default_words_zh = absl::StrCat(kCatalogOrZh, "无；GLUE 数据集则取其列名")}),
      Original(&DatasetConfig::label_column, {.key = "label_column",
                                              .help = "Name of the label column.",
                                              .help_zh = "标签列的名称。",
                                              .allowed_words = "a column",
                                              .allowed_words_zh = "列名",
                                              .default_words = absl::StrCat(kCatalogOr, "label"),
                                              .default_words_zh = absl::StrCat(kCatalogOrZh, " label")}),
      Original(&DatasetConfig::filter_column, {.key = "filter_column",
                                               .help = "Keep only the rows where it equals `filter_value`.",
                                               .help_zh = "只保留该列等于 `filter_value` 的行。",
                                               .allowed_words = "a column",
                                               .allowed_words_zh = "列名",
                                               .default_words = absl::StrCat(kCatalogOr, "none"),
                                               .default_words_zh = absl::StrCat(kCatalogOrZh, "无")}),
      Original(&DatasetConfig::filter_value, {.key = "filter_value",
                                              .help = "See `filter_column`.",
                                              .help_zh = "见 `filter_column`。",
                                              .allowed_words = "a text",
                                              .allowed_words_zh = "文本",
                                              .default_words = absl::StrCat(kCatalogOr, "none"),
                                              .default_words_zh = absl::StrCat(kCatalogOrZh, "无")}),
      Original(&DatasetConfig::labels, {.key = "labels",
                                        .help = "Class names in the order of the classes.",
                                        .help_zh = "各类别的名称，按类别顺序。",
                                        .key_line = "label",
                                        .allowed_words = "a list of at least two names",
                                        .allowed_words_zh = "至少两个名称的列表",
                                        .default_words = absl::StrCat(kCatalogOr, "the values found, sorted"),
                                        .default_words_zh = absl::StrCat(kCatalogOrZh, "取出现的值并排序")}),
      Added(
          &DatasetConfig::label_map,
          {.key = "label_map",
           .help =
               "What the dataset calls each class of a fine-tuned model, where the names cannot be matched: "
               "`{POS: positive, NEG: negative}`.",
           .help_zh =
               "已微调模型的类别名与数据集标签无法对应时，说明两者的对应关系：`{POS: positive, NEG: negative}`。",
           .pairs = true,
           .allowed_words = "a map from the model's classes to the dataset's",
           .allowed_words_zh = "模型类别到数据集标签的映射",
           .default_words = "the same names, but for case and normal form",
           .default_words_zh = "名称相同（忽略大小写与规范形式）"}),
      Added(&DatasetConfig::task,
            {.key = "task",
             .allowed = TaskNames(),
             .help = "What the labels are: `classification`, classes; `regression`, numbers, which the model "
                     "predicts with one output.",
             .help_zh = "标签的含义：`classification`，类别；`regression`，数值，由模型的单个输出预测。",
             .default_words = absl::StrCat(kCatalogOr, "classification"),
             .default_words_zh = absl::StrCat(kCatalogOrZh, " classification")}),
      Original(&DatasetConfig::split_seed, {.key = "split_seed",
                                            .min = 0,
                                            .max = kMaxSeed,
                                            .help = "Seed of the splits, independent of `seed`.",
                                            .help_zh = "划分数据所用的种子，与 `seed` 无关。"}),
      Original(&DatasetConfig::train_size,
               {.key = "train_size",
                .min = 0,
                .max = kMaxTexts,
                .unit = "texts",
                .help = "Number of training examples; 0: all that are in no other split.",
                .help_zh = "训练文本数；0：不属于其他划分的全部文本。"}),
      Original(
          &DatasetConfig::validation_size,
          {.key = "validation_size",
           .min = -1,
           .max = kMaxTexts,
           .unit = "texts",
           .help =
               "Number of validation examples, which `mixed_precision` per layer requires; 0: the dataset's own "
               "split, or none; -1: none.",
           .help_zh =
               "验证文本数，`mixed_precision` 逐层选择时必须有；0：数据集自带的划分，没有则无；-1：无。"}),
      Original(
          &DatasetConfig::test_size,
          {.key = "test_size",
           .min = 0,
           .max = kMaxTexts,
           .unit = "texts",
           .help =
               "Number of test examples; 0: the dataset's own split, or all remaining examples, or a fifth of them if "
               "`train_size` is 0 too.",
           .help_zh =
               "测试文本数；0：数据集自带的划分，没有则取剩余全部，`train_size` 也为 0 时取五分之一。"}),
      Original(
          &DatasetConfig::max_length,
          {.key = "max_length",
           .min = kMinTokens,
           .max = kMaxTokens,
           .unit = "tokens",
           .help =
               "Largest number of tokens per text, including [CLS] and [SEP]; longer texts are truncated.",
           .help_zh = "每条文本的最大词元数，含 [CLS] 与 [SEP]；更长的文本被截断。"}),
      Added(
          &DatasetConfig::truncation_side,
          {.key = "truncation_side",
           .allowed = {"tokenizer", "right", "left"},
           .help = "Where a longer text is cut: `right` keeps its first tokens, `left` its last, `tokenizer` "
                   "does what the files of the tokenizer say. The saved model keeps it.",
           .help_zh = "过长文本的截断位置：`right` 保留开头，`left` 保留结尾，`tokenizer` "
                      "以分词器文件为准。保存的模型会记住该设置。"}),
  };
}

std::vector<Setting<TrainingConfig>> TrainingSettings() {
  return {
      Original(&TrainingConfig::epochs, {.key = "epochs",
                                         .min = 1,
                                         .max = 1000,
                                         .help = "Passes over the training examples.",
                                         .help_zh = "训练轮数。"}),
      Original(&TrainingConfig::batch_size, {.key = "batch_size",
                                             .min = 1,
                                             .max = kMaxBatch,
                                             .unit = "texts",
                                             .help = "Texts per step; texts of similar length share a step.",
                                             .help_zh = "每步的文本数；长度相近的文本分在同一步。"}),
      // 0 would train nothing while the report says that it did.
      Original(&TrainingConfig::learning_rate,
               {.key = "learning_rate",
                .min = 1e-9,
                .max = 1,
                .help = "Peak learning rate; it rises linearly, then falls linearly to 0.",
                .help_zh = "学习率的峰值；先线性上升，再线性降至 0。"}),
      Original(&TrainingConfig::weight_decay, {.key = "weight_decay",
                                               .min = 0,
                                               .max = 10,
                                               .help = "Decoupled weight decay.",
                                               .help_zh = "解耦的权重衰减。"}),
      Original(&TrainingConfig::warmup_ratio,
               {.key = "warmup_ratio",
                .min = 0,
                .max = 1,
                .help = "Share of the steps during which the learning rate rises.",
                .help_zh = "学习率上升所占的步数比例。"}),
      Original(&TrainingConfig::max_grad_norm,
               {.key = "max_grad_norm",
                .min = 0,
                .max = 1e6,
                .help = "Global norm to which gradients are clipped; 0: no clipping.",
                .help_zh = "梯度裁剪的全局范数；0：不裁剪。"}),
      Original(&TrainingConfig::adam_beta1, {.key = "adam_beta1",
                                             .min = 0,
                                             .max = 0.999999,
                                             .help = "Decay of the mean of gradients.",
                                             .help_zh = "梯度一阶矩的衰减率。"}),
      Original(&TrainingConfig::adam_beta2, {.key = "adam_beta2",
                                             .min = 0,
                                             .max = 0.999999,
                                             .help = "Decay of the mean of squared gradients.",
                                             .help_zh = "梯度二阶矩的衰减率。"}),
      Original(&TrainingConfig::adam_epsilon,
               {.key = "adam_epsilon",
                .min = 1e-16,
                .max = 1,
                .help = "Added to the denominator of the update, for numerical stability.",
                .help_zh = "加在更新公式分母上的小数，保证数值稳定。"}),
      Original(&TrainingConfig::dropout,
               {.key = "dropout",
                .help = "Apply dropout with the probabilities of the model's config.json.",
                .help_zh = "按模型 config.json 中的概率使用 dropout。"}),
      Original(&TrainingConfig::dtype,
               {.key = "dtype",
                .allowed = {"fp32", "bf16", "auto"},
                .help = "bf16: automatic mixed precision; the weights stay in FP32. "
                        "auto: bf16 on a GPU and on a CPU with instructions for it, "
                        "fp32 elsewhere.",
                .help_zh = "bf16：自动混合精度，权重仍为 FP32。auto：GPU 以及带有 BF16 "
                           "指令的 CPU 用 bf16，其余用 fp32。"}),
  };
}

std::vector<Setting<EvaluationConfig>> EvaluationSettings() {
  std::vector<Setting<EvaluationConfig>> all = {
      // Read, and put into the input key, by code of its own: aliases, and only what a run itself measures.
      Original(&EvaluationConfig::metrics,
               {.key = "metrics",
                .help = "`quantctl metrics --list` prints them with their meaning.",
                .help_zh = "`quantctl metrics --list` 列出各指标及其含义。",
                .in_key = InInputKey::kNo,
                .allowed_words = "a list of metrics",
                .allowed_words_zh = "指标列表",
                .default_words = "all",
                .default_words_zh = "全部"}),
      Original(&EvaluationConfig::batch_size, {.key = "batch_size",
                                               .min = 1,
                                               .max = kMaxBatch,
                                               .unit = "texts",
                                               .help = "Batch size for predictions.",
                                               .help_zh = "预测时的批大小。",
                                               .key_line = "evaluation_batch_size"}),
      Original(
          &EvaluationConfig::non_inferiority_margin,
          {.key = "non_inferiority_margin",
           .min = 0,
           .max = 1,
           .help =
               "Largest loss of accuracy against FP32, as a share, at which a variant counts as not inferior: "
               "an exact one-sided test must exclude a loss of this or more. Fixed at submission.",
           .help_zh = "相对 FP32 允许损失的准确率（比例）：精确单侧检验排除达到或超过该值的损失时，称为非劣。"
                      "提交时即固定。"}),
  };
  for (Setting<EvaluationConfig>& setting : LatencySettings()) all.push_back(std::move(setting));
  return all;
}

std::vector<Setting<ExperimentOptions>> OptionSettings() {
  return {
      Original(&ExperimentOptions::device, {.key = "device",
                                            .allowed = DeviceKindNames(),
                                            .help = DeviceHelp(Language::kEnglish),
                                            .help_zh = DeviceHelp(Language::kChinese)}),
      Original(&ExperimentOptions::threads,
               {.key = "threads",
                .min = 0,
                .max = 1024,
                .help = "Threads of a run; 0: one per core that the worker may use.",
                .help_zh = "运行的线程数；0：工作节点可用的每个核一个。"}),
      Original(&ExperimentOptions::priority,
               {.key = "priority",
                .min = -1000,
                .max = 1000,
                .help = "Experiments of higher priority run first; of equal priority, submitters take turns.",
                .help_zh = "优先级高的实验先执行；优先级相同时，各提交者轮流。",
                .in_key = InInputKey::kNo}),
      Original(
          &ExperimentOptions::reuse,
          {.key = "reuse",
           .help = "Reuse checkpoints and quantized models that were computed before from the same inputs; "
                   "timings never.",
           .help_zh = "复用此前由相同输入算出的检查点和量化模型；时间数据从不复用。",
           .in_key = InInputKey::kNo}),
      Original(&ExperimentOptions::time_limit, {.key = "time_limit",
                                                .min = 1,
                                                .max = 720 * 3600,
                                                .help = "Time limit of one attempt of a run.",
                                                .help_zh = "一次尝试的时限。",
                                                .in_key = InInputKey::kNo}),
      Added(
          &ExperimentOptions::memory_gb,
          {.key = "resources.memory_gb",
           .min = 0,
           .max = 1e6,
           .unit = "GB",
           .help = "Memory that the worker's device must have, in 10^9 bytes (cpu: of the machine); 0: any.",
           .help_zh = "工作节点的设备必须具有的内存（10^9 字节；cpu 指整台机器的内存）；0：不限。",
           .in_key = InInputKey::kNo}),
      Added(&ExperimentOptions::labels,
            {.key = "resources.labels",
             .help = "Labels that the worker must have been started with: `quant-worker --label KEY=VALUE`.",
             .help_zh = "工作节点必须具有的标签，由 `quant-worker --label KEY=VALUE` 给出。",
             .pairs = true,
             .in_key = InInputKey::kNo,
             .allowed_words = "a map from labels to values",
             .allowed_words_zh = "标签到值的映射",
             .default_words = "none",
             .default_words_zh = "无"}),
      Original(&ExperimentOptions::report_language, {.key = "report.language",
                                                     .allowed = {"zh", "en", "both"},
                                                     .help = "Languages of the report.",
                                                     .help_zh = "报告的语言。",
                                                     .in_key = InInputKey::kNo}),
  };
}

// ---- settings that are read by code of their own -------------------------------------------------------

std::vector<SettingSpec> ListedAtTop() {
  return {
      Listed(ParamType::kString, {.key = "name",
                                  .help = "Name of the experiment and of its results folder.",
                                  .help_zh = "实验及其结果目录的名称。",
                                  .in_key = InInputKey::kNo,
                                  .allowed_words = "letters and digits of any script, `.` `_` `-`, up to 64",
                                  .allowed_words_zh = "任何文字的字母、数字、`.` `_` `-`，至多 64 个",
                                  .default_words = "the file's name",
                                  .default_words_zh = "文件名"}),
      Listed(ParamType::kString,
             {.key = "include",
              .help =
                  "Files to include, relative to this file; later files override earlier ones, and this file "
                  "overrides all of them.",
              .help_zh = "要包含的文件，路径相对本文件；后面的覆盖前面的，本文件覆盖全部。",
              .in_key = InInputKey::kNo,
              .allowed_words = "a file or a list of files",
              .allowed_words_zh = "一个文件或文件列表",
              .default_words = "none",
              .default_words_zh = "无"}),
      Listed(ParamType::kInt,
             {.key = "seed",
              .min = 0,
              .max = kMaxSeed,
              .help = "Seed of all randomness in a run except the splits.",
              .help_zh = "运行中除数据划分外一切随机性的种子。"},
             {int64_t{42}}),
      Listed(
          ParamType::kInt,
          {.key = "seeds",
           .min = 0,
           .max = kMaxSeed,
           .help =
               "Repeat every run with each of these seeds; excludes `seed`, and replaces that of an included file.",
           .help_zh = "用其中每个种子重复所有运行；不与 `seed` 同用，并取代被包含文件中的 `seed`。",
           .allowed_words = "a list of different seeds",
           .allowed_words_zh = "互不相同的种子列表",
           .default_words = "none",
           .default_words_zh = "无"}),
  };
}

std::vector<SettingSpec> ListedExperiments() {
  const std::string asset = "a name of the catalogue, or a path";
  const std::string asset_zh = "目录表中的名称，或路径";
  const std::string model = "a name of the catalogue, hf:OWNER/NAME, or a path";
  const std::string model_zh = "目录表中的名称、hf:OWNER/NAME，或路径";
  std::vector<SettingSpec> all = {
      Listed(ParamType::kBool,
             {.key = "baseline.enabled",
              .help = "Every other run starts from the baseline's checkpoint, so it must be enabled.",
              .help_zh = "其他运行都从基线的检查点开始，因此必须启用。",
              .in_key = InInputKey::kNo},
             {true}),
      Listed(ParamType::kString,
             {.key = "baseline.model",
              .help =
                  "The encoder or checkpoint. A path has a `/` or begins with a `.`; a name that begins with "
                  "`hf:` is a model of the Hugging Face hub.",
              .help_zh =
                  "编码器或检查点。路径含 `/` 或以 `.` 开头；以 `hf:` 开头的是 Hugging Face 模型库中的模型。",
              .allowed_words = model,
              .allowed_words_zh = model_zh},
             {std::string("minilm")}),
      Listed(ParamType::kString,
             {.key = "baseline.dataset",
              .help = "The dataset: labelled examples.",
              .help_zh = "数据集，即带标签的文本。",
              .allowed_words = asset,
              .allowed_words_zh = asset_zh},
             {std::string("imdb")}),
      Listed(
          ParamType::kBool,
          {.key = "baseline.fine_tune",
           .help =
               "false: the checkpoint is fine-tuned already, and is only evaluated; `training` then applies to "
               "`qat` and `fp32_continued` alone.",
           .help_zh = "false：检查点已微调，只做评估；此时 `training` 只用于 `qat` 和 `fp32_continued`。"},
          {true}),
      Listed(ParamType::kBool,
             {.key = "comparison.enabled",
              .help = "Speed, size and memory side by side. Implied when a metric asks for one of them.",
              .help_zh = "并排测量速度、大小和内存。有指标需要时自动启用。",
              .in_key = InInputKey::kNo},
             {true}),
      Listed(
          ParamType::kString,
          {.key = "comparison.runtimes",
           .help =
               "Runtimes, at most 16, that the models are timed in as well, in the same blocks; `quantlab` "
               "is always timed.",
           .help_zh = "最多 16 个；另在这些运行时中为模型计时，与本引擎处于同一批区块；`quantlab` 总会计时。",
           .in_key = InInputKey::kNo,
           .allowed_words = absl::StrCat("a list of ", RuntimeNames()),
           .allowed_words_zh = absl::StrCat(RuntimeNames(), " 的列表"),
           .default_words = "`quantlab` alone",
           .default_words_zh = "只有 `quantlab`"}),
  };
  for (SettingSpec& spec : all) spec.section = "experiments";
  return all;
}

std::vector<SettingSpec> ListedDecision() {
  const auto limit = [](const char* key, double max, const char* unit, const char* help,
                        const char* help_zh) {
    SettingSpec spec = Listed(ParamType::kDouble, {.key = key,
                                                   .min = 0,
                                                   .max = max,
                                                   .unit = unit,
                                                   .help = help,
                                                   .help_zh = help_zh,
                                                   .in_key = InInputKey::kNo,
                                                   .default_words = "no limit",
                                                   .default_words_zh = "不限"});
    return spec;
  };
  std::vector<SettingSpec> all = {
      limit(
          "max_accuracy_drop", 100, "percentage points",
          "Percentage points of accuracy (of a regression: hundredths of Pearson's correlation) that may be lost "
          "against the baseline.",
          "相对基线允许损失的准确率（百分点）；回归任务为 Pearson 相关系数的百分之一。"),
      limit("max_p90_ms", 1e7, "ms", "Milliseconds that 90 % of batches may take.",
            "90% 的批次不得超过的时间（毫秒）。"),
      limit("max_size_mb", 1e9, "MB", "Size of the saved model, in 10^6 bytes.",
            "保存的模型的大小（10^6 字节）。"),
      limit("max_memory_mb", 1e9, "MB", "Peak memory of a fresh process, in 10^6 bytes.",
            "新进程的内存峰值（10^6 字节）。"),
      Listed(ParamType::kString,
             {.key = "goal",
              .allowed = {"speed", "size", "memory", "accuracy"},
              .help = "The quantity to optimize among the variants that meet all limits.",
              .help_zh = "在满足全部限制的方案中要优化的指标。",
              .in_key = InInputKey::kNo},
             {std::string("speed")}),
      limit("batch_size", kMaxBatch, "texts", "Batch size to which time and speed refer.",
            "时间与速度所指的批大小。"),
      limit("sequence_length", kMaxTokens, "tokens", "Tokens per text in that batch.",
            "该批中每条文本的词元数。"),
  };
  for (SettingSpec& spec : all) spec.section = "decide";
  for (size_t i = all.size() - 2; i < all.size(); ++i) {
    all[i].type = ParamType::kInt;
    all[i].min = 1;
    all[i].default_words = i + 1 < all.size() ? "the smallest that was timed" : "the longest that was timed";
    all[i].default_words_zh = i + 1 < all.size() ? "计时过的最小值" : "计时过的最大值";
  }
  return all;
}

std::vector<SettingSpec> ListedCover() {
  std::vector<SettingSpec> all;
  const auto add = [&](const char* key, const char* help, const char* help_zh) {
    SettingSpec spec = Listed(ParamType::kString, {.key = key,
                                                   .help = help,
                                                   .help_zh = help_zh,
                                                   .in_key = InInputKey::kNo,
                                                   .allowed_words = "a text of up to 300 bytes",
                                                   .allowed_words_zh = "至多 300 字节的文本",
                                                   .default_words = "none",
                                                   .default_words_zh = "无"});
    spec.section = "report.cover";
    all.push_back(std::move(spec));
  };
  add("course", "Name of the course.", "课程名称。");
  add("title", "Title of the report.", "报告题目。");
  add("author", "Author of the report.", "作者姓名。");
  add("student_id", "Student number.", "学号。");
  add("class", "Class.", "班级。");
  add("teacher", "Teacher.", "指导教师。");
  add("school", "School or department.", "学校或院系。");
  add("date", "Date, printed as given.", "日期，按原样印出。");
  return all;
}

SettingSpec ListedOptimizer() {
  SettingSpec spec = Listed(ParamType::kString,
                            {.key = "optimizer",
                             .allowed = {"adamw"},
                             .help = "AdamW; weight decay is not applied to biases and LayerNorms.",
                             .help_zh = "AdamW；偏置与 LayerNorm 不做权重衰减。",
                             .in_key = InInputKey::kNo},
                            {std::string("adamw")});
  spec.section = "training";
  return spec;
}

}  // namespace quantlab::settings
