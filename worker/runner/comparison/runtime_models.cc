#include "worker/runner/comparison/runtime_models.h"

#include <utility>

namespace quantlab::runner {
namespace {

class ModelInRuntime final : public engine::RemoteModel {
 public:
  // `process`: borrowed. `model`: its number there, or why there is none.
  ModelInRuntime(runtimes::RuntimeProcess* process, absl::StatusOr<int64_t> model)
      : process_(process), model_(std::move(model)) {}

  absl::Status WarmUp(const std::vector<engine::TokenizedText>& texts, int passes) override {
    if (!model_.ok()) return model_.status();
    runtimes::Batch batch;
    for (const engine::TokenizedText& text : texts) batch.push_back(text.ids);
    return process_->WarmUp(*model_, batch, passes);
  }

  absl::StatusOr<double> Time() override {
    if (!model_.ok()) return model_.status();
    return process_->Measure(*model_);
  }

 private:
  runtimes::RuntimeProcess* const process_;
  const absl::StatusOr<int64_t> model_;
};

}  // namespace

RuntimeModels::RuntimeModels(const RuntimePlan& plan, int threads) {
  for (const PlannedRuntime& runtime : plan) {
    auto process = runtimes::RuntimeProcess::Start(runtime.argv, {});
    for (const PlannedRuntime::Model& model : runtime.models) {
      if (!process.ok()) {
        models_.push_back(std::make_unique<ModelInRuntime>(nullptr, process.status()));
      } else {
        models_.push_back(std::make_unique<ModelInRuntime>(
            process->get(), (*process)->Load(model.folder, model.format, threads)));
      }
    }
    if (process.ok()) processes_.push_back(*std::move(process));
  }
}

std::vector<engine::RemoteModel*> RuntimeModels::models() const {
  std::vector<engine::RemoteModel*> models;
  for (const auto& model : models_) models.push_back(model.get());
  return models;
}

std::vector<int> RuntimeModels::pids() const {
  std::vector<int> pids;
  for (const auto& process : processes_) pids.push_back(process->pid());
  return pids;
}

}  // namespace quantlab::runner
