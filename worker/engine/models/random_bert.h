// A small BERT with random weights, for tests.
#ifndef QUANTLAB_WORKER_ENGINE_MODELS_RANDOM_BERT_H_
#define QUANTLAB_WORKER_ENGINE_MODELS_RANDOM_BERT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/engine/models/bert.h"

namespace quantlab::engine {

// 3 layers, hidden 40 (no multiple of the kernels' panels), 5 heads, FFN 72, 3 classes, 100 words.
BertConfig SmallBertConfig();

// Weights from N(0, 0.3) by `seed`, LayerNorms near 1.
absl::StatusOr<std::unique_ptr<BertForSequenceClassification>> MakeRandomBert(const BertConfig& config,
                                                                              uint64_t seed);

// `count` texts of 1 to max_length tokens.
std::vector<TokenizedText> RandomTexts(const BertConfig& config, int count, int max_length, uint64_t seed);

// Logits [texts, labels] of `texts` in one batch, on the CPU. Dies on an error.
at::Tensor Logits(const BertForSequenceClassification& model, const std::vector<TokenizedText>& texts);

// A tokenizer's file that agrees with SmallBertConfig: vocab.txt of 100 words.
void WriteSmallVocabulary(const std::string& folder);

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_MODELS_RANDOM_BERT_H_
