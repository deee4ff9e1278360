#include "worker/engine/models/packed_batch.h"

#include <algorithm>
#include <numeric>
#include <string>

#include <ATen/ops/empty.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

// The position of each token. Source: transformers' create_position_ids_from_input_ids of RoBERTa, where
// positions follow the padding's.
std::vector<int64_t> Positions(const EncoderConfig& config, const std::vector<int64_t>& ids) {
  std::vector<int64_t> positions;
  int64_t next = config.first_position();
  for (const int64_t id : ids) {
    const bool padding = config.positions_after_padding && id == config.pad_token_id;
    positions.push_back(padding ? config.pad_token_id : next++);
  }
  return positions;
}

// The tokens of one text as they go into the batch.
struct Row {
  std::vector<int64_t> ids, positions, types;
};

template <typename... Args>
absl::Status Bad(size_t text, const Args&... what) {
  return absl::InvalidArgumentError(absl::StrCat("text ", text, " of the batch: ", what...));
}

absl::Status CheckRow(const EncoderConfig& config, size_t text, const Row& row) {
  if (row.ids.empty()) return Bad(text, "it has no tokens; at least [CLS] is needed");
  const int64_t last = *std::max_element(row.positions.begin(), row.positions.end());
  if (last >= config.max_position_embeddings) {
    return Bad(text, "it has ", last + 1 - config.first_position(), " tokens, but the model reads ",
               config.max_tokens(), " at most (max_position_embeddings); tokenize with a smaller max_length");
  }
  for (size_t i = 0; i < row.ids.size(); ++i) {
    if (row.ids[i] < 0 || row.ids[i] >= config.vocab_size) {
      return Bad(text, "token id ", row.ids[i], " at ", i, " is outside of the model's vocabulary of ",
                 config.vocab_size, "; the tokenizer belongs to another model");
    }
    if (row.types[i] < 0 || row.types[i] >= config.type_vocab_size) {
      return Bad(text, "token type ", row.types[i], " at ", i, " is outside of type_vocab_size ",
                 config.type_vocab_size);
    }
  }
  return absl::OkStatus();
}

at::Tensor EmptyLongs(int64_t size) {
  return at::empty({size}, at::dtype(at::kLong));
}

// Concatenates the rows, longest texts first, so that texts of equal length are neighbours.
PackedBatch Concatenate(const std::vector<Row>& rows) {
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return rows[a].ids.size() > rows[b].ids.size(); });
  int64_t tokens = 0;
  for (const Row& row : rows) tokens += static_cast<int64_t>(row.ids.size());
  const int64_t texts = static_cast<int64_t>(rows.size());
  PackedBatch batch{EmptyLongs(tokens), EmptyLongs(tokens), EmptyLongs(tokens),
                    EmptyLongs(texts),  EmptyLongs(texts),  {}};
  int64_t offset = 0, place = 0;
  for (const size_t text : order) {
    const Row& row = rows[text];
    const int64_t length = static_cast<int64_t>(row.ids.size());
    std::copy(row.ids.begin(), row.ids.end(), batch.ids.mutable_data_ptr<int64_t>() + offset);
    std::copy(row.positions.begin(), row.positions.end(),
              batch.positions.mutable_data_ptr<int64_t>() + offset);
    std::copy(row.types.begin(), row.types.end(), batch.token_types.mutable_data_ptr<int64_t>() + offset);
    batch.place.mutable_data_ptr<int64_t>()[text] = place;
    batch.first_token.mutable_data_ptr<int64_t>()[place++] = offset;
    if (batch.groups.empty() || batch.groups.back().length != length) batch.groups.push_back({0, length});
    ++batch.groups.back().texts;
    offset += length;
  }
  return batch;
}

absl::StatusOr<PackedBatch> PackRows(const EncoderConfig& config, const std::vector<Row>& rows) {
  if (rows.empty()) return absl::InvalidArgumentError("the batch has no texts");
  for (size_t text = 0; text < rows.size(); ++text) {
    QL_RETURN_IF_ERROR(CheckRow(config, text, rows[text]));
  }
  return CatchTorch("packing a batch", [&] { return Concatenate(rows); });
}

// Checked against `like`, on the CPU as contiguous int64; undefined stays undefined.
absl::StatusOr<at::Tensor> Normalize(const char* name, const at::Tensor& tensor, at::IntArrayRef shape) {
  if (!tensor.defined()) return tensor;
  if (tensor.sizes() != shape || !at::isIntegralType(tensor.scalar_type(), /*includeBool=*/true)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": an integer tensor of input_ids' shape [texts, length] is wanted"));
  }
  return CatchTorch("packing a batch", [&] { return tensor.to(at::kCPU, at::kLong).contiguous(); });
}

}  // namespace

absl::StatusOr<PackedBatch> PackTexts(const EncoderConfig& config,
                                      absl::Span<const TokenizedText* const> texts) {
  std::vector<Row> rows(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const TokenizedText& text = *texts[i];
    if (!text.token_types.empty() && text.token_types.size() != text.ids.size()) {
      return Bad(i, text.token_types.size(), " token types for ", text.ids.size(), " tokens");
    }
    rows[i].ids.assign(text.ids.begin(), text.ids.end());
    rows[i].types.assign(text.token_types.begin(), text.token_types.end());
    rows[i].types.resize(text.ids.size(), 0);
    rows[i].positions = Positions(config, rows[i].ids);
  }
  return PackRows(config, rows);
}

absl::StatusOr<PackedBatch> PackPadded(const EncoderConfig& config, const at::Tensor& input_ids,
                                       const at::Tensor& attention_mask, const at::Tensor& token_types) {
  if (!input_ids.defined() || input_ids.dim() != 2) {
    return absl::InvalidArgumentError("input_ids: a tensor of shape [texts, length] is wanted");
  }
  QL_ASSIGN_OR_RETURN(const at::Tensor ids, Normalize("input_ids", input_ids, input_ids.sizes()));
  QL_ASSIGN_OR_RETURN(const at::Tensor mask, Normalize("attention_mask", attention_mask, ids.sizes()));
  QL_ASSIGN_OR_RETURN(const at::Tensor types, Normalize("token_types", token_types, ids.sizes()));
  const int64_t texts = ids.size(0), length = ids.size(1);
  std::vector<Row> rows(static_cast<size_t>(texts));
  for (int64_t i = 0; i < texts; ++i) {
    Row& row = rows[static_cast<size_t>(i)];
    const int64_t* const padded = ids.const_data_ptr<int64_t>() + i * length;
    const std::vector<int64_t> positions = Positions(config, {padded, padded + length});
    bool first = false;
    for (int64_t j = 0; j < length; ++j) {
      if (mask.defined() && mask.const_data_ptr<int64_t>()[i * length + j] == 0) continue;
      first |= j == 0;
      row.ids.push_back(padded[j]);
      row.positions.push_back(positions[static_cast<size_t>(j)]);
      row.types.push_back(types.defined() ? types.const_data_ptr<int64_t>()[i * length + j] : 0);
    }
    if (!first) {
      return Bad(static_cast<size_t>(i), "attention_mask leaves out its first token; pad on the right");
    }
  }
  return PackRows(config, rows);
}

}  // namespace quantlab::engine
