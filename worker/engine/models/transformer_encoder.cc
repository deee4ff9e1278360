#include "worker/engine/models/transformer_encoder.h"

#include <utility>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/config/layer_role.h"
#include "base/status_macros.h"
#include "worker/engine/families/families.h"
#include "worker/engine/gpu/gpu_ops.h"
#include "worker/engine/layers/activation.h"
#include "worker/engine/layers/attention.h"
#include "worker/engine/plan/encoder_plan.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

struct LinearSlot {
  LayerInfo info;
  std::unique_ptr<Linear> layer;
};

struct EmbeddingSlot {
  LayerInfo info;
  std::unique_ptr<Embedding> table;
};

struct NormSlot {
  std::string name;
  LayerNorm norm;
};

struct Block {
  LinearSlot query, key, value, attention_output, ffn_in, ffn_out;
  NormSlot attention_norm, ffn_norm;
};

// Slots without a layer are those that the layout does not have.
struct Parts {
  EmbeddingSlot word, position, token_type;
  NormSlot embedding_norm;
  LinearSlot projection;
  std::vector<Block> blocks;
  LinearSlot head_dense, head_output;
};

class TransformerEncoder final : public Encoder {
 public:
  TransformerEncoder(const EncoderConfig& config, const EncoderLayout& layout, Parts parts,
                     const std::vector<std::string>& initialized)
      : Encoder(config), layout_(layout), parts_(std::move(parts)) {
    for (const std::string& layer : initialized) AddInitialized(layer);
  }

 protected:
  at::Tensor Compute(const PackedBatch& batch, const PassOptions& options) const override {
    at::Tensor x = UsesPlan() ? RunPlan(batch, options) : RunLayers(batch);
    const EncoderLayout::Head& head = layout_.head;
    if (head.dropout_before_dense) x = Dropout(x, config().classifier_dropout);
    x = Activate(head.activation, parts_.head_dense.layer->Forward(x));
    x = parts_.head_output.layer->Forward(Dropout(x, config().classifier_dropout));
    return x.index_select(0, batch.place.to(device())).to(at::kFloat);
  }

  void VisitLinears(const LinearVisitor& visitor) override {
    const auto visit = [&visitor](LinearSlot& slot) {
      if (slot.layer != nullptr) visitor(slot.info, slot.layer);
    };
    visit(parts_.projection);
    for (Block& block : parts_.blocks) {
      for (LinearSlot* slot :
           {&block.query, &block.key, &block.value, &block.attention_output, &block.ffn_in, &block.ffn_out}) {
        visit(*slot);
      }
    }
    visit(parts_.head_dense);
    visit(parts_.head_output);
  }

  void VisitEmbeddings(const EmbeddingVisitor& visitor) override {
    for (EmbeddingSlot* slot : {&parts_.word, &parts_.position, &parts_.token_type}) {
      if (slot->table != nullptr) visitor(slot->info, slot->table);
    }
  }

  void VisitNorms(const NormVisitor& visitor) override {
    visitor(parts_.embedding_norm.name, parts_.embedding_norm.norm);
    for (Block& block : parts_.blocks) {
      visitor(block.attention_norm.name, block.attention_norm.norm);
      visitor(block.ffn_norm.name, block.ffn_norm.norm);
    }
  }

 private:
  // What AttentionOptions::offsets is; undefined where no call needs it.
  at::Tensor Offsets(const PackedBatch& batch) const {
    if (!device().is_cuda() || batch.groups.size() < 2) return {};
    const at::Tensor first = batch.first_token.to(device());
    return at::cat({first, at::full({1}, batch.tokens(), first.options())}).to(at::kInt);
  }

  // The tables' sum and its LayerNorm in one kernel; undefined where there is none for these tables.
  at::Tensor EmbedOnGpu(const PackedBatch& batch) const {
    if (!device().is_cuda() || at::GradMode::is_enabled()) return {};
    const at::Tensor word = parts_.word.table->FloatRows(), position = parts_.position.table->FloatRows();
    const bool typed = parts_.token_type.table != nullptr;
    const at::Tensor type = typed ? parts_.token_type.table->FloatRows() : at::Tensor();
    const auto fits = [&](const at::Tensor& table) {
      return table.defined() && table.scalar_type() == word.scalar_type();
    };
    if (!fits(word) || !fits(position) || (typed && !fits(type))) return {};
    if (!gpu::WhyNotRowKernels(device(), word.size(1)).empty()) return {};
    const LayerNorm& norm = parts_.embedding_norm.norm;
    return gpu::Embed(word, type, position, batch.ids.to(device()), batch.token_types.to(device()),
                      batch.positions.to(device()), norm.weight, norm.bias, norm.epsilon, activation_dtype());
  }

  // Returns [tokens, hidden].
  at::Tensor Embed(const PackedBatch& batch) const {
    const at::Tensor x = EmbedOnGpu(batch);
    return Project(x.defined() ? x : EmbedByTables(batch));
  }

  at::Tensor Project(const at::Tensor& x) const {
    return parts_.projection.layer == nullptr ? x : parts_.projection.layer->Forward(x);
  }

  at::Tensor EmbedByTables(const PackedBatch& batch) const {
    at::Tensor x = parts_.word.table->Forward(batch.ids.to(device()), config().pad_token_id);
    if (parts_.token_type.table != nullptr) {
      x = x.add(parts_.token_type.table->Forward(batch.token_types.to(device())));
    }
    const int64_t unused = config().positions_after_padding ? config().pad_token_id : -1;
    x = x.add(parts_.position.table->Forward(batch.positions.to(device()), unused));
    x = Dropout(parts_.embedding_norm.norm.Forward(x), config().hidden_dropout_prob);
    return activation_dtype() == at::kFloat ? x : x.to(activation_dtype());
  }

  bool UsesPlan() const {
    return device().is_cpu() && !training() && EncoderPlan::IsEnabled() && activation_dtype() == at::kFloat &&
           !at::GradMode::is_enabled() && !at::autocast::is_autocast_enabled(at::kCPU) &&
           !parts_.blocks.empty();
  }

  // Both return [texts, hidden], the first token of each text.
  at::Tensor RunPlan(const PackedBatch& batch, const PassOptions& options) const {
    const auto blocks_and_result = options.from == nullptr ? 0 : options.from->inputs.size();
    const bool resumes =
        options.first_block >= 0 && static_cast<size_t>(options.first_block) < blocks_and_result;
    const size_t first = resumes ? static_cast<size_t>(options.first_block) : 0;
    if (resumes && first == parts_.blocks.size()) return options.from->inputs.back();
    std::vector<BlockLayers> blocks;
    for (const Block& block : parts_.blocks) {
      blocks.push_back({block.query.layer.get(), block.key.layer.get(), block.value.layer.get(),
                        block.attention_output.layer.get(), &block.attention_norm.norm,
                        block.ffn_in.layer.get(), block.ffn_out.layer.get(), &block.ffn_norm.norm});
    }
    const EncoderPlan plan(std::move(blocks), config().num_attention_heads, config().hidden_act);
    const at::Tensor x = resumes ? options.from->inputs[first] : Embed(batch).contiguous();
    if (options.keep == nullptr) return plan.Run(x, batch.groups, first);
    at::Tensor result = plan.Run(x, batch.groups, first, &options.keep->inputs);
    options.keep->inputs.push_back(result);
    return result;
  }

  at::Tensor RunLayers(const PackedBatch& batch) const {
    at::Tensor x = Embed(batch);
    const at::Tensor offsets = Offsets(batch);
    for (const Block& block : parts_.blocks) {
      x = Encode(block, x, batch, offsets, /*last=*/&block == &parts_.blocks.back());
    }
    return x;
  }

  // x: [tokens, hidden]; returns the same shape, or [texts, hidden] from the last block: of its output only
  // each text's first token is read, so only those rows are computed. Keys and values need every token.
  at::Tensor Encode(const Block& block, const at::Tensor& x, const PackedBatch& batch,
                    const at::Tensor& offsets, bool last) const {
    const at::Tensor rows = last ? x.index_select(0, batch.first_token.to(device())) : x;
    const Linear &query = *block.query.layer, &key = *block.key.layer, &value = *block.value.layer;
    std::vector<at::Tensor> qkv;
    if (last) {
      qkv = key.ForwardTogether(x, {&value});
      qkv.insert(qkv.begin(), query.Forward(rows));
    } else {
      qkv = query.ForwardTogether(x, {&key, &value});
    }
    const AttentionOptions options{config().num_attention_heads, training(),
                                   config().attention_probs_dropout_prob, last, offsets};
    at::Tensor attended =
        block.attention_output.layer->Forward(Attention(qkv[0], qkv[1], qkv[2], batch.groups, options));
    if (layout_.block.attention_output_dropout) attended = Dropout(attended, config().hidden_dropout_prob);
    const at::Tensor y = block.attention_norm.norm.ForwardSum(attended, rows);
    const at::Tensor narrow =
        Dropout(block.ffn_in.layer->ForwardInto(y, config().hidden_act, *block.ffn_out.layer),
                config().hidden_dropout_prob);
    return block.ffn_norm.norm.ForwardSum(narrow, y);
  }

  at::Tensor Dropout(const at::Tensor& x, double probability) const {
    return training() && probability > 0 ? at::dropout(x, probability, true) : x;
  }

  const EncoderLayout layout_;
  Parts parts_;
};

// Takes a model's tensors out of Weights and remembers every one that is wrong, so that one error can
// name them all.
class Builder {
 public:
  Builder(const EncoderConfig& config, const EncoderLayout& layout, Weights weights,
          const EncoderBuildOptions& options)
      : config_(config),
        layout_(layout),
        weights_(std::move(weights)),
        options_(options),
        generator_(at::detail::createCPUGenerator(options.seed)) {}

  absl::StatusOr<std::unique_ptr<Encoder>> Build() {
    BuildEmbeddings();
    for (int64_t i = 0; i < config_.num_hidden_layers; ++i) BuildBlock(i);
    const EncoderLayout::Head& head = layout_.head;
    parts_.head_dense = TakeHead({head.dense, head.dense_role, {}, false}, config_.hidden_size);
    parts_.head_output = TakeHead({head.output, layer_role::kClassifier, {}, false}, config_.num_labels());
    Note(weights_.CheckAllTaken(layout_.ignored));
    QL_RETURN_IF_ERROR(Result());
    return std::make_unique<TransformerEncoder>(config_, layout_, std::move(parts_), initialized_);
  }

 private:
  void Note(const absl::Status& status) {
    if (!status.ok()) problems_.push_back(status);
  }

  absl::Status Result() const {
    if (problems_.empty()) return absl::OkStatus();
    constexpr size_t kMaxProblems = 5;
    std::vector<std::string> texts;
    for (const absl::Status& problem : problems_) {
      if (texts.size() < kMaxProblems) texts.emplace_back(problem.message());
    }
    if (problems_.size() > kMaxProblems) {
      texts.push_back(absl::StrCat("and ", problems_.size() - kMaxProblems, " more"));
    }
    return absl::Status(problems_.front().code(), absl::StrJoin(texts, "; "));
  }

  at::Tensor TakeFloat(const std::string& name, std::vector<int64_t> shape) {
    absl::StatusOr<at::Tensor> tensor = weights_.TakeFloat(name, shape);
    Note(tensor.status());
    return tensor.ok() ? *std::move(tensor) : at::Tensor();
  }

  NormSlot TakeNorm(const std::string& name, int64_t width) {
    at::Tensor weight = TakeFloat(name + ".weight", {width});
    return {name, {std::move(weight), TakeFloat(name + ".bias", {width}), config_.layer_norm_eps}};
  }

  LinearSlot TakeLinear(LayerInfo info, int64_t in, int64_t out) {
    absl::StatusOr<std::unique_ptr<Linear>> layer = options_.load_linear(info.name, in, out, weights_);
    Note(layer.status());
    return {std::move(info), layer.ok() ? *std::move(layer) : nullptr};
  }

  EmbeddingSlot TakeEmbedding(const std::string& name, const char* role, int64_t rows, int64_t width) {
    absl::StatusOr<std::unique_ptr<Embedding>> table = options_.load_embedding(name, rows, width, weights_);
    Note(table.status());
    return {{name, role, {}, true}, table.ok() ? *std::move(table) : nullptr};
  }

  // Encoders are published without the layers that only a classifier needs.
  LinearSlot TakeHead(const LayerInfo& info, int64_t out) {
    if (!weights_.ContainsLayer(info.name) && options_.initialize_missing_head) {
      at::Tensor weight = at::empty({out, config_.hidden_size}, at::dtype(at::kFloat));
      weights_.Insert(info.name + ".weight", weight.normal_(0, config_.initializer_range, generator_));
      weights_.Insert(info.name + ".bias", at::zeros({out}, at::dtype(at::kFloat)));
      initialized_.push_back(info.name);
    }
    return TakeLinear(info, config_.hidden_size, out);
  }

  void BuildEmbeddings() {
    const EncoderLayout::Embeddings& names = layout_.embeddings;
    const int64_t width = config_.embedding_width();
    parts_.word = TakeEmbedding(names.word, layer_role::kWordEmbedding, config_.vocab_size, width);
    parts_.position =
        TakeEmbedding(names.position, layer_role::kPositionEmbedding, config_.max_position_embeddings, width);
    if (!names.token_type.empty()) {
      parts_.token_type =
          TakeEmbedding(names.token_type, layer_role::kTokenTypeEmbedding, config_.type_vocab_size, width);
    }
    parts_.embedding_norm = TakeNorm(names.norm, width);
    if (width != config_.hidden_size) {
      parts_.projection = TakeLinear({names.projection, layer_role::kEmbeddingProjection, {}, true}, width,
                                     config_.hidden_size);
    }
  }

  void BuildBlock(int64_t index) {
    const EncoderLayout::Block& names = layout_.block;
    const std::string prefix = absl::StrCat(layout_.blocks, ".", index, ".");
    const int64_t hidden = config_.hidden_size, wide = config_.intermediate_size;
    // The last block gives the first token of each text only; its keys and values still need all.
    const bool all = index + 1 < config_.num_hidden_layers;
    const auto info = [&](const std::string& name, const char* role, bool every_token) {
      return LayerInfo{prefix + name, role, index, every_token};
    };
    Block block;
    block.query = TakeLinear(info(names.query, layer_role::kQuery, all), hidden, hidden);
    block.key = TakeLinear(info(names.key, layer_role::kKey, true), hidden, hidden);
    block.value = TakeLinear(info(names.value, layer_role::kValue, true), hidden, hidden);
    block.attention_output =
        TakeLinear(info(names.attention_output, layer_role::kAttentionOutput, all), hidden, hidden);
    block.attention_norm = TakeNorm(prefix + names.attention_norm, hidden);
    block.ffn_in = TakeLinear(info(names.ffn_in, layer_role::kFfnIn, all), hidden, wide);
    block.ffn_out = TakeLinear(info(names.ffn_out, layer_role::kFfnOut, all), wide, hidden);
    block.ffn_norm = TakeNorm(prefix + names.ffn_norm, hidden);
    parts_.blocks.push_back(std::move(block));
  }

  const EncoderConfig& config_;
  const EncoderLayout& layout_;
  Weights weights_;
  const EncoderBuildOptions& options_;
  at::Generator generator_;
  Parts parts_;
  std::vector<std::string> initialized_;
  std::vector<absl::Status> problems_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Encoder>> MakeTransformerEncoder(const EncoderConfig& config,
                                                                const EncoderLayout& layout, Weights weights,
                                                                const EncoderBuildOptions& options) {
  const std::string where = weights.where();
  return CatchTorch(absl::StrCat("building the model of ", where),
                    [&] { return Builder(config, layout, std::move(weights), options).Build(); });
}

absl::StatusOr<std::unique_ptr<Encoder>> MakeEncoder(const EncoderConfig& config, Weights weights,
                                                     const EncoderBuildOptions& options) {
  const ModelFamily* family = FindModelFamily(config.family);
  if (family == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(weights.where(), ": there is no model family \"",
                                                   config.family, "\"; supported: ", ModelFamilyNames()));
  }
  const bool has_prefix = weights.ContainsAny(family->prefix + ".");
  QL_RETURN_IF_ERROR(weights.Rename(
      [&](const std::string& name) { return CanonicalTensorName(*family, name, has_prefix); }));
  return MakeTransformerEncoder(config, family->layout, std::move(weights), options);
}

}  // namespace quantlab::engine
