// The list of methods. A method is one entry here and one file in worker/engine/quantize.
#include "base/method_spec.h"

namespace quantlab {
namespace {

MethodSpec DynamicQuantization() {
  MethodSpec spec;
  spec.name = "dynamic_quantization";
  spec.short_name = "dynamic_quant";
  spec.version = 1;
  spec.title = "Dynamic quantization";
  spec.title_zh = "动态量化";
  spec.help =
      "INT8 weights, computed once; activations are quantized while the model runs, from the range that "
      "each token (or the whole batch) has just then. Needs no calibration data.";
  spec.params = {
      {"dtype", ParamType::kString, std::string("qint8"), {"qint8"}, {}, {}, "Integer type of the weights."},
      {"granularity",
       ParamType::kString,
       std::string("per_token"),
       {"per_token", "per_tensor"},
       {},
       {},
       "What shares one activation scale: each token, so that no text depends on its batch, or the whole "
       "batch, as PyTorch does."},
      {"weight_granularity",
       ParamType::kString,
       std::string("per_channel"),
       {"per_channel", "per_tensor"},
       {},
       {},
       "What shares one weight scale: each output channel, or the whole matrix."},
      {"reduce_range",
       ParamType::kBool,
       false,
       {},
       {},
       {},
       "Use 7 bits for activations, which CPUs without VNNI need so that 16-bit sums do not saturate."},
  };
  spec.devices = {{"cpu", "native", ""}, {"cuda", "native", ""}};
  return spec;
}

// What every method takes besides its own parameters.
ParamSpec Embeddings() {
  return {"embeddings",
          ParamType::kString,
          std::string("keep"),
          {"keep", "int8"},
          {},
          {},
          "int8: the rows of the embedding tables too, each with a scale of its own; in a small encoder they "
          "are half of the model's bytes."};
}

}  // namespace

const std::vector<MethodSpec>& AllMethods() {
  static const auto* const methods = [] {
    auto* all = new std::vector<MethodSpec>{DynamicQuantization()};
    for (MethodSpec& method : *all) method.params.push_back(Embeddings());
    return all;
  }();
  return *methods;
}

}  // namespace quantlab
