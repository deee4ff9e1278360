#include "worker/engine/methods/answers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/status_macros.h"
#include "worker/engine/train/evaluate.h"

namespace quantlab::engine {
namespace {

double LogSumExp(const std::vector<float>& logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float v : logits) sum += std::exp(v - top);
  return top + std::log(sum);
}

double DivergenceOfText(const std::vector<float>& reference, const std::vector<float>& other) {
  const double a = LogSumExp(reference), b = LogSumExp(other);
  double sum = 0;
  for (size_t c = 0; c < reference.size(); ++c) {
    const double log_p = reference[c] - a, log_q = other[c] - b;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return sum;
}

}  // namespace

absl::StatusOr<Answers> Ask(Encoder& model, const LabelledTexts& texts, int batch_size) {
  Answers answers;
  QL_ASSIGN_OR_RETURN(answers.logits, PredictLogits(model, texts.texts, batch_size));
  const double n = static_cast<double>(texts.texts.size());
  for (size_t i = 0; i < texts.texts.size(); ++i) {
    const std::vector<float>& row = answers.logits[i];
    answers.loss += (LogSumExp(row) - row[texts.labels[i]]) / n;
    answers.right.push_back(Argmax(row) == texts.labels[i]);
    answers.accuracy += answers.right.back() / n;
    answers.finite &= std::all_of(row.begin(), row.end(), [](float v) { return std::isfinite(v); });
  }
  return answers;
}

Divergence DivergenceOf(const Answers& reference, const Answers& other) {
  if (!reference.finite || !other.finite) return {std::numeric_limits<double>::infinity(), 0};
  const double n = static_cast<double>(reference.logits.size());
  double sum = 0, squares = 0;
  for (size_t i = 0; i < reference.logits.size(); ++i) {
    const double text = DivergenceOfText(reference.logits[i], other.logits[i]);
    sum += text;
    squares += text * text;
  }
  Divergence divergence{std::max(0.0, sum / n), 0};
  if (n > 1) divergence.standard_error = std::sqrt(std::max(0.0, squares - sum * sum / n) / (n * (n - 1)));
  return divergence;
}

AccuracyDrop DropOf(const Answers& reference, const Answers& other) {
  const double n = static_cast<double>(reference.right.size());
  double lost = 0, gained = 0;
  for (size_t i = 0; i < reference.right.size(); ++i) {
    lost += reference.right[i] && !other.right[i];
    gained += other.right[i] && !reference.right[i];
  }
  const double difference = lost - gained;
  return {difference / n, std::sqrt(std::max(0.0, lost + gained - difference * difference / n)) / n};
}

}  // namespace quantlab::engine
