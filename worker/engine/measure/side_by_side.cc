#include "worker/engine/measure/side_by_side.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/measure/mkldnn_linear.h"

namespace quantlab::engine {
namespace {

constexpr char kPlainKernel[] = "at::linear";

absl::Status CheckComparable(const EncoderConfig& first, const EncoderConfig& other,
                             const std::string& folder) {
  if (first.vocab_size == other.vocab_size && first.num_labels() == other.num_labels())
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(folder,
                   ": another vocabulary or number of classes than the first model; compare variants of one "
                   "checkpoint"));
}

bool IsFp32Throughout(const Encoder& model) {
  bool fp32 = model.activation_dtype() == at::kFloat;
  model.ForEachLinear(
      [&fp32](const LayerInfo&, const Linear& layer) { fp32 &= layer.kind() == LinearFp32::kKind; });
  return fp32;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SideBySide>> SideBySide::Load(const std::vector<Input>& inputs,
                                                             const Device& device) {
  auto models = std::make_unique<SideBySide>();
  models->inputs_ = inputs;
  for (const Input& input : inputs) {
    QL_ASSIGN_OR_RETURN(LoadedModel loaded, LoadModel(input.folder));
    QL_RETURN_IF_ERROR(loaded.model->To(TorchDevice(device)));
    if (models->models_.empty() && loaded.plan) {
      return absl::InvalidArgumentError(
          absl::StrCat(input.folder, ": the first model must be the FP32 baseline"));
    }
    if (!models->models_.empty()) {
      QL_RETURN_IF_ERROR(CheckComparable(models->model(0).config(), loaded.model->config(), input.folder));
    }
    models->models_.push_back(std::move(loaded));
  }
  if (inputs.empty()) return absl::InvalidArgumentError("there is no model to time");
  return models;
}

absl::Status SideBySide::ChoosePath(const BenchOptions& options, const Encoder& packed,
                                    SideBySideResult& result) const {
  BenchOptions trial = options;
  trial.min_samples = std::clamp(options.min_samples / 2, 5, 20);
  trial.min_duration_seconds = std::min(0.5, options.min_duration_seconds);
  trial.until_narrow = false;
  QL_ASSIGN_OR_RETURN(BenchRun both, RunBench({kPlainKernel, models_[0].model.get()},
                                              {{MkldnnLinear::kKernel, &packed}}, trial));
  const double speedup = both.result.entries[0].speedup;
  const bool packed_wins = speedup > 1;
  result.fp32_path = packed_wins ? MkldnnLinear::kKernel : kPlainKernel;
  result.other_fp32_path = packed_wins ? kPlainKernel : MkldnnLinear::kKernel;
  result.other_fp32_ratio = packed_wins ? speedup : 1 / speedup;
  result.trial = std::move(both.samples);
  return absl::OkStatus();
}

absl::StatusOr<SideBySideResult> SideBySide::Run(const BenchOptions& options, const std::string& fp32_path,
                                                 const std::vector<RemoteModel*>& remote) const {
  SideBySideResult result;
  result.fp32_path = fp32_path.empty() ? kPlainKernel : fp32_path;
  const Encoder* reference = models_[0].model.get();
  LoadedModel packed;
  if (reference->device().is_cpu() && fp32_path != kPlainKernel) {
    QL_ASSIGN_OR_RETURN(packed, LoadModel(inputs_[0].folder));
    const absl::Status usable = UseMkldnnLinears(*packed.model, options.batch_size, options.sequence_length);
    if (!usable.ok() && (!absl::IsUnimplemented(usable) || !fp32_path.empty())) return usable;
    if (usable.ok() && fp32_path.empty()) {
      QL_RETURN_IF_ERROR(ChoosePath(options, *packed.model, result));
    }
    if (result.fp32_path == MkldnnLinear::kKernel) reference = packed.model.get();
  }
  std::vector<BenchEntry> entries;
  std::vector<LoadedModel> packed_entries;
  for (size_t i = 1; i < models_.size(); ++i) {
    const Encoder* model = models_[i].model.get();
    // A control that only trained longer is FP32 too, and runs on the same path as the baseline.
    if (reference != models_[0].model.get() && IsFp32Throughout(*model)) {
      QL_ASSIGN_OR_RETURN(LoadedModel control, LoadModel(inputs_[i].folder));
      QL_RETURN_IF_ERROR(UseMkldnnLinears(*control.model, options.batch_size, options.sequence_length));
      packed_entries.push_back(std::move(control));
      model = packed_entries.back().model.get();
    }
    entries.push_back({inputs_[i].name, model});
  }
  QL_ASSIGN_OR_RETURN(result.bench, RunBench({inputs_[0].name, reference}, entries, options, remote));
  return result;
}

}  // namespace quantlab::engine
