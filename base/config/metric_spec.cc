#include "base/config/metric_spec.h"

#include <algorithm>
#include <cmath>

namespace quantlab {
namespace {

// Matthews correlation for any number of classes. Source: Gorodkin 2004, "Comparing two K-category
// assignments by a K-category correlation coefficient". 0 where either side has one class only.
double MatthewsCorrelation(const SplitAnswers& answers) {
  std::vector<double> labelled(answers.classes), claimed(answers.classes);
  double correct = 0;
  const double n = static_cast<double>(answers.labels.size());
  for (size_t i = 0; i < answers.labels.size(); ++i) {
    ++labelled[answers.labels[i]];
    ++claimed[answers.predicted[i]];
    correct += answers.labels[i] == answers.predicted[i];
  }
  double both = 0, labels = 0, claims = 0;
  for (int c = 0; c < answers.classes; ++c) {
    both += labelled[c] * claimed[c];
    labels += labelled[c] * labelled[c];
    claims += claimed[c] * claimed[c];
  }
  const double scale = std::sqrt(n * n - labels) * std::sqrt(n * n - claims);
  return scale == 0 ? 0 : (correct * n - both) / scale;
}

std::vector<MetricSpec> QualityMetrics() {
  return {
      {.name = "accuracy",
       .unit = "1",
       .title = "Accuracy",
       .title_zh = "准确率",
       .help = "Share of texts of a split whose predicted class is the right one, with a Wilson 95 % "
               "interval. Label: split.",
       .task = "classification",
       .aliases = {"acc"}},
      {.name = "precision",
       .unit = "1",
       .title = "Precision",
       .title_zh = "精确率",
       .help = "Of the texts predicted as a class, the share that belongs to it. Label average: binary "
               "(the last class, where there are two) or macro (unweighted mean over the classes that "
               "occur in labels or predictions).",
       .task = "classification"},
      {.name = "recall",
       .unit = "1",
       .title = "Recall",
       .title_zh = "召回率",
       .help = "Of the texts of a class, the share that was predicted as it. Label average: binary or "
               "macro.",
       .task = "classification"},
      {.name = "f1_score",
       .unit = "1",
       .title = "F1 score",
       .title_zh = "F1 分数",
       .help = "Harmonic mean of precision and recall. Label average: binary or macro.",
       .task = "classification",
       .aliases = {"f1"}},
      {.name = "mcc",
       .unit = "1",
       .title = "Matthews correlation",
       .title_zh = "Matthews 相关系数",
       .help = "Correlation of predicted and right classes: 1 for all right, 0 for chance, whatever the "
               "sizes of the classes. Label: split.",
       .task = "classification",
       .aliases = {"matthews_correlation"},
       .of_answers = MatthewsCorrelation},
      {.name = "pearson",
       .unit = "1",
       .title = "Pearson correlation",
       .title_zh = "Pearson 相关系数",
       .help =
           "Pearson's correlation of the predicted numbers with the labels of a split, with a 95 % interval "
           "by Fisher's z; 0 where all predictions are equal. Label: split.",
       .task = "regression",
       .aliases = {"pearson_correlation"}},
      {.name = "spearman",
       .unit = "1",
       .title = "Spearman correlation",
       .title_zh = "Spearman 相关系数",
       .help =
           "Spearman's rank correlation of the predicted numbers with the labels of a split. Label: split.",
       .task = "regression",
       .aliases = {"spearman_correlation"}},
      {.name = "mean_squared_error",
       .unit = "1",
       .title = "Mean squared error",
       .title_zh = "均方误差",
       .help =
           "Mean of the squared differences between predicted numbers and labels of a split: it also sees "
           "a shift or a scale, which correlations do not. Label: split.",
       .higher_is_better = false,
       .task = "regression",
       .aliases = {"mse"}},
  };
}

std::vector<MetricSpec> CostMetrics() {
  return {
      {.name = "model_size",
       .unit = "bytes",
       .title = "Model size",
       .title_zh = "模型大小",
       .help = "Bytes of the saved, reloadable model. Label part: model (all its files), "
               "quantized_layers or quantized_embeddings (the tensors of those that are not stored in "
               "FP32).",
       .higher_is_better = false,
       .needs_comparison = true,
       .aliases = {"size"}},
      {.name = "compression_ratio",
       .unit = "1",
       .title = "Compression ratio",
       .title_zh = "压缩比",
       .help = "Bytes of the FP32 baseline over bytes of the variant. Label part: model, "
               "quantized_layers or quantized_embeddings.",
       .needs_comparison = true,
       .aliases = {"compression"}},
      {.name = "inference_time",
       .unit = "s",
       .title = "Inference time",
       .title_zh = "推理时间",
       .help =
           "Time of one forward pass of a batch. Labels: batch_size, sequence_length, quantile (p50, "
           "p90, p99; p99 only from 1,000 samples on), with a 95 % interval over processes; of a single process "
           "where it has enough samples (p90: 36).",
       .higher_is_better = false,
       .needs_comparison = true,
       .aliases = {"latency"}},
      {.name = "throughput",
       .unit = "texts/s",
       .title = "Throughput",
       .title_zh = "吞吐量",
       .help = "Texts per second at the median time of a batch. Labels: batch_size, sequence_length.",
       .needs_comparison = true},
      {.name = "speedup",
       .unit = "1",
       .title = "Speedup",
       .title_zh = "加速比",
       .help = "Time of the best FP32 path over the variant's: the median over paired blocks, averaged over "
               "processes, with a 95 % interval from one process to another (evaluation.latency.processes). "
               "Labels: batch_size, sequence_length.",
       .needs_comparison = true},
      {.name = "memory_usage",
       .unit = "bytes",
       .title = "Memory usage",
       .title_zh = "内存占用",
       .help = "Memory of a fresh process that loads only this variant. Label kind: peak (the most that was "
               "resident, over one forward pass) or load (growth of resident memory by loading, also as "
               "load_anonymous and load_file); on a GPU device_peak, of LibTorch's allocator there. "
               "Labels batch_size and sequence_length: of the pass, the largest that is timed.",
       .higher_is_better = false,
       .needs_comparison = true,
       .aliases = {"memory", "peak_memory"}},
  };
}

std::vector<MetricSpec> PairedMetrics() {
  return {
      {.name = "accuracy_difference",
       .unit = "1",
       .title = "Accuracy difference",
       .title_zh = "准确率差",
       .help = "Accuracy of the variant minus that of the baseline on the same texts, with a paired 95 % "
               "interval. Label: split."},
      {.name = "mcnemar_p_value",
       .unit = "1",
       .title = "McNemar p-value",
       .title_zh = "McNemar 检验 p 值",
       .help = "Exact two-sided McNemar test of the variant against the baseline on the same texts; "
               "samples is the number of texts that exactly one of the two gets right. Label: split."},
      {.name = "agreement",
       .unit = "1",
       .title = "Agreement with the baseline",
       .title_zh = "与基线的一致率",
       .help = "Share of texts to which the variant and the baseline give the same class. Label: split."},
      {.name = "label_flips",
       .unit = "1",
       .title = "Changed answers",
       .title_zh = "答案改变数",
       .help = "Texts to which the variant gives another class than the baseline. Labels: split, "
               "direction (right_to_wrong, wrong_to_right, wrong_to_wrong).",
       .higher_is_better = false},
      {.name = "non_inferior",
       .unit = "1",
       .title = "Not inferior",
       .title_zh = "非劣",
       .help = "1 where non_inferiority_p_value is at most 0.025, else 0; by itself, without Holm's "
               "correction. Labels: split, margin."},
      {.name = "non_inferiority_p_value",
       .unit = "1",
       .title = "Non-inferiority p-value",
       .title_zh = "非劣检验 p 值",
       .help =
           "One-sided test of a loss of accuracy (of a regression: of Pearson correlation) by the margin "
           "(evaluation.non_inferiority_margin) or more, against the baseline on the same texts: exact, or by "
           "the paired bootstrap. Labels: split, margin."},
      {.name = "non_inferiority_p_holm",
       .unit = "1",
       .title = "Non-inferiority p-value, Holm-corrected",
       .title_zh = "非劣检验 p 值（Holm 校正）",
       .help = "The same p-values of all variants, corrected for their number after Holm. Measured by the "
               "comparison. Labels: split, margin.",
       .needs_comparison = true},
      {.name = "mcnemar_p_holm",
       .unit = "1",
       .title = "McNemar p-value, Holm-corrected",
       .title_zh = "McNemar p 值（Holm 校正）",
       .help = "The McNemar p-values of all variants against the baseline, corrected for their number "
               "after Holm. Measured by the comparison. Label: split.",
       .needs_comparison = true},
      {.name = "pearson_difference",
       .unit = "1",
       .title = "Difference of the Pearson correlation",
       .title_zh = "Pearson 相关系数之差",
       .help = "Pearson correlation of the variant minus that of the baseline on the same texts, with a 95 % "
               "interval by the paired bootstrap. Label: split."},
      {.name = "bootstrap_p_value",
       .unit = "1",
       .title = "Paired bootstrap p-value",
       .title_zh = "成对自助法 p 值",
       .help =
           "Two-sided paired bootstrap test of the variant's Pearson correlation against the baseline's on "
           "the same texts. Label: split."},
      {.name = "bootstrap_p_holm",
       .unit = "1",
       .title = "Paired bootstrap p-value, Holm-corrected",
       .title_zh = "成对自助法 p 值（Holm 校正）",
       .help =
           "The paired bootstrap p-values of all variants against the baseline, corrected for their number "
           "after Holm. Measured by the comparison. Label: split.",
       .needs_comparison = true},
      {.name = "output_shift",
       .unit = "1",
       .title = "Shift of the predicted numbers",
       .title_zh = "预测值的偏移",
       .help = "Root of the mean squared difference between the numbers that the variant and the baseline "
               "predict, in the unit of the labels. Label: split.",
       .higher_is_better = false},
      {.name = "prediction_by_label",
       .unit = "1",
       .title = "Predictions by label",
       .title_zh = "按标签分组的预测值",
       .help =
           "The test examples of a regression, sorted by their labels, in up to ten groups of equal size (texts "
           "with the same label stay together). Labels: split, group (1 has the lowest labels), measure: label "
           "(the mean), median, p10, p90 (of the predicted numbers). Shown in the report as a figure."},
      {.name = "aa_ratio",
       .unit = "1",
       .title = "A/A ratio",
       .title_zh = "A/A 比值",
       .help =
           "The best FP32 path timed against itself in the same blocks as the variants, with a 95 % "
           "interval, which must reach 1 % or less to each side and hold 1 (or miss it by less than half a "
           "percent). Labels: batch_size, sequence_length, processes (how many measured it).",
       .needs_comparison = true},
      {.name = "runtime_time",
       .unit = "s",
       .title = "Time in a runtime",
       .title_zh = "在运行时中的时间",
       .help =
           "Time of one forward pass of a batch in each runtime of `comparison.runtimes`, this engine's too. "
           "Labels: runtime, batch_size, sequence_length, quantile (p50, p90).",
       .higher_is_better = false,
       .needs_comparison = true},
      {.name = "runtime_speedup",
       .unit = "1",
       .title = "Speedup over the best FP32 of any runtime",
       .title_zh = "相对各运行时中最优 FP32 的加速比",
       .help =
           "Time of the baseline in the runtime that computes it fastest, over the variant's in its runtime: "
           "paired and averaged as speedup is. Labels: runtime, reference (that runtime), batch_size, "
           "sequence_length. Without an interval for the reference itself.",
       .needs_comparison = true},
      {.name = "runtime_logit_difference",
       .unit = "1",
       .title = "Largest difference of a logit from quant-runner's",
       .title_zh = "logit 与 quant-runner 的最大差值",
       .help =
           "Of the built-in texts of an export's check, in a runtime that then took part. Labels: runtime, "
           "version, tolerance.",
       .higher_is_better = false,
       .needs_comparison = true},
  };
}

std::vector<MetricSpec> TrainingMetrics() {
  return {
      {.name = "train_loss",
       .unit = "1",
       .title = "Training loss",
       .title_zh = "训练损失",
       .help = "Mean loss of a training step.",
       .higher_is_better = false},
      {.name = "learning_rate",
       .unit = "1",
       .title = "Learning rate",
       .title_zh = "学习率",
       .help = "Of a training step."},
      {.name = "dataset_texts",
       .unit = "texts",
       .title = "Texts of a split",
       .title_zh = "划分的文本数",
       .help = "How many texts each split came to have, duplicates removed. Label: split."},
      {.name = "class_rows",
       .unit = "1",
       .title = "Rows of a class",
       .title_zh = "类别的行数",
       .help = "How many rows of the dataset are of each class, before the splits. Label: class."},
      {.name = "training_time",
       .unit = "s",
       .title = "Training time",
       .title_zh = "训练时间",
       .help = "Of the whole fine-tuning. Label: dtype, of its products.",
       .higher_is_better = false},
      {.name = "evaluation_time",
       .unit = "s",
       .title = "Evaluation time",
       .title_zh = "评估时间",
       .help = "Of predicting a split; no measure of speed: nothing is paired. Label: split.",
       .higher_is_better = false},
  };
}

std::vector<MetricSpec> MixedPrecisionMetrics() {
  return {
      {.name = "layer_sensitivity",
       .unit = "1",
       .title = "Layer sensitivity",
       .title_zh = "层敏感度",
       .help = "What one linear layer does alone at a precision. Labels: layer, precision, measure: "
               "divergence (mean KL divergence of the model's answers, nats), loss_increase (of the mean "
               "cross-entropy), sqnr_db (of the layer's own output, dB).",
       .higher_is_better = false},
      {.name = "layer_input_peak",
       .unit = "1",
       .title = "Largest input of a layer",
       .title_zh = "层输入的最大值",
       .help =
           "Largest magnitude of a linear layer's inputs in FP32, over their root mean square: how far its "
           "outliers reach. Of the examples that its SQNR is measured on. Label: layer.",
       .higher_is_better = false},
      {.name = "layer_time",
       .unit = "s",
       .title = "Layer time",
       .title_zh = "层耗时",
       .help = "One forward pass of one linear layer by itself, the cost of the choice among precisions; "
               "nothing is paired. Labels: layer, precision.",
       .higher_is_better = false},
      {.name = "front_time",
       .unit = "s",
       .title = "Time on the Pareto front",
       .title_zh = "帕累托前沿上的耗时",
       .help = "Sum of the layers' times of one assignment of precisions. Labels: point, chosen.",
       .higher_is_better = false},
      {.name = "front_bytes",
       .unit = "bytes",
       .title = "Size on the Pareto front",
       .title_zh = "帕累托前沿上的大小",
       .help = "Bytes of the linear layers of one assignment of precisions. Labels: point, chosen.",
       .higher_is_better = false},
      {.name = "front_divergence",
       .unit = "1",
       .title = "Predicted divergence on the Pareto front",
       .title_zh = "帕累托前沿上的预测散度",
       .help = "Sum over the linear layers of the divergence of each alone at its precision, nats. With "
               "front_time or front_bytes it is what the front is built on. Labels: point, chosen.",
       .higher_is_better = false},
      {.name = "front_loss_increase",
       .unit = "1",
       .title = "Loss increase on the Pareto front",
       .title_zh = "帕累托前沿上的损失增量",
       .help = "Mean cross-entropy on the validation examples of one assignment, minus that of FP32. "
               "Labels: point, chosen.",
       .higher_is_better = false},
      {.name = "front_accuracy",
       .unit = "1",
       .title = "Quality on the Pareto front",
       .title_zh = "帕累托前沿上的质量指标",
       .help =
           "Accuracy (of a regression: Pearson's correlation) on the validation examples of one assignment of "
           "precisions. Labels: point, chosen."},
  };
}

}  // namespace

const std::vector<MetricSpec>& AllMetrics() {
  static const auto* const metrics = [] {
    auto* all = new std::vector<MetricSpec>(QualityMetrics());
    for (MetricSpec& metric : CostMetrics()) all->push_back(std::move(metric));
    return all;
  }();
  return *metrics;
}

const std::vector<MetricSpec>& SupportingMetrics() {
  static const auto* const metrics = [] {
    auto* all = new std::vector<MetricSpec>(PairedMetrics());
    for (MetricSpec& metric : TrainingMetrics()) all->push_back(std::move(metric));
    for (MetricSpec& metric : MixedPrecisionMetrics()) all->push_back(std::move(metric));
    return all;
  }();
  return *metrics;
}

const MetricSpec* DescribeMetric(absl::string_view name) {
  for (const MetricSpec& metric : SupportingMetrics()) {
    if (metric.name == name) return &metric;
  }
  const MetricSpec* const metric = FindMetric(name);
  return metric != nullptr && metric->name == name ? metric : nullptr;
}

std::vector<const MetricSpec*> MetricsOf(absl::string_view task) {
  std::vector<const MetricSpec*> metrics;
  for (const MetricSpec& metric : AllMetrics()) {
    if (metric.task.empty() || metric.task == task) metrics.push_back(&metric);
  }
  return metrics;
}

const MetricSpec* FindMetric(absl::string_view name) {
  for (const MetricSpec& metric : AllMetrics()) {
    if (metric.name == name) return &metric;
    const bool alias = std::any_of(metric.aliases.begin(), metric.aliases.end(),
                                   [name](const std::string& other) { return other == name; });
    if (alias) return &metric;
  }
  return nullptr;
}

}  // namespace quantlab
