#include "export/onnx/encoder_graph.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "export/onnx/activation_nodes.h"
#include "export/onnx/linear_nodes.h"
#include "export/tensor_values.h"

namespace quantlab::model_export {
namespace {

using engine::EncoderConfig;
using engine::EncoderLayout;

int32_t OnnxTypeOf(const std::string& dtype) {
  if (dtype == "BF16") return onnx_type::kBfloat16;
  return dtype == "F16" ? onnx_type::kFloat16 : onnx_type::kFloat;
}

// The largest finite value of an activation dtype, with which attention leaves out what is no token.
float LargestOf(const std::string& dtype) {
  return dtype == "fp16" ? 65504.0f : 3e38f;
}

class EncoderBuilder {
 public:
  EncoderBuilder(const SourceModel& model, const GraphOptions& options, Graph& graph)
      : model_(model),
        config_(model.config()),
        layout_(model.layout()),
        graph_(graph),
        linear_(model, options, graph) {}

  absl::Status Build() {
    AddInputs();
    QL_ASSIGN_OR_RETURN(std::string x, Embed());
    for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
      QL_ASSIGN_OR_RETURN(x, Encode(i, x));
    }
    return AddHead(x);
  }

 private:
  void AddInputs() {
    const std::vector<std::string> dims = {"batch", "length"};
    graph_.AddInput(kInputIds, onnx_type::kInt64, dims);
    graph_.AddInput(kAttentionMask, onnx_type::kInt64, dims);
    if (TakesTokenTypes(model_)) graph_.AddInput(kTokenTypeIds, onnx_type::kInt64, dims);
    graph_.AddOutput(kLogits, onnx_type::kFloat, {"batch", absl::StrCat(config_.num_labels())});
    const std::string shape = graph_.Node("Shape", {kInputIds});
    const std::string heads = graph_.Int64s({config_.num_attention_heads, config_.head_size()});
    all_heads_ = graph_.Node("Concat", {shape, heads}, {{"axis", int64_t{0}}});
    batch_and_length_ = shape;
    const std::string absent =
        graph_.Node("Sub", {graph_.Float(1), graph_.Cast(kAttentionMask, onnx_type::kFloat)});
    mask_ = graph_.Node("Unsqueeze",
                        {graph_.Node("Mul", {absent, graph_.Float(-LargestOf(model_.activation_dtype()))}),
                         graph_.Int64s({1, 2})});
  }

  std::string Rounded(const std::string& x) { return linear_.Rounded(x, model_.activation_dtype()); }

  // ---- embeddings ----

  // Rows `ids` of a table, float.
  absl::StatusOr<std::string> Lookup(const std::string& table, int64_t rows, const std::string& ids) {
    const LayerEntry entry = model_.Layer(table);
    const bool int8 = entry.kind == "int8_rows";
    const int64_t width = config_.embedding_width();
    const char* role = int8 ? "weight_int8" : "weight";
    QL_ASSIGN_OR_RETURN(StoredTensor tensor, model_.Tensor(entry, role));
    QL_RETURN_IF_ERROR(
        CheckStored(absl::StrCat(table, ".", role), tensor,
                    int8 ? std::vector<std::string>{"I8"} : std::vector<std::string>{"F32", "BF16", "F16"},
                    {rows, width}));
    const int32_t type = int8 ? onnx_type::kInt8 : OnnxTypeOf(tensor.dtype);
    const std::string weight =
        graph_.Weight({absl::StrCat(table, ".", role), type, {rows, width}, tensor.bytes, [tensor] {
                         return ReadTensorBytes(tensor);
                       }});
    const std::string found = graph_.Node("Gather", {weight, ids});
    if (type == onnx_type::kFloat) return found;
    const std::string values = graph_.Cast(found, onnx_type::kFloat);
    if (!int8) return values;
    QL_ASSIGN_OR_RETURN(const StoredTensor scale, model_.Tensor(entry, "weight_scale"));
    QL_RETURN_IF_ERROR(CheckStored(table + ".weight_scale", scale, {"F32"}, {rows}));
    const std::string scales =
        graph_.Weight({table + ".weight_scale", onnx_type::kFloat, {rows, 1}, scale.bytes, [scale] {
                         return ReadTensorBytes(scale);
                       }});
    return graph_.Node("Mul", {values, graph_.Node("Gather", {scales, ids})});
  }

  // [length], or [batch, length] where they count tokens that are not padding.
  std::string Positions() {
    if (config_.positions_after_padding) {
      const std::string pad = graph_.Int64(config_.pad_token_id);
      const std::string is_token =
          graph_.Cast(graph_.Node("Not", {graph_.Node("Equal", {kInputIds, pad})}), onnx_type::kInt64);
      const std::string count = graph_.Node("CumSum", {is_token, graph_.Int64(1)});
      return graph_.Node("Add", {graph_.Node("Mul", {count, is_token}), pad});
    }
    const std::string length = graph_.Node("Gather", {batch_and_length_, graph_.Int64(1)});
    return graph_.Node("Range", {graph_.Int64(0), length, graph_.Int64(1)});
  }

  // Returns [batch * length, hidden].
  absl::StatusOr<std::string> Embed() {
    const EncoderLayout::Embeddings& names = layout_.embeddings;
    const int64_t width = config_.embedding_width();
    QL_ASSIGN_OR_RETURN(std::string x, Lookup(names.word, config_.vocab_size, kInputIds));
    if (!names.token_type.empty()) {
      const std::string ids = TakesTokenTypes(model_) ? kTokenTypeIds : graph_.Int64(0);
      QL_ASSIGN_OR_RETURN(const std::string types, Lookup(names.token_type, config_.type_vocab_size, ids));
      x = graph_.Node("Add", {x, types});
    }
    QL_ASSIGN_OR_RETURN(const std::string positions,
                        Lookup(names.position, config_.max_position_embeddings, Positions()));
    x = graph_.Node("Add", {x, positions});
    x = graph_.Node("Reshape", {x, graph_.Int64s({-1, width})});
    QL_ASSIGN_OR_RETURN(x, Normalize(names.norm, width, x));
    x = Rounded(x);
    if (width == config_.hidden_size) return x;
    QL_ASSIGN_OR_RETURN(x, linear_.Add(names.projection, width, config_.hidden_size, x));
    return Rounded(x);
  }

  absl::StatusOr<std::string> Normalize(const std::string& name, int64_t width, const std::string& x) {
    std::vector<std::string> inputs = {x};
    for (const char* part : {".weight", ".bias"}) {
      QL_ASSIGN_OR_RETURN(const StoredTensor tensor, model_.Tensor(name + part));
      QL_RETURN_IF_ERROR(CheckStored(name + part, tensor, FloatDtypes(), {width}));
      inputs.push_back(graph_.Weight({name + part,
                                      onnx_type::kFloat,
                                      {width},
                                      static_cast<uint64_t>(width) * 4,
                                      [tensor]() -> absl::StatusOr<std::string> {
                                        QL_ASSIGN_OR_RETURN(const std::vector<float> v, ReadFloats(tensor));
                                        return FloatBytes(v);
                                      }}));
    }
    return graph_.Node("LayerNormalization", inputs,
                       {{"axis", int64_t{-1}}, {"epsilon", static_cast<float>(config_.layer_norm_eps)}},
                       name);
  }

  // ---- blocks ----

  // [batch * length, hidden] to [batch, heads, length, head size].
  std::string SplitHeads(const std::string& x, const std::string& shape) {
    return graph_.Node("Transpose", {graph_.Node("Reshape", {x, shape})},
                       {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
  }

  // Vaswani 2017, eq. 1. q: [rows, hidden], all tokens or the first ones; returns the same shape.
  std::string Attend(const std::string& q, const std::string& k, const std::string& v, bool first_only) {
    const int64_t heads = config_.num_attention_heads, size = config_.head_size();
    const std::string q_shape = first_only ? graph_.Int64s({-1, 1, heads, size}) : all_heads_;
    const std::string keys = graph_.Node("Transpose", {graph_.Node("Reshape", {k, all_heads_})},
                                         {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
    const float scale = static_cast<float>(1 / std::sqrt(static_cast<double>(size)));
    const std::string scores =
        graph_.Node("Mul", {graph_.Node("MatMul", {SplitHeads(q, q_shape), keys}), graph_.Float(scale)});
    const std::string weights =
        graph_.Node("Softmax", {graph_.Node("Add", {scores, mask_})}, {{"axis", int64_t{-1}}});
    const std::string context =
        graph_.Node("Transpose", {graph_.Node("MatMul", {weights, SplitHeads(v, all_heads_)})},
                    {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
    return Rounded(graph_.Node("Reshape", {context, graph_.Int64s({-1, config_.hidden_size})}));
  }

  // The first token of each text: [batch, hidden] of [batch * length, hidden].
  std::string FirstTokens(const std::string& x) {
    const std::string shape = graph_.Node("Concat", {batch_and_length_, graph_.Int64s({config_.hidden_size})},
                                          {{"axis", int64_t{0}}});
    return graph_.Node("Gather", {graph_.Node("Reshape", {x, shape}), graph_.Int64(0)},
                       {{"axis", int64_t{1}}});
  }

  absl::StatusOr<std::string> Linear(const std::string& name, int64_t in, int64_t out, const std::string& x) {
    QL_ASSIGN_OR_RETURN(const std::string y, linear_.Add(name, in, out, x));
    return Rounded(y);
  }

  absl::StatusOr<std::string> AddAndNormalize(const std::string& name, const std::string& x,
                                              const std::string& residual) {
    const std::string sum = Rounded(graph_.Node("Add", {x, residual}));
    QL_ASSIGN_OR_RETURN(const std::string y, Normalize(name, config_.hidden_size, sum));
    return Rounded(y);
  }

  // Of the last block only each text's first token is read, so only those rows are computed.
  absl::StatusOr<std::string> Encode(int64_t index, const std::string& x) {
    const EncoderLayout::Block& names = layout_.block;
    const std::string prefix = absl::StrCat(layout_.blocks, ".", index, ".");
    const int64_t hidden = config_.hidden_size, wide = config_.intermediate_size;
    const bool last = index + 1 == config_.num_hidden_layers;
    const std::string rows = last ? FirstTokens(x) : x;
    QL_ASSIGN_OR_RETURN(const std::string q, Linear(prefix + names.query, hidden, hidden, rows));
    QL_ASSIGN_OR_RETURN(const std::string k, Linear(prefix + names.key, hidden, hidden, x));
    QL_ASSIGN_OR_RETURN(const std::string v, Linear(prefix + names.value, hidden, hidden, x));
    QL_ASSIGN_OR_RETURN(const std::string attended,
                        Linear(prefix + names.attention_output, hidden, hidden, Attend(q, k, v, last)));
    QL_ASSIGN_OR_RETURN(const std::string y, AddAndNormalize(prefix + names.attention_norm, attended, rows));
    QL_ASSIGN_OR_RETURN(const std::string wider, Linear(prefix + names.ffn_in, hidden, wide, y));
    const std::string active = Rounded(AddActivation(config_.hidden_act, wider, graph_));
    QL_ASSIGN_OR_RETURN(const std::string narrow, Linear(prefix + names.ffn_out, wide, hidden, active));
    return AddAndNormalize(prefix + names.ffn_norm, narrow, y);
  }

  absl::Status AddHead(const std::string& x) {
    const EncoderLayout::Head& head = layout_.head;
    const int64_t hidden = config_.hidden_size;
    QL_ASSIGN_OR_RETURN(const std::string dense, Linear(head.dense, hidden, hidden, x));
    const std::string active = Rounded(AddActivation(head.activation, dense, graph_));
    QL_ASSIGN_OR_RETURN(const std::string logits, Linear(head.output, hidden, config_.num_labels(), active));
    graph_.Node("Identity", {logits}, {}, kLogits);
    return absl::OkStatus();
  }

  const SourceModel& model_;
  const EncoderConfig& config_;
  const EncoderLayout& layout_;
  Graph& graph_;
  LinearNodes linear_;
  std::string batch_and_length_, all_heads_, mask_;
};

}  // namespace

bool TakesTokenTypes(const SourceModel& model) {
  return !model.layout().embeddings.token_type.empty() && model.config().type_vocab_size > 1;
}

absl::StatusOr<Graph> MakeEncoderGraph(const SourceModel& model, const GraphOptions& options) {
  Graph graph(model.config().family);
  QL_RETURN_IF_ERROR(EncoderBuilder(model, options, graph).Build());
  return graph;
}

}  // namespace quantlab::model_export
