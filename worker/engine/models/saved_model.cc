#include "worker/engine/models/saved_model.h"

#include <filesystem>
#include <limits>
#include <set>
#include <system_error>
#include <utility>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/messages/message_catalogue.h"
#include "base/status_macros.h"
#include "model_folder/model_folder.h"
#include "worker/engine/layers/layer_kinds.h"
#include "worker/engine/models/checkpoint.h"

namespace quantlab::engine {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxPlanBytes = int64_t{16} << 20;

std::string Join(const std::string& folder, const char* name) {
  return (fs::path(folder) / name).string();
}

absl::StatusOr<std::optional<QuantizationPlan>> ReadPlan(const std::string& folder) {
  const std::string path = Join(folder, kPlanFile);
  absl::StatusOr<std::string> text = ReadFile(path, kMaxPlanBytes);
  if (absl::IsNotFound(text.status())) return std::optional<QuantizationPlan>();
  QL_RETURN_IF_ERROR(text.status());
  QL_ASSIGN_OR_RETURN(QuantizationPlan plan, ParsePlan(*text, path));
  return std::optional<QuantizationPlan>(std::move(plan));
}

// Makes each layer as `plan` says, and remembers which of the plan's layers the model has.
LinearLoader PlannedLoader(const QuantizationPlan& plan, std::set<std::string>& used) {
  return [&plan, &used](const std::string& name, int64_t in, int64_t out,
                        Weights& weights) -> absl::StatusOr<std::unique_ptr<Linear>> {
    const LayerPlan* layer = plan.Find(name);
    if (layer == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat(kPlanFile, ": the model's layer ", name, " is not in it"));
    }
    used.insert(name);
    if (layer->in_features != in || layer->out_features != out) {
      return absl::InvalidArgumentError(absl::StrCat(kPlanFile, ": ", name, " is ", layer->out_features,
                                                     " x ", layer->in_features, ", but config.json makes it ",
                                                     out, " x ", in));
    }
    auto linear = FindLayerKind(layer->kind)->load(*layer, weights);
    if (!linear.ok()) return Annotate(linear.status(), absl::StrCat(weights.where(), ": ", name));
    if (!layer->reason.empty()) {
      if (auto* kept = dynamic_cast<LinearFp32*>(linear->get())) {
        kept->KeepInsteadOf(layer->requested, layer->reason);
      }
    }
    return linear;
  };
}

absl::StatusOr<std::unique_ptr<Embedding>> LoadInt8Embedding(const std::string& name, int64_t rows,
                                                             int64_t width, Weights& weights) {
  QL_ASSIGN_OR_RETURN(at::Tensor quantized, weights.Take(name + ".weight_int8", at::kChar, {rows, width}));
  QL_ASSIGN_OR_RETURN(at::Tensor scale, weights.Take(name + ".weight_scale", at::kFloat, {rows}));
  // Negated, so that NaN is refused too.
  if (!at::logical_and(scale > 0, scale < std::numeric_limits<float>::infinity()).all().item<bool>()) {
    return absl::InvalidArgumentError(absl::StrCat(
        weights.where(), ": ", name, ".weight_scale holds a value that is not positive and finite"));
  }
  return std::make_unique<Int8Embedding>(std::move(quantized), std::move(scale));
}

// Makes each table as `plan` says; a plan that does not name it means FP32.
EmbeddingLoader PlannedEmbeddingLoader(const QuantizationPlan& plan) {
  return [&plan](const std::string& name, int64_t rows, int64_t width,
                 Weights& weights) -> absl::StatusOr<std::unique_ptr<Embedding>> {
    const EmbeddingPlan* table = plan.FindEmbedding(name);
    if (table == nullptr || table->kind == "fp32") return LoadEmbeddingFp32(name, rows, width, weights);
    if (table->kind == Int8Embedding::kKind) return LoadInt8Embedding(name, rows, width, weights);
    QL_ASSIGN_OR_RETURN(const at::ScalarType dtype, DtypeFromName(table->kind));
    QL_ASSIGN_OR_RETURN(at::Tensor weight, weights.Take(name + ".weight", dtype, {rows, width}));
    return std::make_unique<FloatEmbedding>(std::move(weight));
  };
}

absl::Status CheckFamily(const QuantizationPlan& plan, const Encoder& model, const std::string& path) {
  const std::string& family = model.config().family;
  if (plan.family == family) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": model_family is \"", plan.family,
                                                 "\", but config.json describes a model of the family ",
                                                 family));
}

absl::Status CheckPlanIsUsed(const QuantizationPlan& plan, const std::set<std::string>& used,
                             const std::string& path) {
  for (const LayerPlan& layer : plan.layers) {
    if (used.count(layer.name) == 0) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": the model has no linear layer ", layer.name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LoadedModel> LoadModel(const std::string& folder) {
  LoadedModel loaded;
  QL_ASSIGN_OR_RETURN(loaded.plan, ReadPlan(folder));
  CheckpointOptions options;
  options.build.initialize_missing_head = false;
  std::set<std::string> used;
  if (loaded.plan) {
    options.build.load_linear = PlannedLoader(*loaded.plan, used);
    options.build.load_embedding = PlannedEmbeddingLoader(*loaded.plan);
  }
  QL_ASSIGN_OR_RETURN(loaded.model, LoadCheckpoint(folder, options));
  if (loaded.plan) {
    QL_RETURN_IF_ERROR(CheckFamily(*loaded.plan, *loaded.model, Join(folder, kPlanFile)));
    QL_RETURN_IF_ERROR(CheckPlanIsUsed(*loaded.plan, used, Join(folder, kPlanFile)));
    QL_ASSIGN_OR_RETURN(const at::ScalarType dtype, DtypeFromName(loaded.plan->activation_dtype));
    loaded.model->SetActivationDtype(dtype);
  }
  return loaded;
}

absl::Status SaveModel(const Encoder& model, const std::optional<QuantizationPlan>& plan,
                       const std::string& tokenizer_folder, const std::string& folder) {
  QL_RETURN_IF_ERROR(MakeDirectories(folder));
  // Before the weights: a folder with weights is a complete one.
  if (plan) QL_RETURN_IF_ERROR(WriteFileAtomically(Join(folder, kPlanFile), PlanToJson(*plan)));
  return SaveCheckpoint(model, tokenizer_folder, folder);
}

absl::StatusOr<ModelSize> SizeOfModel(const std::string& folder) {
  const auto bytes_of = [&](const char* name) -> int64_t {
    std::error_code error;
    const std::uintmax_t bytes = fs::file_size(Join(folder, name), error);
    return error ? 0 : static_cast<int64_t>(bytes);
  };
  ModelSize size;
  size.tensors = bytes_of("model.safetensors");
  size.total = size.tensors + bytes_of("config.json") + bytes_of(kPlanFile);
  for (const char* name : kTokenizerFiles) size.total += bytes_of(name);
  if (size.tensors == 0) {
    return absl::NotFoundError(absl::StrCat(Join(folder, "model.safetensors"), ": no such file, or empty"));
  }
  return size;
}

std::vector<Layer> DescribeLayers(const Encoder& model, int64_t tokens) {
  std::vector<Layer> layers;
  double total = 0;
  model.ForEachLinear([&](const LayerInfo& info, const Linear& linear) {
    const LayerPrecision precision = linear.precision();
    Layer layer{info.name,
                linear.in_features(),
                linear.out_features(),
                precision.requested,
                precision.effective,
                precision.kernel,
                English(precision.reason),
                static_cast<double>(linear.in_features()) * static_cast<double>(linear.out_features()) *
                    static_cast<double>(info.RowsPerText(tokens)),
                0,
                0,
                {}};
    layer.role = info.role;
    layer.block = info.block;
    layer.coded_reason = precision.reason;
    bool has_bias = false;
    for (const auto& [suffix, tensor] : linear.tensors()) {
      layer.bytes += static_cast<int64_t>(tensor.nbytes());
      has_bias |= suffix == "bias";
    }
    layer.bytes_fp32 = 4 * layer.out_features * (layer.in_features + (has_bias ? 1 : 0));
    total += layer.macs_share;
    layers.push_back(std::move(layer));
  });
  for (Layer& layer : layers) layer.macs_share /= total;
  return layers;
}

}  // namespace quantlab::engine
