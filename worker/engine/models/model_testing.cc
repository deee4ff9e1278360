#include "worker/engine/models/model_testing.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <stdlib.h>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace quantlab::engine::testing {
namespace {

namespace fs = std::filesystem;

uint64_t Fnv1a(const std::string& text) {
  uint64_t value = 0xCBF29CE484222325u;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return value;
}

nlohmann::json ReadGolden(const std::string& name) {
  std::ifstream file(std::string(QUANTLAB_SOURCE_DIR) + "/tests/golden/" + name);
  return nlohmann::json::parse(file);
}

}  // namespace

uint64_t SplitMix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

at::Tensor FormulaWeight(const std::string& name, absl::Span<const int64_t> shape) {
  at::Tensor tensor = at::empty(at::IntArrayRef(shape.data(), shape.size()), at::dtype(at::kFloat));
  float* values = tensor.mutable_data_ptr<float>();
  const uint64_t seed = Fnv1a(name);
  const bool norm = absl::EndsWith(name, "LayerNorm.weight") || absl::EndsWith(name, "layer_norm.weight");
  const bool bias = absl::EndsWith(name, ".bias");
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    const uint64_t bits = SplitMix64(seed + static_cast<uint64_t>(i)) >> 40;
    const float u = static_cast<float>(static_cast<double>(bits) / (1 << 23) - 1);
    values[i] = norm ? 1 + u / 8 : bias ? u / 8 : u / 4;
  }
  return tensor;
}

std::unique_ptr<Encoder> FormulaModel(const EncoderConfig& config) {
  return *MakeEncoder(config, Weights(FormulaWeight, "formula"));
}

TensorMap FormulaWeights(const EncoderConfig& config) {
  return FormulaModel(config)->StateTensors();
}

EncoderConfig SmallConfig() {
  EncoderConfig config;
  config.vocab_size = 100;
  config.hidden_size = 64;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 4;
  config.intermediate_size = 128;
  config.max_position_embeddings = 48;
  config.labels = {"a", "b", "c"};
  return config;
}

nlohmann::json ReadBertGolden() {
  return ReadGolden("bert_golden.json");
}

nlohmann::json ReadFamiliesGolden() {
  return ReadGolden("families_golden.json");
}

at::Tensor ToLongs(const nlohmann::json& rows) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())},
                                at::dtype(at::kLong));
  int64_t* out = tensor.mutable_data_ptr<int64_t>();
  for (const auto& row : rows) {
    for (const auto& value : row) *out++ = value.get<int64_t>();
  }
  return tensor;
}

at::Tensor ToFloats(const nlohmann::json& rows) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size())},
                                at::dtype(at::kFloat));
  float* out = tensor.mutable_data_ptr<float>();
  for (const auto& row : rows) {
    for (const auto& value : row) *out++ = value.get<float>();
  }
  return tensor;
}

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  if (a.numel() == 0) return 0;
  const double difference = a.detach().cpu().sub(b.detach().cpu()).abs().max().item<double>();
  return std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
}

std::optional<std::string> MiniLmFolder() {
  const char* assets = getenv("QUANTLAB_ASSETS");
  if (assets == nullptr) return std::nullopt;
  const fs::path folder = fs::path(assets) / "minilm";
  if (!fs::exists(folder / "model.safetensors")) return std::nullopt;
  return folder.string();
}

absl::StatusOr<std::unique_ptr<Encoder>> LoadGoldenMiniLm(const std::string& folder) {
  QL_ASSIGN_OR_RETURN(const EncoderConfig config, ReadModelConfig(folder + "/config.json"));
  QL_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(folder + "/model.safetensors"));
  QL_ASSIGN_OR_RETURN(TensorMap tensors, file.GetAll());
  tensors["classifier.weight"] =
      FormulaWeight("classifier.weight", {config.num_labels(), config.hidden_size});
  tensors["classifier.bias"] = FormulaWeight("classifier.bias", {config.num_labels()});
  return MakeEncoder(config, Weights(std::move(tensors), file.path()));
}

ThreadsScope::ThreadsScope(int threads) : before_(at::get_num_threads()) {
  at::set_num_threads(threads);
}

ThreadsScope::~ThreadsScope() {
  at::set_num_threads(before_);
}

}  // namespace quantlab::engine::testing
