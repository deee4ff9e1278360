// A quantization run: applies one method to the baseline's checkpoint, saves the result, and evaluates
// what was saved.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/messages/task.h"
#include "base/status_macros.h"
#include "worker/engine/calibration/layer_inputs.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/methods/method.h"
#include "worker/engine/models/saved_model.h"
#include "worker/runner/attempt.h"
#include "worker/runner/evaluation.h"

namespace quantlab::runner {
namespace {

// Texts on which each layer's error is measured.
constexpr int64_t kSqnrTexts = 16;

// The texts that a method reads, tokenized; never the test split.
struct MethodTexts {
  engine::LabelledTexts train, validation;
};

absl::StatusOr<MethodTexts> ReadMethodTexts(Attempt& attempt, const engine::Dataset& data,
                                            const std::string& baseline, const engine::EncoderConfig& config,
                                            const MethodInputs& inputs) {
  QL_ASSIGN_OR_RETURN(const auto tokenizer,
                      LoadTokenizer(baseline, config, attempt.config().dataset.max_length));
  MethodTexts texts;
  if (inputs.training_texts) {
    QL_ASSIGN_OR_RETURN(texts.train,
                        TokenizeExamples(attempt, *tokenizer, config, data.train, "training examples"));
  }
  if (inputs.validation_texts) {
    QL_ASSIGN_OR_RETURN(texts.validation, TokenizeExamples(attempt, *tokenizer, config, data.validation,
                                                           "validation examples"));
  }
  return texts;
}

engine::QuantizationContext MakeContext(Attempt& attempt, const MethodTexts& texts) {
  engine::QuantizationContext context;
  context.train = &texts.train;
  context.validation = &texts.validation;
  context.seed = attempt.config().seed;
  context.training = attempt.config().training;
  context.evaluation = attempt.config().evaluation;
  context.progress = [&attempt](const Message& phase, int64_t done, int64_t total, const std::string& unit) {
    return attempt.Report(phase, done, total, unit) && !attempt.ShouldStop();
  };
  // Points of curves are only events; final numbers are also in metrics.json.
  context.record = [&attempt](Metric metric) {
    metric.step > 0 ? attempt.Send(std::move(metric)) : attempt.Record(std::move(metric));
  };
  context.warn = [&attempt](const std::string& code, const Message& message) { attempt.Warn(code, message); };
  context.log = [&attempt](const std::string& line) { attempt.Log(line); };
  context.write_file = [&attempt](const std::string& name, const std::string& content) {
    return attempt.WriteArtifact(name, content);
  };
  return context;
}

// Loads the baseline, quantizes it and saves the result; of it, only what a method trained stays in memory.
absl::Status Quantize(Attempt& attempt, const engine::Dataset& data, const std::string& baseline,
                      std::unique_ptr<engine::Encoder>* trained) {
  const MethodConfig& config = attempt.config().method;
  QL_ASSIGN_OR_RETURN(engine::LoadedModel loaded, engine::LoadModel(baseline));
  if (loaded.plan) {
    return MessageStatus(absl::StatusCode::kInvalidArgument,
                         messages::kQuantizedAlready(baseline, loaded.plan->method));
  }
  // Versions differ in which columns they take for pairs of texts by themselves.
  if (loaded.model->config().text_pairs != data.pairs) {
    return MessageStatus(absl::StatusCode::kFailedPrecondition, messages::kBaselineOfOtherTexts(baseline));
  }
  QL_RETURN_IF_ERROR(loaded.model->To(engine::TorchDevice(attempt.device())));
  QL_ASSIGN_OR_RETURN(const auto method, engine::MakeQuantizationMethod(config.name));
  QL_ASSIGN_OR_RETURN(const Params params, ResolveParams(method->spec(), config.params));
  QL_ASSIGN_OR_RETURN(
      const MethodTexts texts,
      ReadMethodTexts(attempt, data, baseline, loaded.model->config(), method->spec().inputs(params)));
  engine::QuantizationContext context = MakeContext(attempt, texts);
  context.checkpoints = attempt.checkpoints();
  context.keep_trained = [trained](std::unique_ptr<engine::Encoder> model) { *trained = std::move(model); };
  QL_ASSIGN_OR_RETURN(const engine::QuantizationResult result, method->Apply(*loaded.model, params, context));
  return engine::SaveModel(*loaded.model, result.plan, baseline, attempt.OutputPath("model"));
}

// The error of each layer by itself, on texts outside the test split. `trained`: the model of its own
// weights, where the method changed them; else the baseline's.
absl::StatusOr<engine::LayerNoise> LayerErrors(Attempt& attempt, const engine::Dataset& data,
                                               const std::string& baseline,
                                               const engine::Tokenizer& tokenizer,
                                               const engine::Encoder& model,
                                               std::unique_ptr<engine::Encoder> trained) {
  if (trained == nullptr) {
    QL_ASSIGN_OR_RETURN(engine::LoadedModel fp32, engine::LoadModel(baseline));
    trained = std::move(fp32.model);
  }
  QL_RETURN_IF_ERROR(trained->To(engine::TorchDevice(attempt.device())));
  std::vector<engine::Example> examples = data.validation.empty() ? data.train : data.validation;
  examples.resize(std::min<size_t>(examples.size(), kSqnrTexts));
  QL_ASSIGN_OR_RETURN(
      const engine::LabelledTexts texts,
      TokenizeExamples(attempt, tokenizer, model.config(), examples, "texts for layer errors"));
  return engine::MeasureLayerNoise(*trained, model, texts.texts, attempt.config().evaluation.batch_size);
}

// Reports the requested and effective precision of each layer, and the share of the work at each precision.
void DescribePrecision(Attempt& attempt, const engine::Encoder& model, const engine::LayerNoise& noise) {
  std::map<std::string, double> shares;
  std::map<std::string, int> counts;
  std::map<std::string, std::pair<std::string, Message>> reasons;  // by text: one of the layers, the message
  for (Layer& layer : engine::DescribeLayers(model, attempt.config().dataset.max_length)) {
    if (const auto it = noise.sqnr_db.find(layer.name); it != noise.sqnr_db.end()) layer.sqnr_db = it->second;
    const auto median = noise.median_sqnr_db.find(layer.name);
    if (median != noise.median_sqnr_db.end()) layer.median_sqnr_db = median->second;
    attempt.Send(layer);
    shares[layer.effective] += layer.macs_share;
    ++counts[layer.effective];
    if (!layer.reason.empty()) reasons[layer.reason] = {layer.name, layer.coded_reason};
  }
  for (const auto& [layer, peak] : noise.input_peak) {
    attempt.Record(Metric{"layer_input_peak", peak, "1", {{"layer", layer}}, 0, {}, {}, 0});
  }
  for (const auto& [precision, share] : shares) {
    attempt.Log(absl::StrFormat("%s: %d linear layers, %.1f %% of their multiply-adds", precision,
                                counts[precision], 100 * share));
  }
  for (const auto& [text, layer] : reasons) {
    attempt.Warn("fallback", messages::kLayersFellBack(layer.first, layer.second));
  }
}

// The baseline's predictions: as saved, or predicted again.
absl::StatusOr<Predictions> BaselinePredictions(Attempt& attempt, const std::string& baseline,
                                                const engine::Tokenizer& tokenizer,
                                                const engine::Dataset& data, const Evaluation& test) {
  auto saved = LoadTestPredictions(test, attempt.config().dataset.max_length, baseline);
  if (!absl::IsNotFound(saved.status())) return saved;
  QL_ASSIGN_OR_RETURN(engine::LoadedModel loaded, engine::LoadModel(baseline));
  QL_RETURN_IF_ERROR(loaded.model->To(engine::TorchDevice(attempt.device())));
  return Predict(attempt, *loaded.model, tokenizer, data.test, messages::kEvaluatingBaseline());
}

}  // namespace

absl::Status RunQuantization(Attempt& attempt) {
  const std::string baseline = attempt.job().inputs.front().folder;
  const int max_length = attempt.config().dataset.max_length;
  QL_ASSIGN_OR_RETURN(engine::Dataset data, ReadDataset(attempt));
  QL_RETURN_IF_ERROR(AlignWithModel(attempt, baseline, &data));
  std::unique_ptr<engine::Encoder> trained;
  QL_RETURN_IF_ERROR(Quantize(attempt, data, baseline, &trained));
  // Evaluates the saved model.
  QL_ASSIGN_OR_RETURN(engine::LoadedModel loaded, engine::LoadModel(attempt.OutputPath("model")));
  engine::Encoder& model = *loaded.model;
  QL_RETURN_IF_ERROR(model.To(engine::TorchDevice(attempt.device())));
  QL_ASSIGN_OR_RETURN(const auto tokenizer,
                      LoadTokenizer(attempt.OutputPath("model"), model.config(), max_length));
  QL_ASSIGN_OR_RETURN(const engine::LayerNoise noise,
                      LayerErrors(attempt, data, baseline, *tokenizer, model, std::move(trained)));
  DescribePrecision(attempt, model, noise);
  QL_ASSIGN_OR_RETURN(const Evaluation test,
                      Evaluate(attempt, model, *tokenizer, data.test, "test", data.test_digest));
  QL_ASSIGN_OR_RETURN(const Predictions before,
                      BaselinePredictions(attempt, baseline, *tokenizer, data, test));
  QL_RETURN_IF_ERROR(RecordPaired(attempt, test, before));
  QL_RETURN_IF_ERROR(WritePredictions(attempt, test, data));
  QL_RETURN_IF_ERROR(SaveTestPredictions(test, max_length, attempt.OutputPath("model")));
  return attempt.AnnounceFolder("model");
}

}  // namespace quantlab::runner
