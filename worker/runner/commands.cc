#include "worker/runner/commands.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/config/method_spec.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/task.h"
#include "base/records/worker_facts.h"
#include "base/statistics/numbers.h"
#include "base/status_macros.h"
#include "worker/engine/calibration/layer_outputs.h"
#include "worker/engine/input_checks/input_checks.h"
#include "worker/engine/measure/devices.h"
#include "worker/engine/measure/environment.h"
#include "worker/engine/measure/self_test.h"
#include "worker/engine/measure/side_by_side.h"
#include "worker/engine/models/encode_text.h"
#include "worker/engine/models/saved_model.h"
#include "worker/engine/plan/encoder_plan.h"
#include "worker/engine/tensors/safetensors.h"
#include "worker/engine/text/tokenizer.h"
#include "worker/engine/train/evaluate.h"
#include "worker/runner/line_reader.h"
#include "worker/runner/runner_environment.h"

namespace quantlab::runner {
namespace {

using Json = nlohmann::ordered_json;

// JSON has no NaN: null.
std::string LogitsToJson(const std::vector<float>& logits) {
  return absl::StrCat(
      "[",
      absl::StrJoin(logits, ", ",
                    [](std::string* out, float v) { out->append(std::isfinite(v) ? RoundTrip(v) : "null"); }),
      "]\n");
}

Json TimesToJson(const engine::BenchTimes& times, int batch_size) {
  Json json = {{"model", times.name},
               {"p50_seconds", times.summary.p50},
               {"p90_seconds", times.summary.p90},
               {"mean_seconds", times.summary.mean},
               {"samples", times.summary.samples},
               {"texts_per_second", batch_size / times.summary.p50},
               {"speedup", times.speedup},
               {"speedup_low", times.speedup_interval.low},
               {"speedup_high", times.speedup_interval.high}};
  if (times.summary.p99) json["p99_seconds"] = *times.summary.p99;
  return json;
}

Json ResultToJson(const engine::SideBySideResult& result, int batch_size) {
  const engine::BenchResult& bench = result.bench.result;
  Json models = Json::array({TimesToJson(bench.reference, batch_size)});
  for (const engine::BenchTimes& times : bench.entries) models.push_back(TimesToJson(times, batch_size));
  return {{"batch_size", batch_size},
          {"fp32_path", result.fp32_path},
          {"other_fp32_path", result.other_fp32_path},
          {"other_fp32_ratio", result.other_fp32_ratio},
          {"aa_ratio", bench.twin.speedup},
          {"aa_low", bench.twin.speedup_interval.low},
          {"aa_high", bench.twin.speedup_interval.high},
          {"reliable", bench.check.reliable()},
          {"models", models}};
}

std::string ResultRow(const engine::BenchTimes& times, int batch_size) {
  return absl::StrFormat("  %9.3f %9.3f %10.1f   %5.2f [%.2f, %.2f]   %s\n", 1e3 * times.summary.p50,
                         1e3 * times.summary.p90, batch_size / times.summary.p50, times.speedup,
                         times.speedup_interval.low, times.speedup_interval.high, times.name);
}

std::string ResultTable(const engine::SideBySideResult& result, int batch_size, int tokens) {
  const engine::BenchResult& bench = result.bench.result;
  std::string text = absl::StrFormat("batch %d x %d tokens, %d samples of each model\n", batch_size, tokens,
                                     bench.reference.summary.samples);
  absl::StrAppend(&text, "     p50 ms    p90 ms    texts/s   speedup [95 %]       model\n",
                  ResultRow(bench.reference, batch_size));
  for (const engine::BenchTimes& times : bench.entries) text += ResultRow(times, batch_size);
  absl::StrAppend(&text, "  FP32 by ", result.fp32_path);
  if (!result.other_fp32_path.empty()) {
    absl::StrAppendFormat(&text, " (%s takes %.2f times as long)", result.other_fp32_path,
                          result.other_fp32_ratio);
  }
  absl::StrAppendFormat(&text, "; A/A pair %.3f [%.3f, %.3f]: %s\n\n", bench.twin.speedup,
                        bench.twin.speedup_interval.low, bench.twin.speedup_interval.high,
                        !bench.check.narrow     ? "UNRELIABLE: wider than 1 % to each side"
                        : !bench.check.unbiased ? "UNRELIABLE: one model against itself is not 1"
                                                : "reliable");
  return text;
}

void AppendMethods(std::string& text) {
  text += "\nquantization methods:\n";
  for (const MethodSpec& spec : AllMethods()) {
    absl::StrAppend(&text, "  ", spec.name, " (version ", spec.version, "): ", spec.help, "\n");
    for (const ParamSpec& param : spec.params) {
      absl::StrAppend(&text, "    ", param.name, ": ", DescribeAllowed(param), "; default ",
                      ParamToString(param.default_value), ". ", param.help, "\n");
    }
  }
}

// One line of input: a text, or two that a tab separates.
struct Line {
  std::string_view first;
  std::optional<std::string_view> second;
};

// Errors: INVALID_ARGUMENT a pair is wanted, and `line` has no tab or several.
absl::StatusOr<Line> SplitLine(std::string_view line, int64_t number, bool pairs) {
  if (!pairs) return Line{line, std::nullopt};
  const size_t tab = line.find('\t');
  if (tab == std::string_view::npos || line.find('\t', tab + 1) != std::string_view::npos) {
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kLineIsNoPair(number));
  }
  return Line{line.substr(0, tab), line.substr(tab + 1)};
}

// Whether the config.json beside a tokenizer says that the model reads pairs. A tokenizer may be alone.
bool ReadsPairs(const std::string& folder) {
  const absl::StatusOr<engine::EncoderConfig> config = engine::ReadModelConfig(folder + "/config.json");
  return config.ok() && config->text_pairs;
}

std::string PairToJson(const engine::TokenizedPair& pair) {
  return absl::StrCat("{\"ids\": [", absl::StrJoin(pair.ids, ", "), "], \"token_types\": [",
                      absl::StrJoin(pair.types, ", "), "]}\n");
}

// Tokenizes and predicts lines in batches.
class Predictor {
 public:
  static absl::StatusOr<std::unique_ptr<Predictor>> Load(const PredictOptions& options) {
    std::unique_ptr<Predictor> predictor(new Predictor(options));
    QL_ASSIGN_OR_RETURN(engine::LoadedModel loaded, engine::LoadModel(options.model));
    predictor->model_ = std::move(loaded.model);
    QL_RETURN_IF_ERROR(predictor->model_->To(engine::TorchDevice(options.device)));
    QL_ASSIGN_OR_RETURN(predictor->tokenizer_, engine::Tokenizer::Load(options.model));
    const int positions = static_cast<int>(predictor->model_->config().max_tokens());
    if (options.max_length > positions) {
      return absl::InvalidArgumentError(
          absl::StrCat("--max-length is ", options.max_length, "; the model has ", positions, " positions"));
    }
    if (options.max_length == 0) predictor->options_.max_length = positions;
    predictor->options_.pairs |= predictor->model_->config().text_pairs;
    if (predictor->options_.pairs) {
      QL_RETURN_IF_ERROR(engine::CheckPairs(*predictor->tokenizer_, predictor->model_->config(),
                                            options.model, predictor->options_.max_length));
    }
    return predictor;
  }

  absl::Status Run(LineReader& lines) {
    std::optional<engine::LayerByLayerScope> reference;
    if (options_.layer_by_layer) reference.emplace();
    bool more = true;
    while (more) {
      std::vector<engine::TokenizedText> batch;
      while (more && static_cast<int>(batch.size()) < options_.batch_size &&
             (batch.empty() || lines.Ready())) {
        QL_ASSIGN_OR_RETURN(const std::optional<std::string> line, lines.Next());
        more = line.has_value();
        if (!more) continue;
        QL_ASSIGN_OR_RETURN(const Line parts, SplitLine(*line, ++line_number_, options_.pairs));
        batch.push_back(engine::EncodeText(*tokenizer_, model_->config(), parts.first, parts.second,
                                           options_.max_length));
      }
      if (batch.empty()) continue;
      if (const std::string path = std::exchange(options_.layer_outputs, ""); !path.empty()) {
        QL_RETURN_IF_ERROR(WriteLayerOutputs(batch[0], path));
      }
      QL_RETURN_IF_ERROR(PredictBatch(batch));
    }
    return absl::OkStatus();
  }

 private:
  explicit Predictor(const PredictOptions& options) : options_(options) {}

  absl::Status PredictBatch(const std::vector<engine::TokenizedText>& batch) {
    QL_ASSIGN_OR_RETURN(const auto logits, engine::PredictLogits(*model_, batch, options_.batch_size));
    std::string text;
    for (const std::vector<float>& row : logits) text += LogitsToJson(row);
    return Print(text);
  }

  absl::Status WriteLayerOutputs(const engine::TokenizedText& text, const std::string& path) {
    QL_ASSIGN_OR_RETURN(const engine::TensorMap outputs, engine::ReadLayerOutputs(*model_, text));
    return engine::WriteSafetensors(path, outputs);
  }

  PredictOptions options_;
  int64_t line_number_ = 0;
  std::unique_ptr<engine::Encoder> model_;
  std::unique_ptr<engine::Tokenizer> tokenizer_;
};

}  // namespace

absl::Status Print(const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = write(STDOUT_FILENO, text.data() + written, text.size() - written);
    if (n > 0) written += static_cast<size_t>(n);
    if (n < 0 && errno != EINTR) {
      return absl::UnknownError(absl::StrCat("writing to standard output: ", std::strerror(errno)));
    }
  }
  return absl::OkStatus();
}

absl::Status Tokenize(const TokenizeOptions& options) {
  QL_ASSIGN_OR_RETURN(const auto tokenizer, engine::Tokenizer::Load(options.model));
  const bool pairs = options.pairs || ReadsPairs(options.model);
  if (pairs && !tokenizer->encodes_pairs()) {
    return MessageStatus(absl::StatusCode::kInvalidArgument, messages::kNoPairTemplate(options.model));
  }
  LineReader lines(STDIN_FILENO);
  std::string text;
  for (int64_t number = 1;; ++number) {
    QL_ASSIGN_OR_RETURN(const std::optional<std::string> line, lines.Next());
    if (!line) return Print(text);
    QL_ASSIGN_OR_RETURN(const Line parts, SplitLine(*line, number, pairs));
    if (parts.second) {
      text += PairToJson(tokenizer->EncodePair(parts.first, *parts.second, options.max_length));
    } else {
      absl::StrAppend(&text, "[", absl::StrJoin(tokenizer->Encode(*line, options.max_length), ", "), "]\n");
    }
    if (text.size() < (1 << 16) && lines.Ready()) continue;
    QL_RETURN_IF_ERROR(Print(text));
    text.clear();
  }
}

absl::Status Predict(const PredictOptions& options) {
  QL_RETURN_IF_ERROR(engine::CheckDevice(options.device));
  engine::SetUpDeterminism(options.threads, 0);
  QL_ASSIGN_OR_RETURN(const auto predictor, Predictor::Load(options));
  LineReader lines(STDIN_FILENO);
  return predictor->Run(lines);
}

absl::Status Bench(const BenchCommandOptions& options) {
  QL_RETURN_IF_ERROR(engine::CheckDevice(options.device));
  const int threads = engine::SetUpDeterminism(options.threads, options.seed);
  std::vector<engine::SideBySide::Input> inputs;
  for (const std::string& folder : options.models) inputs.push_back({folder, folder});
  QL_ASSIGN_OR_RETURN(const auto models, engine::SideBySide::Load(inputs, options.device));
  Json results = Json::array();
  for (int batch_size : options.batch_sizes) {
    engine::BenchOptions bench;
    bench.batch_size = batch_size;
    bench.sequence_length = options.sequence_length;
    bench.warmup_iterations = options.warmup_iterations;
    bench.min_samples = options.min_samples;
    bench.min_duration_seconds = options.min_duration_seconds;
    bench.until_narrow = true;
    bench.seed = options.seed;
    QL_ASSIGN_OR_RETURN(const engine::SideBySideResult result, models->Run(bench));
    if (!options.json) QL_RETURN_IF_ERROR(Print(ResultTable(result, batch_size, options.sequence_length)));
    results.push_back(ResultToJson(result, batch_size));
  }
  if (!options.json) return absl::OkStatus();
  const Environment environment = DescribeRunner(options.device, threads);
  const Json json = {{"version", 1},
                     {"fingerprint", environment.fingerprint},
                     {"facts", environment.facts},
                     {"sequence_length", options.sequence_length},
                     {"results", results}};
  return Print(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

absl::Status SelfTest(const Device& device, int threads) {
  engine::SetUpDeterminism(threads, /*seed=*/0);
  QL_RETURN_IF_ERROR(engine::TestDevice(device));
  return Print(absl::StrCat("device ", device.name(), " passed\n"));
}

absl::Status PrintTimes(const TimingRequest& request) {
  QL_ASSIGN_OR_RETURN(const std::vector<ShapeTimes> times, MeasureTimes(request));
  return Print(TimesToJson(times));
}

absl::Status Info(bool as_json) {
  const std::vector<Device> devices = engine::AvailableDevices();
  // The same number of threads as an attempt that asks for none in particular.
  const Environment environment = DescribeRunner(devices.back(), engine::UsableCores());
  if (as_json) {
    Json methods = Json::array();
    for (const MethodSpec& spec : AllMethods())
      methods.push_back({{"name", spec.name}, {"version", spec.version}});
    // Of this runner, not of an attempt's environment: reports do not show it.
    Json facts = environment.facts;
    for (const RunnerFeature& feature : kRunnerFeatures) facts[feature.fact] = true;
    const Json json = {{"version", 1},
                       {"devices", DeviceNames(devices)},
                       {"methods", methods},
                       {"fingerprint", environment.fingerprint},
                       {"facts", facts}};
    return Print(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }
  std::string text = absl::StrCat("devices: ", absl::StrJoin(DeviceNames(devices), ", "),
                                  "\nfingerprint: ", environment.fingerprint, "\n");
  for (const auto& [name, value] : environment.facts) absl::StrAppend(&text, name, ": ", value, "\n");
  AppendMethods(text);
  return Print(text);
}

}  // namespace quantlab::runner
