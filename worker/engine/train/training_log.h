// The record of a training: its curve as metrics, and every step as a CSV file.
#ifndef QUANTLAB_WORKER_ENGINE_TRAIN_TRAINING_LOG_H_
#define QUANTLAB_WORKER_ENGINE_TRAIN_TRAINING_LOG_H_

#include <functional>
#include <string>
#include <utility>

#include "base/records/event.h"
#include "worker/engine/train/trainer.h"

namespace quantlab::engine {

class TrainingLog {
 public:
  // `record` takes train_loss and learning_rate of some 200 steps, evenly spread, the last among them. It may
  // be empty.
  explicit TrainingLog(std::function<void(Metric)> record) : record_(std::move(record)) {}

  void Add(const TrainingStep& step);

  // A header, and a line for each step added; numbers are written so that they read back exactly.
  const std::string& csv() const { return csv_; }

 private:
  std::function<void(Metric)> record_;
  std::string csv_ = "step,epoch,examples,tokens,loss,learning_rate,gradient_norm\n";
};

}  // namespace quantlab::engine

#endif  // QUANTLAB_WORKER_ENGINE_TRAIN_TRAINING_LOG_H_
