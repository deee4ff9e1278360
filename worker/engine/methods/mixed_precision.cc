// The method mixed_precision: the whole model in half precision, or a precision for each layer, chosen from
// measured sensitivity and measured cost.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/config/layer_role.h"
#include "base/messages/messages.h"
#include "base/status_macros.h"
#include "worker/engine/calibration/layer_inputs.h"
#include "worker/engine/layers/half_linear.h"
#include "worker/engine/methods/answers.h"
#include "worker/engine/methods/assignment.h"
#include "worker/engine/methods/layer_palette.h"
#include "worker/engine/methods/method.h"
#include "worker/engine/methods/pinned_layers.h"
#include "worker/engine/models/saved_model.h"

namespace quantlab::engine {
namespace {

constexpr char kInt8[] = "int8";
constexpr double kTwoSided95 = 1.959963984540054;
// Texts on which each layer's own error is measured.
constexpr int64_t kSqnrTexts = 16;
// Corners of the front that are measured as whole models, before the search among them.
constexpr size_t kFrontPoints = 6;
// Further corners that the search for the fastest one within the budget may measure.
constexpr int kMaxBisections = 4;

using Precisions = std::map<std::string, std::string>;  // by layer

// The search for an assignment within one call of Quantize.
class Search {
 public:
  Search(Encoder& model, const Params& params, const QuantizationContext& context)
      : model_(model),
        params_(params),
        context_(context),
        palette_(model),
        batch_size_(std::max(1, context.evaluation.batch_size)),
        sample_(SampleTexts(*context.validation, Param<int64_t>(params, "sensitivity_texts"), context.seed)) {
  }

  absl::Status Run() {
    QL_ASSIGN_OR_RETURN(pins_, ParsePins(Param<std::string>(params_, "pin"), palette_.layers()));
    QL_RETURN_IF_ERROR(FillPalette());
    QL_RETURN_IF_ERROR(CheckPins());
    QL_RETURN_IF_ERROR(MeasureSensitivity());
    MeasureCosts();
    const bool by_size = Param<std::string>(params_, "objective") == "size";
    front_ = ParetoFront(choices_, by_size ? Cost::kBytes : Cost::kSeconds);
    QL_ASSIGN_OR_RETURN(const size_t chosen, by_size ? WithinSize() : WithinAccuracy());
    Install(front_[chosen]);
    QL_RETURN_IF_ERROR(RecordFront(chosen));
    RecordChoice(front_[chosen]);
    return absl::OkStatus();
  }

 private:
  absl::Status FillPalette() {
    const LabelledTexts texts =
        SampleTexts(*context_.train, Param<int64_t>(params_, "calibration_texts"), context_.seed);
    const CalibrationOptions options = CalibrationOptionsFrom(params_);
    QL_ASSIGN_OR_RETURN(const auto calibration, CalibrateInputs(model_, texts, options, context_));
    QL_RETURN_IF_ERROR(context_.WriteFile("calibration.csv", CalibrationToCsv(calibration)));
    const std::string half = Param<std::string>(params_, "half");
    QL_ASSIGN_OR_RETURN(LayerMap int8,
                        MakeStaticLayers(model_, calibration, texts, {options.weight_per_channel, 8},
                                         Param<bool>(params_, "bias_correction"), context_));
    if (half != "none") QL_RETURN_IF_ERROR(AddHalf(half));
    palette_.Add(kInt8, std::move(int8));
    return absl::OkStatus();
  }

  absl::Status AddHalf(const std::string& half) {
    QL_ASSIGN_OR_RETURN(const at::ScalarType dtype, DtypeFromName(half));
    if (const Message why = WhyNotHalf(dtype, model_.device()); !why.empty()) {
      context_.Warn("fallback", messages::kPrecisionNotOffered(half, why));
      return absl::OkStatus();
    }
    QL_ASSIGN_OR_RETURN(LayerMap layers, MakeHalfLayers(model_, dtype));
    palette_.Add(half, std::move(layers));
    half_ = half;
    stream_ = dtype;
    return absl::OkStatus();
  }

  absl::Status CheckPins() const {
    for (const auto& [layer, precision] : pins_) {
      if (palette_.Find(layer, precision) != nullptr) continue;
      return absl::InvalidArgumentError(absl::StrCat("pin: ", layer, " is to be ", precision,
                                                     ", which is not offered here; there are: int8, ",
                                                     half_.empty() ? "" : half_ + ", ", "fp32"));
    }
    return absl::OkStatus();
  }

  // int8 first: of equal choices the first wins.
  std::vector<std::string> Offered(const std::string& layer) const {
    if (const auto pin = pins_.find(layer); pin != pins_.end()) return {pin->second};
    std::vector<std::string> precisions = {kInt8};
    if (!half_.empty()) precisions.push_back(half_);
    precisions.push_back(LayerPalette::kFp32);
    return precisions;
  }

  // PassOptions::first_block where this layer alone changes.
  int64_t FirstBlockOf(const std::string& layer) const {
    const LayerInfo& info = palette_.Info(layer);
    if (info.block) return *info.block;
    return info.role == layer_role::kEmbeddingProjection ? -1 : model_.config().num_hidden_layers;
  }

  // For each layer alone at each precision: the change of the model's predictions, and the layer's own error.
  absl::Status MeasureSensitivity() {
    RepeatedQuestions questions(sample_, batch_size_);
    QL_ASSIGN_OR_RETURN(const Answers reference, questions.AskFirst(model_));
    int64_t done = 0, total = 0;
    for (const std::string& layer : palette_.layers()) total += static_cast<int64_t>(Offered(layer).size());
    for (const std::string& layer : palette_.layers()) {
      LayerChoices choices{layer, {}};
      for (const std::string& precision : Offered(layer)) {
        PrecisionChoice choice{precision, 0, 0, 0};
        if (precision != LayerPalette::kFp32) {
          palette_.Install({{layer, precision}});
          QL_ASSIGN_OR_RETURN(const Answers answers, questions.AskFrom(model_, FirstBlockOf(layer)));
          const Estimate divergence = DivergenceOf(reference, answers);
          choice.divergence = divergence.value;
          RecordAnswers(layer, precision, divergence, answers.loss - reference.loss);
        }
        choices.choices.push_back(choice);
        QL_RETURN_IF_ERROR(context_.Report(messages::kMeasuringSensitivity(), ++done, total, "layer"));
      }
      choices_.push_back(std::move(choices));
    }
    palette_.Install({});
    return MeasureSqnr();
  }

  absl::Status MeasureSqnr() {
    std::map<std::pair<std::string, std::string>, std::pair<double, double>> sums;  // signal, noise
    const size_t count = std::min<size_t>(sample_.texts.size(), kSqnrTexts);
    QL_RETURN_IF_ERROR(VisitLayerInputs(
        model_, absl::MakeSpan(sample_.texts).subspan(0, count), batch_size_,
        [&](const std::string& layer, const at::Tensor& x) {
          const at::Tensor y = palette_.Find(layer, LayerPalette::kFp32)->Forward(x).to(at::kDouble);
          for (const std::string& precision : Offered(layer)) {
            if (precision == LayerPalette::kFp32) continue;
            const at::Tensor q = palette_.Find(layer, precision)->Forward(x).to(at::kDouble);
            auto& [signal, noise] = sums[{layer, precision}];
            signal += y.square().sum().item<double>();
            noise += (y - q).square().sum().item<double>();
          }
        }));
    for (const auto& [key, sum] : sums) {
      if (sum.second > 0) {
        RecordSensitivity(key.first, key.second, "sqnr_db", 10 * std::log10(sum.first / sum.second));
      }
    }
    return absl::OkStatus();
  }

  void RecordAnswers(const std::string& layer, const std::string& precision, const Estimate& divergence,
                     double loss_increase) const {
    if (std::isinf(divergence.value)) {
      context_.Log(absl::StrCat(layer, " alone in ", precision, " makes the model's answers no numbers"));
      return;
    }
    RecordSensitivity(layer, precision, "divergence", divergence.value, divergence.standard_error);
    RecordSensitivity(layer, precision, "loss_increase", loss_increase);
  }

  // With a standard error over texts, the 95 % interval.
  void RecordSensitivity(const std::string& layer, const std::string& precision, const char* measure,
                         double value, std::optional<double> standard_error = {}) const {
    Metric metric{"layer_sensitivity",
                  value,
                  std::string(measure) == "sqnr_db" ? "dB" : "1",
                  {{"layer", layer}, {"precision", precision}, {"measure", measure}},
                  0,
                  {},
                  {},
                  static_cast<int64_t>(sample_.texts.size())};
    if (standard_error.has_value()) {
      metric.low = std::max(0.0, value - kTwoSided95 * *standard_error);
      metric.high = value + kTwoSided95 * *standard_error;
    }
    context_.Record(std::move(metric));
  }

  // Of layers of one shape the first is timed.
  void MeasureCosts() {
    const std::vector<int>& batches = context_.evaluation.latency_batch_sizes;
    const std::vector<int>& lengths = context_.evaluation.latency_sequence_lengths;
    const int64_t texts = batches.empty() ? 1 : *std::max_element(batches.begin(), batches.end());
    // The comparison caps the length of timed texts at what the model reads.
    const int64_t tokens =
        std::min<int64_t>(lengths.empty() ? 128 : *std::max_element(lengths.begin(), lengths.end()),
                          model_.config().max_tokens());
    std::map<std::string, double> known;
    for (LayerChoices& layer : choices_) {
      const int64_t rows = texts * palette_.Info(layer.layer).RowsPerText(tokens);
      for (PrecisionChoice& choice : layer.choices) {
        const Linear& linear = *palette_.Find(layer.layer, choice.precision);
        const std::string key =
            absl::StrCat(linear.in_features(), " ", linear.out_features(), " ", rows, " ", choice.precision);
        if (known.count(key) == 0) {
          known[key] = context_.layer_seconds ? context_.layer_seconds(linear, rows)
                                              : MeasureLayerSeconds(linear, rows, stream_, model_.device());
        }
        choice.seconds = known[key];
        for (const auto& [role, tensor] : linear.tensors()) {
          choice.bytes += static_cast<double>(tensor.nbytes());
        }
        context_.Record(Metric{"layer_time",
                               choice.seconds,
                               "s",
                               {{"layer", layer.layer}, {"precision", choice.precision}},
                               0,
                               {},
                               {},
                               0});
      }
    }
  }

  void Install(const Assignment& assignment) {
    Precisions precisions;
    bool any_half = false;
    for (size_t i = 0; i < choices_.size(); ++i) {
      const std::string& precision = choices_[i].choices[assignment.chosen[i]].precision;
      precisions[choices_[i].layer] = precision;
      any_half |= precision == half_;
    }
    palette_.Install(precisions);
    // Half precision between layers pays off where layers compute in it; INT8 layers would only convert.
    model_.SetActivationDtype(any_half ? stream_ : at::kFloat);
  }

  void InstallFp32() {
    palette_.Install({});
    model_.SetActivationDtype(at::kFloat);
  }

  // The front's point as a whole model, on all validation examples. Measured once.
  absl::StatusOr<Answers> Measure(size_t point) {
    if (const auto it = measured_.find(point); it != measured_.end()) return it->second;
    Install(front_[point]);
    QL_ASSIGN_OR_RETURN(measured_[point], Ask(model_, *context_.validation, batch_size_));
    QL_RETURN_IF_ERROR(context_.Report(messages::kMeasuringFront(), static_cast<int64_t>(measured_.size()), 0,
                                       "assignment"));
    return measured_[point];
  }

  // Both ends of the front and points evenly spaced between them.
  std::vector<size_t> SpreadPoints() const {
    const size_t count = std::min(kFrontPoints, front_.size());
    std::vector<size_t> points;
    for (size_t i = 0; i < count; ++i) {
      points.push_back(count == 1 ? 0 : i * (front_.size() - 1) / (count - 1));
    }
    return points;
  }

  // The cheapest point of the front whose loss of accuracy on the validation examples is within the budget
  // with one standard error of it: what just meets a budget on few texts misses it on others.
  absl::StatusOr<size_t> WithinAccuracy() {
    InstallFp32();
    QL_ASSIGN_OR_RETURN(fp32_, Ask(model_, *context_.validation, batch_size_));
    const auto good = [&](const Answers& answers) { return WithinBudget(answers, /*errors=*/1); };
    std::optional<size_t> best, too_cheap;
    for (const size_t point : SpreadPoints()) {
      QL_ASSIGN_OR_RETURN(const Answers answers, Measure(point));
      if (good(answers) && !best) best = point;
      if (!good(answers) && !best) too_cheap = point;
    }
    if (!best) return NoneIsGoodEnough();
    for (int i = 0; too_cheap && i<kMaxBisections&& * best - *too_cheap> 1; ++i) {
      const size_t middle = (*best + *too_cheap) / 2;
      QL_ASSIGN_OR_RETURN(const Answers answers, Measure(middle));
      (good(answers) ? best : too_cheap) = middle;
    }
    return *best;
  }

  // `errors`: standard errors that must be within the budget besides the loss itself.
  bool WithinBudget(const Answers& answers, double errors) const {
    const Estimate drop = DropOf(*fp32_, answers);
    // Sums of equal counts may differ in their last bit.
    const double slack = answers.task->QualityStep(static_cast<int64_t>(context_.validation->texts.size()));
    return answers.finite &&
           drop.value + errors * drop.standard_error <= Param<double>(params_, "max_accuracy_drop") + slack;
  }

  // The most accurate point that was measured, with what is wrong with it.
  size_t NoneIsGoodEnough() {
    size_t best = front_.size() - 1;
    for (const auto& [point, answers] : measured_) {
      if (answers.finite && answers.quality > measured_.at(best).quality) best = point;
    }
    const double budget = Param<double>(params_, "max_accuracy_drop");
    const Answers& chosen = measured_.at(best);
    if (WithinBudget(chosen, /*errors=*/0)) {
      const Estimate drop = DropOf(*fp32_, chosen);
      context_.Warn("accuracy_budget_uncertain",
                    chosen.task->BudgetUncertain(drop.value, drop.value + drop.standard_error, budget));
    } else {
      context_.Warn("accuracy_budget_missed",
                    chosen.task->BudgetMissed(fp32_->quality - budget, chosen.quality));
    }
    return best;
  }

  // Inserts it in order of bytes. Call before any point of the front has been measured.
  size_t AddToFront(Assignment assignment) {
    const auto at = std::find_if(front_.begin(), front_.end(),
                                 [&](const Assignment& point) { return point.bytes >= assignment.bytes; });
    const auto index = static_cast<size_t>(at - front_.begin());
    if (at == front_.end() || at->chosen != assignment.chosen) front_.insert(at, std::move(assignment));
    return index;
  }

  // The least harmful assignment whose linear layers fit the budget.
  absl::StatusOr<size_t> WithinSize() {
    double fp32_bytes = 0;
    for (const std::string& layer : palette_.layers()) {
      for (const auto& [role, tensor] : palette_.Find(layer, LayerPalette::kFp32)->tensors()) {
        fp32_bytes += static_cast<double>(tensor.nbytes());
      }
    }
    const double most = Param<double>(params_, "size_budget") * fp32_bytes;
    const size_t best = AddToFront(FillBudget(choices_, Cost::kBytes, most));
    for (const size_t point : SpreadPoints()) QL_RETURN_IF_ERROR(Measure(point).status());
    if (front_[best].bytes > most) {
      context_.Warn("size_budget_missed",
                    messages::kSizeBudgetMissed(std::llround(front_[best].bytes), std::llround(most)));
    }
    QL_RETURN_IF_ERROR(Measure(best).status());
    return best;
  }

  // As metrics, for reports, and as a file with every corner.
  absl::Status RecordFront(size_t chosen) {
    if (!fp32_) {
      InstallFp32();
      QL_ASSIGN_OR_RETURN(fp32_, Ask(model_, *context_.validation, batch_size_));
      Install(front_[chosen]);
    }
    std::string csv = "point,chosen,seconds,bytes,predicted_divergence,loss_increase,accuracy,not_int8\n";
    for (size_t point = 0; point < front_.size(); ++point) {
      const auto it = measured_.find(point);
      std::vector<std::string> others;
      for (size_t i = 0; i < choices_.size(); ++i) {
        const std::string& precision = choices_[i].choices[front_[point].chosen[i]].precision;
        if (precision != kInt8) others.push_back(absl::StrCat(choices_[i].layer, "=", precision));
      }
      absl::StrAppendFormat(&csv, "%d,%s,%.6e,%.0f,%.6e,", point, point == chosen ? "true" : "false",
                            front_[point].seconds, front_[point].bytes, front_[point].divergence);
      if (it != measured_.end()) {
        absl::StrAppendFormat(&csv, "%.6e,%.6f", it->second.loss - fp32_->loss, it->second.quality);
        RecordPoint(point, point == chosen, it->second);
      } else {
        csv += ",";
      }
      absl::StrAppend(&csv, ",", absl::StrJoin(others, " "), "\n");
    }
    return context_.WriteFile("pareto.csv", csv);
  }

  void RecordPoint(size_t point, bool chosen, const Answers& answers) const {
    const std::map<std::string, std::string> labels = {{"point", absl::StrCat(point)},
                                                       {"chosen", chosen ? "true" : "false"}};
    const int64_t texts = static_cast<int64_t>(context_.validation->texts.size());
    const auto record = [&](const char* name, double value, const char* unit) {
      context_.Record(Metric{name, value, unit, labels, 0, {}, {}, texts});
    };
    record("front_time", front_[point].seconds, "s");
    record("front_bytes", front_[point].bytes, "bytes");
    record("front_divergence", front_[point].divergence, "1");
    record("front_loss_increase", answers.loss - fp32_->loss, "1");
    record("front_accuracy", answers.quality, "1");
  }

  // Lets a later run use the same assignment without measuring.
  void RecordChoice(const Assignment& assignment) const {
    std::vector<std::string> pins;
    std::map<std::string, int> counts;
    for (size_t i = 0; i < choices_.size(); ++i) {
      const std::string& precision = choices_[i].choices[assignment.chosen[i]].precision;
      ++counts[precision];
      pins.push_back(absl::StrCat(choices_[i].layer, "=", precision));
    }
    for (const auto& [precision, count] : counts) {
      context_.Log(absl::StrCat(count, " of ", choices_.size(), " linear layers are ", precision));
    }
    context_.Log(absl::StrCat("the same choice without measuring: pin: \"", absl::StrJoin(pins, ","), "\""));
  }

  Encoder& model_;
  const Params& params_;
  const QuantizationContext& context_;
  LayerPalette palette_;
  const int batch_size_;
  const LabelledTexts sample_;
  Precisions pins_;
  std::string half_;                    // "bf16", "fp16"; empty where none is offered
  at::ScalarType stream_ = at::kFloat;  // of what flows between layers
  std::vector<LayerChoices> choices_;
  std::vector<Assignment> front_;
  std::map<size_t, Answers> measured_;  // by point of the front, on the validation examples
  std::optional<Answers> fp32_;         // the same of the FP32 model
};

class MixedPrecision : public QuantizationMethod {
 public:
  const MethodSpec& spec() const override { return *FindMethod("mixed_precision"); }

 protected:
  absl::Status Quantize(Encoder& model, const Params& params,
                        const QuantizationContext& context) const override {
    if (Param<std::string>(params, "mode") == "whole") return HalveWhole(model, params, context);
    return Search(model, params, context).Run();
  }

 private:
  static absl::Status HalveWhole(Encoder& model, const Params& params, const QuantizationContext& context) {
    const std::string half = Param<std::string>(params, "half");
    if (half == "none") {
      return absl::InvalidArgumentError(
          "mixed_precision: half is none, but mode is whole; allowed: bf16, fp16");
    }
    if (!Param<std::string>(params, "pin").empty()) {
      return absl::InvalidArgumentError(
          "mixed_precision: pin chooses for single layers, but mode is whole; use mode: per_layer");
    }
    QL_ASSIGN_OR_RETURN(const at::ScalarType dtype, DtypeFromName(half));
    QL_ASSIGN_OR_RETURN(LayerMap layers, MakeHalfLayers(model, dtype));
    const int64_t total = static_cast<int64_t>(layers.size());
    for (int64_t done = 1; done <= total; ++done) {
      QL_RETURN_IF_ERROR(context.Report(messages::kQuantizing(), done, total, "layer"));
    }
    InstallLayers(model, std::move(layers));
    model.ForEachEmbedding([dtype](const LayerInfo&, std::unique_ptr<Embedding>& slot) {
      slot = std::make_unique<FloatEmbedding>(slot->tensors().at("weight").detach().to(dtype));
    });
    if (WhyNotHalf(dtype, model.device()).empty()) model.SetActivationDtype(dtype);
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<QuantizationMethod> MakeMixedPrecision() {
  return std::make_unique<MixedPrecision>();
}

}  // namespace quantlab::engine
