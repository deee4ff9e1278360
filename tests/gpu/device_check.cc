// Compares the engine on a device with the engine on the CPU, and writes what it found as JSON.
//
//   device_check --device cuda --output device_check.json [--encoder FOLDER] [--steps N]
//
// One entry for each check: its name, the measured value, the largest (or smallest) value allowed, and
// whether it passed. The exit status is 0 only where every check passed. Without --encoder the model has
// MiniLM-L6's shape and weights drawn from a fixed seed; texts are synthetic either way.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <ATen/DeviceAccelerator.h>
#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/measure/environment.h"
#include "worker/engine/methods/method.h"
#include "worker/engine/models/checkpoint.h"
#include "worker/engine/models/random_encoder.h"
#include "worker/engine/train/trainer.h"

namespace quantlab::engine {
namespace {

using Model = Encoder;

struct Arguments {
  Device device = Device("cuda");
  std::string output = "device_check.json";
  std::string encoder;  // folder in the Hugging Face layout; empty: random weights
  int steps = 60;       // of the training that is compared
};

absl::StatusOr<Arguments> ParseArguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (i + 1 == argc) return absl::InvalidArgumentError(absl::StrCat(name, " needs a value"));
    const std::string value = argv[++i];
    if (name == "--device") {
      QL_ASSIGN_OR_RETURN(arguments.device, Device::Parse(value));
    } else if (name == "--output") {
      arguments.output = value;
    } else if (name == "--encoder") {
      arguments.encoder = value;
    } else if (name == "--steps") {
      arguments.steps = std::atoi(value.c_str());
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown option ", name, "; allowed: --device, --output, --encoder, --steps"));
    }
  }
  if (arguments.steps < 10) return absl::InvalidArgumentError("--steps must be at least 10");
  return arguments;
}

// The shape of sentence-transformers/all-MiniLM-L6-v2.
EncoderConfig MiniLmConfig() {
  EncoderConfig config;
  config.hidden_size = 384;
  config.num_hidden_layers = 6;
  config.num_attention_heads = 12;
  config.intermediate_size = 1536;
  return config;
}

// Random weights of a fine-tuned encoder's magnitude: with larger ones attention picks single tokens and
// small differences of rounding grow from layer to layer.
absl::StatusOr<std::unique_ptr<Model>> MakeModel(const Arguments& arguments) {
  if (!arguments.encoder.empty()) {
    CheckpointOptions options;
    options.labels = {"negative", "positive"};
    return LoadCheckpoint(arguments.encoder, options);
  }
  QL_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, MakeRandomEncoder(MiniLmConfig(), 1));
  for (const auto& parameter : model->Parameters()) {
    if (parameter.tensor.dim() == 2) parameter.tensor.mul_(0.15);
  }
  return model;
}

// Two classes that differ in which half of a small part of the vocabulary most of their tokens come from.
LabelledTexts MakeTexts(const EncoderConfig& config, int count, uint64_t seed) {
  constexpr int kShortest = 16, kLongest = 128;
  std::mt19937_64 random(seed);
  LabelledTexts data;
  const uint64_t half = 32;
  for (int i = 0; i < count; ++i) {
    TokenizedText text;
    text.ids.resize(kShortest + random() % (kLongest - kShortest + 1));
    for (int32_t& id : text.ids) {
      const bool own_half = random() % 4 != 0;
      id = static_cast<int32_t>(random() % half + (own_half == (i % 2 == 1) ? half : 0));
    }
    data.texts.push_back(std::move(text));
    data.labels.push_back(i % 2);
  }
  return data;
}

struct Check {
  std::string name;
  double value = 0;
  double limit = 0;
  std::string unit;
  bool at_least = false;  // the value must not be below the limit; else: not above it
  std::string note;
  std::string error;

  bool passed() const {
    return error.empty() && std::isfinite(value) && (at_least ? value >= limit : value <= limit);
  }
};

class DeviceCheck {
 public:
  explicit DeviceCheck(Arguments arguments)
      : arguments_(std::move(arguments)), device_(TorchDevice(arguments_.device)) {}

  // Each group records its own failures, so that one of them does not hide the others.
  void Run() {
    Group("accuracy", [this] { return CheckAccuracy(); });
    Group("training", [this] { return CheckTraining(); });
    Group("cancel", [this] { return CheckCancel(); });
    Group("memory", [this] { return CheckMemory(); });
  }

  bool WriteReport() const {
    nlohmann::ordered_json report;
    report["device"] = arguments_.device.name();
    report["weights"] = arguments_.encoder.empty() ? "random, MiniLM-L6's shape" : arguments_.encoder;
    report["environment"] = DescribeEnvironment(arguments_.device, 0).facts;
    report["loss_on_cpu"] = cpu_losses_;
    report["loss_on_device"] = device_losses_;
    bool passed = true;
    for (const Check& check : checks_) {
      passed = passed && check.passed();
      report["checks"].push_back({{"name", check.name},
                                  {"passed", check.passed()},
                                  {"value", check.value},
                                  {"limit", check.limit},
                                  {"limit_is", check.at_least ? "least" : "most"},
                                  {"unit", check.unit},
                                  {"note", check.error.empty() ? check.note : check.error}});
    }
    std::ofstream file(arguments_.output);
    file << report.dump(1) << "\n";
    if (!file.good()) std::cerr << "device_check: cannot write " << arguments_.output << "\n";
    return passed && file.good() && !checks_.empty();
  }

 private:
  void Group(const std::string& name, const std::function<absl::Status()>& body) {
    std::cerr << "device_check: " << name << "\n";
    const absl::Status status = body();
    if (status.ok()) return;
    Check failed;
    failed.name = name;
    failed.error = std::string(status.message());
    checks_.push_back(failed);
  }

  void Add(std::string name, double value, double limit, std::string unit, std::string note = "",
           bool at_least = false) {
    checks_.push_back({std::move(name), value, limit, std::move(unit), at_least, std::move(note), ""});
  }

  // ---- Logits of each precision against the CPU's of the same model. ----

  struct Precision {
    std::string name, method;  // method empty: FP32
    Params params;
    double limit;  // largest difference of a logit, as a share of the largest logit
  };

  // FP16 and BF16 layers compute in FP32 on CPUs without such arithmetic, the CPU's weight-only kernels in
  // BF16, and INT8 layers round the same values to other bytes where the layers before them differ in the
  // last bits: hence the wide limits.
  static std::vector<Precision> Precisions() {
    const auto whole = [](const char* half) {
      return Params{{"mode", std::string("whole")}, {"half", std::string(half)}};
    };
    const auto weights = [](const char* dtype) {
      return Params{{"dtype", std::string(dtype)}, {"algorithm", std::string("rtn")}};
    };
    return {{"fp32", "", {}, 1e-4},
            {"fp16", "mixed_precision", whole("fp16"), 0.02},
            {"bf16", "mixed_precision", whole("bf16"), 0.1},
            {"int8_dynamic", "dynamic_quantization", {}, 0.05},
            {"int8_static", "static_quantization", {{"calibration_texts", int64_t{16}}}, 0.05},
            {"int8_weight_only", "weight_only", weights("int8"), 0.03},
            {"int4_weight_only", "weight_only", weights("int4"), 0.03}};
  }

  absl::Status CheckAccuracy() {
    const at::NoGradGuard no_grad;
    for (const Precision& precision : Precisions()) QL_RETURN_IF_ERROR(ComparePrecision(precision));
    return absl::OkStatus();
  }

  absl::Status ComparePrecision(const Precision& precision) {
    QL_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model, MakeModel(arguments_));
    const LabelledTexts texts = MakeTexts(model->config(), 48, 11);
    const at::Tensor fp32 = LogitsOf(*model, texts.texts);
    if (!precision.method.empty()) {
      QuantizationContext context;
      context.train = &texts;
      QL_ASSIGN_OR_RETURN(const auto method, MakeQuantizationMethod(precision.method));
      QL_RETURN_IF_ERROR(method->Apply(*model, precision.params, context).status());
    }
    const at::Tensor expected = LogitsOf(*model, texts.texts);
    QL_RETURN_IF_ERROR(model->To(device_));
    const at::Tensor logits = LogitsOf(*model, texts.texts);
    const double scale = fp32.abs().max().item<double>();
    const double difference = (logits - expected).abs().max().item<double>() / scale;
    const double harm = (logits - fp32).abs().max().item<double>() / scale;
    Add("accuracy/" + precision.name, difference, precision.limit, "of the largest logit",
        absl::StrCat("against the CPU's FP32 logits: ", harm));
    return absl::OkStatus();
  }

  // ---- Training as configs/quick.yaml's baseline does it. ----

  TrainingOptions QuickTraining(std::vector<double>* losses) const {
    TrainingOptions options;
    options.config.batch_size = 8;
    options.config.learning_rate = 1e-4;
    options.config.dropout = false;
    options.seed = 42;
    options.on_step = [losses](const TrainingStep& step) {
      losses->push_back(step.loss);
      return true;
    };
    return options;
  }

  absl::StatusOr<TrainingSummary> TrainOn(const at::Device& device, std::vector<double>* losses) const {
    QL_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model, MakeModel(arguments_));
    QL_RETURN_IF_ERROR(model->To(device));
    const TrainingOptions options = QuickTraining(losses);
    const LabelledTexts data = MakeTexts(model->config(), arguments_.steps * options.config.batch_size, 12);
    return Train(*model, data, MakeTrainingSchedule(data, options.config, options.seed), options);
  }

  static double MeanOfLast(const std::vector<double>& losses, size_t count) {
    double sum = 0;
    for (size_t i = losses.size() - count; i < losses.size(); ++i) sum += losses[i];
    return sum / static_cast<double>(count);
  }

  absl::Status CheckTraining() {
    QL_ASSIGN_OR_RETURN(const TrainingSummary cpu, TrainOn(at::Device(at::kCPU), &cpu_losses_));
    QL_ASSIGN_OR_RETURN(const TrainingSummary device, TrainOn(device_, &device_losses_));
    double early = 0, largest = 0;
    for (size_t i = 0; i < cpu_losses_.size(); ++i) {
      largest = std::max(largest, std::abs(cpu_losses_[i] - device_losses_[i]));
      if (i < 5) early = largest;
    }
    const std::string seconds = absl::StrCat("CPU ", cpu.seconds, " s, device ", device.seconds, " s");
    Add("training/loss_of_first_5_steps", early, 1e-3, "difference of the loss", seconds);
    Add("training/loss_of_all_steps", largest, 0.1, "difference of the loss",
        absl::StrCat(cpu_losses_.size(), " steps"));
    Add("training/last_10_steps", std::abs(MeanOfLast(cpu_losses_, 10) - MeanOfLast(device_losses_, 10)),
        0.03, "difference of the mean loss",
        absl::StrCat("CPU ", MeanOfLast(cpu_losses_, 10), ", device ", MeanOfLast(device_losses_, 10)));
    Add("training/learns", MeanOfLast(device_losses_, 10) / device_losses_.front(), 0.8,
        "last loss over the first");
    return absl::OkStatus();
  }

  // ---- A cancel between two steps leaves model and device usable. ----

  absl::Status CheckCancel() {
    QL_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model, MakeModel(arguments_));
    QL_RETURN_IF_ERROR(model->To(device_));
    std::vector<double> losses;
    TrainingOptions options = QuickTraining(&losses);
    options.on_step = [](const TrainingStep& step) { return step.step < 3; };
    const LabelledTexts data = MakeTexts(model->config(), 64, 13);
    const auto schedule = MakeTrainingSchedule(data, options.config, options.seed);
    const absl::Status status = Train(*model, data, schedule, options).status();
    if (!absl::IsCancelled(status)) {
      return absl::InternalError(
          absl::StrCat("a training that was cancelled ended with: ", status.ToString()));
    }
    const at::Tensor once = LogitsOf(*model, data.texts), again = LogitsOf(*model, data.texts);
    const double finite = at::isfinite(once).all().item<bool>() ? 1 : 0;
    Add("cancel/finite_logits", finite, 1, "", "after a cancel between steps 3 and 4", true);
    Add("cancel/same_logits_twice", (once - again).abs().max().item<double>(), 1e-5, "difference");
    options.on_step = {};
    const auto rest = Train(*model, data, schedule, options);
    QL_RETURN_IF_ERROR(rest.status());
    Add("cancel/trains_again", static_cast<double>(rest->steps), 8, "steps", "", true);
    return absl::OkStatus();
  }

  // ---- Memory by LibTorch's allocator and by the device. ----

  static double DeviceBytesInUse() {
    const auto [free, total] = at::accelerator::getMemoryInfo(0);
    return static_cast<double>(total) - static_cast<double>(free);
  }

  absl::Status CheckMemory() {
    if (arguments_.device.is_cpu()) return absl::OkStatus();
    at::accelerator::emptyCache();
    at::accelerator::resetPeakStats(0);
    const double before = DeviceBytesInUse();
    QL_ASSIGN_OR_RETURN(const std::unique_ptr<Model> model, MakeModel(arguments_));
    double parameters = 0;
    for (const auto& parameter : model->Parameters()) {
      parameters += static_cast<double>(parameter.tensor.nbytes());
    }
    QL_RETURN_IF_ERROR(model->To(device_));
    LogitsOf(*model, MakeTexts(model->config(), 32, 14).texts);
    const auto peak = static_cast<double>(PeakDeviceMemory(arguments_.device));
    const double in_use = DeviceBytesInUse() - before;
    constexpr double kMiB = 1 << 20;
    Add("memory/allocator_peak", peak / kMiB, parameters / kMiB, "MiB", "the limit is the model's parameters",
        true);
    Add("memory/device", in_use / kMiB, (peak + 512 * kMiB) / kMiB, "MiB",
        "by the driver; the limit is the allocator's peak and 512 MiB for caches and libraries");
    return absl::OkStatus();
  }

  const Arguments arguments_;
  const at::Device device_;
  std::vector<Check> checks_;
  std::vector<double> cpu_losses_, device_losses_;
};

int Main(int argc, char** argv) {
  const absl::StatusOr<Arguments> arguments = ParseArguments(argc, argv);
  if (!arguments.ok()) {
    std::cerr << "device_check: " << arguments.status().message() << "\n";
    return 2;
  }
  if (const absl::Status status = CheckDevice(arguments->device); !status.ok()) {
    std::cerr << "device_check: " << status.message() << "\n";
    return 2;
  }
  SetUpDeterminism(0, 42);
  DeviceCheck check(*arguments);
  check.Run();
  return check.WriteReport() ? 0 : 1;
}

}  // namespace
}  // namespace quantlab::engine

int main(int argc, char** argv) {
  return quantlab::engine::Main(argc, argv);
}
