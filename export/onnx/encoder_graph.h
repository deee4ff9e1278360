// A saved classifier as an ONNX graph: token ids to logits.
#ifndef QUANTLAB_EXPORT_ONNX_ENCODER_GRAPH_H_
#define QUANTLAB_EXPORT_ONNX_ENCODER_GRAPH_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "export/onnx/graph.h"
#include "export/onnx/linear_nodes.h"
#include "export/source_model.h"

namespace quantlab::model_export {

// Names of the graph's values.
inline constexpr char kInputIds[] = "input_ids";
inline constexpr char kAttentionMask[] = "attention_mask";
inline constexpr char kTokenTypeIds[] = "token_type_ids";
inline constexpr char kLogits[] = "logits";

// Whether texts of this model have token types to be given; else all are of the table's first type, or there
// is no table.
bool TakesTokenTypes(const SourceModel& model);

// The graph of `model`, in the arithmetic of worker/engine/models/transformer_encoder.cc:
//   input_ids, attention_mask [batch, length] int64 (and token_type_ids where TakesTokenTypes) -> logits
//   [batch, classes] float.
// Where attention_mask is 0 there is no token: whatever is there changes nothing. The first token of each
// text must be one. The output of each linear layer is a value of the layer's name, [batch * length, out], or
// [batch, out] where only the first tokens are computed, as in the last block.
// Errors: those of LinearNodes; INVALID_ARGUMENT, NOT_FOUND for other tensors.
absl::StatusOr<Graph> MakeEncoderGraph(const SourceModel& model, const GraphOptions& options);

}  // namespace quantlab::model_export

#endif  // QUANTLAB_EXPORT_ONNX_ENCODER_GRAPH_H_
