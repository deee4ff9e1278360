// One class of several for each text: cross-entropy, accuracy.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "base/messages/messages.h"
#include "worker/engine/tasks/task.h"

namespace quantlab::engine {
namespace {

double LogSumExp(const std::vector<float>& logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float v : logits) sum += std::exp(v - top);
  return top + std::log(sum);
}

// KL(reference || other) of one text.
double DivergenceOfText(const std::vector<float>& reference, const std::vector<float>& other) {
  const double a = LogSumExp(reference), b = LogSumExp(other);
  double sum = 0;
  for (size_t c = 0; c < reference.size(); ++c) {
    const double log_p = reference[c] - a, log_q = other[c] - b;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return sum;
}

class Classification final : public Task {
 public:
  const TaskSpec& spec() const override { return *FindTask("classification"); }

  absl::Status CheckLabels(const LabelledTexts& data, const EncoderConfig& config) const override {
    if (data.labels.size() != data.texts.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(data.texts.size(), " texts, but ", data.labels.size(), " labels"));
    }
    for (size_t i = 0; i < data.labels.size(); ++i) {
      if (data.labels[i] >= 0 && data.labels[i] < config.num_labels()) continue;
      return absl::InvalidArgumentError(absl::StrCat("training text ", i, " has label ", data.labels[i],
                                                     ", but the model has ", config.num_labels(),
                                                     " classes"));
    }
    return absl::OkStatus();
  }

  at::Tensor Targets(const LabelledTexts& data, const std::vector<int64_t>& indices) const override {
    at::Tensor labels = at::empty({static_cast<int64_t>(indices.size())}, at::dtype(at::kLong));
    for (size_t i = 0; i < indices.size(); ++i) {
      labels.mutable_data_ptr<int64_t>()[i] = data.labels[static_cast<size_t>(indices[i])];
    }
    return labels;
  }

  at::Tensor Loss(const at::Tensor& logits, const at::Tensor& targets) const override {
    return at::cross_entropy_loss(logits, targets);
  }

  // Source: Hinton 2015 (arXiv 1503.02531): T^2 KL(teacher || student), both softened by the temperature T.
  at::Tensor DistillationLoss(const at::Tensor& student, const at::Tensor& teacher,
                              double temperature) const override {
    const at::Tensor own = at::log_softmax(student / temperature, 1);
    const at::Tensor wanted = at::log_softmax(teacher / temperature, 1);
    return (wanted.exp() * (wanted - own)).sum(1).mean() * (temperature * temperature);
  }

  double MeanLoss(const Logits& logits, const LabelledTexts& texts) const override {
    const double n = static_cast<double>(logits.size());
    double loss = 0;
    for (size_t i = 0; i < logits.size(); ++i)
      loss += (LogSumExp(logits[i]) - logits[i][texts.labels[i]]) / n;
    return loss;
  }

  double Quality(const Logits& logits, const LabelledTexts& texts) const override {
    const double n = static_cast<double>(logits.size());
    double accuracy = 0;
    for (size_t i = 0; i < logits.size(); ++i) accuracy += (Argmax(logits[i]) == texts.labels[i]) / n;
    return accuracy;
  }

  // Only texts that one of the two gets right count.
  Estimate QualityDrop(const Logits& reference, const Logits& other,
                       const LabelledTexts& texts) const override {
    const double n = static_cast<double>(reference.size());
    double lost = 0, gained = 0;
    for (size_t i = 0; i < reference.size(); ++i) {
      const bool first = Argmax(reference[i]) == texts.labels[i],
                 second = Argmax(other[i]) == texts.labels[i];
      lost += first && !second;
      gained += second && !first;
    }
    const double difference = lost - gained;
    return {difference / n, std::sqrt(std::max(0.0, lost + gained - difference * difference / n)) / n};
  }

  double QualityStep(int64_t texts) const override { return 0.5 / static_cast<double>(texts); }

  Message BudgetUncertain(double drop, double bound, double budget) const override {
    return messages::kAccuracyBudgetUncertain(drop, bound, budget);
  }

  Message BudgetMissed(double least, double best) const override {
    return messages::kAccuracyBudgetMissed(least, best);
  }

  Estimate Divergence(const Logits& reference, const Logits& other) const override {
    std::vector<double> texts;
    for (size_t i = 0; i < reference.size(); ++i) texts.push_back(DivergenceOfText(reference[i], other[i]));
    Estimate divergence = MeanOf(texts);
    divergence.value = std::max(0.0, divergence.value);
    return divergence;
  }
};

}  // namespace

const Task& ClassificationTask() {
  static const Classification* const task = new Classification;
  return *task;
}

}  // namespace quantlab::engine
