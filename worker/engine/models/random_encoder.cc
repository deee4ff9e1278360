#include "worker/engine/models/random_encoder.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <utility>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "worker/engine/families/families.h"

namespace quantlab::engine {

EncoderConfig SmallEncoderConfig(const std::string& family) {
  EncoderConfig config = FindModelFamily(family)->defaults;
  config.family = family;
  config.vocab_size = 100;
  config.hidden_size = 40;
  if (config.embedding_size != 0) config.embedding_size = 24;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 5;
  config.intermediate_size = 72;
  config.max_position_embeddings = 48 + config.first_position();
  config.labels = {"bad", "fair", "good"};
  return config;
}

absl::StatusOr<std::unique_ptr<Encoder>> MakeRandomEncoder(const EncoderConfig& config, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const auto draw = [&](const std::string& name, absl::Span<const int64_t> shape) {
    at::Tensor tensor = at::empty(at::IntArrayRef(shape.data(), shape.size()), at::kFloat);
    tensor.normal_(0, 0.3, generator);
    const std::string lower = absl::AsciiStrToLower(name);
    const bool norm = absl::EndsWith(lower, "layernorm.weight") || absl::EndsWith(lower, "layer_norm.weight");
    if (norm) tensor.mul_(0.2).add_(1);
    return tensor;
  };
  return MakeEncoder(config, Weights(draw, "random weights"));
}

std::vector<TokenizedText> RandomTexts(const EncoderConfig& config, int count, int max_length,
                                       uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<TokenizedText> texts(count);
  for (TokenizedText& text : texts) {
    text.ids.resize(1 + random() % max_length);
    for (int32_t& id : text.ids) id = static_cast<int32_t>(random() % config.vocab_size);
  }
  return texts;
}

at::Tensor LogitsOf(const Encoder& model, const std::vector<TokenizedText>& texts) {
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
