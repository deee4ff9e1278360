// The formats "onnx" and "openvino": the same file, run by ONNX Runtime or by OpenVINO.
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "export/exporter.h"
#include "export/model_parts.h"
#include "export/onnx/encoder_graph.h"
#include "export/onnx/linear_nodes.h"
#include "export/onnx/model_file.h"

namespace quantlab::model_export {
namespace {

std::string LabelsJson(const SourceModel& model) {
  return nlohmann::json(model.config().labels).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class OnnxExporter : public Exporter {
 public:
  std::string name() const override { return "onnx"; }
  std::vector<std::string> runtime_packages() const override { return {"onnxruntime", "numpy"}; }

  absl::Status Check(const SourceModel& model, const ExportOptions&) const override {
    for (const MatrixPart& part : PartsOf(model).linears) {
      QL_RETURN_IF_ERROR(CheckLinearKind(model.Layer(part.name)));
    }
    return absl::OkStatus();
  }

  absl::Status Write(const SourceModel& model, const ExportOptions& options,
                     const std::string& folder) const override {
    QL_ASSIGN_OR_RETURN(const Graph graph, MakeEncoderGraph(model, graph_options(options)));
    OnnxFileOptions file;
    file.metadata = {{"quantlab.labels", LabelsJson(model)},
                     {"quantlab.method", model.quantized() ? model.method_json() : "{\"name\":\"fp32\"}"},
                     {"quantlab.exact", options.exact ? "true" : "false"}};
    return WriteOnnxModel(graph, file, folder);
  }

  std::string Example(const SourceModel& model) const override {
    return Example(model, "import onnxruntime\n",
                   "options = onnxruntime.SessionOptions()\n"
                   // By default 4-bit products quantize their inputs as well.
                   "options.add_session_config_entry(\"session.qdq_matmulnbits_accuracy_level\", \"1\")\n"
                   "session = onnxruntime.InferenceSession(here / \"model.onnx\", options)\n"
                   "names = [value.name for value in session.get_inputs()]\n",
                   "session.run(None, {name: inputs[name].astype(np.int64) for name in names})[0]");
  }

 protected:
  virtual GraphOptions graph_options(const ExportOptions& options) const {
    return {options.exact, /*for_openvino=*/false};
  }

  // `load` makes the session and the names of its inputs, `run` the logits of `inputs`.
  static std::string Example(const SourceModel& model, const std::string& import, const std::string& load,
                             const std::string& run) {
    return absl::StrCat("import json, pathlib, sys\nimport numpy as np\n", import,
                        "from transformers import AutoTokenizer\n"
                        "here = pathlib.Path(__file__).parent\n"
                        "labels = json.loads((here / \"labels.json\").read_text())\n"
                        "tokenizer = AutoTokenizer.from_pretrained(here)\n",
                        load, "inputs = tokenizer(", TextsOfExample(model),
                        ", padding=True, truncation=True, max_length=", model.config().max_tokens(),
                        ", return_tensors=\"np\")\nfor logits in ", run, ":\n    print(",
                        AnswerOfExample(model, "labels", "logits"), ")\n");
  }
};

class OpenVinoExporter final : public OnnxExporter {
 public:
  std::string name() const override { return "openvino"; }
  std::vector<std::string> runtime_packages() const override { return {"openvino", "numpy"}; }

  std::string Example(const SourceModel& model) const override {
    return OnnxExporter::Example(
        model, "import openvino\n",
        // By default products are made in BF16, and inputs of INT8 weights are quantized.
        "options = {\"INFERENCE_PRECISION_HINT\": \"f32\", \"DYNAMIC_QUANTIZATION_GROUP_SIZE\": 0}\n"
        "compiled = openvino.Core().compile_model(here / \"model.onnx\", \"CPU\", options)\n"
        "names = [value.get_any_name() for value in compiled.inputs]\n",
        "compiled({name: inputs[name].astype(np.int64) for name in names})[0]");
  }

 protected:
  GraphOptions graph_options(const ExportOptions& options) const override {
    return {options.exact, /*for_openvino=*/true};
  }
};

}  // namespace

std::unique_ptr<Exporter> MakeOnnxExporter() {
  return std::make_unique<OnnxExporter>();
}

std::unique_ptr<Exporter> MakeOpenVinoExporter() {
  return std::make_unique<OpenVinoExporter>();
}

}  // namespace quantlab::model_export
