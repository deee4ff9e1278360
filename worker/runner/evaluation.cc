#include "worker/runner/evaluation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/files.h"
#include "base/messages/message_catalogue.h"
#include "base/messages/messages.h"
#include "base/statistics/numbers.h"
#include "base/statistics/paired_margin.h"
#include "base/status_macros.h"
#include "base/text/list.h"
#include "worker/engine/input_checks/input_checks.h"
#include "worker/engine/models/encode_text.h"
#include "worker/engine/train/evaluate.h"

namespace quantlab::runner {
namespace {

// Of a message: entries of a list.
constexpr size_t kMaxListed = 20;
constexpr int64_t kMaxPredictionsBytes = int64_t{1} << 30;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Whether a loss by the margin, which was declared beforehand, or more is excluded.
void RecordNonInferiority(Attempt& attempt, double p, const std::string& split, int64_t texts) {
  for (const auto& [name, value] :
       {std::pair{"non_inferiority_p_value", p}, {"non_inferior", p <= kNonInferiorityError ? 1.0 : 0.0}}) {
    Metric metric = QualityMetric(name, value, split, texts);
    metric.labels["margin"] = RoundTrip(attempt.config().evaluation.non_inferiority_margin);
    attempt.Record(std::move(metric));
  }
}

void DescribeLabels(Attempt& attempt, const engine::Dataset& data) {
  const engine::DatasetSummary& summary = data.summary;
  if (data.numeric) {
    attempt.Log(absl::StrCat("labels are numbers from ", summary.lowest, " to ", summary.highest));
    return;
  }
  std::vector<std::string> classes;
  for (size_t i = 0; i < data.labels.size(); ++i) {
    classes.push_back(absl::StrCat(data.labels[i], " (", summary.class_rows[i], ")"));
  }
  attempt.Log(absl::StrCat(data.labels.size(), " classes with their rows: ", SomeOf(classes, kMaxListed)));
}

void DescribeSplits(Attempt& attempt, const engine::Dataset& data) {
  const engine::DatasetSummary& s = data.summary;
  attempt.Log(absl::StrCat("dataset ", attempt.config().dataset.asset.name, " (", data.format, ", ",
                           s.encoding, "): ", s.rows_read, " rows; train ", data.train.size(),
                           ", validation ", data.validation.size(), ", test ", data.test.size(),
                           s.official_test ? " (official test split)" : "", "; filtered ", s.rows_filtered,
                           ", duplicates ", s.duplicates_dropped, ", conflicting ", s.conflicts_dropped,
                           ", leaked ", s.leaked_dropped));
  DescribeLabels(attempt, data);
  for (const std::string& note : s.notes) attempt.Log(note);
  for (const Message& caveat : s.caveats) {
    const std::string code = caveat.code.substr(caveat.code.find('.') + 1);
    attempt.Warn(code, caveat);
  }
  if (s.unused > 0) {
    const auto count = [](const std::vector<engine::Example>& split) {
      return static_cast<int64_t>(split.size());
    };
    attempt.Warn("subset",
                 messages::kSubset(count(data.train), count(data.validation), count(data.test), s.unused));
  }
}

// Detects a tokenizer of another language or model by its share of unknown words. WordPiece's pieces that
// continue a word ("##ing") are not counted as words.
void WarnAboutUnknownWords(Attempt& attempt, const engine::Tokenizer& tokenizer,
                           const std::vector<engine::TokenizedText>& texts) {
  constexpr double kMuch = 0.2;
  int64_t unknown = 0, words = 0;
  for (const engine::TokenizedText& text : texts) {
    for (const int32_t id : text.ids) {
      if (id == tokenizer.cls_id() || id == tokenizer.sep_id()) continue;
      unknown += id == tokenizer.unk_id();
      words += !absl::StartsWith(tokenizer.TokenText(id), "##");
    }
  }
  const double share = static_cast<double>(unknown) / static_cast<double>(std::max<int64_t>(words, 1));
  if (share <= kMuch) return;
  attempt.Warn("unknown_words", messages::kUnknownWords(share));
}

absl::StatusOr<engine::Logits> PredictedLogits(Attempt& attempt, engine::Encoder& model,
                                               const engine::LabelledTexts& data, const Message& phase) {
  return engine::PredictLogits(
      model, data.texts, attempt.config().evaluation.batch_size,
      [&](int64_t done, int64_t total) { return attempt.Report(phase, done, total, "text"); });
}

absl::Status CheckFinite(const engine::Logits& logits, const std::string& split) {
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::all_of(logits[i].begin(), logits[i].end(), [](float v) { return std::isfinite(v); })) continue;
    return MessageStatus(absl::StatusCode::kFailedPrecondition,
                         messages::kLogitNotFinite(static_cast<int64_t>(i), split));
  }
  return absl::OkStatus();
}

template <typename Number>
bool ReadNumbers(const nlohmann::json& json, const char* key, std::vector<Number>* values) {
  for (const auto& value : json.value(key, nlohmann::json::array())) {
    const bool fits = std::is_integral_v<Number> ? value.is_number_integer() : value.is_number();
    if (!fits) return false;
    values->push_back(value.get<Number>());
  }
  return true;
}

}  // namespace

absl::StatusOr<engine::Dataset> ReadDataset(Attempt& attempt) {
  const Message phase = messages::kReadingDataset();
  attempt.Report(phase, 0, 0, "byte");
  QL_ASSIGN_OR_RETURN(engine::Dataset data,
                      engine::LoadDataset(attempt.config().dataset, attempt.job().dataset_folder,
                                          [&](int64_t done, int64_t total) {
                                            return attempt.Report(phase, done, total, "byte");
                                          }));
  DescribeSplits(attempt, data);
  return data;
}

absl::StatusOr<engine::LabelledTexts> TokenizeExamples(Attempt& attempt, const engine::Tokenizer& tokenizer,
                                                       const engine::EncoderConfig& config,
                                                       const std::vector<engine::Example>& examples,
                                                       const std::string& what) {
  engine::LabelledTexts data;
  const int64_t total = static_cast<int64_t>(examples.size());
  const Message phase = messages::kTokenizing(what);
  for (const engine::Example& example : examples) {
    data.texts.push_back(engine::EncodeText(tokenizer, config, example.text, example.pair,
                                            attempt.config().dataset.max_length));
    if (example.value) {
      data.values.push_back(*example.value);
    } else {
      data.labels.push_back(example.label);
    }
    if (!attempt.Report(phase, static_cast<int64_t>(data.texts.size()), total, "text")) {
      return MessageStatus(absl::StatusCode::kCancelled,
                           messages::kStopped(phase, static_cast<int64_t>(data.texts.size()), total));
    }
  }
  return data;
}

absl::StatusOr<std::unique_ptr<engine::Tokenizer>> LoadTokenizer(const std::string& folder,
                                                                 const engine::EncoderConfig& config,
                                                                 int max_length,
                                                                 std::optional<engine::TruncationSide> side) {
  QL_ASSIGN_OR_RETURN(auto tokenizer, engine::Tokenizer::Load(folder, side));
  QL_RETURN_IF_ERROR(engine::CheckTokenizer(*tokenizer, config, folder, max_length));
  if (config.text_pairs) QL_RETURN_IF_ERROR(engine::CheckPairs(*tokenizer, config, folder, max_length));
  return tokenizer;
}

absl::StatusOr<Evaluation> Evaluate(Attempt& attempt, engine::Encoder& model,
                                    const engine::Tokenizer& tokenizer,
                                    const std::vector<engine::Example>& examples, const std::string& split,
                                    const std::string& digest) {
  QL_ASSIGN_OR_RETURN(engine::LabelledTexts data,
                      TokenizeExamples(attempt, tokenizer, model.config(), examples, split + " texts"));
  if (attempt.config().kind == RunKind::kBaseline && split == "test") {
    WarnAboutUnknownWords(attempt, tokenizer, data.texts);
  }
  Evaluation evaluation;
  evaluation.split = split;
  evaluation.digest = digest;
  const auto start = std::chrono::steady_clock::now();
  QL_ASSIGN_OR_RETURN(evaluation.logits, PredictedLogits(attempt, model, data, messages::kEvaluating(split)));
  Metric time{"evaluation_time", SecondsSince(start), "s", {{"split", split}}, 0, {}, {}, 0};
  QL_RETURN_IF_ERROR(CheckFinite(evaluation.logits, split));
  const TaskResults& results = ResultsOf(engine::TaskOf(model.config()).spec());
  evaluation.predictions = results.Answer(evaluation.logits, data);
  QL_RETURN_IF_ERROR(results.RecordQuality(attempt, evaluation.predictions, split,
                                           static_cast<int>(model.config().num_labels())));
  attempt.Record(std::move(time));
  return evaluation;
}

absl::StatusOr<Predictions> Predict(Attempt& attempt, engine::Encoder& model,
                                    const engine::Tokenizer& tokenizer,
                                    const std::vector<engine::Example>& examples, const Message& phase) {
  QL_ASSIGN_OR_RETURN(const engine::LabelledTexts data,
                      TokenizeExamples(attempt, tokenizer, model.config(), examples, "test examples"));
  QL_ASSIGN_OR_RETURN(const engine::Logits logits, PredictedLogits(attempt, model, data, phase));
  return ResultsOf(engine::TaskOf(model.config()).spec()).Answer(logits, data);
}

absl::Status AlignWithModel(Attempt& attempt, const std::string& model_folder, engine::Dataset* data) {
  if (data->numeric) return absl::OkStatus();
  QL_ASSIGN_OR_RETURN(const engine::EncoderConfig config,
                      engine::ReadModelConfig(absl::StrCat(model_folder, "/config.json")));
  const absl::Status aligned = engine::AlignClasses(config.labels, attempt.config().dataset.label_map, data);
  return aligned.ok() ? aligned : Annotate(aligned, model_folder);
}

absl::Status WritePredictions(Attempt& attempt, const Evaluation& evaluation,
                              const engine::Dataset& dataset) {
  const TaskResults& results = ResultsOf(TaskNamed(attempt.config().dataset.task));
  std::string csv = absl::StrCat("row,", results.CsvHeader(dataset), "\n");
  for (size_t i = 0; i < evaluation.logits.size(); ++i) {
    absl::StrAppend(&csv, dataset.test[i].row, ",",
                    results.CsvRow(evaluation.predictions, evaluation.logits, i, dataset), "\n");
  }
  return attempt.WriteArtifact("predictions.csv", csv);
}

absl::Status SaveTestPredictions(const Evaluation& evaluation, int max_length,
                                 const std::string& model_folder) {
  const Predictions& predictions = evaluation.predictions;
  nlohmann::ordered_json json = {
      {"version", 1}, {"split", evaluation.split}, {"digest", evaluation.digest}, {"max_length", max_length}};
  if (predictions.outputs.empty()) {
    json["labels"] = predictions.labels;
    json["predicted"] = predictions.predicted;
  } else {
    json["values"] = predictions.values;
    json["outputs"] = predictions.outputs;
  }
  return WriteFileAtomically(absl::StrCat(model_folder, "/", kTestPredictionsFile), json.dump() + "\n");
}

absl::StatusOr<TestPredictions> ReadTestPredictions(const std::string& model_folder) {
  const std::string path = absl::StrCat(model_folder, "/", kTestPredictionsFile);
  QL_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxPredictionsBytes));
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto damaged = [&path] {
    return absl::InvalidArgumentError(absl::StrCat(path, ": damaged, or of another version"));
  };
  const auto text_of = [&json](const char* key) {
    return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
  };
  if (!json.is_object() || json.value("version", nlohmann::json()) != 1) return damaged();
  TestPredictions read;
  read.split = text_of("split");
  read.digest = text_of("digest");
  const nlohmann::json max_length = json.value("max_length", nlohmann::json());
  if (!max_length.is_number_integer() || read.digest.empty()) return damaged();
  read.max_length = max_length.get<int>();
  Predictions& found = read.predictions;
  const bool numbers =
      ReadNumbers(json, "predicted", &found.predicted) && ReadNumbers(json, "labels", &found.labels) &&
      ReadNumbers(json, "outputs", &found.outputs) && ReadNumbers(json, "values", &found.values);
  // Files of earlier versions have no labels.
  const bool labels_fit = found.labels.empty() || found.labels.size() == found.predicted.size();
  if (!numbers || !labels_fit || found.values.size() != found.outputs.size()) return damaged();
  return read;
}

absl::StatusOr<Predictions> LoadTestPredictions(const Evaluation& same_split, int max_length,
                                                const std::string& model_folder) {
  QL_ASSIGN_OR_RETURN(TestPredictions saved, ReadTestPredictions(model_folder));
  const std::string path = absl::StrCat(model_folder, "/", kTestPredictionsFile);
  if (saved.digest != same_split.digest || saved.max_length != max_length) {
    return absl::NotFoundError(absl::StrCat(path, ": of other texts"));
  }
  const Predictions& own = same_split.predictions;
  const bool same_kind = saved.predictions.predicted.size() == own.predicted.size() &&
                         saved.predictions.outputs.size() == own.outputs.size();
  if (!same_kind) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": damaged: ", saved.predictions.texts(), " predictions"));
  }
  // The same texts have the same labels; files of earlier versions have none.
  saved.predictions.labels = own.labels;
  return std::move(saved.predictions);
}

absl::Status RecordPaired(Attempt& attempt, const Evaluation& evaluation, const Predictions& baseline) {
  const TaskResults& results = ResultsOf(TaskNamed(attempt.config().dataset.task));
  const std::string& split = evaluation.split;
  const Predictions& own = evaluation.predictions;
  QL_ASSIGN_OR_RETURN(const PairedResult compared,
                      results.Compare(baseline, own, attempt.config().evaluation.non_inferiority_margin,
                                      attempt.config().seed));
  results.RecordChanges(attempt, baseline, own, split);
  Metric difference = QualityMetric(results.spec().difference, compared.difference, split, own.texts());
  difference.low = compared.interval.low;
  difference.high = compared.interval.high;
  attempt.Record(std::move(difference));
  RecordNonInferiority(attempt, compared.non_inferiority_p, split, own.texts());
  attempt.Record(QualityMetric(results.spec().p_value, compared.p_value, split, compared.samples));
  return absl::OkStatus();
}

}  // namespace quantlab::runner
