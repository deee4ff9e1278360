// Small encoders of every family with random weights, for tests.
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_RANDOM_ENCODER_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_RANDOM_ENCODER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/engine/models/encoder.h"

namespace quantlab::engine {

// 3 layers, hidden 40 (no multiple of the kernels' panels), 5 heads, FFN 72, 3 classes, 100 words, texts of
// 48 tokens. Dies where there is no such family.
EncoderConfig SmallEncoderConfig(const std::string& family = "bert");

// Weights from N(0, 0.3) by `seed`, LayerNorms near 1.
absl::StatusOr<std::unique_ptr<Encoder>> MakeRandomEncoder(const EncoderConfig& config, uint64_t seed);

// `count` texts of 1 to max_length tokens.
std::vector<TokenizedText> RandomTexts(const EncoderConfig& config, int count, int max_length, uint64_t seed);

// Logits [texts, labels] of `texts` in one batch, on the CPU. Dies on an error.
at::Tensor LogitsOf(const Encoder& model, const std::vector<TokenizedText>& texts);

// A tokenizer's file that agrees with SmallEncoderConfig: vocab.txt of 100 words.
void WriteSmallVocabulary(const std::string& folder);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_RANDOM_ENCODER_H_
