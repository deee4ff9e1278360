// Diagrams of the system's components, and of the model with the precision of each part in each variant.
#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/config/layer_role.h"
#include "report/facts/format.h"
#include "report/facts/layer_names.h"
#include "report/facts/verdict.h"
#include "report/figures/charts.h"
#include "report/figures/scripts.h"

namespace quantlab::report {
namespace {

std::string SystemBoxes() {
  Csv csv({"id", "x", "y", "w", "h", "fill", "title_en", "title_zh", "line1_en", "line1_zh", "line2_en",
           "line2_zh", "line3_en", "line3_zh"});
  csv.Add({"client", "120", "330", "210", "104", "DCEBF7", "quantctl", "quantctl", "command line over gRPC",
           "命令行客户端（gRPC）", "one experiment: one YAML file", "一个实验即一个 YAML 文件",
           "renders the report", "生成报告"});
  csv.Add({"coordinator", "480", "330", "230", "104", "FCE8C5", "quant-coordinator", "quant-coordinator",
           "queue; leases; scheduling", "队列、租约、调度", "SQLite; artifact store", "SQLite 与制品库",
           "/metrics; health", "/metrics 与健康检查"});
  csv.Add({"worker", "850", "330", "220", "104", "D3EEE4", "quant-worker", "quant-worker",
           "agent: leases; spool; uploads", "代理：租约、缓存、上传", "supervises its runner", "监管执行程序",
           "one per machine: CPU or GPU", "每台机器一个（CPU 或 GPU）"});
  csv.Add({"runner", "850", "96", "220", "104", "D3EEE4", "quant-runner", "quant-runner",
           "LibTorch in a process of its own", "LibTorch（独立进程）", "trains; quantizes; measures",
           "训练、量化、测量", "one attempt and it exits", "执行一次尝试后退出"});
  csv.Add({"monitoring", "480", "96", "230", "104", "EEEEEE", "Prometheus · Grafana", "Prometheus · Grafana",
           "queue; runs; workers", "队列、运行、工作节点", "durations and errors", "时长与错误", "optional",
           "可选"});
  csv.Add({"results", "120", "96", "210", "104", "EEEEEE", "results/", "results/", "report in two languages",
           "双语报告", "tables; figures; models", "表格、图、模型", "every number with its source",
           "每个数字可溯源"});
  return csv.Take();
}

std::string SystemArrows() {
  Csv csv({"label_en", "label_zh", "more_en", "more_zh", "label_x", "label_y", "x1", "y1", "x2", "y2"});
  csv.Add(
      {"gRPC", "gRPC", "submit; watch; fetch", "提交、查看、取回", "295", "343", "225", "330", "361", "330"});
  csv.Add(
      {"gRPC", "gRPC", "state; events; files", "状态、事件、文件", "667", "343", "740", "330", "599", "330"});
  csv.Add({"job.json", "job.json", "", "", "774", "215", "810", "278", "810", "152"});
  csv.Add({"events", "事件流", "", "", "922", "215", "890", "148", "890", "274"});
  csv.Add({"scrapes", "抓取", "", "", "514", "215", "480", "148", "480", "274"});
  csv.Add({"writes", "写出", "", "", "150", "215", "120", "278", "120", "152"});
  return csv.Take();
}

struct PartBox {
  ModelPart part;
  bool linear;
  Text title, line1, line2;
};

const std::vector<PartBox>& Parts() {
  static const auto* const parts = new std::vector<PartBox>{
      {ModelPart::kEmbeddings,
       false,
       {"Embeddings", "嵌入"},
       {"word; position; type", "词、位置、类型"},
       {"LayerNorm", "LayerNorm"}},
      {ModelPart::kQkv, true, {"Q · K · V", "Q · K · V"}, {"3 linear layers", "3 个线性层"}, {"", ""}},
      {ModelPart::kAttention,
       false,
       {"Attention", "注意力"},
       {"softmax(QKᵀ)V", "softmax(QKᵀ)V"},
       {"per head", "逐头计算"}},
      {ModelPart::kAttentionOutput,
       true,
       {"Output", "注意力输出"},
       {"linear; residual", "线性；残差"},
       {"LayerNorm", "LayerNorm"}},
      {ModelPart::kUp, true, {"Feed-forward 1", "前馈升维"}, {"linear", "线性"}, {"GELU", "GELU"}},
      {ModelPart::kDown,
       true,
       {"Feed-forward 2", "前馈降维"},
       {"linear; residual", "线性；残差"},
       {"LayerNorm", "LayerNorm"}},
      {ModelPart::kPooler,
       true,
       {"Pooler", "池化层"},
       {"linear on [CLS]", "对 [CLS] 的线性层"},
       {"tanh", "tanh"}},
      {ModelPart::kClassifier,
       true,
       {"Classifier", "分类层"},
       {"linear", "线性"},
       {"class scores", "类别得分"}}};
  return *parts;
}

// Whether the layer before the classifier belongs to the classification head; other models have a pooler
// there.
bool HasHeadDense(const Facts& facts) {
  for (const VariantFacts& variant : facts.variants) {
    for (const RunReport* run : variant.runs) {
      for (const Layer& layer : run->layers) {
        if (layer.role == layer_role::kHeadDense) return true;
      }
    }
  }
  return false;
}

std::string PartsCsv(const Facts& facts) {
  Csv csv({"part", "title_en", "title_zh", "line1_en", "line1_zh", "line2_en", "line2_zh", "fill"});
  for (size_t i = 0; i < Parts().size(); ++i) {
    PartBox part = Parts()[i];
    if (part.part == ModelPart::kPooler && HasHeadDense(facts)) {
      part.title = {"Head layer", "分类隐层"};
      part.line2 = {"activation", "激活函数"};
    }
    if (part.part == ModelPart::kClassifier && facts.task().numeric) {
      part.title = {"Output layer", "输出层"};
      part.line2 = {"predicted number", "预测值"};
    }
    if (part.part == ModelPart::kPooler && HasHeadDense(facts) && facts.task().numeric) {
      part.title = {"Head layer", "输出隐层"};
    }
    csv.Add({std::to_string(i), part.title.english, part.title.chinese, part.line1.english,
             part.line1.chinese, part.line2.english, part.line2.chinese, part.linear ? "DCEBF7" : "F3F3F3"});
  }
  return csv.Take();
}

const RunReport* RunWithLayers(const VariantFacts& variant) {
  for (const RunReport* run : variant.runs) {
    if (run->run.state == RunState::kSucceeded && !run->layers.empty()) return run;
  }
  return nullptr;
}

struct Share {
  std::string precision;
  size_t layers = 0;
};

// The number of layers of one part, by precision.
std::vector<Share> SharesOf(const RunReport& run, ModelPart part) {
  std::map<std::string, size_t> counts;
  for (const Layer& layer : run.layers) {
    if (PlaceOf(layer).part == part) ++counts[layer.effective];
  }
  std::vector<Share> shares;
  for (const auto& [precision, layers] : counts) shares.push_back({precision, layers});
  return shares;
}

// Dark fills need white text.
const char* TextColor(const std::string& fill) {
  return fill == "0072B2" || fill == "009E73" || fill == "000000" ? "FFFFFF" : "222222";
}

// The precision of the embedding tables; empty: unchanged. They are not linear layers, so a run does not
// report them.
std::string EmbeddingPrecision(const VariantFacts& variant) {
  if (ParamOf(variant, "embeddings") == "int8") return "int8";
  return ParamOf(variant, "mode") == "whole" ? ParamOf(variant, "half") : "";
}

class ModelCells {
 public:
  // If `run` is null, every layer is FP32.
  void Add(const PlotRow& row, const RunReport* run) {
    for (size_t i = 0; i < Parts().size(); ++i) AddPart(row, run, i);
    ++rows_;
  }

  size_t rows() const { return rows_; }
  std::string Take() { return csv_.Take(); }

 private:
  void AddPart(const PlotRow& row, const RunReport* run, size_t part) {
    const std::vector<Share> shares =
        run == nullptr ? std::vector<Share>() : SharesOf(*run, Parts()[part].part);
    const std::string kept =
        Parts()[part].part == ModelPart::kEmbeddings ? EmbeddingPrecision(*row.variant) : "";
    if (shares.empty() && !kept.empty()) {
      Cell(row, part, 0, 1, kept, PrecisionTitle(kept), PrecisionColor(kept));
      return;
    }
    if (shares.empty()) {
      const bool fp32 = run == nullptr;
      Cell(row, part, 0, 1, fp32 ? "fp32" : "", fp32 ? Text{"FP32", "FP32"} : Text{"not quantized", "未量化"},
           fp32 ? PrecisionColor("fp32") : "EEEEEE");
      return;
    }
    size_t total = 0, done = 0;
    for (const Share& share : shares) total += share.layers;
    for (const Share& share : shares) {
      const double from = static_cast<double>(done) / static_cast<double>(total);
      done += share.layers;
      const double to = static_cast<double>(done) / static_cast<double>(total);
      Cell(row, part, from, to, share.precision, CellText(share, shares.size(), to - from),
           PrecisionColor(share.precision));
    }
  }

  // A narrow cell has space for less text.
  static Text CellText(const Share& share, size_t kinds, double width) {
    if (kinds == 1) return PrecisionTitle(share.precision);
    if (width < 0.2) return {"", ""};
    const std::string brief = BriefPrecision(share.precision);
    if (width < 0.45) return {brief, brief};
    const std::string text = absl::StrCat(share.layers, "×", brief);
    return {text, text};
  }

  static std::string BriefPrecision(const std::string& precision) {
    return absl::AsciiStrToUpper(PlotLabel(precision.substr(0, precision.find('_')), 4));
  }

  void Cell(const PlotRow& row, size_t part, double from, double to, const std::string& precision,
            const Text& text, const std::string& color) {
    csv_.Add({std::to_string(rows_), row.variant->name, row.label.english, row.label.chinese,
              std::to_string(part), FormatExact(from), FormatExact(to), precision, text.english, text.chinese,
              color, TextColor(color)});
  }

  Csv csv_{{"row", "variant", "label_en", "label_zh", "part", "from", "to", "precision", "text_en", "text_zh",
            "color", "text_color"}};
  size_t rows_ = 0;
};

// The number of encoder blocks; 0: unknown.
int64_t BlocksOf(const Facts& facts) {
  int64_t last = -1;
  for (const VariantFacts& variant : facts.variants) {
    if (const RunReport* run = RunWithLayers(variant)) {
      for (const Layer& layer : run->layers) last = std::max(last, PlaceOf(layer).block.value_or(-1));
    }
  }
  return last + 1;
}

}  // namespace

Figure SystemDiagram() {
  Script script("architecture/system", "Programs of the system, and who talks to whom.");
  script.Set("width", 980).Set("height", 410);
  return Figure{
      "architecture/system",
      {"Architecture of the system", "系统架构"},
      {"The system: a thin client, a coordinator that keeps all state, and workers that start a fresh "
       "process for each attempt.",
       "系统架构：轻量客户端、保存全部状态的协调器，以及为每次尝试启动独立进程的工作节点。"},
      script.Body(scripts::kSystem),
      {{"architecture/system.csv", SystemBoxes()}, {"architecture/system_arrows.csv", SystemArrows()}}};
}

Figure ModelDiagram(const Facts& facts) {
  ModelCells cells;
  std::vector<PlotRow> shown;
  for (const PlotRow& row : PlotRows(facts)) {
    const RunReport* const run = RunWithLayers(*row.variant);
    const bool fp32 = row.variant->baseline || IsControl(*row.variant);
    if (run == nullptr && !fp32) continue;
    cells.Add(row, run);
    shown.push_back(row);
  }
  const int64_t blocks = BlocksOf(facts);
  const std::string count = blocks > 0 ? std::to_string(blocks) : "N";
  Script script("architecture/model", "Parts of the model, and what each variant runs them in.");
  script.Set("rows", static_cast<double>(cells.rows())).Set("row_height", 34).Set("part_width", 118);
  script.Set("left_text", Text{absl::StrCat(LabelPixels(shown, Language::kEnglish) + 24, ".0"),
                               absl::StrCat(LabelPixels(shown, Language::kChinese) + 24, ".0")});
  script.Set("blocks", Text{absl::StrCat("encoder block × ", count), absl::StrCat("编码器块 × ", count)});
  script.Set("heading", Text{"runs in", "运行精度"});
  return Figure{
      "architecture/model",
      {"The model, and what each variant quantizes", "模型结构及各方案所量化的部分"},
      {absl::StrCat("The model from text to ", facts.task().numeric ? "number" : "class",
                    " (blue: linear layers), and the precision in which each variant ran each part; “not "
                    "quantized” parts stay in floating point."),
       absl::StrCat(
           "从文本到", facts.task().numeric ? "数值" : "类别",
           "的模型结构（蓝色为线性层），以及各方案中各部分实际运行的精度；“未量化”的部分保持浮点。")},
      script.Body(cells.rows() > 0
                      ? absl::StrCat(absl::StripSuffix(scripts::kModel, "\n"), ", \\\n", scripts::kModelCells)
                      : scripts::kModel),
      {{"architecture/model.csv", cells.Take()}, {"architecture/model_parts.csv", PartsCsv(facts)}}};
}

}  // namespace quantlab::report
