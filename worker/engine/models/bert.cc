#include "worker/engine/models/bert.h"

#include <utility>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/split_with_sizes.h>
#include <ATen/ops/zeros.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "worker/engine/layers/activation.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

// LibTorch's attention on the CPU gives each thread a part of one scratch buffer, and sums in another order
// in a part that does not begin at a multiple of 64 bytes: then a text's result depends, in the last bit, on
// which thread has it, and so on its batch. Parts are as long as queries, at most 32, times something; with a
// multiple of 16 all are aligned.
int64_t QueriesToAdd(int64_t queries) {
  return queries < 32 ? (16 - queries % 16) % 16 : 0;
}

}  // namespace

struct BertForSequenceClassification::LayerNorm {
  std::string name;
  at::Tensor weight, bias;  // [hidden]

  // The CPU's kernel takes FP32 parameters with an input of half precision; CUDA's wants one dtype.
  at::Tensor Forward(const at::Tensor& x, double epsilon) const {
    if (x.is_cpu() || x.scalar_type() == weight.scalar_type()) {
      return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
    }
    return at::layer_norm(x.to(at::kFloat), weight.sizes(), weight, bias, epsilon).to(x.scalar_type());
  }
};

struct BertForSequenceClassification::Layer {
  std::string name;  // "bert.encoder.layer.0"
  std::unique_ptr<Linear> query, key, value, attention_output, intermediate, output;
  LayerNorm attention_norm, output_norm;
};

// Takes a model's tensors out of Weights and remembers every one that is wrong, so that one error can
// name them all.
class BertForSequenceClassification::Builder {
 public:
  Builder(BertForSequenceClassification& model, Weights weights, const BertBuildOptions& options)
      : model_(model),
        config_(model.config_),
        weights_(std::move(weights)),
        options_(options),
        generator_(at::detail::createCPUGenerator(options.seed)) {}

  absl::Status Build() {
    BuildEmbeddings();
    for (int64_t i = 0; i < config_.num_hidden_layers; ++i) BuildLayer(i);
    model_.pooler_ = TakeHead("bert.pooler.dense", config_.hidden_size);
    model_.classifier_ = TakeHead("classifier", config_.num_labels());
    Note(weights_.CheckAllTaken());
    return Result();
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

  LayerNorm TakeNorm(const std::string& name) {
    return {name, TakeFloat(name + ".weight", {config_.hidden_size}),
            TakeFloat(name + ".bias", {config_.hidden_size})};
  }

  std::unique_ptr<Linear> TakeLinear(const std::string& name, int64_t in, int64_t out) {
    absl::StatusOr<std::unique_ptr<Linear>> layer = options_.load_linear(name, in, out, weights_);
    Note(layer.status());
    return layer.ok() ? *std::move(layer) : nullptr;
  }

  std::unique_ptr<Embedding> TakeEmbedding(const std::string& name, int64_t rows, int64_t width) {
    absl::StatusOr<std::unique_ptr<Embedding>> table = options_.load_embedding(name, rows, width, weights_);
    Note(table.status());
    return table.ok() ? *std::move(table) : nullptr;
  }

  // Encoders are published without the layers that only a classifier needs.
  std::unique_ptr<Linear> TakeHead(const std::string& name, int64_t out) {
    if (!weights_.ContainsLayer(name) && options_.initialize_missing_head) {
      at::Tensor weight = at::empty({out, config_.hidden_size}, at::dtype(at::kFloat));
      weights_.Insert(name + ".weight", weight.normal_(0, config_.initializer_range, generator_));
      weights_.Insert(name + ".bias", at::zeros({out}, at::dtype(at::kFloat)));
      model_.initialized_.push_back(name);
    }
    return TakeLinear(name, config_.hidden_size, out);
  }

  void BuildEmbeddings() {
    const int64_t hidden = config_.hidden_size;
    model_.word_embeddings_ = TakeEmbedding("bert.embeddings.word_embeddings", config_.vocab_size, hidden);
    model_.position_embeddings_ =
        TakeEmbedding("bert.embeddings.position_embeddings", config_.max_position_embeddings, hidden);
    model_.token_type_embeddings_ =
        TakeEmbedding("bert.embeddings.token_type_embeddings", config_.type_vocab_size, hidden);
    model_.embedding_norm_ = std::make_unique<LayerNorm>(TakeNorm("bert.embeddings.LayerNorm"));
  }

  void BuildLayer(int64_t index) {
    const int64_t hidden = config_.hidden_size, wide = config_.intermediate_size;
    Layer layer;
    layer.name = absl::StrCat("bert.encoder.layer.", index);
    layer.query = TakeLinear(layer.name + ".attention.self.query", hidden, hidden);
    layer.key = TakeLinear(layer.name + ".attention.self.key", hidden, hidden);
    layer.value = TakeLinear(layer.name + ".attention.self.value", hidden, hidden);
    layer.attention_output = TakeLinear(layer.name + ".attention.output.dense", hidden, hidden);
    layer.attention_norm = TakeNorm(layer.name + ".attention.output.LayerNorm");
    layer.intermediate = TakeLinear(layer.name + ".intermediate.dense", hidden, wide);
    layer.output = TakeLinear(layer.name + ".output.dense", wide, hidden);
    layer.output_norm = TakeNorm(layer.name + ".output.LayerNorm");
    model_.layers_.push_back(std::move(layer));
  }

  BertForSequenceClassification& model_;
  const BertConfig& config_;
  Weights weights_;
  const BertBuildOptions& options_;
  at::Generator generator_;
  std::vector<absl::Status> problems_;
};

BertForSequenceClassification::BertForSequenceClassification(BertConfig config)
    : config_(std::move(config)), device_(at::kCPU) {}

BertForSequenceClassification::~BertForSequenceClassification() = default;

absl::StatusOr<std::unique_ptr<BertForSequenceClassification>> BertForSequenceClassification::Create(
    const BertConfig& config, Weights weights, const BertBuildOptions& options) {
  std::unique_ptr<BertForSequenceClassification> model(new BertForSequenceClassification(config));
  QL_RETURN_IF_ERROR(CatchTorch(absl::StrCat("building the model of ", weights.where()),
                                [&] { return Builder(*model, std::move(weights), options).Build(); }));
  return model;
}

absl::StatusOr<at::Tensor> BertForSequenceClassification::Forward(const PackedBatch& batch) const {
  return CatchTorch("running the model", [&] { return ForwardOrThrow(batch); });
}

absl::StatusOr<at::Tensor> BertForSequenceClassification::Forward(const at::Tensor& input_ids,
                                                                  const at::Tensor& attention_mask,
                                                                  const at::Tensor& token_types) const {
  QL_ASSIGN_OR_RETURN(const PackedBatch batch, PackPadded(config_, input_ids, attention_mask, token_types));
  return Forward(batch);
}

at::Tensor BertForSequenceClassification::ForwardOrThrow(const PackedBatch& batch) const {
  at::Tensor x = Embed(batch);
  for (const Layer& layer : layers_) x = Encode(layer, x, batch, /*last=*/&layer == &layers_.back());
  const at::Tensor pooled = Activate(Activation::kTanh, pooler_->Forward(x));
  const at::Tensor logits = classifier_->Forward(Dropout(pooled, config_.classifier_dropout));
  return logits.index_select(0, batch.place.to(device_)).to(at::kFloat);
}

// Returns [tokens, hidden].
at::Tensor BertForSequenceClassification::Embed(const PackedBatch& batch) const {
  at::Tensor x = word_embeddings_->Forward(batch.ids.to(device_), config_.pad_token_id);
  x = x.add(token_type_embeddings_->Forward(batch.token_types.to(device_)));
  x = x.add(position_embeddings_->Forward(batch.positions.to(device_)));
  x = Dropout(embedding_norm_->Forward(x, config_.layer_norm_eps), config_.hidden_dropout_prob);
  return activation_dtype_ == at::kFloat ? x : x.to(activation_dtype_);
}

// x: [tokens, hidden]; returns the same shape, or [texts, hidden] from the last layer: of its output only
// each text's first token is read, so only those rows are computed. Keys and values need every token.
at::Tensor BertForSequenceClassification::Encode(const Layer& layer, const at::Tensor& x,
                                                 const PackedBatch& batch, bool last) const {
  const at::Tensor rows = last ? x.index_select(0, batch.first_token.to(device_)) : x;
  std::vector<at::Tensor> qkv;
  if (last) {
    qkv = layer.key->ForwardTogether(x, {layer.value.get()});
    qkv.insert(qkv.begin(), layer.query->Forward(rows));
  } else {
    qkv = layer.query->ForwardTogether(x, {layer.key.get(), layer.value.get()});
  }
  const at::Tensor context = Attend(qkv[0], qkv[1], qkv[2], batch, last);
  const at::Tensor attended = Dropout(layer.attention_output->Forward(context), config_.hidden_dropout_prob);
  const at::Tensor y = layer.attention_norm.Forward(attended.add(rows), config_.layer_norm_eps);
  const at::Tensor narrow = Dropout(layer.intermediate->ForwardInto(y, config_.hidden_act, *layer.output),
                                    config_.hidden_dropout_prob);
  return layer.output_norm.Forward(narrow.add(y), config_.layer_norm_eps);
}

// k, v: [tokens, hidden]; q: the same, or [texts, hidden] where only first tokens ask; returns q's shape.
// Texts of equal length share a call, so no mask is needed and no padding is computed.
at::Tensor BertForSequenceClassification::Attend(const at::Tensor& q, const at::Tensor& k,
                                                 const at::Tensor& v, const PackedBatch& batch,
                                                 bool first_only) const {
  const double dropout = training_ ? config_.attention_probs_dropout_prob : 0.0;
  std::vector<int64_t> q_sizes, sizes;
  for (const PackedBatch::Group& group : batch.groups) {
    sizes.push_back(group.texts * group.length);
    q_sizes.push_back(first_only ? group.texts : sizes.back());
  }
  const std::vector<at::Tensor> qs = at::split_with_sizes(q, q_sizes);
  const std::vector<at::Tensor> ks = at::split_with_sizes(k, sizes);
  const std::vector<at::Tensor> vs = at::split_with_sizes(v, sizes);
  std::vector<at::Tensor> contexts;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t texts = batch.groups[i].texts, queries = q_sizes[i] / texts;
    const int64_t more = training_ || !q.is_cpu() ? 0 : QueriesToAdd(queries);
    const auto heads = [&](const at::Tensor& x, int64_t added) {  // [texts, heads, length, head size]
      const at::Tensor rows = x.view({texts, -1, config_.num_attention_heads, config_.head_size()});
      return (added == 0 ? rows : at::constant_pad_nd(rows, {0, 0, 0, 0, 0, added})).transpose(1, 2);
    };
    contexts.push_back(
        at::scaled_dot_product_attention(heads(qs[i], more), heads(ks[i], 0), heads(vs[i], 0), {}, dropout)
            .slice(2, 0, queries)
            .transpose(1, 2)
            .reshape({q_sizes[i], config_.hidden_size}));
  }
  return contexts.size() == 1 ? contexts.front() : at::cat(contexts);
}

at::Tensor BertForSequenceClassification::Dropout(const at::Tensor& x, double probability) const {
  return training_ && probability > 0 ? at::dropout(x, probability, true) : x;
}

void BertForSequenceClassification::ForEachLinear(const LinearVisitor& visitor) {
  for (Layer& layer : layers_) {
    visitor(layer.name + ".attention.self.query", layer.query);
    visitor(layer.name + ".attention.self.key", layer.key);
    visitor(layer.name + ".attention.self.value", layer.value);
    visitor(layer.name + ".attention.output.dense", layer.attention_output);
    visitor(layer.name + ".intermediate.dense", layer.intermediate);
    visitor(layer.name + ".output.dense", layer.output);
  }
  visitor("bert.pooler.dense", pooler_);
  visitor("classifier", classifier_);
}

void BertForSequenceClassification::ForEachLinear(
    const std::function<void(const std::string& name, const Linear& layer)>& visitor) const {
  // The other overload only lends the slots, and this visitor does not change them.
  const_cast<BertForSequenceClassification*>(this)->ForEachLinear(
      LinearVisitor([&](const std::string& name, std::unique_ptr<Linear>& slot) { visitor(name, *slot); }));
}

void BertForSequenceClassification::ForEachOther(const TensorVisitor& visitor) {
  const auto norm = [&](LayerNorm& n) {
    visitor(n.name + ".weight", n.weight);
    visitor(n.name + ".bias", n.bias);
  };
  norm(*embedding_norm_);
  for (Layer& layer : layers_) {
    norm(layer.attention_norm);
    norm(layer.output_norm);
  }
}

void BertForSequenceClassification::ForEachEmbedding(const EmbeddingVisitor& visitor) {
  visitor("bert.embeddings.word_embeddings", word_embeddings_);
  visitor("bert.embeddings.position_embeddings", position_embeddings_);
  visitor("bert.embeddings.token_type_embeddings", token_type_embeddings_);
}

void BertForSequenceClassification::ForEachEmbedding(
    const std::function<void(const std::string& name, const Embedding& table)>& visitor) const {
  const_cast<BertForSequenceClassification*>(this)->ForEachEmbedding(EmbeddingVisitor(
      [&](const std::string& name, std::unique_ptr<Embedding>& slot) { visitor(name, *slot); }));
}

std::vector<BertForSequenceClassification::NamedTensor> BertForSequenceClassification::Parameters() const {
  std::vector<NamedTensor> parameters;
  const auto add = [&parameters](const std::string& name, const std::map<std::string, at::Tensor>& tensors) {
    for (const auto& [suffix, tensor] : tensors) {
      parameters.push_back({absl::StrCat(name, ".", suffix), tensor});
    }
  };
  ForEachEmbedding([&](const std::string& name, const Embedding& table) { add(name, table.parameters()); });
  const_cast<BertForSequenceClassification*>(this)->ForEachOther(
      [&](const std::string& name, at::Tensor& tensor) {
        parameters.push_back({name, tensor});
      });
  ForEachLinear([&](const std::string& name, const Linear& layer) { add(name, layer.parameters()); });
  return parameters;
}

void BertForSequenceClassification::SetRequiresGrad(bool requires_grad) {
  for (const NamedTensor& parameter : Parameters()) parameter.tensor.set_requires_grad(requires_grad);
}

TensorMap BertForSequenceClassification::StateTensors() const {
  TensorMap state;
  const_cast<BertForSequenceClassification*>(this)->ForEachOther(
      [&](const std::string& name, at::Tensor& tensor) { state[name] = tensor.detach(); });
  const auto add = [&state](const std::string& name, const std::map<std::string, at::Tensor>& tensors) {
    for (const auto& [suffix, tensor] : tensors) state[absl::StrCat(name, ".", suffix)] = tensor.detach();
  };
  ForEachEmbedding([&](const std::string& name, const Embedding& table) { add(name, table.tensors()); });
  ForEachLinear([&](const std::string& name, const Linear& layer) { add(name, layer.tensors()); });
  return state;
}

absl::Status BertForSequenceClassification::To(const at::Device& device) {
  return CatchTorch(absl::StrCat("moving the model to ", device.str()), [&]() -> absl::Status {
    ForEachOther([&](const std::string&, at::Tensor& tensor) { tensor = tensor.detach().to(device); });
    ForEachEmbedding([&](const std::string&, std::unique_ptr<Embedding>& slot) { slot->To(device); });
    ForEachLinear([&](const std::string&, std::unique_ptr<Linear>& slot) { slot->To(device); });
    device_ = device;
    return absl::OkStatus();
  });
}

}  // namespace quantlab::engine
