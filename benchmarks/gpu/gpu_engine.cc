// The engine as one contestant of benchmark.py: reads one JSON command a line, answers with one JSON line.
//
//   gpu_engine --model FOLDER --precision fp16|bf16|int8
//
//   {"do": "prepare", "shapes": [[texts, tokens], …]}   loads, quantizes, warms up;
//                                                       answers {"logits": {"32x128": [[…], …]}, "seconds":
//                                                       …}
//   {"do": "block", "shape": [texts, tokens], "iterations": n}   answers {"seconds": of one forward pass}
//   {"do": "product", "kind": "int8"|"fp8", "m": …, "n": …, "k": …, "iterations": n, "tile": t}
//                       answers {"seconds": of one fused product}; tile: of gpu::GemmTile, or -1 for the
//                       engine's choice
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/DeviceAccelerator.h>
#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "benchmarks/contestant.h"
#include "worker/engine/gpu/gpu_ops.h"
#include "worker/engine/gpu/graph_cache.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/measure/environment.h"
#include "worker/engine/methods/method.h"
#include "worker/engine/models/checkpoint.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

using nlohmann::json;

constexpr int kReplays = 3;
constexpr int kWarmUp = 4;  // a shape becomes a CUDA graph when it comes for the third time

struct Precision {
  std::string method;
  Params params;
};

absl::StatusOr<Precision> FindPrecision(const std::string& name) {
  const auto half = [&] { return Params{{"mode", std::string("whole")}, {"half", name}}; };
  if (name == "fp16" || name == "bf16") return Precision{"mixed_precision", half()};
  if (name == "int8") return Precision{"dynamic_quantization", {}};
  return absl::InvalidArgumentError(absl::StrCat("--precision is ", name, "; allowed: fp16, bf16, int8"));
}

class Contestant {
 public:
  Contestant(std::string folder, std::string precision)
      : folder_(std::move(folder)), precision_(std::move(precision)) {}

  absl::StatusOr<json> Answer(const json& command) {
    const std::string what = command.at("do");
    if (what == "prepare") return Prepare(command);
    if (what == "block") return Block(command);
    if (what == "product") return Product(command);
    return absl::InvalidArgumentError(absl::StrCat("unknown command ", what));
  }

 private:
  absl::StatusOr<json> Prepare(const json& command) {
    const double start = Seconds();
    CheckpointOptions options;
    QL_ASSIGN_OR_RETURN(model_, LoadCheckpoint(folder_, options));
    QL_RETURN_IF_ERROR(model_->To(device_));
    QL_ASSIGN_OR_RETURN(const Precision precision, FindPrecision(precision_));
    QL_ASSIGN_OR_RETURN(const auto method, MakeQuantizationMethod(precision.method));
    QL_RETURN_IF_ERROR(method->Apply(*model_, precision.params, {}).status());
    // What flows between the layers is as wide for all contestants.
    if (precision_ != "bf16") model_->SetActivationDtype(at::kHalf);
    json logits = json::object();
    for (const json& shape : command.at("shapes")) {
      QL_ASSIGN_OR_RETURN(const PackedBatch batch, MakeBatch(shape.at(0), shape.at(1)));
      at::Tensor result;
      for (int i = 0; i < kWarmUp; ++i) {
        QL_ASSIGN_OR_RETURN(result, model_->Forward(batch));
      }
      result = result.to(at::kCPU, at::kFloat).contiguous();
      const float* values = result.const_data_ptr<float>();
      logits[Name(shape)] = std::vector<float>(values, values + result.numel());
      batches_.emplace(Name(shape), batch);
    }
    return json{{"logits", logits}, {"seconds", Seconds() - start}};
  }

  static std::string Name(const json& shape) {
    return absl::StrCat(shape.at(0).get<int64_t>(), "x", shape.at(1).get<int64_t>());
  }

  absl::StatusOr<PackedBatch> MakeBatch(int64_t texts, int64_t tokens) const {
    std::vector<TokenizedText> all;
    std::vector<const TokenizedText*> pointers;
    for (int64_t i = 0; i < texts; ++i) all.push_back(TextOf(i, tokens));
    for (const TokenizedText& text : all) pointers.push_back(&text);
    QL_ASSIGN_OR_RETURN(PackedBatch batch, PackTexts(model_->config(), pointers));
    for (at::Tensor* tensor :
         {&batch.ids, &batch.positions, &batch.token_types, &batch.first_token, &batch.place}) {
      *tensor = tensor->to(device_);
    }
    return batch;
  }

  // Mean seconds of `iterations` calls, the device's work included.
  template <class Body>
  static absl::StatusOr<json> Time(int iterations, const Body& body) {
    QL_RETURN_IF_ERROR(body());
    at::accelerator::synchronizeDevice(0);
    const double start = Seconds();
    for (int i = 0; i < iterations; ++i) QL_RETURN_IF_ERROR(body());
    at::accelerator::synchronizeDevice(0);
    return json{{"seconds", (Seconds() - start) / iterations}};
  }

  absl::StatusOr<json> Block(const json& command) {
    const PackedBatch& batch = batches_.at(Name(command.at("shape")));
    return Time(command.at("iterations"), [&] { return model_->Forward(batch).status(); });
  }

  absl::StatusOr<json> Product(const json& command) const {
    const int64_t m = command.at("m"), n = command.at("n"), k = command.at("k");
    const bool fp8 = command.at("kind") == "fp8";
    const int tile = command.value("tile", -1);
    if (const std::string why = gpu::WhyNotScaledProduct(device_, k, n); !why.empty()) {
      return absl::FailedPreconditionError(why);
    }
    const at::TensorOptions half = at::TensorOptions(at::kHalf).device(device_);
    gpu::QuantizeOptions options;
    options.fp8 = fp8;
    const gpu::QuantizedRows x = gpu::QuantizeRows(at::randn({m, k}, half), options);
    const gpu::QuantizedRows w = gpu::QuantizeRows(at::randn({n, k}, half), options);
    const at::Tensor sums = fp8 ? at::Tensor() : w.bytes.sum(1, false, at::kInt).to(at::kFloat) * w.scale;
    const gpu::ProductWeights weights{w.bytes, w.scale, sums, at::zeros({n}, half.dtype(at::kFloat))};
    // Many products in one graph: one alone takes the CPU longer to launch than the GPU to compute.
    gpu::GraphCache graph;
    const int products = command.at("iterations");
    const std::vector<at::Tensor> unused = {at::zeros({1}, half)};
    const auto run = [&] {
      graph.Run({}, unused, [&](const std::vector<at::Tensor>&) {
        at::Tensor result;
        for (int i = 0; i < products; ++i) result = gpu::ScaledProduct(x, weights, /*gelu=*/false, tile);
        return result.slice(0, 0, 1);
      });
      return absl::OkStatus();
    };
    for (int i = 0; i < kWarmUp; ++i) run().IgnoreError();
    QL_ASSIGN_OR_RETURN(json answer, Time(kReplays, run));
    answer["seconds"] = answer["seconds"].get<double>() / products;
    return answer;
  }

  const std::string folder_, precision_;
  const at::Device device_{"cuda:0"};
  std::unique_ptr<Encoder> model_;
  std::map<std::string, PackedBatch> batches_;
};

int Main(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  if (const absl::Status status = CheckDevice(Device("cuda")); !status.ok()) {
    std::cerr << "gpu_engine: " << status.message() << "\n";
    return 2;
  }
  SetUpDeterminism(0, 42);
  const at::NoGradGuard no_grad;
  Contestant contestant(options["--model"], options["--precision"]);
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
