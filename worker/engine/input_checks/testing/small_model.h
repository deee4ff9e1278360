// A whole model folder of a few kilobytes, for tests of what is checked before a run. Its weights are zeros.
#ifndef QUANTLAB_WORKER_ENGINE_INPUT_CHECKS_TESTING_SMALL_MODEL_H_
#define QUANTLAB_WORKER_ENGINE_INPUT_CHECKS_TESTING_SMALL_MODEL_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/testing/temp_folder.h"
#include "worker/engine/families/encoder_tensors.h"
#include "worker/engine/families/families.h"

namespace quantlab::engine {

using ShapesByName = std::map<std::string, std::vector<int64_t>>;

inline nlohmann::json SmallModelConfig() {
  const ModelFamily& family = AllModelFamilies().front();
  return {{"model_type", family.name}, {"architectures", {family.architecture()}},
          {"vocab_size", 5},           {"hidden_size", 2},
          {"num_hidden_layers", 1},    {"num_attention_heads", 1},
          {"intermediate_size", 3},    {"max_position_embeddings", 512},
          {"type_vocab_size", 2}};
}

// A safetensors file of F32 tensors that have these shapes.
inline std::string SafetensorsOf(const ShapesByName& shapes) {
  nlohmann::json header = nlohmann::json::object();
  int64_t end = 0;
  for (const auto& [name, shape] : shapes) {
    int64_t bytes = 4;
    for (const int64_t side : shape) bytes *= side;
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {end, end + bytes}}};
    end += bytes;
  }
  const std::string text = header.dump();
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(text.size() >> (8 * i) & 0xFF);
  return file + text + std::string(static_cast<size_t>(end), '\0');
}

// The tensors of the encoder that `config` describes, with a head of so many classes (0: none).
inline ShapesByName TensorsOf(const nlohmann::json& config, int64_t classes = 0) {
  const auto parsed = ParseModelConfig(config.dump(), "config.json");
  const EncoderConfig encoder =
      parsed.ok() ? *parsed : *ParseModelConfig(SmallModelConfig().dump(), "config.json");
  const EncoderLayout& layout = FindModelFamily(encoder.family)->layout;
  ShapesByName shapes;
  for (const TensorSpec& tensor : EncoderTensors(encoder, layout)) shapes[tensor.name] = tensor.shape;
  if (classes == 0) return shapes;
  for (const auto& [name, outputs] :
       {std::pair(layout.head.dense, encoder.hidden_size), {layout.head.output, classes}}) {
    for (const TensorSpec& tensor : LinearTensors(name, encoder.hidden_size, outputs))
      shapes[tensor.name] = tensor.shape;
  }
  return shapes;
}

// Writes config.json, model.safetensors and vocab.txt into `path` below `folder`.
inline void WriteSmallModel(const TempFolder& folder, const std::string& path,
                            const nlohmann::json& config = SmallModelConfig(), int64_t classes = 0) {
  folder.Write(path + "/config.json", config.dump());
  folder.Write(path + "/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
  folder.Write(path + "/model.safetensors", SafetensorsOf(TensorsOf(config, classes)));
}

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_INPUT_CHECKS_TESTING_SMALL_MODEL_H_
