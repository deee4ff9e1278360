#include "worker/engine/models/random_bert.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace quantlab::engine {

BertConfig SmallBertConfig() {
  BertConfig config;
  config.vocab_size = 100;
  config.hidden_size = 40;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 5;
  config.intermediate_size = 72;
  config.max_position_embeddings = 48;
  config.labels = {"bad", "fair", "good"};
  return config;
}

absl::StatusOr<std::unique_ptr<BertForSequenceClassification>> MakeRandomBert(const BertConfig& config,
                                                                              uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  TensorMap tensors;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    at::Tensor tensor = at::empty(shape, at::kFloat).normal_(0, 0.3, generator);
    if (absl::StrContains(name, "LayerNorm.weight")) tensor.mul_(0.2).add_(1);
    tensors[name] = tensor;
  };
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    add(name + ".weight", {out, in});
    add(name + ".bias", {out});
  };
  const auto norm = [&](const std::string& name) {
    add(name + ".LayerNorm.weight", {config.hidden_size});
    add(name + ".LayerNorm.bias", {config.hidden_size});
  };
  const int64_t hidden = config.hidden_size;
  add("bert.embeddings.word_embeddings.weight", {config.vocab_size, hidden});
  add("bert.embeddings.position_embeddings.weight", {config.max_position_embeddings, hidden});
  add("bert.embeddings.token_type_embeddings.weight", {config.type_vocab_size, hidden});
  norm("bert.embeddings");
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const std::string layer = absl::StrCat("bert.encoder.layer.", i);
    for (const char* part : {"query", "key", "value"}) {
      linear(absl::StrCat(layer, ".attention.self.", part), hidden, hidden);
    }
    linear(layer + ".attention.output.dense", hidden, hidden);
    norm(layer + ".attention.output");
    linear(layer + ".intermediate.dense", config.intermediate_size, hidden);
    linear(layer + ".output.dense", hidden, config.intermediate_size);
    norm(layer + ".output");
  }
  linear("bert.pooler.dense", hidden, hidden);
  linear("classifier", config.num_labels(), hidden);
  QL_ASSIGN_OR_RETURN(Weights weights, Weights::Create(std::move(tensors), "random weights"));
  return BertForSequenceClassification::Create(config, std::move(weights));
}

std::vector<TokenizedText> RandomTexts(const BertConfig& config, int count, int max_length, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<TokenizedText> texts(count);
  for (TokenizedText& text : texts) {
    text.ids.resize(1 + random() % max_length);
    for (int32_t& id : text.ids) id = static_cast<int32_t>(random() % config.vocab_size);
  }
  return texts;
}

at::Tensor Logits(const BertForSequenceClassification& model, const std::vector<TokenizedText>& texts) {
  std::vector<const TokenizedText*> pointers;
  for (const TokenizedText& text : texts) pointers.push_back(&text);
  const at::NoGradGuard no_grad;
  return model.Forward(PackTexts(model.config(), pointers).value()).value().cpu();
}

void WriteSmallVocabulary(const std::string& folder) {
  std::filesystem::create_directories(folder);
  std::ofstream file(std::filesystem::path(folder) / "vocab.txt");
  for (const char* word : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) file << word << "\n";
  for (char letter = 'a'; letter <= 'z'; ++letter) file << letter << "\n##" << letter << "\n";
  for (int i = 0; i < 43; ++i) file << "word" << i << "\n";
}

}  // namespace quantlab::engine
