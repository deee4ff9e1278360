// One number for each text: mean squared error, Pearson's correlation.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/messages/task.h"
#include "base/statistics/correlation.h"
#include "worker/engine/tasks/task.h"

namespace quantlab::engine {
namespace {

std::vector<double> Outputs(const Logits& logits) {
  std::vector<double> outputs;
  for (const std::vector<float>& row : logits) outputs.push_back(row[0]);
  return outputs;
}

// Pearson's correlation without each of the pairs in turn, from the sums over all.
class LeaveOneOut {
 public:
  LeaveOneOut(const std::vector<double>& x, const std::vector<double>& y)
      : n_(static_cast<double>(x.size())), x_(Centred(x)), y_(Centred(y)) {
    for (size_t i = 0; i < x_.size(); ++i) {
      xx_ += x_[i] * x_[i];
      yy_ += y_[i] * y_[i];
      xy_ += x_[i] * y_[i];
    }
  }

  // Without pair i. Of centred values the sums without one are those of all, less its own share.
  double Without(size_t i) const {
    const double share = n_ / (n_ - 1);
    const double xx = xx_ - share * x_[i] * x_[i], yy = yy_ - share * y_[i] * y_[i];
    const double scale = std::sqrt(std::max(0.0, xx)) * std::sqrt(std::max(0.0, yy));
    return scale == 0 ? 0 : (xy_ - share * x_[i] * y_[i]) / scale;
  }

 private:
  const double n_;
  const std::vector<double> x_, y_;
  double xx_ = 0, yy_ = 0, xy_ = 0;
};

class Regression final : public Task {
 public:
  const TaskSpec& spec() const override { return *FindTask("regression"); }

  absl::Status CheckLabels(const LabelledTexts& data, const EncoderConfig& config) const override {
    if (data.values.size() != data.texts.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(data.texts.size(), " texts, but ", data.values.size(), " numbers"));
    }
    if (config.num_labels() != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("a regression needs a model with one output, but this one has ", config.num_labels()));
    }
    for (size_t i = 0; i < data.values.size(); ++i) {
      if (std::isfinite(data.values[i])) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("training text ", i, " has no finite number as its label"));
    }
    return absl::OkStatus();
  }

  at::Tensor Targets(const LabelledTexts& data, const std::vector<int64_t>& indices) const override {
    at::Tensor values = at::empty({static_cast<int64_t>(indices.size())}, at::dtype(at::kFloat));
    for (size_t i = 0; i < indices.size(); ++i) {
      values.mutable_data_ptr<float>()[i] = static_cast<float>(data.values[static_cast<size_t>(indices[i])]);
    }
    return values;
  }

  // As transformers has it for problem_type "regression" with one label.
  at::Tensor Loss(const at::Tensor& logits, const at::Tensor& targets) const override {
    return at::mse_loss(logits.squeeze(1), targets);
  }

  // A temperature softens probabilities; numbers have none.
  at::Tensor DistillationLoss(const at::Tensor& student, const at::Tensor& teacher,
                              double /*temperature*/) const override {
    return at::mse_loss(student, teacher);
  }

  double MeanLoss(const Logits& logits, const LabelledTexts& texts) const override {
    return MeanSquaredError(Outputs(logits), texts.values);
  }

  double Quality(const Logits& logits, const LabelledTexts& texts) const override {
    return PearsonCorrelation(Outputs(logits), texts.values);
  }

  // Its standard error by the jackknife over texts. Source: Efron & Tibshirani 1993, chapter 11.
  Estimate QualityDrop(const Logits& reference, const Logits& other,
                       const LabelledTexts& texts) const override {
    const std::vector<double> first = Outputs(reference), second = Outputs(other);
    Estimate drop;
    drop.value = PearsonCorrelation(first, texts.values) - PearsonCorrelation(second, texts.values);
    if (first.size() < 3) return drop;
    const LeaveOneOut first_without(first, texts.values), second_without(second, texts.values);
    std::vector<double> drops;
    for (size_t i = 0; i < first.size(); ++i)
      drops.push_back(first_without.Without(i) - second_without.Without(i));
    // MeanOf divides the squares by n (n - 1), the jackknife multiplies them by (n - 1) / n.
    drop.standard_error = MeanOf(drops).standard_error * static_cast<double>(first.size() - 1);
    return drop;
  }

  // Correlations change continuously.
  double QualityStep(int64_t /*texts*/) const override { return 1e-9; }

  Message BudgetUncertain(double drop, double bound, double budget) const override {
    return messages::kCorrelationBudgetUncertain(drop, bound, budget);
  }

  Message BudgetMissed(double least, double best) const override {
    return messages::kCorrelationBudgetMissed(least, best);
  }

  // KL divergence of two normal distributions around the two outputs, whose deviation is that of the
  // reference's outputs over the texts: (a - b)^2 / (2 s^2). Outputs without any deviation count as they are.
  Estimate Divergence(const Logits& reference, const Logits& other) const override {
    const std::vector<double> first = Outputs(reference), second = Outputs(other);
    const std::vector<double> means(first.size(), MeanOf(first).value);
    const double spread = MeanSquaredError(first, means);
    std::vector<double> texts;
    for (size_t i = 0; i < first.size(); ++i) {
      const double difference = first[i] - second[i];
      texts.push_back(difference * difference / (2 * (spread > 0 ? spread : 1)));
    }
    return MeanOf(texts);
  }
};

}  // namespace

const Task& RegressionTask() {
  static const Regression* const task = new Regression;
  return *task;
}

}  // namespace quantlab::engine
