#include "worker/engine/calibration/calibration.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/calibration/layer_inputs.h"
#include "worker/engine/calibration/smooth_quant.h"

namespace quantlab::engine {
namespace {

// Rows of each input that the search for alpha looks at.
constexpr int64_t kSampleRows = 512;

// Share of the first batch in a moving average above which a caveat says so.
constexpr double kMaxFirstBatch = 0.5;

// Layers that read one tensor.
struct Group {
  std::vector<std::string> layers;
  std::unique_ptr<Observer> observer;
  at::Tensor input_max;  // [in]
  std::vector<at::Tensor> sample;
  int64_t sampled = 0;
  at::Tensor inverse_smoothing;  // [in] 1 / s; undefined for none
  std::optional<double> alpha;
  absl::Status status;
};

class Calibrator {
 public:
  Calibrator(Encoder& model, const LabelledTexts& texts, const CalibrationOptions& options,
             const QuantizationContext& context)
      : model_(model), texts_(texts), options_(options), context_(context) {
    const bool smooth = options.smoothing != Smoothing::kOff;
    const bool twice = MakeObserver(options.observer)->wants_second_pass();
    total_ = static_cast<int64_t>(texts.texts.size()) * (1 + (smooth ? 1 : 0) + (twice ? 1 : 0));
  }

  absl::StatusOr<std::map<std::string, LayerCalibration>> Run() {
    if (options_.smoothing != Smoothing::kOff) {
      QL_RETURN_IF_ERROR(Pass([this](Group& group, const at::Tensor& x) { Collect(group, x); }));
      QL_RETURN_IF_ERROR(Smooth());
    }
    QL_RETURN_IF_ERROR(
        Pass([](Group& group, const at::Tensor& x) { group.observer->Observe(Smoothed(group, x)); }));
    if (groups_.front().observer->wants_second_pass()) {
      QL_RETURN_IF_ERROR(
          Pass([](Group& group, const at::Tensor& x) { group.observer->ObserveAgain(Smoothed(group, x)); }));
    }
    return Result();
  }

 private:
  static at::Tensor Smoothed(const Group& group, const at::Tensor& x) {
    return group.inverse_smoothing.defined() ? x * group.inverse_smoothing : x;
  }

  // Visits the input of every group for every batch, once for each group.
  absl::Status Pass(const std::function<void(Group&, const at::Tensor&)>& look) {
    at::Tensor previous;
    const auto visit = [&](const std::string& layer, const at::Tensor& x) {
      const bool same = previous.defined() && previous.is_same(x);
      Group& group = FindOrAdd(layer, same);
      previous = x;
      if (same || !group.status.ok()) return;
      if (!at::isfinite(x).all().item<bool>()) {
        group.status =
            MessageStatus(absl::StatusCode::kInvalidArgument, messages::kLayerInputNotFinite(layer));
        return;
      }
      look(group, x);
    };
    absl::Status reported;
    const int64_t before = done_;
    QL_RETURN_IF_ERROR(VisitLayerInputs(model_, texts_.texts, kCalibrationBatch, visit, [&](int64_t done) {
      done_ = before + done;
      reported = context_.Report(messages::kCalibrating(), done_, total_, "text");
      return reported.ok();
    }));
    for (const Group& group : groups_) QL_RETURN_IF_ERROR(group.status);
    return reported;
  }

  // `joins`: the layer reads what the layer before it read.
  Group& FindOrAdd(const std::string& layer, bool joins) {
    const auto it = index_.find(layer);
    if (it != index_.end()) return groups_[it->second];
    if (!joins) {
      groups_.emplace_back();
      groups_.back().observer = MakeObserver(options_.observer);
    }
    groups_.back().layers.push_back(layer);
    index_[layer] = groups_.size() - 1;
    return groups_.back();
  }

  void Collect(Group& group, const at::Tensor& x) {
    const at::Tensor max = x.abs().amax(0);
    group.input_max = group.input_max.defined() ? at::max(group.input_max, max) : max;
    if (options_.smoothing != Smoothing::kSearch) return;
    // As many rows of each batch as its share of the texts, evenly spaced.
    const int64_t batches = std::max<int64_t>(
        1, (static_cast<int64_t>(texts_.texts.size()) + kCalibrationBatch - 1) / kCalibrationBatch);
    const int64_t wanted = std::max<int64_t>(1, kSampleRows / batches);
    const int64_t step = std::max<int64_t>(1, x.size(0) / wanted);
    if (group.sampled >= kSampleRows) return;
    group.sample.push_back(x.slice(0, 0, x.size(0), step).clone());
    group.sampled += group.sample.back().size(0);
  }

  absl::Status Smooth() {
    std::map<std::string, at::Tensor> weights;
    std::as_const(model_).ForEachLinear(
        [&](const LayerInfo& info, const Linear& layer) { weights[info.name] = AsFp32(layer).weight(); });
    for (Group& group : groups_) {
      SmoothingProblem problem{group.input_max,     {}, {}, options_.observer, options_.weight_per_channel,
                               options_.weight_bits};
      for (const std::string& layer : group.layers) problem.weights.push_back(weights.at(layer));
      at::Tensor s;
      if (options_.smoothing == Smoothing::kSearch) {
        problem.sample = at::cat(group.sample);
        const SmoothingChoice choice = SearchSmoothing(problem);
        group.alpha = choice.alpha;
        s = choice.factors;
      } else {
        at::Tensor weight_max = at::zeros_like(group.input_max);
        for (const at::Tensor& w : problem.weights) weight_max = at::max(weight_max, w.abs().amax(0));
        group.alpha = options_.alpha;
        s = SmoothingFactors(group.input_max, weight_max, options_.alpha);
      }
      if (s.defined()) group.inverse_smoothing = s.reciprocal();
      group.sample.clear();
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::map<std::string, LayerCalibration>> Result() const {
    std::map<std::string, LayerCalibration> result;
    for (const Group& group : groups_) {
      LayerCalibration calibration;
      const auto range = group.observer->Range();
      if (!range.ok()) return Annotate(range.status(), group.layers.front());
      calibration.range = *range;
      calibration.input = {
          ChooseActivationParams(range->min, range->max, false),
          group.inverse_smoothing.defined() ? group.inverse_smoothing.to(at::kCPU) : at::Tensor()};
      calibration.alpha = group.alpha;
      for (const std::string& layer : group.layers) result[layer] = calibration;
    }
    return result;
  }

  Encoder& model_;
  const LabelledTexts& texts_;
  const CalibrationOptions& options_;
  const QuantizationContext& context_;
  std::vector<Group> groups_;
  std::map<std::string, size_t> index_;  // of each layer's group
  int64_t done_ = 0, total_ = 0;
};

// A moving average of few batches is little more than the first of them.
void WarnOfFewBatches(int64_t texts, const ObserverOptions& observer, const QuantizationContext& context) {
  if (observer.kind != ObserverKind::kMovingAverage) return;
  const int64_t batches = (texts + kCalibrationBatch - 1) / kCalibrationBatch;
  const double first = std::pow(1 - observer.averaging_constant, static_cast<double>(batches - 1));
  if (first > kMaxFirstBatch) {
    context.Warn("moving_average_short", messages::kMovingAverageShort(batches, first));
  }
}

}  // namespace

absl::StatusOr<std::map<std::string, LayerCalibration>> CalibrateInputs(Encoder& model,
                                                                        const LabelledTexts& texts,
                                                                        const CalibrationOptions& options,
                                                                        const QuantizationContext& context) {
  if (texts.texts.empty()) return absl::FailedPreconditionError("calibration needs training examples");
  WarnOfFewBatches(static_cast<int64_t>(texts.texts.size()), options.observer, context);
  return Calibrator(model, texts, options, context).Run();
}

std::string CalibrationToCsv(const std::map<std::string, LayerCalibration>& calibration) {
  std::string csv = "layer,range_min,range_max,input_scale,input_zero_point,smoothing_alpha\n";
  for (const auto& [layer, c] : calibration) {
    absl::StrAppendFormat(&csv, "%s,%.9g,%.9g,%.9g,%d,%s\n", layer, c.range.min, c.range.max,
                          c.input.params.scale, c.input.params.zero_point,
                          c.alpha ? absl::StrFormat("%.3g", *c.alpha) : "");
  }
  return csv;
}

CalibrationOptions CalibrationOptionsFrom(const Params& params) {
  CalibrationOptions options;
  options.observer.kind = ObserverKindFromName(Param<std::string>(params, "observer")).value();
  options.observer.percentile = Param<double>(params, "percentile");
  options.observer.averaging_constant = Param<double>(params, "averaging_constant");
  options.weight_per_channel = Param<std::string>(params, "weight_granularity") == "per_channel";
  // Not every method with a calibration has these.
  if (params.count("weight_bits") > 0) {
    options.weight_bits = static_cast<int>(Param<int64_t>(params, "weight_bits"));
  }
  if (params.count("smooth_quant") == 0) return options;
  const std::string smoothing = Param<std::string>(params, "smooth_quant");
  if (smoothing == "search") options.smoothing = Smoothing::kSearch;
  if (smoothing == "given") options.smoothing = Smoothing::kGiven;
  options.alpha = Param<double>(params, "smooth_alpha");
  return options;
}

}  // namespace quantlab::engine
