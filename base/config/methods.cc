// The list of methods. A method is one entry here and one file in worker/engine/methods.
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/config/method_spec.h"
#include "base/config/method_text.h"
#include "base/config/param_check.h"
#include "base/config/settings.h"
#include "base/messages/message_catalogue.h"

namespace quantlab {
namespace {

// What methods do on each kind of device (base/config/device.h), by the layers that they make.
std::vector<DeviceSupport> FloatLayers() {
  return {
      {"cpu", "native", ""},
      {"cuda", "native", ""},
  };
}

std::vector<DeviceSupport> IntegerLayers(std::string on_cpu = "") {
  return {
      {"cpu", "native", std::move(on_cpu)},
      {"cuda", "native",
       "fused products on compute capability 9.0 where the build has them, elsewhere integer products by "
       "at::_int_mm"},
  };
}

std::vector<DeviceSupport> WeightOnlyLayers() {
  return {
      {"cpu", "native", "weights are dequantized and multiplied by at::linear where there is no AVX2"},
      {"cuda", "fallback", "weights are dequantized and multiplied by at::linear"},
  };
}

std::vector<DeviceSupport> Fp8Layers() {
  return {
      {"cpu", "fallback", "weights and inputs are rounded to FP8 and multiplied by at::linear in FP32"},
      {"cuda", "native",
       "fused products on compute capability 9.0 where the build has them, elsewhere FP32 products of values "
       "rounded to FP8"},
  };
}

ParamSpec Choice(std::string name, std::vector<std::string> allowed, std::string default_value,
                 std::string help) {
  return {std::move(name), ParamType::kString, std::move(default_value), std::move(allowed), {}, {},
          std::move(help)};
}

ParamSpec Flag(std::string name, bool default_value, std::string help) {
  return {std::move(name), ParamType::kBool, default_value, {}, {}, {}, std::move(help)};
}

ParamSpec Integer(std::string name, int64_t default_value, int64_t min, int64_t max, std::string help) {
  return {std::move(name),          ParamType::kInt,          default_value,  {},
          static_cast<double>(min), static_cast<double>(max), std::move(help)};
}

ParamSpec Number(std::string name, double default_value, double min, double max, std::string help) {
  return {std::move(name), ParamType::kDouble, default_value, {}, min, max, std::move(help)};
}

// With the type and range of a setting of experiment files.
ParamSpec LikeSetting(absl::string_view path, std::string name, ParamValue default_value, std::string help) {
  ParamSpec param = FindSetting(path)->AsParam();
  param.name = std::move(name);
  param.default_value = std::move(default_value);
  param.help = std::move(help);
  return param;
}

ParamSpec Text(std::string name, std::string help) {
  return {std::move(name), ParamType::kString, std::string(), {}, {}, {}, std::move(help)};
}

ParamSpec WeightGranularity() {
  return Choice("weight_granularity", {"per_channel", "per_tensor"}, "per_channel",
                "Granularity of weight scales: one per output channel, or one for the whole matrix.");
}

ParamSpec WeightBits() {
  return Integer(
      "weight_bits", 8, 2, 8,
      "Bits per weight; with 4 or fewer, the saved model stores two weights in a byte. Fewer than 8 bits are "
      "as fast as 8.");
}

// The common parameters of methods with a calibration.
std::vector<ParamSpec> Calibration() {
  return {
      Integer(
          "calibration_texts", 128, 1, 100000,
          "Number of training examples, drawn with the run's seed, on which the ranges of activations are calibrated."),
      Choice("observer", {"min_max", "moving_average", "histogram_mse", "histogram_entropy", "percentile"},
             "histogram_mse",
             "How a range is found: the extremes, their moving average over batches, the range of least "
             "squared error or of least information lost, or percentiles."),
      Number("percentile", 99.99, 50.001, 100,
             "With observer percentile: the share of values, in percent, that lie below the upper end; "
             "the lower end mirrors it."),
      Number("averaging_constant", 0.01, 0.0001, 1,
             "With observer moving_average: weight of each new batch of 32 texts. A small weight needs many "
             "batches; with few, the range stays close to that of the first batch."),
  };
}

std::vector<ParamSpec> SmoothQuant() {
  return {
      Choice("smooth_quant", {"off", "given", "search"}, "search",
             "SmoothQuant: moves outliers of input features into the weights, with the exponent smooth_alpha "
             "or with the best one of each layer under the observer that is used."),
      Number("smooth_alpha", 0.5, 0, 1,
             "With smooth_quant given: 0 leaves outliers in the activations, 1 moves them into the weights."),
      Flag("bias_correction", true,
           "Subtract each channel's mean error on the calibration texts from its bias."),
  };
}

std::vector<ParamSpec> ExtraTraining() {
  return {
      LikeSetting("training.epochs", "epochs", int64_t{1}, "Further passes over the training examples."),
      LikeSetting("training.learning_rate", "learning_rate", 2e-5,
                  "Peak learning rate of the further training; the rest is as under training."),
  };
}

MethodInputs Calibrates(const Params&) {
  MethodInputs inputs;
  inputs.training_texts = true;
  return inputs;
}

MethodInputs Trains(const Params&) {
  MethodInputs inputs;
  inputs.training_texts = inputs.training_settings = true;
  return inputs;
}

// Chooses layers by their effect on validation examples and by their time; mode whole chooses nothing.
MethodInputs ReadByMixedPrecision(const Params& params) {
  MethodInputs inputs;
  const bool chooses = params.at("mode") == ParamValue(std::string("per_layer"));
  inputs.training_texts = inputs.validation_texts = inputs.timed_shapes = chooses;
  return inputs;
}

MethodInputs ReadByWeightOnly(const Params& params) {
  MethodInputs inputs;
  inputs.training_texts = params.at("algorithm") == ParamValue(std::string("gptq"));
  return inputs;
}

void Append(std::vector<ParamSpec>& params, std::vector<ParamSpec> more) {
  for (ParamSpec& param : more) params.push_back(std::move(param));
}

MethodSpec DynamicQuantization() {
  MethodSpec spec;
  spec.name = "dynamic_quantization";
  spec.short_name = "dynamic_quant";
  spec.version = 1;
  spec.title = "Dynamic quantization";
  spec.title_zh = "动态量化";
  spec.help =
      "INT8 weights, computed once; activations are quantized at run time, with the range of each token (or "
      "of the whole batch). Needs no calibration data.";
  spec.params = {
      Choice("dtype", {"qint8"}, "qint8", "Integer type of the weights."),
      Choice(
          "granularity", {"per_token", "per_tensor"}, "per_token",
          "Granularity of activation scales: one per token, so that no text depends on its batch, or one per "
          "batch, as PyTorch does."),
      WeightGranularity(),
      Flag("reduce_range", false,
           "Use 7 bits for activations, as PyTorch does by default for CPUs whose 16-bit sums saturate. The "
           "kernels here are exact on every CPU, so it only costs accuracy."),
  };
  spec.devices = IntegerLayers();
  return spec;
}

MethodSpec StaticQuantization() {
  MethodSpec spec;
  spec.name = "static_quantization";
  spec.short_name = "static_quant";
  spec.version = 2;
  spec.title = "Static quantization";
  spec.title_zh = "静态量化";
  spec.help =
      "INT8 weights and activations with fixed ranges from calibration on training examples, so that none are "
      "computed at run time. Choose it for speed if calibration texts are available.";
  spec.inputs = Calibrates;
  spec.params = Calibration();
  Append(spec.params, {WeightGranularity(), WeightBits()});
  Append(spec.params, SmoothQuant());
  spec.devices = IntegerLayers();
  return spec;
}

MethodSpec Qat() {
  MethodSpec spec;
  spec.name = "qat";
  spec.short_name = "qat";
  spec.version = 1;
  spec.title = "Quantization-aware training";
  spec.title_zh = "量化感知训练";
  spec.help =
      "Trains the FP32 checkpoint further with simulated quantization of weights and activations; the result "
      "runs on the same INT8 kernels as static quantization. Choose it for accuracy, above all with few bits, "
      "if further training is possible. Compare it with its control, fp32_continued.";
  spec.inputs = Trains;
  spec.params = ExtraTraining();
  Append(spec.params, Calibration());
  Append(spec.params, {WeightGranularity(), WeightBits()});
  Append(
      spec.params,
      {Number("freeze_observers_at", 0.5, 0, 1,
              "Share of the steps after which the ranges of activations are fixed. Before, they follow the "
              "extremes of the batches, whichever observer found the first ones."),
       Flag("learned_steps", false, "Train the step sizes too (LSQ) instead of following ranges."),
       Number("distillation", 0, 0, 1,
              "Weight of the FP32 model's answers in the loss, against that of the labels; 0: labels only."),
       Number("temperature", 2, 0.1, 100,
              "Temperature of distillation, which divides the logits of both models.")});
  spec.devices = IntegerLayers();
  return spec;
}

MethodSpec Fp32Continued() {
  MethodSpec spec;
  spec.name = "fp32_continued";
  spec.short_name = "fp32_continued";
  spec.version = 1;
  spec.title = "FP32, trained further";
  spec.title_zh = "FP32 继续训练（QAT 的对照）";
  spec.help =
      "The control for qat: trains the FP32 checkpoint further on the same texts in the same order and "
      "quantizes nothing, so that qat is not credited for training longer. Takes qat's epochs and "
      "learning_rate where it is given none.";
  spec.quantizes = false;
  spec.control_of = "qat";
  spec.inputs = Trains;
  spec.params = ExtraTraining();
  spec.devices = FloatLayers();
  return spec;
}

MethodSpec MixedPrecision() {
  MethodSpec spec;
  spec.name = "mixed_precision";
  spec.short_name = "mixed_precision";
  spec.version = 2;
  spec.title = "Mixed precision";
  spec.title_zh = "混合精度";
  spec.help =
      "Each linear layer in INT8, half precision or FP32: its harm is measured by quantizing it alone, its "
      "cost by timing it here, and the fastest assignment within an accuracy budget is taken, or the least "
      "harmful one within a size budget. Or the whole model in half precision.";
  spec.inputs = ReadByMixedPrecision;
  spec.params = {
      Choice("mode", {"per_layer", "whole"}, "per_layer",
             "per_layer: a precision for each layer; whole: everything in half precision."),
      Choice("half", {"bf16", "fp16", "none"}, "bf16",
             "The half precision that layers may have; none: only INT8 and FP32."),
      Choice("objective", {"speed", "size"}, "speed",
             "speed: the fastest assignment of the measured front within max_accuracy_drop; size: the least "
             "harmful one found within size_budget."),
      Number(
          "max_accuracy_drop", 0.005, 0, 1,
          "Largest loss of accuracy on the validation examples against FP32, as a share; the measured loss plus "
          "one standard error must not exceed it."),
      Number("size_budget", 0.3, 0.01, 1, "Bytes of the linear layers, as a share of those in FP32."),
      Text("pin",
           "Layers whose precision is given, as in \"classifier=fp32, *.output.dense=bf16\"; * stands for "
           "any characters. With mode per_layer only."),
      Integer("sensitivity_texts", 128, 1, 100000,
              "Validation examples on which each layer's harm is measured."),
  };
  Append(spec.params, Calibration());
  Append(spec.params, {WeightGranularity()});
  Append(spec.params, SmoothQuant());
  spec.devices = IntegerLayers(
      "half precision falls back to FP32 arithmetic on CPUs without AVX512_BF16 or AMX (bf16) or AVX512_FP16 "
      "(fp16)");
  return spec;
}

MethodSpec WeightOnly() {
  MethodSpec spec;
  spec.name = "weight_only";
  spec.short_name = "weight_only";
  spec.version = 2;
  spec.title = "Weight-only quantization";
  spec.title_zh = "仅权重量化";
  spec.help =
      "INT4 or INT8 weights, activations in floating point: the smallest models; fast for short texts one at "
      "a time, where reading the weights dominates the time. GPTQ calibrates the rounding on training "
      "texts.";
  spec.inputs = ReadByWeightOnly;
  spec.params = {
      Choice(
          "dtype", {"int4", "int8"}, "int4",
          "Integer type of the weights: int4 with a scale for each group of inputs, int8 with one for each "
          "output channel."),
      Choice("algorithm", {"gptq", "rtn"}, "gptq",
             "Rounding of weights: gptq, in which the weights not yet rounded compensate the error on the "
             "calibration texts, or rtn, to the nearest integer."),
      Choice(
          "group_size", {"32", "64", "128", "256"}, "64",
          "int4 only: number of inputs that share a scale; smaller groups are more accurate and larger in bytes."),
      Flag("symmetric", false,
           "int4 only: no zero points, which saves one byte per group and costs accuracy."),
      Integer("calibration_texts", 128, 1, 100000,
              "gptq only: training examples, drawn with the run's seed, whose activations it calibrates on."),
      Number("damping", 0.01, 1e-6, 1,
             "gptq only: what is added to the diagonal of the Hessian, as a share of its mean. Layers with "
             "fewer calibration rows than inputs may use 10 or 100 times as much, by the error on other "
             "texts."),
      Flag("activation_order", false,
           "gptq only: round the inputs with the largest activations first, not in the order of the file."),
  };
  spec.devices = WeightOnlyLayers();
  return spec;
}

MethodSpec Fp8Quantization() {
  MethodSpec spec;
  spec.name = "fp8_quantization";
  spec.short_name = "fp8_quant";
  spec.version = 1;
  spec.title = "FP8 quantization";
  spec.title_zh = "FP8 量化";
  spec.help =
      "FP8 (E4M3) weights, computed once, and activations, rounded at run time; both with float scales. "
      "For GPUs with FP8 arithmetic (compute capability 9.0). Elsewhere it shows the accuracy of FP8, not its speed. "
      "Needs no calibration data.";
  spec.params = {
      Choice(
          "granularity", {"per_token", "per_tensor"}, "per_token",
          "Granularity of activation scales: one per token, so that no text depends on its batch, or one per "
          "batch."),
      WeightGranularity(),
  };
  spec.devices = Fp8Layers();
  return spec;
}

// The parameters that every quantizing method has besides its own.
ParamSpec Embeddings() {
  return Choice(
      "embeddings", {"keep", "int8"}, "keep",
      "int8: quantize the embedding tables too, with one scale per row; in a small encoder they are half of the "
      "model's bytes.");
}

// --- Chinese ---

using Texts = std::map<absl::string_view, absl::string_view>;

// By method, by parameter, or by "method.parameter" where a parameter means something else than in other
// methods.
const Texts& ChineseHelp() {
  static const auto* const texts = new Texts{
      {"dynamic_quantization",
       "INT8 权重，预先算好；激活在推理时量化，范围取自每个词元（或整个批次）。不需要校准数据。"},
      {"static_quantization",
       "INT8 权重和激活；激活的范围由训练文本校准得到并固定下来，推理时无需计算。追求速度且有校准文本时选用。"},
      {"qat",
       "从 FP32 检查点出发，在模拟量化权重和激活的条件下继续训练；所得模型使用与静态量化相同的 INT8 内核。追求准确率（尤其"
       "位数少时）且可以继续训练时选用。请与其对照 fp32_continued 比较。"},
      {"fp32_continued",
       "qat 的对照：用同样的文本、按同样的顺序继续训练 FP32 检查点，什么也不量化，以免把训练更久的效果算作 qat 的功劳。未指定 "
       "epochs 和 learning_rate 时取 qat 的值。"},
      {"mixed_precision",
       "每个线性层使用 INT8、半精度或 FP32：单独量化各层以测量其损害，在本机计时以测量其开销，然后取准确率预算内最快的方案，或"
       "大小预算内损害最小的方案。也可以整个模型使用半精度。"},
      {"weight_only",
       "INT4 或 INT8 权重，激活为浮点：模型最小；逐条处理短文本时快，因为此时大部分时间用于读取权重。GPTQ 用训练文本校准舍入。"},
      {"fp8_quantization",
       "FP8（E4M3）权重，预先算好；激活在推理时舍入；两者都使用浮点缩放因子。用于有 FP8 运算的 GPU（计算能力 9.0）；在其他设备"
       "上只反映 FP8 的准确率，不反映其速度。不需要校准数据。"},

      {"dtype", "权重的整数类型。"},
      {"weight_only.dtype", "权重的整数类型：int4 每组输入一个缩放因子，int8 每个输出通道一个。"},
      {"granularity",
       "激活缩放因子的粒度：每个词元一个，文本的结果与同批的其他文本无关；或整个批次一个，与 PyTorch 相同。"},
      {"fp8_quantization.granularity",
       "激活缩放因子的粒度：每个词元一个，文本的结果与同批的其他文本无关；或整个批次一个。"},
      {"weight_granularity", "权重缩放因子的粒度：每个输出通道一个，或整个矩阵一个。"},
      {"reduce_range",
       "激活用 7 位，与 PyTorch 在 16 位累加会饱和的 CPU 上的默认一致。本项目的内核在任何 CPU 上都是精确的，因此只会损失准确"
       "率。"},
      {"embeddings", "int8：嵌入表也量化，每行一个缩放因子；在小型编码器中，嵌入表占模型字节数的一半。"},
      {"calibration_texts", "校准激活范围所用的训练文本数，由运行的种子抽取。"},
      {"weight_only.calibration_texts", "仅用于 gptq：校准所用的训练文本数，由运行的种子抽取。"},
      {"observer",
       "范围的求法：极值、极值在各批次上的滑动平均、平方误差最小的范围、信息损失最小的范围，或百分位数。"},
      {"percentile", "用于观察器 percentile：低于上端的数值所占的百分比；下端与之对称。"},
      {"averaging_constant",
       "用于观察器 moving_average：每个新批次（32 条文本）的权重。权重小时需要许多批次；批次少时，范围与第一个批次的相近。"},
      {"weight_bits",
       "每个权重的位数；不超过 4 位时，保存的模型中两个权重占一个字节。少于 8 位时，速度与 8 位相同。"},
      {"smooth_quant",
       "SmoothQuant：把输入特征的离群值转移到权重中，指数取 smooth_alpha，或为每一层取在所用观察器下最好的值。"},
      {"smooth_alpha", "用于 smooth_quant 的 given：0 让离群值留在激活中，1 把离群值全部转移到权重中。"},
      {"bias_correction", "从每个通道的偏置中减去它在校准文本上的平均误差。"},
      {"epochs", "在训练文本上继续训练的轮数。"},
      {"learning_rate", "继续训练的学习率峰值；其余与 training 相同。"},
      {"freeze_observers_at",
       "从这一比例的步数起，激活的范围固定不变。在此之前，无论最初的范围由哪种观察器求得，都随各批次的极值变化。"},
      {"learned_steps", "量化步长也参与训练（LSQ），而不是跟随范围。"},
      {"distillation", "损失中 FP32 模型的输出相对于标签的权重；0：只用标签。"},
      {"temperature", "蒸馏的温度，两个模型的 logits 都除以它。"},
      {"mode", "per_layer：逐层选择精度；whole：全部使用半精度。"},
      {"half", "各层可用的半精度；none：只用 INT8 和 FP32。"},
      {"objective",
       "speed：所测前沿上满足 max_accuracy_drop 的最快方案；size：所找到的满足 size_budget 的损害最小的方案。"},
      {"max_accuracy_drop",
       "在验证文本上相对 FP32 允许损失的准确率，以比例表示；损失加上其一个标准误差不得超过它。"},
      {"size_budget", "线性层的字节数占 FP32 时的比例。"},
      {"pin",
       "指定精度的层，例如 \"classifier=fp32, *.output.dense=bf16\"；* 代表任意字符。仅用于 mode 为 per_layer 时。"},
      {"sensitivity_texts", "测量各层损害所用的验证文本数。"},
      {"algorithm",
       "权重的舍入方法：gptq 用尚未舍入的权重补偿在校准文本上的误差；rtn 各自舍入到最近的整数。"},
      {"group_size", "仅用于 int4：共用一个缩放因子的输入个数；组越小越准确，占用的字节越多。"},
      {"symmetric", "仅用于 int4：不用零点，每组节省一个字节，准确率有所损失。"},
      {"damping",
       "仅用于 gptq：加到 Hessian 对角线上的值，以其均值的比例表示。校准行数少于输入个数的层可取 10 倍或 100 倍，由在其他文本"
       "上的误差决定。"},
      {"activation_order", "仅用于 gptq：先舍入激活最大的输入，而不是按文件中的顺序。"},
  };
  return *texts;
}

// By the English text.
const Texts& ChineseDetails() {
  static const auto* const texts = new Texts{
      {"fused products on compute capability 9.0 where the build has them, elsewhere integer products by "
       "at::_int_mm",
       "计算能力 9.0 的设备上使用融合乘法（构建包含时），其他设备上用 at::_int_mm 做整数乘法"},
      {"half precision falls back to FP32 arithmetic on CPUs without AVX512_BF16 or AMX (bf16) or AVX512_FP16 "
       "(fp16)",
       "在没有 AVX512_BF16、AMX（bf16）或 AVX512_FP16（fp16）的 CPU 上，半精度回退到 FP32 运算"},
      {"weights are dequantized and multiplied by at::linear where there is no AVX2",
       "没有 AVX2 时，权重反量化后用 at::linear 相乘"},
      {"weights are dequantized and multiplied by at::linear", "权重反量化后用 at::linear 相乘"},
      {"weights and inputs are rounded to FP8 and multiplied by at::linear in FP32",
       "权重和输入舍入到 FP8，再用 at::linear 以 FP32 相乘"},
      {"fused products on compute capability 9.0 where the build has them, elsewhere FP32 products of values "
       "rounded to FP8",
       "计算能力 9.0 的设备上使用融合乘法（构建包含时），其他设备上对舍入到 FP8 的值做 FP32 乘法"},
  };
  return *texts;
}

std::string Find(const Texts& texts, absl::string_view key, absl::string_view otherwise) {
  const auto found = texts.find(key);
  return std::string(found == texts.end() ? otherwise : found->second);
}

}  // namespace

const std::vector<MethodSpec>& AllMethods() {
  static const auto* const methods = [] {
    auto* all = new std::vector<MethodSpec>;
    all->push_back(DynamicQuantization());
    all->push_back(StaticQuantization());
    all->push_back(Qat());
    all->push_back(Fp32Continued());
    all->push_back(MixedPrecision());
    all->push_back(WeightOnly());
    all->push_back(Fp8Quantization());
    for (MethodSpec& method : *all) {
      if (method.quantizes) method.params.push_back(Embeddings());
    }
    return all;
  }();
  return *methods;
}

std::string HelpText(const MethodSpec& method, Language language) {
  return language == Language::kEnglish ? method.help : Find(ChineseHelp(), method.name, method.help);
}

std::string HelpText(const MethodSpec& method, const ParamSpec& param, Language language) {
  if (language == Language::kEnglish) return param.help;
  return Find(ChineseHelp(), absl::StrCat(method.name, ".", param.name),
              Find(ChineseHelp(), param.name, param.help));
}

std::string AllowedText(const ParamSpec& param, Language language) {
  return Render(language, AllowedValues(param));
}

std::string DetailText(const DeviceSupport& support, Language language) {
  return language == Language::kEnglish ? support.detail
                                        : Find(ChineseDetails(), support.detail, support.detail);
}

}  // namespace quantlab
