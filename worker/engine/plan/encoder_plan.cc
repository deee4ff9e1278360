#include "worker/engine/plan/encoder_plan.h"

#include <algorithm>
#include <cmath>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include "worker/engine/kernels/bf16_attention.h"
#include "worker/engine/kernels/row_kernels.h"
#include "worker/engine/plan/buffers.h"
#include "worker/engine/plan/int8_steps.h"

namespace quantlab::engine {
namespace {

constexpr int64_t kMinNormRows = 16;

thread_local bool plans_enabled = true;

// What one call has between steps.
struct RunMemory {
  Buffer<float> rows[2], queries, qkv, context;
};
// What one thread has while it computes a block of rows, or a head.
struct TaskMemory {
  Buffer<float> attended, normed, narrow, head;
};

RunMemory& ThreadRunMemory() {
  thread_local RunMemory memory;
  return memory;
}

TaskMemory& ThreadTaskMemory() {
  thread_local TaskMemory memory;
  return memory;
}

// [rows, width] floats: in memory of the plan, or in a tensor that a layer gave.
struct Rows {
  const float* data = nullptr;
  int64_t stride = 0;
  at::Tensor owner;
};

Rows RowsOfTensor(const at::Tensor& tensor) {
  at::Tensor plain = tensor.to(at::kFloat).contiguous();
  return {plain.const_data_ptr<float>(), plain.size(1), plain};
}

// A tensor over memory that it does not own, for the time of a call.
at::Tensor View(const float* data, int64_t rows, int64_t width) {
  return at::from_blob(const_cast<float*>(data), {rows, width}, at::kFloat);
}

std::vector<Rows> Project(const std::vector<const Linear*>& layers, const float* x, int64_t rows,
                          Buffer<float>& memory) {
  std::vector<Rows> result;
  const std::vector<const Int8Linear*> int8 = AsInt8Together(layers);
  if (int8.empty()) {
    const at::Tensor input = View(x, rows, layers.front()->in_features());
    const std::vector<const Linear*> others(layers.begin() + 1, layers.end());
    for (const at::Tensor& y : layers.front()->ForwardTogether(input, others)) {
      result.push_back(RowsOfTensor(y));
    }
    return result;
  }
  int64_t stride = 0;
  for (const Linear* layer : layers) stride += layer->out_features();
  float* out = memory.Get(rows * stride);
  ProjectInt8(int8, x, rows, out);
  for (const Linear* layer : layers) {
    result.push_back({out, stride, {}});
    out += layer->out_features();
  }
  return result;
}

struct Sequence {
  int64_t first, length;  // tokens
};

std::vector<Sequence> SequencesOf(absl::Span<const SequenceGroup> groups) {
  std::vector<Sequence> sequences;
  int64_t token = 0;
  for (const SequenceGroup& group : groups) {
    for (int64_t i = 0; i < group.texts; ++i, token += group.length)
      sequences.push_back({token, group.length});
  }
  return sequences;
}

// Products of BF16 where that is faster and the layers before have rounded more than it does.
bool AttendsInBf16(const BlockLayers& layers) {
  return HasBf16Attention() && AsInt8(*layers.query) != nullptr && AsInt8(*layers.key) != nullptr &&
         AsInt8(*layers.value) != nullptr;
}

void AttendOneHead(const HeadAttention& head, bool bf16) {
  Buffer<float>& memory = ThreadTaskMemory().head;
  if (bf16) {
    constexpr int64_t kFloat = sizeof(float);
    AttendHeadBf16(head, memory.Get((Bf16AttentionScratch(head.length, head.size) + kFloat - 1) / kFloat));
  } else {
    AttendHead(head, memory.Get(AttentionScratch(head.length, head.size)));
  }
}

// out: [tokens, width], or [sequences, width] with first_only.
void Attend(const std::vector<Rows>& qkv, const std::vector<Sequence>& sequences, int64_t heads,
            int64_t width, bool first_only, bool bf16, float* out) {
  const int64_t size = width / heads, tasks = static_cast<int64_t>(sequences.size()) * heads;
  const auto compute = [&](int64_t task) {
    const int64_t s = task / heads, column = task % heads * size;
    const Sequence& sequence = sequences[static_cast<size_t>(s)];
    const int64_t row = first_only ? s : sequence.first;
    HeadAttention head;
    head.q = qkv[0].data + row * qkv[0].stride + column;
    head.k = qkv[1].data + sequence.first * qkv[1].stride + column;
    head.v = qkv[2].data + sequence.first * qkv[2].stride + column;
    head.q_stride = qkv[0].stride;
    head.k_stride = qkv[1].stride;
    head.v_stride = qkv[2].stride;
    head.queries = first_only ? 1 : sequence.length;
    head.length = sequence.length;
    head.size = size;
    head.scale = 1 / std::sqrt(static_cast<float>(size));
    head.out = out + row * width + column;
    head.out_stride = width;
    AttendOneHead(head, bf16);
  };
  // Every thread takes each so-many-th task: sequences come longest first.
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), tasks);
  at::parallel_for(0, threads, 1, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      for (int64_t task = t; task < tasks; task += threads) compute(task);
    }
  });
}

// out = norm(x + residual), all [rows, width].
void Normalize(const LayerNorm& norm, const float* x, const float* residual, int64_t rows, float* out) {
  const int64_t width = norm.weight.size(0);
  const NormParams params{norm.weight.const_data_ptr<float>(), norm.bias.const_data_ptr<float>(),
                          static_cast<float>(norm.epsilon)};
  at::parallel_for(0, rows, kMinNormRows, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      AddLayerNorm(x + r * width, residual + r * width, params, width, out + r * width);
    }
  });
}

// What follows attention in a block, for rows that are independent of each other.
class Tail {
 public:
  Tail(const BlockLayers& layers, Activation activation)
      : layers_(layers),
        activation_(activation),
        output_(AsInt8(*layers.attention_output)),
        ffn_in_(AsInt8(*layers.ffn_in)),
        ffn_out_(AsInt8(*layers.ffn_out)) {}

  // context, residual, out: [rows, hidden]; out may be residual.
  void Run(const float* context, const float* residual, int64_t rows, float* out) const {
    const int64_t width = layers_.attention_output->out_features();
    const auto compute = [&](int64_t begin, int64_t end) {
      Compute(context + begin * layers_.attention_output->in_features(), residual + begin * width,
              end - begin, out + begin * width);
    };
    // Layers of other kinds divide rows as they like, and some are slower with few.
    if (output_ != nullptr && ffn_in_ != nullptr && ffn_out_ != nullptr) {
      ForRowBlocks(rows, compute);
    } else {
      compute(0, rows);
    }
  }

 private:
  void Compute(const float* context, const float* residual, int64_t rows, float* out) const {
    TaskMemory& memory = ThreadTaskMemory();
    const int64_t width = layers_.attention_output->out_features();
    float* const y = memory.normed.Get(rows * width);
    const Rows attended = Output(context, rows, memory);
    Normalize(*layers_.attention_norm, attended.data, residual, rows, y);
    const Rows narrow = FeedForward(y, rows, memory);
    Normalize(*layers_.ffn_norm, narrow.data, y, rows, out);
  }

  Rows Output(const float* context, int64_t rows, TaskMemory& memory) const {
    const int64_t width = layers_.attention_output->out_features();
    if (output_ == nullptr) {
      const at::NoGradGuard no_grad;
      return RowsOfTensor(
          layers_.attention_output->Forward(View(context, rows, layers_.attention_output->in_features())));
    }
    float* const out = memory.attended.Get(rows * width);
    ProjectInt8({output_}, context, rows, out);
    return {out, width, {}};
  }

  Rows FeedForward(const float* y, int64_t rows, TaskMemory& memory) const {
    const int64_t width = layers_.ffn_out->out_features();
    if (ffn_in_ == nullptr || ffn_out_ == nullptr) {
      const at::NoGradGuard no_grad;
      return RowsOfTensor(layers_.ffn_in->ForwardInto(View(y, rows, layers_.ffn_in->in_features()),
                                                      activation_, *layers_.ffn_out));
    }
    float* const out = memory.narrow.Get(rows * width);
    FeedForwardInt8(*ffn_in_, activation_, *ffn_out_, y, rows, out);
    return {out, width, {}};
  }

  const BlockLayers& layers_;
  const Activation activation_;
  const Int8Linear *output_, *ffn_in_, *ffn_out_;  // where they are such layers
};

}  // namespace

bool EncoderPlan::IsEnabled() {
  return plans_enabled;
}

LayerByLayerScope::LayerByLayerScope() : before_(plans_enabled) {
  plans_enabled = false;
}

LayerByLayerScope::~LayerByLayerScope() {
  plans_enabled = before_;
}

at::Tensor EncoderPlan::Run(const at::Tensor& x, absl::Span<const SequenceGroup> groups, size_t first,
                            std::vector<at::Tensor>* inputs) const {
  const std::vector<Sequence> sequences = SequencesOf(groups);
  const int64_t tokens = x.size(0), width = x.size(1), texts = static_cast<int64_t>(sequences.size());
  RunMemory& memory = ThreadRunMemory();
  at::Tensor result = at::empty({texts, width}, at::kFloat);
  const float* input = x.const_data_ptr<float>();
  for (size_t i = first; i < blocks_.size(); ++i) {
    const BlockLayers& block = blocks_[i];
    if (inputs != nullptr) inputs->push_back(View(input, tokens, width).clone());
    if (i + 1 < blocks_.size()) {
      const auto qkv = Project({block.query, block.key, block.value}, input, tokens, memory.qkv);
      float* const context = memory.context.Get(tokens * width);
      Attend(qkv, sequences, heads_, width, /*first_only=*/false, AttendsInBf16(block), context);
      float* const output = memory.rows[i % 2].Get(tokens * width);
      Tail(block, activation_).Run(context, input, tokens, output);
      input = output;
      continue;
    }
    // Of the last block's output only each text's first token is read.
    float* const first_rows = memory.rows[i % 2].Get(texts * width);
    for (int64_t s = 0; s < texts; ++s) {
      std::copy_n(input + sequences[static_cast<size_t>(s)].first * width, width, first_rows + s * width);
    }
    std::vector<Rows> qkv = Project({block.query}, first_rows, texts, memory.queries);
    for (const Rows& rows : Project({block.key, block.value}, input, tokens, memory.qkv)) qkv.push_back(rows);
    float* const context = memory.context.Get(texts * width);
    Attend(qkv, sequences, heads_, width, /*first_only=*/true, AttendsInBf16(block), context);
    Tail(block, activation_).Run(context, first_rows, texts, result.mutable_data_ptr<float>());
  }
  return result;
}

}  // namespace quantlab::engine
