// The formats "transformers" and "transformers-bf16", weights multiplied out, and "compressed-tensors".
#include <filesystem>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "export/exporter.h"
#include "export/model_parts.h"
#include "export/output_files.h"
#include "export/tensor_values.h"
#include "export/transformers/compressed_scheme.h"
#include "export/transformers/dense_weights.h"
#include "export/transformers/safetensors_file.h"

namespace quantlab::model_export {
namespace {

using Json = nlohmann::ordered_json;
using Values = absl::StatusOr<std::vector<float>>;

std::string PathOf(const std::string& folder, const char* name) {
  return (std::filesystem::path(folder) / name).string();
}

std::string Bfloat16Bytes(const std::vector<float>& values) {
  std::string bytes;
  bytes.reserve(2 * values.size());
  for (const float value : values) {
    const uint16_t bits = ToBfloat16(value);
    bytes += static_cast<char>(bits & 0xff);
    bytes += static_cast<char>(bits >> 8);
  }
  return bytes;
}

WrittenTensor FloatTensor(std::string name, std::vector<int64_t> shape, bool bf16,
                          std::function<Values()> read) {
  return {std::move(name), bf16 ? "BF16" : "F32", std::move(shape),
          [bf16, read = std::move(read)]() -> absl::StatusOr<std::string> {
            QL_ASSIGN_OR_RETURN(const std::vector<float> values, read());
            return bf16 ? Bfloat16Bytes(values) : FloatBytes(values);
          }};
}

void AddNorms(const SourceModel& model, const std::vector<NormPart>& norms, bool bf16,
              std::vector<WrittenTensor>& tensors) {
  for (const NormPart& norm : norms) {
    for (const char* role : {".weight", ".bias"}) {
      const std::string name = norm.name + role;
      tensors.push_back(FloatTensor(name, {norm.width}, bf16, [&model, name, norm]() -> Values {
        QL_ASSIGN_OR_RETURN(const StoredTensor stored, model.Tensor(name));
        QL_RETURN_IF_ERROR(CheckStored(name, stored, FloatDtypes(), {norm.width}));
        return ReadFloats(stored);
      }));
    }
  }
}

void AddWeight(const SourceModel& model, const MatrixPart& part, bool bf16,
               std::vector<WrittenTensor>& tensors) {
  tensors.push_back(FloatTensor(part.name + ".weight", {part.rows, part.columns}, bf16,
                                [&model, part] { return DenseWeight(model, part); }));
}

void AddBias(const SourceModel& model, const MatrixPart& part, bool bf16,
             std::vector<WrittenTensor>& tensors) {
  tensors.push_back(
      FloatTensor(part.name + ".bias", {part.rows}, bf16, [&model, part] { return DenseBias(model, part); }));
}

// config.json of the saved model with the dtype of its tensors, and `quantization` unless it is null.
absl::Status WriteConfig(const SourceModel& model, const char* dtype, const Json& quantization,
                         const std::string& folder) {
  Json config = Json::parse(engine::ModelConfigToJson(model.config()));
  // Versions 4 and 5 of transformers have different words for it.
  config["dtype"] = config["torch_dtype"] = dtype;
  if (!quantization.is_null()) config["quantization_config"] = quantization;
  return WriteOutput(PathOf(folder, "config.json"),
                     config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

// One program for all three: the class and the dtype are in config.json.
std::string TransformersExample(const SourceModel& model) {
  return absl::StrCat(
      "import pathlib, sys\nimport torch\n"
      "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n"
      "here = pathlib.Path(__file__).parent\n"
      "tokenizer = AutoTokenizer.from_pretrained(here)\n"
      "model = AutoModelForSequenceClassification.from_pretrained(here).eval()\n"
      "inputs = tokenizer(",
      TextsOfExample(model), ", padding=True, truncation=True, max_length=", model.config().max_tokens(),
      ", return_tensors=\"pt\")\n"
      "with torch.no_grad():\n    logits = model(**inputs).logits\n"
      "for row in logits:\n    print(",
      AnswerOfExample(model, "model.config.id2label", "row"), ")\n");
}

class DenseExporter final : public Exporter {
 public:
  explicit DenseExporter(bool bf16) : bf16_(bf16) {}

  std::string name() const override { return bf16_ ? "transformers-bf16" : "transformers"; }
  std::vector<std::string> runtime_packages() const override { return {"transformers", "torch", "numpy"}; }

  absl::Status Check(const SourceModel& model, const ExportOptions&) const override {
    return CheckDense(model);
  }

  absl::Status Write(const SourceModel& model, const ExportOptions&,
                     const std::string& folder) const override {
    const ModelParts parts = PartsOf(model);
    std::vector<WrittenTensor> tensors;
    for (const MatrixPart& table : parts.tables) AddWeight(model, table, bf16_, tensors);
    AddNorms(model, parts.norms, bf16_, tensors);
    for (const MatrixPart& linear : parts.linears) {
      AddWeight(model, linear, bf16_, tensors);
      AddBias(model, linear, bf16_, tensors);
    }
    QL_RETURN_IF_ERROR(WriteConfig(model, bf16_ ? "bfloat16" : "float32", Json(), folder));
    return WriteSafetensors(tensors, PathOf(folder, "model.safetensors"));
  }

  std::string Example(const SourceModel& model) const override { return TransformersExample(model); }

  std::string Note(const SourceModel& model) const override {
    if (!model.quantized()) return "";
    return absl::StrCat(
        "Weights are multiplied out and stored in ", bf16_ ? "BF16" : "FP32",
        ". Quantization of activations is **not** part of this model: where the measured model has it, logits differ "
        "by its error, and the measured accuracy, size and speed are not those of these files.");
  }

 private:
  const bool bf16_;
};

class CompressedExporter final : public Exporter {
 public:
  std::string name() const override { return "compressed-tensors"; }
  std::vector<std::string> runtime_packages() const override {
    return {"transformers", "compressed_tensors", "torch", "numpy"};
  }

  absl::Status Check(const SourceModel& model, const ExportOptions&) const override {
    QL_RETURN_IF_ERROR(CheckDense(model));
    return FindCompressedScheme(model).status();
  }

  absl::Status Write(const SourceModel& model, const ExportOptions&,
                     const std::string& folder) const override {
    QL_ASSIGN_OR_RETURN(const CompressedScheme scheme, FindCompressedScheme(model));
    const ModelParts parts = PartsOf(model);
    std::vector<WrittenTensor> tensors;
    for (const MatrixPart& table : parts.tables) AddWeight(model, table, /*bf16=*/false, tensors);
    AddNorms(model, parts.norms, /*bf16=*/false, tensors);
    for (const MatrixPart& layer : scheme.ignored) AddWeight(model, layer, /*bf16=*/false, tensors);
    for (const MatrixPart& layer : scheme.layers) {
      for (WrittenTensor& tensor : CompressedTensors(model, layer)) tensors.push_back(std::move(tensor));
    }
    for (const MatrixPart& layer : parts.linears) AddBias(model, layer, /*bf16=*/false, tensors);
    QL_RETURN_IF_ERROR(WriteConfig(model, "float32", scheme.config, folder));
    return WriteSafetensors(tensors, PathOf(folder, "model.safetensors"));
  }

  std::string Example(const SourceModel& model) const override { return TransformersExample(model); }

  std::string Note(const SourceModel&) const override {
    return "Weights are stored as integers or FP8 with their scales. transformers multiplies them out and rounds "
           "activations before each product, so that it shows the accuracy of the scheme and not its speed. With quantized "
           "activations the two layers of the head, and in any case the embedding tables, are stored in FP32.";
  }
};

}  // namespace

std::unique_ptr<Exporter> MakeTransformersExporter() {
  return std::make_unique<DenseExporter>(/*bf16=*/false);
}

std::unique_ptr<Exporter> MakeTransformersBf16Exporter() {
  return std::make_unique<DenseExporter>(/*bf16=*/true);
}

std::unique_ptr<Exporter> MakeCompressedTensorsExporter() {
  return std::make_unique<CompressedExporter>();
}

}  // namespace quantlab::model_export
