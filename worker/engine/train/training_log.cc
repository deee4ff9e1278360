#include "worker/engine/train/training_log.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/statistics/numbers.h"

namespace quantlab::engine {
namespace {

constexpr int64_t kCurvePoints = 200;

}  // namespace

void TrainingLog::Add(const TrainingStep& step) {
  absl::StrAppend(&csv_, step.step, ",", step.epoch, ",", step.examples, ",", step.tokens, ",",
                  RoundTrip(step.loss), ",", RoundTrip(step.learning_rate), ",",
                  RoundTrip(step.gradient_norm), "\n");
  const int64_t stride = std::max<int64_t>(1, step.steps / kCurvePoints);
  if (!record_ || (step.step % stride != 0 && step.step != step.steps)) return;
  record_(Metric{"train_loss", step.loss, "1", {}, step.step, {}, {}, step.examples});
  record_(Metric{"learning_rate", step.learning_rate, "1", {}, step.step, {}, {}, 0});
}

}  // namespace quantlab::engine
