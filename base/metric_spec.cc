#include "base/metric_spec.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_join.h"

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
      {"accuracy",
       "1",
       "Accuracy",
       "准确率",
       "Share of texts of a split whose predicted class is the right one, with a Wilson 95 % interval. "
       "Label: split.",
       true,
       false,
       {"acc"}},
      {"precision",
       "1",
       "Precision",
       "精确率",
       "Of the texts predicted as a class, the share that belongs to it. Label average: binary (the last "
       "class, where there are two) or macro (unweighted mean over the "
       "classes that occur in labels or predictions).",
       true,
       false,
       {}},
      {"recall",
       "1",
       "Recall",
       "召回率",
       "Of the texts of a class, the share that was predicted as it. Label average: binary or macro.",
       true,
       false,
       {}},
      {"f1_score",
       "1",
       "F1 score",
       "F1 分数",
       "Harmonic mean of precision and recall. Label average: binary or macro.",
       true,
       false,
       {"f1"}},
      {"mcc",
       "1",
       "Matthews correlation",
       "Matthews 相关系数",
       "Correlation of predicted and right classes: 1 for all right, 0 for chance, whatever the sizes of the "
       "classes. Label: split.",
       true,
       false,
       {"matthews_correlation"},
       MatthewsCorrelation},
  };
}

std::vector<MetricSpec> CostMetrics() {
  return {
      {"model_size",
       "bytes",
       "Model size",
       "模型大小",
       "Bytes of the saved, reloadable model. Label part: model (all its files), quantized_layers or "
       "quantized_embeddings (the tensors of those that are not stored in FP32).",
       false,
       true,
       {"size"}},
      {"compression_ratio",
       "1",
       "Compression ratio",
       "压缩比",
       "Bytes of the FP32 baseline over bytes of the variant. Label part: model, quantized_layers or "
       "quantized_embeddings.",
       true,
       true,
       {"compression"}},
      {"inference_time",
       "s",
       "Inference time",
       "推理时间",
       "Time of one forward pass of a batch. Labels: batch_size, sequence_length, quantile (p50, p90, p99; "
       "p99 only from "
       "1,000 samples on).",
       false,
       true,
       {"latency"}},
      {"throughput",
       "texts/s",
       "Throughput",
       "吞吐量",
       "Texts per second at the median time of a batch. Labels: batch_size, sequence_length.",
       true,
       true,
       {}},
      {"speedup",
       "1",
       "Speedup",
       "加速比",
       "Median over paired blocks of the time of the best FP32 path over the variant's, with a bootstrap 95 "
       "% "
       "interval. Labels: batch_size, sequence_length.",
       true,
       true,
       {}},
      {"memory_usage",
       "bytes",
       "Memory usage",
       "内存占用",
       "Memory of a fresh process that loads only this variant. Label kind: peak, load or forward (growth "
       "of resident memory after loading, and after one forward pass), each of them also as _anonymous and "
       "_file; on a GPU device_peak, of LibTorch's allocator there. Labels batch_size and sequence_length: "
       "of the "
       "pass, the largest that is timed.",
       false,
       true,
       {"memory", "peak_memory"}},
  };
}

std::vector<MetricSpec> PairedMetrics() {
  return {
      {"accuracy_difference",
       "1",
       "Accuracy difference",
       "准确率差",
       "Accuracy of the variant minus that of the baseline on the same texts, with a paired 95 % interval. "
       "Label: split.",
       true,
       false,
       {}},
      {"mcnemar_p_value",
       "1",
       "McNemar p-value",
       "McNemar 检验 p 值",
       "Exact two-sided McNemar test of the variant against the baseline on the same texts; samples is the "
       "number of texts that exactly one of the two gets right. Label: split.",
       true,
       false,
       {}},
      {"agreement",
       "1",
       "Agreement with the baseline",
       "与基线的一致率",
       "Share of texts to which the variant and the baseline give the same class. Label: split.",
       true,
       false,
       {}},
      {"label_flips",
       "1",
       "Changed answers",
       "答案改变数",
       "Texts to which the variant gives another class than the baseline. Labels: split, direction "
       "(right_to_wrong, wrong_to_right, wrong_to_wrong).",
       false,
       false,
       {}},
      {"non_inferior",
       "1",
       "Not inferior",
       "非劣",
       "1 where the low end of the paired interval of the accuracy difference lies above minus the margin "
       "(evaluation.non_inferiority_margin), else 0. Labels: split, margin.",
       true,
       false,
       {}},
      {"mcnemar_p_holm",
       "1",
       "McNemar p-value, Holm-corrected",
       "McNemar p 值（Holm 校正）",
       "The McNemar p-values of all variants against the baseline, corrected for their number after Holm. "
       "Measured by the comparison. Label: split.",
       true,
       true,
       {}},
      {"aa_ratio",
       "1",
       "A/A ratio",
       "A/A 比值",
       "The best FP32 path timed against itself in the same blocks as the variants, with a bootstrap 95 % "
       "interval, which must lie within 0.97 to 1.03. Labels: batch_size, sequence_length.",
       true,
       true,
       {}},
  };
}

std::vector<MetricSpec> TrainingMetrics() {
  return {
      {"train_loss", "1", "Training loss", "训练损失", "Mean loss of a training step.", false, false, {}},
      {"learning_rate", "1", "Learning rate", "学习率", "Of a training step.", true, false, {}},
      {"dataset_texts",
       "texts",
       "Texts of a split",
       "划分的文本数",
       "How many texts each split came to have, duplicates removed. Label: split.",
       true,
       false,
       {}},
      {"training_time", "s", "Training time", "训练时间", "Of the whole fine-tuning.", false, false, {}},
      {"evaluation_time",
       "s",
       "Evaluation time",
       "评估时间",
       "Of predicting a split; no measure of speed: nothing is paired. Label: split.",
       false,
       false,
       {}},
  };
}

std::vector<MetricSpec> MixedPrecisionMetrics() {
  return {
      {"layer_sensitivity",
       "1",
       "Layer sensitivity",
       "层敏感度",
       "What one linear layer does alone at a precision. Labels: layer, precision, measure: divergence (mean "
       "KL "
       "divergence of the model's answers, nats), loss_increase (of the mean cross-entropy), sqnr_db (of the "
       "layer's own output, dB).",
       false,
       false,
       {}},
      {"layer_time",
       "s",
       "Layer time",
       "层耗时",
       "One forward pass of one linear layer by itself, the cost of the choice among precisions; nothing is "
       "paired. Labels: layer, precision.",
       false,
       false,
       {}},
      {"front_time",
       "s",
       "Time on the Pareto front",
       "帕累托前沿上的耗时",
       "Sum of the layers' times of one assignment of precisions. Labels: point, chosen.",
       false,
       false,
       {}},
      {"front_bytes",
       "bytes",
       "Size on the Pareto front",
       "帕累托前沿上的大小",
       "Bytes of the linear layers of one assignment of precisions. Labels: point, chosen.",
       false,
       false,
       {}},
      {"front_loss_increase",
       "1",
       "Loss increase on the Pareto front",
       "帕累托前沿上的损失增量",
       "Mean cross-entropy on the validation texts of one assignment, minus that of FP32. Labels: point, "
       "chosen.",
       false,
       false,
       {}},
      {"front_accuracy",
       "1",
       "Accuracy on the Pareto front",
       "帕累托前沿上的准确率",
       "Accuracy on the validation texts of one assignment of precisions. Labels: point, chosen.",
       true,
       false,
       {}},
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

const MetricSpec* FindMetric(absl::string_view name) {
  for (const MetricSpec& metric : AllMetrics()) {
    if (metric.name == name) return &metric;
    const bool alias = std::any_of(metric.aliases.begin(), metric.aliases.end(),
                                   [name](const std::string& other) { return other == name; });
    if (alias) return &metric;
  }
  return nullptr;
}

std::string MetricNames() {
  return absl::StrJoin(AllMetrics(), ", ",
                       [](std::string* out, const MetricSpec& metric) { out->append(metric.name); });
}

}  // namespace quantlab
