// What each layer ran in, how it takes being quantized, and the front of the assignments.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "report/facts/analysis.h"
#include "report/facts/format.h"
#include "report/facts/message_text.h"
#include "report/facts/quality.h"
#include "report/tables/table_builder.h"
#include "report/tables/tables.h"

namespace quantlab::report {
namespace {

// Of the parts that any variant has, in the order in which a text passes them.
std::set<ModelPart> PartsOf(const Facts& facts) {
  std::set<ModelPart> parts;
  for (const VariantFacts& variant : facts.variants) {
    for (const PartNoise& noise : NoiseByPart(variant)) parts.insert(noise.part);
  }
  return parts;
}

// Of its columns in CSV.
const char* PartKey(ModelPart part) {
  switch (part) {
    case ModelPart::kEmbeddings:
      return "embeddings";
    case ModelPart::kEmbeddingProjection:
      return "embedding_projection";
    case ModelPart::kQkv:
      return "query_key_value";
    case ModelPart::kAttention:
      return "attention";
    case ModelPart::kAttentionOutput:
      return "attention_output";
    case ModelPart::kUp:
      return "ffn_up";
    case ModelPart::kDown:
      return "ffn_down";
    case ModelPart::kPooler:
      return "pooler";
    case ModelPart::kClassifier:
      return "classifier";
  }
  return "other";
}

// The title of a column, short.
Text PartColumn(ModelPart part) {
  switch (part) {
    case ModelPart::kEmbeddings:
      return {"Embeddings", "嵌入"};
    case ModelPart::kEmbeddingProjection:
      return {"Embedding projection", "嵌入投影"};
    case ModelPart::kQkv:
      return {"Query, key, value", "query、key、value"};
    case ModelPart::kAttention:
      return {"Attention", "注意力"};
    case ModelPart::kAttentionOutput:
      return {"Attention output", "注意力输出"};
    case ModelPart::kUp:
      return {"Feed-forward up", "前馈升维"};
    case ModelPart::kDown:
      return {"Feed-forward down", "前馈降维"};
    case ModelPart::kPooler:
      return {"Pooler", "池化层"};
    case ModelPart::kClassifier:
      return {"Classifier", "分类层"};
  }
  return {"Other", "其他"};
}

Row NoiseCells(const std::vector<PartNoise>& noise, ModelPart part) {
  const auto it =
      std::find_if(noise.begin(), noise.end(), [&](const PartNoise& one) { return one.part == part; });
  if (it == noise.end()) return {EmptyCell(), {}, {}};
  return {NumberCell(it->median_db, FormatNumber(it->median_db, 3)),
          {"", std::to_string(it->layers)},
          ExactCell(it->peak_to_rms)};
}

// Outliers of a layer's inputs.
Cell PeakCell(const VariantFacts& variant, const std::string& layer) {
  const auto it = variant.input_peaks.find(layer);
  return it == variant.input_peaks.end() ? EmptyCell() : NumberCell(it->second, FormatNumber(it->second, 3));
}

struct LayerGroup {
  const Layer* first = nullptr;  // one of them
  int64_t count = 0;
  double macs = 0;
  int64_t bytes_fp32 = 0, bytes = 0;
};

}  // namespace

Table SensitivityTable(Language language, const Facts& facts) {
  Builder builder(language, "sensitivity",
                  "What quantizing each layer alone does: to the loss, to its output (SQNR), and its time.",
                  "单独量化每一层的影响：对损失、对其输出（SQNR）以及耗时。");
  builder.Text("variant", "Variant", "方案")
      .Text("layer", "Layer", "层")
      .Text("precision", "Precision", "精度");
  builder.Number("divergence", "Divergence, nats", "答案散度（nat）");
  builder.Number("loss_increase", "Loss increase", "损失增量").Number("sqnr_db", "SQNR, dB", "SQNR（dB）");
  builder.Number("seconds", "Time", "耗时");
  const auto cell = [](std::optional<double> value, auto format) {
    return value.has_value() ? NumberCell(*value, format(*value)) : EmptyCell();
  };
  const auto number = [](double value) { return FormatNumber(value, 3); };
  for (const VariantFacts& variant : facts.variants) {
    for (const LayerSensitivity& one : variant.sensitivity) {
      builder.Add({VariantCell(language, variant), CodeCell(one.layer), TextCell(one.precision),
                   cell(one.divergence, number), cell(one.loss_increase, number), cell(one.sqnr_db, number),
                   cell(one.seconds, FormatSeconds)});
    }
  }
  return builder.Build();
}

Table FrontTable(Language language, const Facts& facts) {
  const TaskSpec& task = facts.task();
  const std::string caption = Fill(
      language,
      "Assignments of precisions on the Pareto front of mixed precision. The front is built on the "
      "sums over layers of cost and of predicted divergence; loss and $0 are those of the "
      "whole model, as measured on the validation examples.",
      "混合精度帕累托前沿上的精度分配。前沿由各层代价之和与预测散度之和构成；损失与$0为整个模型在验证集上"
      "的实测值。",
      QualityName(language, task));
  Builder builder(language, "front", caption.c_str(), caption.c_str());
  builder.Text("variant", "Variant", "方案").Number("point", "Point", "序号");
  builder.Number("seconds", "Time of the linear layers", "线性层耗时");
  builder.Number("bytes", "Bytes of the linear layers", "线性层字节数");
  builder.Number("divergence", "Predicted divergence, nats", "预测散度（nat）");
  builder.Number("loss_increase", "Measured loss increase", "实测损失增量");
  builder.Number(task.quality.c_str(), Fill(language, "Measured $0", "实测$0", QualityName(language, task)))
      .Text("chosen", "Chosen", "选用");
  const auto cell = [](std::optional<double> value, auto format) {
    return value.has_value() ? NumberCell(*value, format(*value)) : EmptyCell();
  };
  const auto number = [](double value) { return FormatNumber(value, 3); };
  for (const VariantFacts& variant : facts.variants) {
    for (const FrontPoint& point : variant.front) {
      builder.Add({VariantCell(language, variant), CountCell(point.number),
                   cell(point.seconds, FormatSeconds), cell(point.bytes, FormatBytes),
                   cell(point.divergence, number), cell(point.loss_increase, number),
                   cell(point.accuracy, QualityFormat(task)), FlagCell(language, point.chosen)});
    }
  }
  return builder.Build();
}

Table LayersTable(Language language, const Facts& facts) {
  Builder builder(
      language, "layers",
      "Linear layers by precision: what was asked for, what ran, and why they differ; the share of "
      "multiply-adds is of all linear layers.",
      "线性层按精度统计：请求的精度、实际运行的精度及差异原因；乘加占比以全部线性层为分母。");
  builder.Text("variant", "Variant", "方案").Text("requested", "Requested", "请求");
  builder.Text("effective", "Ran", "实际")
      .Text("kernel", "Kernel", "内核")
      .Number("layers", "Layers", "层数");
  builder.Number("macs_share", "Multiply-adds", "乘加占比").Number("bytes_fp32", "FP32 bytes", "FP32 字节");
  builder.Number("bytes", "Bytes", "字节").Text("reason", "Reason", "原因");
  for (const VariantFacts& variant : facts.variants) {
    // They are the same for every seed but for faults.
    const std::vector<Layer>* const layers = LayersOf(variant);
    if (layers == nullptr) continue;
    std::map<std::vector<std::string>, LayerGroup> groups;
    for (const Layer& layer : *layers) {
      LayerGroup& group = groups[{layer.requested, layer.effective, layer.kernel, layer.reason}];
      group.first = &layer;
      ++group.count;
      group.macs += layer.macs_share;
      group.bytes_fp32 += layer.bytes_fp32;
      group.bytes += layer.bytes;
    }
    for (const auto& [key, group] : groups) {
      builder.Add({VariantCell(language, variant),
                   TextCell(key[0]),
                   TextCell(key[1]),
                   TextCell(key[2]),
                   CountCell(group.count),
                   NumberCell(group.macs, FormatShare(group.macs)),
                   {FormatBytes(static_cast<double>(group.bytes_fp32)), std::to_string(group.bytes_fp32)},
                   {FormatBytes(static_cast<double>(group.bytes)), std::to_string(group.bytes)},
                   {MessageText(language, group.first->coded_reason, key[3]), OneLine(key[3])}});
    }
  }
  return builder.Build();
}

Table NoiseTable(Language language, const Facts& facts) {
  Builder builder(
      language, "noise",
      "Signal to quantization noise of the layers' outputs, dB: the median over the layers of each "
      "part of the model. Lower is noisier.",
      "各层输出的信噪比（SQNR，dB）：模型各部分的层取中位数，数值越低噪声越大。");
  builder.Text("variant", "Variant", "方案");
  const std::set<ModelPart> parts = PartsOf(facts);
  for (const ModelPart part : parts) {
    const std::string key = PartKey(part);
    builder.Number(absl::StrCat(key, "_sqnr_db").c_str(), PartColumn(part).In(language));
    builder.Raw(absl::StrCat(key, "_layers")).Raw(absl::StrCat(key, "_input_peak"));
  }
  for (const VariantFacts& variant : facts.variants) {
    const std::vector<PartNoise> noise = NoiseByPart(variant);
    if (noise.empty() || !variant.same_as.empty()) continue;
    Row row = {VariantCell(language, variant)};
    for (const ModelPart part : parts) Append(row, NoiseCells(noise, part));
    builder.Add(row);
  }
  return builder.Build();
}

Table LayerDetailsTable(Language language, const Facts& facts) {
  Builder builder(language, "layer_details", "Linear layers one by one.", "逐层列出线性层。");
  builder.Text("run", "Run", "运行").Text("layer", "Layer", "层").Number("in_features", "In", "输入");
  builder.Number("out_features", "Out", "输出").Text("requested", "Requested", "请求");
  builder.Text("effective", "Ran", "实际").Text("kernel", "Kernel", "内核").Text("reason", "Reason", "原因");
  builder.Number("macs_share", "Multiply-adds", "乘加占比").Number("bytes_fp32", "FP32 bytes", "FP32 字节");
  builder.Number("bytes", "Bytes", "字节").Number("sqnr_db", "SQNR, dB", "SQNR（dB）");
  builder.Number("median_sqnr_db", "Median SQNR of a token, dB", "词元 SQNR 中位数（dB）");
  builder.Number("input_peak", "Largest input over RMS", "最大输入 / 均方根");
  for (const VariantFacts& variant : facts.variants) {
    for (const RunReport* run : variant.runs) {
      if (run->run.state != RunState::kSucceeded) continue;
      for (const Layer& layer : run->layers) {
        builder.Add(
            {CodeCell(run->run.name),
             CodeCell(layer.name),
             CountCell(layer.in_features),
             CountCell(layer.out_features),
             TextCell(layer.requested),
             TextCell(layer.effective),
             TextCell(layer.kernel),
             {MessageText(language, layer.coded_reason, layer.reason), OneLine(layer.reason)},
             NumberCell(layer.macs_share, FormatShare(layer.macs_share)),
             CountCell(layer.bytes_fp32),
             CountCell(layer.bytes),
             layer.sqnr_db ? NumberCell(*layer.sqnr_db, FormatNumber(*layer.sqnr_db, 3)) : EmptyCell(),
             layer.median_sqnr_db ? NumberCell(*layer.median_sqnr_db, FormatNumber(*layer.median_sqnr_db, 3))
                                  : EmptyCell(),
             PeakCell(variant, layer.name)});
      }
    }
  }
  return builder.Build();
}

}  // namespace quantlab::report
