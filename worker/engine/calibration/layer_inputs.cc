#include "worker/engine/calibration/layer_inputs.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "worker/engine/data/random.h"
#include "worker/engine/tensors/torch_status.h"

namespace quantlab::engine {
namespace {

// Replaces a layer in its slot and passes the layer's inputs to a visitor.
class WatchedLinear : public Linear {
 public:
  WatchedLinear(std::string name, std::unique_ptr<Linear> layer, const InputVisitor& visitor)
      : name_(std::move(name)), layer_(std::move(layer)), visitor_(visitor) {}

  at::Tensor Forward(const at::Tensor& x) const override {
    visitor_(name_, x);
    return layer_->Forward(x);
  }
  int64_t in_features() const override { return layer_->in_features(); }
  int64_t out_features() const override { return layer_->out_features(); }
  LayerPrecision precision() const override { return layer_->precision(); }
  std::string kind() const override { return layer_->kind(); }
  std::map<std::string, at::Tensor> tensors() const override { return layer_->tensors(); }
  void To(const at::Device& device) override { layer_->To(device); }

  std::unique_ptr<Linear> Release() { return std::move(layer_); }

 private:
  std::string name_;
  std::unique_ptr<Linear> layer_;
  const InputVisitor& visitor_;
};

class WatchScope {
 public:
  WatchScope(Encoder& model, const InputVisitor& visitor) : model_(model) {
    model_.ForEachLinear([&](const LayerInfo& info, std::unique_ptr<Linear>& slot) {
      slot = std::make_unique<WatchedLinear>(info.name, std::move(slot), visitor);
    });
  }
  ~WatchScope() {
    model_.ForEachLinear([](const LayerInfo&, std::unique_ptr<Linear>& slot) {
      slot = static_cast<WatchedLinear&>(*slot).Release();
    });
  }
  WatchScope(const WatchScope&) = delete;
  WatchScope& operator=(const WatchScope&) = delete;

 private:
  Encoder& model_;
};

// The indices of all texts, in the order in which they are drawn.
std::vector<size_t> DrawingOrder(const LabelledTexts& texts, uint64_t seed) {
  std::vector<size_t> order(texts.texts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  SplitMix64 random(seed);
  Shuffle(&order, &random);
  return order;
}

LabelledTexts Chosen(const LabelledTexts& texts, const std::vector<size_t>& indices) {
  LabelledTexts chosen;
  for (const size_t i : indices) {
    chosen.texts.push_back(texts.texts[i]);
    if (!texts.labels.empty()) chosen.labels.push_back(texts.labels[i]);
    if (!texts.values.empty()) chosen.values.push_back(texts.values[i]);
  }
  return chosen;
}

// Of each row's noise over signal; a row without a signal (0 / 0) has none.
std::optional<double> MedianSqnr(std::vector<double>& rows) {
  std::erase_if(rows, [](double ratio) { return std::isnan(ratio); });
  if (rows.empty()) return std::nullopt;
  const auto middle = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2);
  std::nth_element(rows.begin(), middle, rows.end());
  if (!(*middle > 0) || !std::isfinite(*middle)) return std::nullopt;
  return -10 * std::log10(*middle);
}

}  // namespace

absl::Status VisitLayerInputs(Encoder& model, absl::Span<const TokenizedText> texts, int batch_size,
                              const InputVisitor& visitor,
                              const std::function<bool(int64_t done)>& on_batch) {
  const at::NoGradGuard no_grad;
  const WatchScope watch(model, visitor);
  const size_t step = static_cast<size_t>(std::max(1, batch_size));
  for (size_t begin = 0; begin < texts.size(); begin += step) {
    std::vector<const TokenizedText*> batch;
    for (const TokenizedText& text : texts.subspan(begin, step)) batch.push_back(&text);
    QL_ASSIGN_OR_RETURN(const PackedBatch packed, PackTexts(model.config(), batch));
    QL_RETURN_IF_ERROR(model.Forward(packed).status());
    const int64_t done = static_cast<int64_t>(begin + batch.size());
    if (on_batch && !on_batch(done)) {
      return absl::CancelledError(absl::StrCat("stopped after ", done, " of ", texts.size(), " texts"));
    }
  }
  return absl::OkStatus();
}

LabelledTexts SampleTexts(const LabelledTexts& texts, int64_t count, uint64_t seed) {
  std::vector<size_t> order = DrawingOrder(texts, seed);
  order.resize(std::min(order.size(), static_cast<size_t>(std::max<int64_t>(0, count))));
  std::sort(order.begin(), order.end());
  return Chosen(texts, order);
}

LabelledTexts HeldOutTexts(const LabelledTexts& texts, int64_t used, int64_t count, uint64_t seed) {
  std::vector<size_t> order = DrawingOrder(texts, seed);
  order.erase(order.begin(), order.begin() + std::min<int64_t>(std::max<int64_t>(0, used),
                                                               static_cast<int64_t>(order.size())));
  order.resize(std::min(order.size(), static_cast<size_t>(std::max<int64_t>(0, count))));
  return Chosen(texts, order);
}

absl::StatusOr<LayerNoise> MeasureLayerNoise(Encoder& fp32, const Encoder& quantized,
                                             absl::Span<const TokenizedText> texts, int batch_size) {
  struct Pair {
    const Linear* reference = nullptr;
    const Linear* quantized = nullptr;
    double signal = 0, noise = 0;
    std::vector<double> rows;  // noise over signal of each
    double peak = 0, squares = 0, inputs = 0;
  };
  std::map<std::string, Pair> pairs;
  quantized.ForEachLinear([&](const LayerInfo& info, const Linear& layer) {
    if (layer.kind() != LinearFp32::kKind) pairs[info.name].quantized = &layer;
  });
  std::as_const(fp32).ForEachLinear([&](const LayerInfo& info, const Linear& layer) {
    if (const auto it = pairs.find(info.name); it != pairs.end()) it->second.reference = &layer;
  });
  QL_RETURN_IF_ERROR(
      VisitLayerInputs(fp32, texts, batch_size, [&](const std::string& name, const at::Tensor& x) {
        const auto it = pairs.find(name);
        if (it == pairs.end()) return;
        const at::Tensor y = it->second.reference->Forward(x).to(at::kDouble);
        const at::Tensor q = it->second.quantized->Forward(x).to(at::kDouble);
        const at::Tensor signal = y.square().sum(-1).cpu(), noise = (y - q).square().sum(-1).cpu();
        it->second.signal += signal.sum().item<double>();
        it->second.noise += noise.sum().item<double>();
        const at::Tensor ratio = (noise / signal).contiguous();
        const double* const values = ratio.const_data_ptr<double>();
        it->second.rows.insert(it->second.rows.end(), values, values + ratio.numel());
        it->second.peak = std::max(it->second.peak, x.abs().max().item<double>());
        it->second.squares += x.to(at::kDouble).square().sum().item<double>();
        it->second.inputs += static_cast<double>(x.numel());
      }));
  LayerNoise measured;
  for (auto& [name, pair] : pairs) {
    if (pair.noise > 0) measured.sqnr_db[name] = 10 * std::log10(pair.signal / pair.noise);
    if (const auto median = MedianSqnr(pair.rows); pair.noise > 0 && median.has_value()) {
      measured.median_sqnr_db[name] = *median;
    }
    if (pair.squares > 0) measured.input_peak[name] = pair.peak / std::sqrt(pair.squares / pair.inputs);
  }
  return measured;
}

}  // namespace quantlab::engine
