// The role of a layer in its model: the same names for every model family, in events, in the report and in
// the engine. A role is a plain string, so that a stored role of a later version can still be read.
#ifndef QUANTLAB_BASE_CONFIG_LAYER_ROLE_H_
#define QUANTLAB_BASE_CONFIG_LAYER_ROLE_H_

namespace quantlab::layer_role {

// Embedding tables, and the linear layer that projects their width to that of the encoder.
inline constexpr char kWordEmbedding[] = "embedding.word";
inline constexpr char kPositionEmbedding[] = "embedding.position";
inline constexpr char kTokenTypeEmbedding[] = "embedding.token_type";
inline constexpr char kEmbeddingProjection[] = "embedding.project";

// Within an encoder layer.
inline constexpr char kQuery[] = "attention.query";
inline constexpr char kKey[] = "attention.key";
inline constexpr char kValue[] = "attention.value";
inline constexpr char kAttentionOutput[] = "attention.output";
inline constexpr char kFfnIn[] = "ffn.in";
inline constexpr char kFfnOut[] = "ffn.out";

// After the encoder layers. kHeadDense is the hidden layer of a classification head that has one of its own;
// a pooler has the same place but belongs to the encoder.
inline constexpr char kPooler[] = "pooler";
inline constexpr char kHeadDense[] = "classifier.dense";
inline constexpr char kClassifier[] = "classifier";

}  // namespace quantlab::layer_role

#endif  // QUANTLAB_BASE_CONFIG_LAYER_ROLE_H_
