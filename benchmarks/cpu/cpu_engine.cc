// The engine as one contestant of benchmark.py: reads one JSON command a line, answers with one JSON line.
//
//   cpu_engine --model FOLDER --kind fp32|static|dynamic|int8_weights|int4_weights
//              [--execution plan|layers] [--threads 1]
//
//   {"do": "prepare", "batches": {NAME: [tokens of each text, …], …}}
//       loads, quantizes, warms up; answers {"logits": {NAME: [[…], …]}, "kernels": […], "seconds": …}
//   {"do": "block", "batch": NAME, "iterations": n}   answers {"seconds": of one forward pass}
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "benchmarks/contestant.h"
#include "worker/engine/measure/environment.h"
#include "worker/engine/measure/mkldnn_linear.h"
#include "worker/engine/methods/method.h"
#include "worker/engine/models/checkpoint.h"
#include "worker/engine/plan/encoder_plan.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

using nlohmann::json;

constexpr int kWarmUp = 2;
constexpr int kCalibrationTexts = 16, kCalibrationTokens = 128;

struct Precision {
  std::string method;
  Params params;
};

absl::StatusOr<Precision> FindPrecision(const std::string& kind) {
  if (kind == "static")
    return Precision{"static_quantization", {{"calibration_texts", int64_t{kCalibrationTexts}}}};
  if (kind == "dynamic") return Precision{"dynamic_quantization", {}};
  // Rounded to the nearest: how a weight was rounded does not change the speed.
  const auto weight_only = [](const char* dtype) {
    return Precision{"weight_only", {{"dtype", std::string(dtype)}, {"algorithm", std::string("rtn")}}};
  };
  if (kind == "int8_weights") return weight_only("int8");
  if (kind == "int4_weights") return weight_only("int4");
  return absl::InvalidArgumentError(
      absl::StrCat("--kind is ", kind, "; allowed: fp32, static, dynamic, int8_weights, int4_weights"));
}

class Contestant {
 public:
  explicit Contestant(std::map<std::string, std::string> options) : options_(std::move(options)) {}

  absl::StatusOr<json> Answer(const json& command) {
    const std::string what = command.at("do");
    if (what == "prepare") return Prepare(command);
    if (what == "block") return Block(command);
    return absl::InvalidArgumentError(absl::StrCat("unknown command ", what));
  }

 private:
  absl::StatusOr<json> Prepare(const json& command) {
    const double start = Seconds();
    QL_ASSIGN_OR_RETURN(model_, LoadCheckpoint(options_["--model"], {}));
    QL_RETURN_IF_ERROR(Quantize());
    json logits = json::object();
    for (const auto& [name, lengths] : command.at("batches").items()) {
      QL_ASSIGN_OR_RETURN(const PackedBatch batch, MakeBatch(lengths));
      at::Tensor result;
      for (int i = 0; i < kWarmUp; ++i) {
        QL_ASSIGN_OR_RETURN(result, model_->Forward(batch));
      }
      result = result.contiguous();
      const float* values = result.const_data_ptr<float>();
      logits[name] = std::vector<float>(values, values + result.numel());
      batches_.emplace(name, batch);
    }
    std::set<std::string> kernels;
    std::as_const(*model_).ForEachLinear(
        [&](const LayerInfo&, const Linear& layer) { kernels.insert(layer.precision().kernel); });
    return json{{"logits", logits}, {"kernels", kernels}, {"seconds", Seconds() - start}};
  }

  absl::Status Quantize() {
    const std::string& kind = options_["--kind"];
    // As experiments measure their baseline where that is the faster way.
    if (kind == "fp32") return UseMkldnnLinears(*model_, 1, kCalibrationTokens);
    QL_ASSIGN_OR_RETURN(const Precision precision, FindPrecision(kind));
    LabelledTexts texts;
    for (int64_t i = 0; i < kCalibrationTexts; ++i) {
      texts.texts.push_back(TextOf(i + 100, kCalibrationTokens));
      texts.labels.push_back(i % 2);
    }
    QuantizationContext context;
    context.train = context.validation = &texts;
    QL_ASSIGN_OR_RETURN(const auto method, MakeQuantizationMethod(precision.method));
    return method->Apply(*model_, precision.params, context).status();
  }

  absl::StatusOr<PackedBatch> MakeBatch(const json& lengths) const {
    std::vector<TokenizedText> texts;
    std::vector<const TokenizedText*> pointers;
    for (size_t i = 0; i < lengths.size(); ++i) texts.push_back(TextOf(static_cast<int64_t>(i), lengths[i]));
    for (const TokenizedText& text : texts) pointers.push_back(&text);
    return PackTexts(model_->config(), pointers);
  }

  absl::StatusOr<json> Block(const json& command) const {
    const PackedBatch& batch = batches_.at(command.at("batch"));
    const int iterations = command.at("iterations");
    const double start = Seconds();
    for (int i = 0; i < iterations; ++i) QL_RETURN_IF_ERROR(model_->Forward(batch).status());
    return json{{"seconds", (Seconds() - start) / iterations}};
  }

  std::map<std::string, std::string> options_;
  std::unique_ptr<Encoder> model_;
  std::map<std::string, PackedBatch> batches_;
};

int Main(int argc, char** argv) {
  std::map<std::string, std::string> options = {{"--threads", "1"}, {"--execution", "plan"}};
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  int threads = 0;
  if (!absl::SimpleAtoi(options["--threads"], &threads) || threads < 1) {
    std::cerr << "cpu_engine: --threads must be a number of at least 1\n";
    return 2;
  }
  SetUpDeterminism(threads, 42);
  const at::NoGradGuard no_grad;
  std::optional<LayerByLayerScope> by_layer;
  if (options["--execution"] == "layers") by_layer.emplace();
  Contestant contestant(options);
  for (std::string line; std::getline(std::cin, line);) {
    const auto answer = CatchTorch("answering", [&] { return contestant.Answer(json::parse(line)); });
    std::cout << (answer.ok() ? *answer : json{{"error", std::string(answer.status().message())}}).dump()
              << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace quantlab::engine

int main(int argc, char** argv) {
  return quantlab::engine::Main(argc, argv);
}
