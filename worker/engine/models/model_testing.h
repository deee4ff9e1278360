// What tests of models share: weights by formula, the golden file, the place of real models.
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_MODEL_TESTING_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_MODEL_TESTING_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

#include "worker/engine/models/encoder.h"
#include "worker/engine/tensors/safetensors.h"

namespace quantlab::engine::testing {

// The formulas of tests/golden/make_bert_golden.py.
uint64_t SplitMix64(uint64_t x);
at::Tensor FormulaWeight(const std::string& name, absl::Span<const int64_t> shape);

std::unique_ptr<Encoder> FormulaModel(const EncoderConfig& config);
// All tensors of a model of this shape, by their full names ("bert.…").
TensorMap FormulaWeights(const EncoderConfig& config);

// A small model for tests that need any model at all: 2 layers, hidden 64, 3 labels, vocabulary 100.
EncoderConfig SmallConfig();

// tests/golden/bert_golden.json and families_golden.json.
nlohmann::json ReadBertGolden();
nlohmann::json ReadFamiliesGolden();

at::Tensor ToLongs(const nlohmann::json& rows);   // [rows, columns] int64
at::Tensor ToFloats(const nlohmann::json& rows);  // [rows, columns] float

// The largest absolute difference, as a number; infinite where shapes differ or a NaN is among them.
double MaxDifference(const at::Tensor& a, const at::Tensor& b);

// $QUANTLAB_ASSETS/minilm; nullopt where it is not there (the test is skipped).
std::optional<std::string> MiniLmFolder();

// The encoder with the golden's classifier (drawn by formula); of the encoder's own folder.
absl::StatusOr<std::unique_ptr<Encoder>> LoadGoldenMiniLm(const std::string& folder);

// Computes with this many threads until the end of the scope. Small models are slower with more than one,
// and much slower where other processes have the cores.
class ThreadsScope {
 public:
  explicit ThreadsScope(int threads);
  ~ThreadsScope();

 private:
  int before_;
};

}  // namespace quantlab::engine::testing

// Skips a test that needs the real encoder where that is absent; else defines `name`, its folder.
#define QL_REQUIRE_MINILM(name)                                                                     \
  const auto name##_or = ::quantlab::engine::testing::MiniLmFolder();                               \
  if (!name##_or) {                                                                                 \
    GTEST_SKIP() << "needs the real encoder: set QUANTLAB_ASSETS to the folder that holds minilm/ " \
                    "(scripts/setup.sh fetches it)";                                                \
  }                                                                                                 \
  const std::string name = *name##_or

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_MODEL_TESTING_H_
