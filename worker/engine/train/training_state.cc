#include "worker/engine/train/training_state.h"

#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/core/Generator.h>
#include <ATen/ops/empty.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/sha256.h"
#include "base/statistics/numbers.h"
#include "base/status_macros.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

constexpr char kKind[] = "quantlab training state";
constexpr char kVersion[] = "1";
constexpr double kMaxSeconds = 1e9;
constexpr char kCpuRandom[] = "random/cpu";
constexpr char kDeviceRandom[] = "random/device";

// ---- steps as tensors ------------------------------------------------------------------------------------

// Each field of a step has a tensor of its own.
template <typename Visitor>
void VisitStepFields(Visitor&& visit) {
  visit("steps/epoch", at::kLong, [](TrainingStep& step) -> int& { return step.epoch; });
  visit("steps/examples", at::kLong, [](TrainingStep& step) -> int64_t& { return step.examples; });
  visit("steps/tokens", at::kLong, [](TrainingStep& step) -> int64_t& { return step.tokens; });
  visit("steps/loss", at::kDouble, [](TrainingStep& step) -> double& { return step.loss; });
  visit("steps/learning_rate", at::kDouble, [](TrainingStep& step) -> double& { return step.learning_rate; });
  visit("steps/gradient_norm", at::kDouble, [](TrainingStep& step) -> double& { return step.gradient_norm; });
}

template <typename Stored, typename Field>
void StoreField(const std::vector<TrainingStep>& steps, Field field, at::Tensor& column) {
  auto* const out = column.mutable_data_ptr<Stored>();
  for (size_t i = 0; i < steps.size(); ++i) {
    TrainingStep step = steps[i];
    out[i] = static_cast<Stored>(field(step));
  }
}

template <typename Stored, typename Field>
void LoadField(const at::Tensor& column, Field field, std::vector<TrainingStep>& steps) {
  const auto* const in = column.const_data_ptr<Stored>();
  for (size_t i = 0; i < steps.size(); ++i) {
    auto& value = field(steps[i]);
    value = static_cast<std::remove_reference_t<decltype(value)>>(in[i]);
  }
}

void AddSteps(const std::vector<TrainingStep>& steps, TensorMap& tensors) {
  VisitStepFields([&](const char* name, at::ScalarType dtype, auto field) {
    at::Tensor column = at::empty({static_cast<int64_t>(steps.size())}, at::dtype(dtype));
    dtype == at::kLong ? StoreField<int64_t>(steps, field, column) : StoreField<double>(steps, field, column);
    tensors[name] = column;
  });
}

absl::Status TakeSteps(TrainingState& state) {
  absl::Status status;
  std::optional<int64_t> count;
  VisitStepFields([&](const char* name, at::ScalarType dtype, auto field) {
    const auto found = state.tensors.find(name);
    const bool good = found != state.tensors.end() && found->second.dim() == 1 &&
                      found->second.scalar_type() == dtype &&
                      found->second.size(0) == count.value_or(found->second.size(0));
    if (!good) status = absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is missing or malformed"));
    if (!status.ok()) return;
    count = found->second.size(0);
    state.steps.resize(static_cast<size_t>(*count));
    dtype == at::kLong ? LoadField<int64_t>(found->second, field, state.steps)
                       : LoadField<double>(found->second, field, state.steps);
    state.tensors.erase(found);
  });
  for (size_t i = 0; i < state.steps.size(); ++i) {
    state.steps[i].step = static_cast<int64_t>(i) + 1;
    state.steps[i].steps = state.total_steps;
  }
  return status;
}

// ---- metadata --------------------------------------------------------------------------------------------

absl::Status ReadMetadata(const std::map<std::string, std::string>& metadata, TrainingState& state) {
  const auto text = [&](const char* name) {
    const auto found = metadata.find(name);
    return found == metadata.end() ? std::string() : found->second;
  };
  if (text("kind") != kKind) return absl::InvalidArgumentError("it is not the state of a training");
  if (text("version") != kVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("its format has version '", text("version"), "'; this program reads ", kVersion));
  }
  state.inputs = text("inputs");
  const std::string executed_by = text("executed_by");
  if (!executed_by.empty()) state.executed_by = absl::StrSplit(executed_by, '\n');
  const bool numbers = absl::SimpleAtoi(text("attempt"), &state.attempt) &&
                       absl::SimpleAtoi(text("total_steps"), &state.total_steps) &&
                       absl::SimpleAtod(text("seconds"), &state.seconds);
  const bool possible = state.seconds >= 0 && state.seconds <= kMaxSeconds;
  if (numbers && possible && IsSha256Hex(state.inputs)) return absl::OkStatus();
  return absl::InvalidArgumentError("its metadata are incomplete");
}

// ---- the digest of the inputs ----------------------------------------------------------------------------

template <typename T>
void Update(Sha256& hash, const std::vector<T>& values) {
  const uint64_t size = values.size();
  hash.Update({reinterpret_cast<const char*>(&size), sizeof size});
  hash.Update({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

std::string Describe(const TrainingOptions& options, const at::Device& device) {
  const TrainingConfig& config = options.config;
  return absl::StrJoin(
      {RoundTrip(config.learning_rate), RoundTrip(config.weight_decay), RoundTrip(config.warmup_ratio),
       RoundTrip(config.max_grad_norm), RoundTrip(config.adam_beta1), RoundTrip(config.adam_beta2),
       RoundTrip(config.adam_epsilon), TrainingDtype(config.dtype, device),
       std::string(config.dropout ? "dropout" : "no dropout"), absl::StrCat(options.seed), options.loss_key},
      "\n");
}

bool IsDrawnAtRandom(const Encoder& model, const std::string& tensor) {
  for (const std::string& layer : model.initialized_layers()) {
    if (absl::StartsWith(tensor, absl::StrCat(layer, "."))) return true;
  }
  return false;
}

// ---- random numbers --------------------------------------------------------------------------------------

at::Tensor StateOf(at::Generator generator) {
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return generator.get_state();
}

absl::Status SetState(at::Generator generator, const TensorMap& tensors, const char* name) {
  const auto found = tensors.find(name);
  const at::Tensor own = StateOf(generator);
  if (found == tensors.end() || found->second.scalar_type() != at::kByte ||
      found->second.sizes() != own.sizes()) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is missing or malformed"));
  }
  return CatchTorch(absl::StrCat("setting the generator of ", name), [&] {
    const std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(found->second.clone());
  });
}

}  // namespace

absl::Status WriteTrainingState(const std::string& path, const TrainingState& state) {
  TensorMap tensors = state.tensors;
  AddSteps(state.steps, tensors);
  return WriteSafetensors(path, tensors,
                          {{"kind", kKind},
                           {"version", kVersion},
                           {"inputs", state.inputs},
                           {"attempt", absl::StrCat(state.attempt)},
                           {"total_steps", absl::StrCat(state.total_steps)},
                           {"seconds", RoundTrip(state.seconds)},
                           {"executed_by", absl::StrJoin(state.executed_by, "\n")}});
}

absl::StatusOr<TrainingState> ReadTrainingState(const std::string& path) {
  QL_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  TrainingState state;
  QL_RETURN_IF_ERROR(Annotate(ReadMetadata(file.metadata(), state), path));
  QL_ASSIGN_OR_RETURN(state.tensors, file.GetAll());
  QL_RETURN_IF_ERROR(Annotate(TakeSteps(state), path));
  return state;
}

absl::StatusOr<std::string> TrainingInputsDigest(const Encoder& model, const LabelledTexts& data,
                                                 const std::vector<std::vector<Batch>>& schedule,
                                                 const TrainingOptions& options) {
  return CatchTorch("computing the digest of the training's inputs", [&]() -> std::string {
    Sha256 hash;
    hash.Update(Describe(options, model.device()));
    for (const std::vector<Batch>& epoch : schedule) {
      hash.Update(absl::StrCat("\nepoch of ", epoch.size(), "\n"));
      for (const Batch& batch : epoch) Update(hash, batch.indices);
    }
    for (const TokenizedText& text : data.texts) {
      Update(hash, text.ids);
      Update(hash, text.token_types);
    }
    Update(hash, data.labels);
    for (const auto& [name, tensor] : model.StateTensors()) {
      if (IsDrawnAtRandom(model, name)) continue;
      hash.Update(absl::StrCat("\n", name, " ", absl::StrJoin(tensor.sizes(), "x"), "\n"));
      const at::Tensor plain = tensor.detach().cpu().contiguous();
      hash.Update({static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()});
    }
    return hash.HexDigest();
  });
}

void AddRandomState(const at::Device& device, TensorMap* tensors) {
  (*tensors)[kCpuRandom] = StateOf(at::detail::getDefaultCPUGenerator());
  if (device.is_cpu()) return;
  (*tensors)[kDeviceRandom] = StateOf(at::globalContext().defaultGenerator(device));
}

absl::Status RestoreRandomState(const at::Device& device, const TensorMap& tensors) {
  QL_RETURN_IF_ERROR(SetState(at::detail::getDefaultCPUGenerator(), tensors, kCpuRandom));
  // Of a training that was begun on a CPU, there is none.
  if (device.is_cpu() || tensors.count(kDeviceRandom) == 0) return absl::OkStatus();
  return SetState(at::globalContext().defaultGenerator(device), tensors, kDeviceRandom);
}

absl::Status CheckTensor(const TensorMap& tensors, const std::string& name, const at::Tensor& target) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is missing"));
  const at::Tensor& tensor = found->second;
  if (tensor.sizes() == target.sizes() && tensor.scalar_type() == target.scalar_type()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " has another shape or dtype"));
}

absl::Status RestoreTensor(const TensorMap& tensors, const std::string& name, const at::Tensor& target) {
  QL_RETURN_IF_ERROR(CheckTensor(tensors, name, target));
  target.detach().copy_(tensors.at(name));
  return absl::OkStatus();
}

}  // namespace quantlab::engine
