#include "worker/engine/train/evaluate.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/engine/data/batching.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

class EvaluationScope {
 public:
  explicit EvaluationScope(Encoder& model) : model_(model), was_training_(model.training()) {
    model_.SetTraining(false);
  }
  ~EvaluationScope() { model_.SetTraining(was_training_); }
  EvaluationScope(const EvaluationScope&) = delete;
  EvaluationScope& operator=(const EvaluationScope&) = delete;

 private:
  Encoder& model_;
  const bool was_training_;
};

absl::Status PredictBatch(const Encoder& model, absl::Span<const TokenizedText> texts, const Batch& batch,
                          const PassOptions& pass, std::vector<std::vector<float>>& logits) {
  std::vector<const TokenizedText*> chosen;
  for (const int64_t index : batch.indices) chosen.push_back(&texts[static_cast<size_t>(index)]);
  QL_ASSIGN_OR_RETURN(const PackedBatch packed, PackTexts(model.config(), chosen));
  QL_ASSIGN_OR_RETURN(const at::Tensor result, model.Forward(packed, pass));
  return CatchTorch("reading logits", [&]() -> absl::Status {
    const at::Tensor rows = result.to(at::kCPU, at::kFloat).contiguous();
    const float* values = rows.const_data_ptr<float>();
    const int64_t labels = rows.size(1);
    for (size_t i = 0; i < batch.indices.size(); ++i, values += labels) {
      logits[static_cast<size_t>(batch.indices[i])].assign(values, values + labels);
    }
    return absl::OkStatus();
  });
}

}  // namespace

absl::StatusOr<std::vector<std::vector<float>>> PredictLogits(Encoder& model,
                                                              absl::Span<const TokenizedText> texts,
                                                              int batch_size,
                                                              const EvaluationProgress& progress,
                                                              const PassOfBatch& pass) {
  const at::NoGradGuard no_grad;
  const EvaluationScope scope(model);
  std::vector<int> lengths;
  for (const TokenizedText& text : texts) lengths.push_back(static_cast<int>(text.ids.size()));
  std::vector<std::vector<float>> logits(texts.size());
  int64_t done = 0;
  size_t number = 0;
  for (const Batch& batch : EvaluationBatches(lengths, batch_size)) {
    const PassOptions options = pass ? pass(number++) : PassOptions();
    QL_RETURN_IF_ERROR(PredictBatch(model, texts, batch, options, logits));
    done += static_cast<int64_t>(batch.indices.size());
    if (progress && !progress(done, static_cast<int64_t>(texts.size()))) {
      return absl::CancelledError(absl::StrCat("evaluation cancelled after ", done, " texts"));
    }
  }
  return logits;
}

}  // namespace quantlab::engine
