// Background, theory of each method, and the system's architecture: the only prose here that states no number
// of the experiment.
#include "report/facts/format.h"
#include "report/parts.h"
#include "report/text/method_sentences.h"

namespace quantlab::report {
namespace {

void WriteMapping(Writer& writer) {
  const std::string integer = writer.Cite(Source::kInteger), paper = writer.Cite(Source::kWhitePaper);
  writer.Paragraph(writer.Fill(
      "Quantization stores weights, and often activations, as small integers. A real number x becomes "
      "q = clamp(round(x / s) + z), with a scale s and a zero point z, and is recovered as x̂ = s · (q − z) "
      "up to "
      "rounding $0. With z = 0 the map is symmetric, which suits weights; with a free z it is asymmetric, "
      "which "
      "suits activations whose range lies to one side. A scale may be shared by a matrix (per tensor), by an "
      "output "
      "channel, by a token, or by a group of weights: the fewer numbers share it, the smaller the error, and "
      "the "
      "more scales have to be kept $1.",
      "量化用小整数存储权重（往往也包括激活）。实数 x 变为 q = clamp(round(x / s) + z)，其中 s 为缩放因子，z "
      "为零点；"
      "还原为 x̂ = s · (q − z)，只差舍入误差 $0。z = 0 时映射对称，适合权重；z "
      "可变时映射非对称，适合取值偏于一侧的"
      "激活。缩放因子可由整个矩阵（按张量）、一个输出通道、一个词元或一组权重共用：共用的数越少，误差越小，"
      "需保存的"
      "缩放因子也越多 $1。",
      integer, paper));
}

void WriteError(Writer& writer) {
  const std::string paper = writer.Cite(Source::kWhitePaper), integer = writer.Cite(Source::kInteger);
  writer.Paragraph(writer.Fill(
      "Rounding moves a value by at most s / 2, with a mean square of about s² / 12; values outside the "
      "range are "
      "clipped. A wide range means coarse steps, a narrow one clips: calibration chooses between the two $0. "
      "The "
      "ratio of signal to this noise (SQNR, in dB) grows by about 6 dB with each bit. A product of two 8-bit "
      "matrices is summed exactly in 32 bits, so only the rounding of its inputs and outputs costs accuracy "
      "$1.",
      "舍入使数值最多偏移 s / 2，均方误差约为 s² / 12；超出范围的数值被截断。范围宽则步长粗，范围窄则截断多："
      "校准即在二者之间取舍 $0。信号与该噪声之比（SQNR，单位 dB）每增加一位约提高 6 dB。两个 8 位矩阵之积在 "
      "32 "
      "位中"
      "精确累加，因此只有输入与输出的舍入影响准确率 $1。",
      paper, integer));
}

void WriteEncoder(Writer& writer) {
  const std::string attention = writer.Cite(Source::kAttention), bert = writer.Cite(Source::kBert);
  const std::string q8bert = writer.Cite(Source::kQ8Bert);
  writer.Paragraph(writer.Fill(
      "An encoder of the Transformer family $0, such as BERT $1, spends nearly all of its time in linear "
      "layers: "
      "query, key, value and output of each attention, and two feed-forward products. These are what is "
      "quantized; "
      "normalization, softmax and residual sums stay in floating point. Such encoders are known to stand 8 "
      "bits "
      "well $2.",
      "Transformer 类编码器 $0（如 BERT "
      "$1）几乎全部时间用于线性层：注意力的查询、键、值与输出投影，以及两个前馈乘积。"
      "被量化的正是这些层；归一化、softmax 与残差相加保持浮点。已知此类编码器能较好地承受 8 位量化 $2。",
      attention, bert, q8bert));
}

std::string StaticTheory(Writer& writer) {
  const std::string integer = writer.Cite(Source::kInteger), smooth = writer.Cite(Source::kSmoothQuant);
  return writer.Fill(
      "Weights and activations are INT8 with scales fixed beforehand: observers see activations of a part of "
      "the "
      "training set (calibration) and choose each range $0. Nothing has to be measured while the model runs, "
      "at the "
      "price of ranges that hold for every text. SmoothQuant, where it is switched on, moves outliers of the "
      "activations into the weights before that $1.",
      "权重与激活均为 INT8，缩放因子事先确定：观察器统计部分训练集上的激活（校准）并选定范围 "
      "$0。运行时无需再统计，"
      "代价是同一范围须适用于所有文本。若启用 SmoothQuant，则先把激活中的离群值转移到权重 $1。",
      integer, smooth);
}

std::string QatTheory(Writer& writer) {
  const std::string ste = writer.Cite(Source::kStraightThrough), lsq = writer.Cite(Source::kLsq);
  const std::string distill = writer.Cite(Source::kDistillation);
  return writer.Fill(
      "Quantization-aware training goes on training with rounding simulated in the forward pass; gradients "
      "pass "
      "the rounding unchanged (straight-through $0). The scales may be learned too (LSQ $1), and the FP32 "
      "model may "
      "serve as a teacher $2. At the end the model is converted to the same INT8 kernels as static "
      "quantization and "
      "measured there, never in simulation.",
      "量化感知训练（QAT）在前向计算中模拟舍入并继续训练；梯度原样穿过舍入（直通估计 "
      "$0）。缩放因子也可学习（LSQ "
      "$1），"
      "FP32 模型可作教师 $2。训练结束后转换为与静态量化相同的 INT8 内核，并以此测量，而不使用模拟图。",
      ste, lsq, distill);
}

std::string MixedTheory(Writer& writer) {
  const std::string hawq = writer.Cite(Source::kHawq), bf16 = writer.Cite(Source::kBf16);
  return writer.Fill(
      "Layers differ in how much they suffer. Each layer's sensitivity (what quantizing it alone does to the "
      "loss "
      "and to its output) and its time on this machine are measured; then a precision is chosen for each "
      "layer so "
      "that the whole is as fast as an accuracy budget allows, or as small as a size budget asks $0. "
      "Sensitive "
      "layers keep 16 bits: BF16 has the range of FP32 with fewer digits $1.",
      "各层对量化的敏感程度不同。先测量每层的敏感度（单独量化该层对损失与输出的影响）及其在本机上的耗时，"
      "再为每层"
      "选择精度，使整体在准确率预算内最快，或满足体积预算 $0。敏感的层保留 16 位：BF16 与 FP32 "
      "范围相同，但有效位更少 "
      "$1。",
      hawq, bf16);
}

std::string HalfTheory(Writer& writer) {
  return writer.Fill(
      "The whole model in half precision: the weights of every layer and the embeddings are kept in 16 bits, "
      "and the "
      "arithmetic is of 16 bits where the processor has it. BF16 has the range of FP32 with fewer digits $0; "
      "FP16 has "
      "more digits and a smaller range. Nothing is calibrated or searched for.",
      "整个模型使用半精度：所有层的权重与嵌入均以 16 位保存，处理器支持时运算也为 16 位。BF16 与 FP32 "
      "范围相同，"
      "但有效位更少 $0；FP16 有效位较多而范围较小。不需要校准或搜索。",
      writer.Cite(Source::kBf16));
}

std::string WeightOnlyTheory(Writer& writer) {
  const std::string gptq = writer.Cite(Source::kGptq);
  return writer.Fill(
      "Only weights are stored as INT8 or INT4; activations and arithmetic stay in floating point. That "
      "saves "
      "memory and bandwidth, which decide the time of large models with small batches. GPTQ, where it is "
      "switched "
      "on, rounds column by column and corrects the remaining columns for the error made $0.",
      "只有权重以 INT8 或 INT4 "
      "存储，激活与运算保持浮点。这节省内存与带宽，而大模型、小批次时的耗时正取决于此。"
      "若启用 GPTQ，则逐列舍入，并用其余列补偿已产生的误差 $0。",
      gptq);
}

std::string DynamicTheory(Writer& writer) {
  const std::string paper = writer.Cite(Source::kWhitePaper);
  return writer.Fill(
      "Weights are INT8, computed once; activations are quantized while the model runs, from the range that "
      "each "
      "token (or the whole batch) has just then $0. No calibration data is needed, and every product pays "
      "for "
      "finding its range.",
      "权重事先量化为 INT8；激活在模型运行时按当时的数值范围量化（每个词元或整个批次一个缩放因子）$0。"
      "不需要校准数据，但每次乘积都要付出统计范围的时间。",
      paper);
}

}  // namespace

void WriteBackground(Writer& writer) {
  writer.Section("Background and theory", "背景与原理");
  WriteMapping(writer);
  WriteError(writer);
  WriteEncoder(writer);
}

void WriteArchitecture(Writer& writer) {
  writer.Section("Architecture of the system", "系统架构");
  writer.Paragraph(
      writer.Say("The experiment ran on Quantlab, a client–server service in C++ over gRPC. The client sends "
                 "one experiment "
                 "file; the coordinator validates it, plans it as a graph of runs, keeps all state in a "
                 "database and hands runs "
                 "to workers under leases; a worker starts a fresh process for each attempt. So peak memory "
                 "means something, a "
                 "crash ends one attempt only, and every number below can be followed to the attempt that "
                 "measured it. The "
                 "baseline trains the checkpoint that the other variants quantize; the comparison measures "
                 "all of them side "
                 "by side at the end.",
                 "本实验在 Quantlab 上运行，它是以 C++ 实现、基于 gRPC "
                 "的客户端–服务器系统。客户端提交一个实验文件；协调器校验"
                 "该文件并规划为运行图，在数据库中保存全部状态，以租约方式把运行分发给工作节点；"
                 "工作节点为每次尝试启动独立进程。"
                 "因此内存峰值有明确含义，崩溃只影响一次尝试，"
                 "下文每个数字都可追溯到测得它的那次尝试。基线训练出供其他方案量化的"
                 "检查点，最后由对比运行并排测量全部方案。"));
  writer.ShowFigure("architecture/system");
}

std::string MethodTheory(Writer& writer, const VariantFacts& variant) {
  if (variant.baseline) {
    return writer.Say("The FP32 checkpoint that every other variant starts from and is compared with.",
                      "其他方案以之为起点并与之比较的 FP32 检查点。");
  }
  if (variant.method == "dynamic_quantization") return DynamicTheory(writer);
  if (variant.method == "static_quantization") return StaticTheory(writer);
  if (variant.method == "qat") return QatTheory(writer);
  if (variant.method == "mixed_precision") {
    return ParamOf(variant, "mode") == "whole" ? HalfTheory(writer) : MixedTheory(writer);
  }
  if (variant.method == "weight_only") return WeightOnlyTheory(writer);
  if (variant.spec != nullptr && !variant.spec->control_of.empty()) {
    return ControlSentence(writer.language(), writer.facts(), variant);
  }
  return variant.spec == nullptr ? "" : EscapeMarkdown(variant.spec->help);
}

}  // namespace quantlab::report
